"""What the sentinel reads and corrects: dead leases, runs that left no log, latest runs.

Every correction is a compare-and-set: a log that its own run finished is never written again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import RunStatus, Trigger
from db.session import system_transaction

DEATHS = 6
"""After so many interrupted runs in a row a pair waits for its schedule instead of being resumed. A record
that ends the process is found and left out within four."""

_EXPIRED = text(
    "SELECT p.id AS pair_id, p.lease_token, l.id AS log_id, l.flow_run_id FROM sync.pair p"
    " LEFT JOIN sync.sync_log l ON l.id = p.lease_log_id"
    " WHERE p.lease_log_id IS NOT NULL AND p.lease_expires_at < now() ORDER BY p.lease_expires_at LIMIT 500"
)
_ORPHANS = text(
    "SELECT l.id AS log_id, l.pair_id, l.flow_run_id FROM sync.sync_log l WHERE l.status = 'running'"
    " AND l.started_at < now() - make_interval(secs => :seconds)"
    " AND NOT EXISTS (SELECT FROM sync.pair p WHERE p.lease_log_id = l.id) LIMIT 500"
)
_RELEASE = text(
    "UPDATE sync.pair SET lease_log_id = NULL, lease_expires_at = NULL"
    " WHERE id = :pair AND lease_token = :token AND lease_expires_at < now()"
)
_CLOSE = text(
    "UPDATE sync.sync_log SET status = :status, ended_at = now(), message = :message, cause = :cause,"
    " remedy = :remedy WHERE id = :log AND status = 'running'"
)
_RESUMABLE = text(
    "SELECT l.id AS log_id, l.pair_id, l.initiated_by, l.flow_run_id,"
    " (SELECT count(*) FROM (SELECT status FROM sync.sync_log n WHERE n.pair_id = l.pair_id"
    " AND n.status <> 'skipped' ORDER BY n.started_at DESC LIMIT :deaths) newest"
    " WHERE newest.status = 'interrupted') AS deaths,"
    " (SELECT count(*) FROM sync.sync_log n WHERE n.pair_id = l.pair_id AND n.started_at > l.started_at"
    " AND n.status = 'skipped') AS refused"
    " FROM sync.sync_log l JOIN sync.pair p ON p.id = l.pair_id"
    " JOIN sync.integration i ON i.id = p.integration_id"
    " WHERE l.status = 'interrupted' AND l.ended_at > now() - interval '1 hour' AND p.enabled"
    " AND l.request_id IS NULL"  # a request is given back and triggered as such
    " AND i.status = 'active' AND i.deleted_at IS NULL AND NOT EXISTS (SELECT FROM sync.sync_log n"
    " WHERE n.pair_id = l.pair_id AND n.started_at > l.started_at AND n.request_id IS NULL"
    # Refused while Prefect still held the dead run's slot: nothing went on.
    " AND n.status <> 'skipped')"
)
_DOUBTFUL = text(
    "SELECT DISTINCT o.pair_id FROM sync.outbox o JOIN sync.pair p ON p.id = o.pair_id"
    " JOIN sync.integration i ON i.id = p.integration_id WHERE o.state IN ('sent', 'unknown')"
    " AND coalesce(o.next_attempt_at, o.updated_at + make_interval(secs => :first)) < now()"
    " AND (p.lease_log_id IS NULL OR p.lease_expires_at < now()) AND p.enabled AND i.status = 'active'"
    " AND i.deleted_at IS NULL"
)
_KNOWN = text("SELECT flow_run_id, ended_at FROM sync.sync_log WHERE flow_run_id = ANY(:ids)")
_INSERT = text(
    "INSERT INTO sync.sync_log (id, tenant_id, integration_id, pair_id, entity, direction, status,"
    " initiated_by, flow_run_id, slot_at, started_at, ended_at, message, cause, remedy, request_id)"
    " SELECT :id, p.tenant_id, p.integration_id, p.id, p.entity,"
    " CASE p.direction WHEN 'export' THEN 'export' ELSE 'import' END, :status, :initiated_by, :flow_run,"
    " :slot, :started, greatest(:ended, :started), :message, :cause, :remedy, CAST(:request AS uuid)"
    " FROM sync.pair p"
    " WHERE p.id = :pair ON CONFLICT (flow_run_id, direction) DO NOTHING"
)
_GIVEN_UP = text(
    "UPDATE sync.run_request SET state = 'cancelled', ended_at = now()"
    " WHERE id = :id AND pair_id = :pair AND state = 'waiting'"
)
_LATEST = text(
    "SELECT p.id, (SELECT max(l.started_at) FROM sync.sync_log l WHERE l.pair_id = p.id) AS started_at,"
    " p.lease_log_id IS NOT NULL AND p.lease_expires_at >= now() AS running FROM sync.pair p"
    " WHERE p.id = ANY(:pairs)"
)


@dataclass(frozen=True, slots=True)
class Dead:
    """A run whose lease ended. `log_id` and `flow_run_id` are None where only the lease was left behind."""

    pair_id: UUID | None
    log_id: UUID | None
    flow_run_id: UUID | None
    lease_token: int | None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A pair's newest log, which was interrupted, and how many of its newest logs were, up to `DEATHS`. Runs
    that were `refused` since do not count."""

    log_id: UUID
    pair_id: UUID
    initiated_by: Trigger
    flow_run_id: UUID | None
    deaths: int
    refused: int


