"""Legacy migrations: files of old ERPs, what is read from them and how, and the rows that were refused."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.models.columns import MOMENT, identity, metadata, now, refers, txt

legacy_file = Table(
    "legacy_file",
    metadata,
    *identity(),
    Column("sha256", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", Integer, nullable=False),
    now("created_at"),
    UniqueConstraint("tenant_id", "sha256"),
    schema="sync",
)

legacy_file_part = Table(
    "legacy_file_part",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("file_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("file_id", "number"),
    refers("file_id", "sync.legacy_file", on_delete="CASCADE"),
    schema="sync",
)

migration = Table(
    "migration",
    metadata,
    *identity(),
    Column("integration_id", Uuid, nullable=False),
    Column("pair_id", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("file_id", Uuid),
    Column("options", JSONB, nullable=False, server_default=text("'{}'")),
    Column("columns", JSONB, nullable=False, server_default=text("'[]'")),
    txt("fingerprint"),
    Column("state", Text, nullable=False, server_default=text("'ready'")),
    Column("dry_run", Boolean, nullable=False, server_default=text("true")),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    txt("message"),
    Column("requested_by", Text, nullable=False),
    Column("flow_run_id", Uuid),
    now("created_at"),
    Column("started_at", MOMENT),
    Column("ended_at", MOMENT),
    Column("applied_at", MOMENT),
    Column("sample", JSONB, nullable=False, server_default=text("'[]'")),
    Column("others", JSONB, nullable=False, server_default=text("'[]'")),
    Column("total", Integer),
    Column("asked_run", Uuid),
    Column("asked_at", MOMENT),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    refers("pair_id", "sync.pair", on_delete="CASCADE"),
    refers("file_id", "sync.legacy_file", on_delete="CASCADE"),
    CheckConstraint("state IN ('ready', 'running', 'done', 'failed')", name="state"),
    Index("uq_migration_running", "pair_id", unique=True, postgresql_where=text("state = 'running'")),
    Index("ix_migration_listing", "tenant_id", text("created_at DESC")),
    schema="sync",
)

migration_rejection = Table(
    "migration_rejection",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("migration_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    txt("field"),
    Column("reason", Text, nullable=False),
    Column("cells", JSONB, nullable=False),
    PrimaryKeyConstraint("migration_id", "number"),
    refers("migration_id", "sync.migration", on_delete="CASCADE"),
    schema="sync",
)
