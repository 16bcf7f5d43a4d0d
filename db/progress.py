"""Runs under way as those see them who watch: counters, the last committed place, the newest failures."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.listings import Row
from db.session import tenant_transaction

NEWEST = 8
"""Failures that are told of."""

# The cursor is the pair's own: the run of a request, and a simulation, leave it alone. `silent`: the lease
# ran out, and the run is closed as interrupted within a minute.
_RUNS = text(
    "SELECT l.id, l.status, l.started_at, now() AS at, l.processed, l.success, l.created, l.updated,"
    " l.skipped, l.errors, l.total, l.dry_run, l.cancel_requested_by AS cancelled_by,"
    " c.updated_at AS checkpoint_at,"
    " coalesce(p.lease_log_id = l.id AND p.lease_expires_at < now(), false) AS silent"
    " FROM sync.sync_log l LEFT JOIN sync.pair p ON p.id = l.pair_id LEFT JOIN sync.cursor c"
    " ON c.pair_id = l.pair_id AND l.request_id IS NULL AND NOT l.dry_run AND c.updated_at >= l.started_at"
    " WHERE l.id = ANY(:ids)"
)
_FAILED = text(
    "SELECT n.* FROM unnest(CAST(:ids AS uuid[])) AS l (id) CROSS JOIN LATERAL (SELECT i.sync_log_id, i.id,"
    " i.external_id, i.internal_id, i.error_class, i.message FROM sync.issue i WHERE i.sync_log_id = l.id"
    " ORDER BY i.id DESC LIMIT :newest) n ORDER BY n.id DESC"
)


async def progress(engine: AsyncEngine, tenant_id: UUID, log_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """By log; `recent` are its newest failures. Raises `DatabaseUnavailable`."""
    values = {"ids": list(log_ids)}
    async with tenant_transaction(engine, tenant_id) as connection:
        runs = {
            row.id: dict(row._mapping) | {"recent": []} for row in await connection.execute(_RUNS, values)
        }
        failing = [id_ for id_, run in runs.items() if run["errors"]]
        if failing:
            for row in await connection.execute(_FAILED, {"ids": failing, "newest": NEWEST}):
                runs[row.sync_log_id]["recent"].append(dict(row._mapping))
    return runs
