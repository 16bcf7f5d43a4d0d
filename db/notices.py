"""Notices to people, through an outbox: written with their cause, delivered by the sentinel.

A delivery is claimed in a short transaction of its own and is sent outside of any, for an open transaction
holds the exports back. One that was claimed and never settled is claimed again: at least once.

Subjects and bodies hold names of integrations, entities and errors, counts and advice; no secret and no
personal data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.session import system_transaction, tenant_transaction

BACKOFF = (30, 120, 600, 1800, 7200, 21600, 43200)
"""Seconds after the first, second, … failure; after one more than these it is given up."""
HELD_SECONDS = 300
"""A claim lasts so long; the longest delivery takes a fraction of it."""
LONGEST_ERROR = 500
STATES = {"pending": "na fila", "sent": "enviado", "failed": "desistido", None: "sem canal"}
"""Of a delivery, as people read it."""

_ANNOUNCE = text(
    "WITH n AS (INSERT INTO sync.notice (tenant_id, integration_id, kind, subject, body)"
    " VALUES (:tenant, :integration, :kind, :subject, :body) RETURNING id, tenant_id),"
    " d AS (INSERT INTO sync.notice_delivery (tenant_id, notice_id, channel_id)"
    " SELECT n.tenant_id, n.id, c.id FROM n JOIN sync.channel c ON c.tenant_id = n.tenant_id"
    " WHERE c.enabled AND (CAST(:channel AS uuid) IS NULL OR c.id = :channel))"
    " SELECT id FROM n"
)
_CLAIM = text(
    "UPDATE sync.notice_delivery d SET attempts = d.attempts + 1,"
    " next_attempt_at = now() + make_interval(secs => :held)"
    " FROM sync.notice n, sync.channel c WHERE d.id IN (SELECT id FROM sync.notice_delivery"
    " WHERE state = 'pending' AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT :limit"
    " FOR UPDATE SKIP LOCKED) AND n.id = d.notice_id AND c.id = d.channel_id"
    " RETURNING d.id, d.tenant_id, d.attempts, d.channel_id, c.address, d.notice_id, n.kind, n.subject,"
    " n.body, n.created_at,"
    " (SELECT i.name FROM sync.integration i WHERE i.id = n.integration_id) AS integration"
)
_SENT = text("UPDATE sync.notice_delivery SET state = 'sent', sent_at = now(), error = '' WHERE id = :id")
_FAILED = text(
    "UPDATE sync.notice_delivery SET error = :error, state = :state,"
    " next_attempt_at = now() + make_interval(secs => :seconds)"
    " WHERE id = :id AND state = 'pending' AND attempts = :attempts"
)
_NOTICES = text(
    "SELECT n.id, n.kind, n.subject, n.created_at, i.name AS integration, c.name AS channel, d.state,"
    " d.attempts, d.next_attempt_at, d.sent_at, coalesce(d.error, '') AS error FROM sync.notice n"
    " LEFT JOIN sync.integration i ON i.id = n.integration_id"
    " LEFT JOIN sync.notice_delivery d ON d.notice_id = n.id"
    " LEFT JOIN sync.channel c ON c.id = d.channel_id"
    " WHERE CAST(:notice AS uuid) IS NULL OR n.id = :notice"
    " ORDER BY n.created_at DESC, n.id DESC, c.name LIMIT :limit"
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """`kind` is for programs; `subject` is one line, `body` plain text in Portuguese."""

    kind: str
    subject: str
    body: str
    integration_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery. `address` is sealed; `attempt` counts from 1."""

    id: UUID
    tenant_id: UUID
    attempt: int
    channel_id: UUID
    address: bytes
    notice_id: UUID
    kind: str
    subject: str
    body: str
    created_at: datetime
    integration: str | None


async def announce(
    connection: AsyncConnection, tenant_id: UUID, notice: Notice, *, channel_id: UUID | None = None
) -> UUID:
    """Write a notice and its deliveries, one for each enabled channel (or for one), in the caller's
    transaction: where the cause is rolled back there is no notice either.
    """
    values = {
        "tenant": tenant_id,
        "integration": notice.integration_id,
        "kind": notice.kind,
        "subject": " ".join(notice.subject.split()),
        "body": notice.body,
        "channel": channel_id,
    }
    return UUID(str((await connection.execute(_ANNOUNCE, values)).scalar_one()))


async def claim(engine: AsyncEngine, limit: int) -> list[Delivery]:
    """Deliveries that are due, taken for `HELD_SECONDS`. Raises `DatabaseUnavailable`."""
    async with system_transaction(engine) as connection:
        rows = await connection.execute(_CLAIM, {"held": HELD_SECONDS, "limit": limit})
        return [
            Delivery(
                id=row.id,
                tenant_id=row.tenant_id,
                attempt=row.attempts,
                channel_id=row.channel_id,
                address=bytes(row.address),
                notice_id=row.notice_id,
                kind=row.kind,
                subject=row.subject,
                body=row.body,
                created_at=row.created_at,
                integration=row.integration,
            )
            for row in rows
        ]


async def settle(engine: AsyncEngine, delivery: Delivery, error: str | None) -> None:
    """Log how an attempt ended: sent, or `error` (pt-BR, no secret) and when it is tried again."""
    async with system_transaction(engine) as connection:
        if error is None:
            await connection.execute(_SENT, {"id": delivery.id})
            return
        over = delivery.attempt > len(BACKOFF)
        values = {
            "id": delivery.id,
            "attempts": delivery.attempt,
            "error": error[:LONGEST_ERROR],
            "state": "failed" if over else "pending",
            "seconds": 0 if over else BACKOFF[delivery.attempt - 1],
        }
        await connection.execute(_FAILED, values)


async def notices(
    engine: AsyncEngine, tenant_id: UUID, *, notice_id: UUID | None = None, limit: int = 50
) -> Sequence[Row]:
    """The delivery log, newest first: a row for each notice and channel, one with no channel where nobody
    was told. Raises `DatabaseUnavailable`.
    """
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = await connection.execute(_NOTICES, {"notice": notice_id, "limit": limit})
        return [dict(row._mapping) for row in rows]
