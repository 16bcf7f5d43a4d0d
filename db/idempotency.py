"""What a key of idempotency was answered: the same request again gets the same answer, and does nothing.

A key without an answer is of a request under way, or of one whose process died: whether it did anything is
not known, so it is never done again. Every function raises `DatabaseUnavailable`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.session import tenant_transaction

KEPT = timedelta(days=7)

_FORGET_OLD = text(
    "DELETE FROM sync.idempotency_key WHERE key = :key AND created_at < now() - CAST(:kept AS interval)"
)
_CLAIM = text(
    "INSERT INTO sync.idempotency_key (tenant_id, key, fingerprint) VALUES (:tenant, :key, :fingerprint)"
    " ON CONFLICT DO NOTHING"
)
_READ = text(
    "SELECT fingerprint, status, content_type, body FROM sync.idempotency_key WHERE key = :key FOR SHARE"
)
_KEEP = text(
    "UPDATE sync.idempotency_key SET status = :status, content_type = :type, body = :body WHERE key = :key"
)
_RELEASE = text("DELETE FROM sync.idempotency_key WHERE key = :key AND status IS NULL")


@dataclass(frozen=True, slots=True)
class Earlier:
    """The request that the key is of. `status` is None while it has no answer."""

    fingerprint: bytes
    status: int | None
    content_type: str
    body: bytes


async def claim(engine: AsyncEngine, tenant_id: UUID, key: str, fingerprint: bytes) -> Earlier | None:
    """None where the key is new: it is this request's from now on."""
    values = {"tenant": tenant_id, "key": key, "fingerprint": fingerprint, "kept": KEPT}
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_FORGET_OLD, values)
        if (await connection.execute(_CLAIM, values)).rowcount == 1:
            return None
        row = (await connection.execute(_READ, values)).one_or_none()
    # Released in between: whoever had it did nothing, and this request may be sent again.
    return Earlier(fingerprint, None, "", b"") if row is None else _earlier(row)


async def keep(
    engine: AsyncEngine, tenant_id: UUID, key: str, status: int, content_type: str, body: bytes
) -> None:
    values = {"key": key, "status": status, "type": content_type, "body": body}
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_KEEP, values)


async def release(engine: AsyncEngine, tenant_id: UUID, key: str) -> None:
    """The request was refused and did nothing: the key is free."""
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_RELEASE, {"key": key})


def _earlier(row: Row[Any]) -> Earlier:
    return Earlier(bytes(row.fingerprint), row.status, row.content_type, bytes(row.body or b""))
