"""Who is signed in and who is on the way, programs with a key of the API and what they were answered."""

from sqlalchemy import (
    ARRAY,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from db.models.columns import MOMENT, identity, metadata, now, txt

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("tenant_id", Uuid),
    now("created_at"),
    now("seen_at"),
    txt("agent"),
    ForeignKeyConstraint(["user_id"], ["sync.user.id"], ondelete="CASCADE"),
    Index("ix_session_user", "user_id"),
    Index("ix_session_seen", "seen_at"),
    schema="sync",
)

api_key = Table(
    "api_key",
    metadata,
    *identity(),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_by", Text, nullable=False),
    now("created_at"),
    Column("used_at", MOMENT),
    Column("expires_at", MOMENT),
    Column("revoked_at", MOMENT),
    UniqueConstraint("key_hash"),
    Index("ix_api_key_listing", "tenant_id", "id"),
    schema="sync",
)

sign_in_failure = Table(
    "sign_in_failure",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("erp.uuid7()")),
    Column("subject", LargeBinary, nullable=False),
    now("at"),
    Index("ix_sign_in_failure_subject", "subject", "at"),
    schema="sync",
)

sign_in_attempt = Table(
    "sign_in_attempt",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("back", Text, nullable=False),
    now("created_at"),
    Index("ix_sign_in_attempt_created_at", "created_at"),
    schema="sync",
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer),
    txt("content_type"),
    Column("body", LargeBinary),
    now("created_at"),
    Index("ix_idempotency_key_created_at", "created_at"),
    schema="sync",
)
