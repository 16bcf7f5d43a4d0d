"""What runs leave behind: logs, issues, alarms and tickets."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.models.columns import MOMENT, identity, metadata, now, refers, txt


def counter(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


sync_log = Table(
    "sync_log",
    metadata,
    *identity(),
    Column("integration_id", Uuid, nullable=False),
    Column("pair_id", Uuid),
    Column("entity", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'running'")),
    Column("initiated_by", Text, nullable=False),
    Column("flow_run_id", Uuid, unique=True),
    Column("slot_at", MOMENT),
    now("started_at"),
    Column("ended_at", MOMENT),
    Column(
        "duration_seconds",
        Numeric(12, 3),
        Computed("EXTRACT(EPOCH FROM (ended_at - started_at))", persisted=True),
    ),
    counter("processed"),
    counter("success"),
    counter("errors"),
    counter("skipped"),
    counter("created"),
    counter("updated"),
    Column("full_scan", Boolean, nullable=False, server_default=text("false")),
    Column("total", Integer),
    Column("error_class", Text),
    txt("message"),
    txt("cause"),
    txt("remedy"),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("resolved_at", MOMENT),
    Column("resolved_by", Text),
    Column("resolved_reason", Text),
    Column("parent_id", Uuid),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    CheckConstraint("processed = success + errors + skipped", name="conservation"),
    CheckConstraint("success = created + updated", name="success"),
    CheckConstraint("direction IN ('import', 'export')", name="direction"),
    CheckConstraint(
        "status IN ('running', 'success', 'partial', 'error', 'deferred', 'skipped', 'cancelled',"
        " 'interrupted')",
        name="status",
    ),
    CheckConstraint("(status = 'running') = (ended_at IS NULL)", name="ended"),
    CheckConstraint("initiated_by IN ('schedule', 'manual', 'webhook', 'reprocess')", name="initiated_by"),
    Index("ix_sync_log_listing", "tenant_id", text("started_at DESC"), text("id DESC")),
    Index("ix_sync_log_integration", "integration_id", text("started_at DESC"), text("id DESC")),
    Index("ix_sync_log_pair", "pair_id", text("started_at DESC")),
    Index("ix_sync_log_running", "started_at", postgresql_where=text("status = 'running'")),
    schema="sync",
)

issue = Table(
    "issue",
    metadata,
    *identity(),
    Column("sync_log_id", Uuid, nullable=False),
    Column("integration_id", Uuid, nullable=False),
    Column("pair_id", Uuid),
    Column("entity", Text, nullable=False),
    Column("direction", Text, nullable=False),
    txt("external_id"),
    Column("internal_id", Uuid),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("error_class", Text, nullable=False),
    txt("field"),
    txt("message"),
    txt("cause"),
    txt("remedy"),
    Column("fault", Text, nullable=False),
    Column("provider_code", Text),
    Column("provider_message", Text),
    Column("payload", LargeBinary),
    Column("key_id", Text),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("next_attempt_at", MOMENT),
    Column("resolved_at", MOMENT),
    Column("resolved_by", Text),
    now("created_at"),
    refers("sync_log_id", "sync.sync_log", on_delete="CASCADE"),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    CheckConstraint("state IN ('open', 'resolved')", name="state"),
    Index("ix_issue_log", "sync_log_id", "id"),
    Index(
        "ix_issue_open", "integration_id", "entity", "external_id", postgresql_where=text("state = 'open'")
    ),
    schema="sync",
)

alarm = Table(
    "alarm",
    metadata,
    *identity(),
    Column("integration_id", Uuid),
    Column("pair_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    now("opened_at"),
    Column("closed_at", MOMENT),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    refers("pair_id", "sync.pair", on_delete="CASCADE"),
    Index(
        "uq_alarm_open",
        "pair_id",
        "kind",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
    schema="sync",
)

support_ticket = Table(
    "support_ticket",
    metadata,
    *identity(),
    Column("sync_log_id", Uuid),
    Column("number", Text, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    now("created_at"),
    refers("sync_log_id", "sync.sync_log"),
    Index("uq_support_ticket_number", "tenant_id", "number", unique=True),
    schema="sync",
)
