"""What external systems told us, and the topics that they tell of."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
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

webhook_event = Table(
    "webhook_event",
    metadata,
    *identity(),
    Column("integration_id", Uuid, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("external_id", Text),
    Column("body", LargeBinary),
    Column("key_id", Text),
    Column("state", Text, nullable=False, server_default=text("'received'")),
    now("received_at"),
    Column("processed_at", MOMENT),
    Column("records", JSONB, nullable=False, server_default=text("'{}'")),
    txt("reason"),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    UniqueConstraint("integration_id", "delivery_id"),
    CheckConstraint("state IN ('received', 'asked', 'ignored')", name="state"),
    Index("ix_webhook_event_record", "integration_id", "external_id", "received_at"),
    Index("ix_webhook_event_open", "received_at", postgresql_where=text("state = 'received'")),
    schema="sync",
)

webhook_topic = Table(
    "webhook_topic",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("integration_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("events", BigInteger, nullable=False, server_default=text("0")),
    Column("last_received_at", MOMENT),
    txt("registered_as"),
    Column("checked_at", MOMENT),
    txt("error"),
    PrimaryKeyConstraint("integration_id", "topic"),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    schema="sync",
)
