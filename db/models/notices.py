"""Notices to people, and where they are sent."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.schema import UniqueConstraint

from db.models.columns import MOMENT, identity, metadata, now, of_tenant, refers, txt

channel = Table(
    "channel",
    metadata,
    *identity(),
    Column("name", Text, nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    now("created_at"),
    of_tenant(),
    Index("uq_channel_name", "tenant_id", text("lower(name)"), unique=True),
    schema="sync",
)

notice = Table(
    "notice",
    metadata,
    *identity(),
    Column("integration_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    now("created_at"),
    refers("integration_id", "sync.integration", on_delete="CASCADE"),
    Index("ix_notice_listing", "tenant_id", text("created_at DESC"), text("id DESC")),
    schema="sync",
)

notice_delivery = Table(
    "notice_delivery",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("erp.uuid7()")),
    Column("tenant_id", Uuid, nullable=False),
    Column("notice_id", Uuid, nullable=False),
    Column("channel_id", Uuid, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    now("next_attempt_at"),
    txt("error"),
    Column("sent_at", MOMENT),
    refers("notice_id", "sync.notice", on_delete="CASCADE"),
    refers("channel_id", "sync.channel", on_delete="CASCADE"),
    UniqueConstraint("notice_id", "channel_id"),
    CheckConstraint("state IN ('pending', 'sent', 'failed')", name="state"),
    Index("ix_notice_delivery_pending", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    schema="sync",
)
