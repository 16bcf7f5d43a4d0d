"""Runs that belong together: what was tried again because of a log, and what a log was the next try of."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.listings import Row
from db.session import tenant_transaction

MOST = 100

# A log comes back to its parents, each parent to what was asked from it; a request that was interrupted goes
# on in another run, and a pair of both directions has a log for each.
_FAMILY = text(
    "WITH RECURSIVE above AS (SELECT l.id, l.parent_id FROM sync.sync_log l WHERE l.id = :log"
    " UNION SELECT p.id, p.parent_id FROM above a JOIN sync.sync_log p ON p.id = a.parent_id),"
    " below AS (SELECT id FROM above UNION SELECT c.id FROM below b JOIN sync.sync_log c"
    " ON c.parent_id = b.id),"
    " own AS (SELECT request_id, flow_run_id FROM sync.sync_log WHERE id = :log),"
    " family AS (SELECT id FROM below UNION SELECT r.id FROM own JOIN sync.sync_log r"
    " ON r.request_id = own.request_id UNION SELECT f.id FROM own JOIN sync.sync_log f"
    " ON f.flow_run_id = own.flow_run_id)"
    " SELECT l.id, l.parent_id, l.request_id, l.direction, l.status, l.initiated_by, l.started_at,"
    " l.processed, l.success, l.errors, l.skipped, CAST(l.duration_seconds AS float8) AS seconds, l.message,"
    " r.requested_by FROM family f JOIN sync.sync_log l ON l.id = f.id"
    " LEFT JOIN sync.run_request r ON r.id = l.request_id ORDER BY l.started_at, l.id LIMIT :limit"
)


async def family(engine: AsyncEngine, tenant_id: UUID, log_id: UUID) -> list[Row]:
    """The log itself and all that belongs to it, the oldest first. Raises `DatabaseUnavailable`."""
    values: dict[str, Any] = {"log": log_id, "limit": MOST}
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_FAMILY, values)]