@dataclass(frozen=True, slots=True)
class Ghost:
    """A run that ended in Prefect and left no log."""

    flow_run_id: UUID
    pair_id: UUID
    status: RunStatus
    initiated_by: Trigger
    slot_at: datetime | None
    started_at: datetime
    ended_at: datetime
    message: str
    cause: str = ""
    remedy: str = ""
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Latest:
    """When a pair's newest run started, and whether one holds its lease now."""

    started_at: datetime | None
    running: bool


async def dead_runs(engine: AsyncEngine, lease_seconds: float) -> list[Dead]:
    """Runs without a living lease. Raises `DatabaseUnavailable`, as everything here."""
    async with system_transaction(engine) as connection:
        expired = (await connection.execute(_EXPIRED)).all()
        orphans = (await connection.execute(_ORPHANS, {"seconds": lease_seconds})).all()
    return [Dead(row.pair_id, row.log_id, row.flow_run_id, row.lease_token) for row in expired] + [
        Dead(row.pair_id, row.log_id, row.flow_run_id, None) for row in orphans
    ]


async def bury(
    engine: AsyncEngine, dead: Dead, status: RunStatus, message: str, cause: str, remedy: str
) -> bool:
    """Close the log and clear the lease, unless the run came back to life; its counters stay as committed."""
    async with system_transaction(engine) as connection:
        if dead.lease_token is not None:
            values = {"pair": dead.pair_id, "token": dead.lease_token}
            if (await connection.execute(_RELEASE, values)).rowcount == 0:
                return False
        if dead.log_id is None:
            return False
        closed = await connection.execute(
            _CLOSE,
            {
                "log": dead.log_id,
                "status": status.value,
                "message": message,
                "cause": cause,
                "remedy": remedy,
            },
        )
    return closed.rowcount == 1


async def interrupted_runs(engine: AsyncEngine) -> list[Interrupted]:
    """Interrupted runs of the last hour that nothing followed."""
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_RESUMABLE, {"deaths": DEATHS})).all()
    return [
        Interrupted(
            row.log_id, row.pair_id, Trigger(row.initiated_by), row.flow_run_id, row.deaths, row.refused
        )
        for row in rows
    ]


async def doubtful_pairs(engine: AsyncEngine, first_look: float) -> list[UUID]:
    """Pairs at rest with creates outside whose outcome is unknown and that are due for a look."""
    async with system_transaction(engine) as connection:
        return [row[0] for row in await connection.execute(_DOUBTFUL, {"first": first_look})]


async def logged(engine: AsyncEngine, flow_run_ids: Iterable[UUID]) -> dict[UUID, datetime | None]:
    """Flow runs that have a log, and when it ended."""
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_KNOWN, {"ids": list(flow_run_ids)})).all()
    return {row.flow_run_id: row.ended_at for row in rows}


async def add_ghosts(engine: AsyncEngine, ghosts: Sequence[Ghost]) -> int:
    """Log them, each flow run once; returns how many were new. A person who cancelled a run before it began
    does not want its request either."""
    added = 0
    async with system_transaction(engine) as connection:
        for ghost in ghosts:
            new = (await connection.execute(_INSERT, _ghost(ghost))).rowcount
            added += new
            if new and ghost.request_id is not None and ghost.status is RunStatus.CANCELLED:
                await connection.execute(_GIVEN_UP, {"id": ghost.request_id, "pair": ghost.pair_id})
    return added


def _ghost(ghost: Ghost) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "pair": ghost.pair_id,
        "flow_run": ghost.flow_run_id,
        "status": ghost.status.value,
        "initiated_by": ghost.initiated_by.value,
        "slot": ghost.slot_at,
        "started": ghost.started_at,
        "ended": ghost.ended_at,
        "message": ghost.message,
        "cause": ghost.cause,
        "remedy": ghost.remedy,
        "request": ghost.request_id,
    }


async def latest_runs(engine: AsyncEngine, pairs: Iterable[UUID]) -> dict[UUID, Latest]:
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_LATEST, {"pairs": list(pairs)})).all()
    return {row.id: Latest(row.started_at, row.running) for row in rows}
