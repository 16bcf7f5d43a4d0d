"""Discovery: links proposed between records that were never linked."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.models.columns import MOMENT, identity, metadata, now, refers, txt

discovery = Table(
    "discovery",
    metadata,
    *identity(),
    Column("integration_id", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    Column("requested_by", Text, nullable=False),
    now("created_at"),
    Column("applied_at", MOMENT),
    Column("applied_by", Text),
    Column("flow_run_id", Uuid),
    txt("message"),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    CheckConstraint("state IN ('running', 'proposed', 'applied', 'failed')", name="state"),
    Index(
        "uq_discovery_running",
        "integration_id",
        "entity",
        unique=True,
        postgresql_where=text("state = 'running'"),
    ),
    schema="sync",
)

proposal = Table(
    "proposal",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("erp.uuid7()")),
    Column("tenant_id", Uuid, nullable=False),
    Column("discovery_id", Uuid, nullable=False),
    Column("external_id", Text, nullable=False),
    txt("label"),
    txt("rule"),
    Column("internal_id", Uuid),
    Column("candidates", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("variants", JSONB, nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False),
    refers("discovery_id", "sync.discovery", on_delete="CASCADE"),
    CheckConstraint("state IN ('matched', 'ambiguous', 'unmatched', 'applied', 'dismissed')", name="state"),
    UniqueConstraint("discovery_id", "external_id"),
    Index("ix_proposal_discovery", "discovery_id", "state", "id"),
    schema="sync",
)
