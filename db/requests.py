"""Run requests: what a run is asked to do beyond its own scan.

Equal wishes are one request while it is open. A run claims it together with the pair's lease and gives it
back where it could not finish; the sentinel triggers what waits.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Direction, RequestKind, RunStatus, Trigger
from core.errors import ConfigurationError, RateLimited, SyncError
from core.ports import Counts, Cursor
from db import audit
from db.session import system_transaction, tenant_transaction

ATTEMPTS = 5
"""Runs in a row that ended without progress before a request is given up."""
DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
OPEN = ("waiting", "running")

_COLUMNS = (
    "id, tenant_id, integration_id, pair_id, kind, direction, selection, cursor, parent_log_id, state,"
    " attempts, asked"
)
_INSERT = text(
    "INSERT INTO sync.run_request (tenant_id, integration_id, pair_id, kind, direction, selection,"  # noqa: S608
    " fingerprint, parent_log_id, requested_by) SELECT p.tenant_id, p.integration_id, p.id, :kind,"
    " :direction, CAST(:selection AS jsonb), :fingerprint, :parent, :by FROM sync.pair p WHERE p.id = :pair"
    " ON CONFLICT (pair_id, kind, fingerprint) WHERE state IN ('waiting', 'running') DO NOTHING"
    f" RETURNING {_COLUMNS}"
)
_EQUAL = text(
    f"SELECT {_COLUMNS} FROM sync.run_request WHERE pair_id = :pair AND kind = :kind"  # noqa: S608
    " AND fingerprint = :fingerprint AND state IN ('waiting', 'running')"
)
_READ = text(f"SELECT {_COLUMNS} FROM sync.run_request WHERE id = :id")  # noqa: S608
_CLAIM = text(
    "UPDATE sync.run_request SET state = 'running', started_at = coalesce(started_at, now()),"  # noqa: S608
    " next_attempt_at = NULL WHERE id = :id AND pair_id = :pair AND direction = :direction"
    f" AND state = 'waiting' AND (CAST(:only AS text) IS NULL OR kind = :only) RETURNING {_COLUMNS}"
)
_PLACE = text(
    "UPDATE sync.run_request SET cursor = CAST(:cursor AS jsonb),"
    " attempts = CASE WHEN cursor = CAST(:cursor AS jsonb) THEN attempts ELSE 0 END"
    " WHERE id = :id AND state = 'running'"
)
_SETTLE = text(
    "UPDATE sync.run_request SET state = :state, attempts = :attempts, next_attempt_at = :next,"
    " result = CAST(:result AS jsonb), ended_at = CASE WHEN :state = 'waiting' THEN NULL ELSE now() END"
    " WHERE id = :id AND state = 'running'"
)
# Whoever held it is dead: its log was closed by the sentinel, or another run took the pair over.
_GIVE_BACK = text(
    "UPDATE sync.run_request r SET attempts = r.attempts + 1, state = CASE"
    " WHEN (SELECT l.status FROM sync.sync_log l WHERE l.pair_id = r.pair_id AND l.request_id = r.id"
    " ORDER BY l.started_at DESC LIMIT 1) = 'cancelled' THEN 'cancelled'"
    " WHEN r.attempts + 1 >= :most THEN 'failed' ELSE 'waiting' END,"
    " ended_at = CASE WHEN r.attempts + 1 >= :most THEN now() END,"
    " result = CASE WHEN r.attempts + 1 >= :most THEN CAST(:result AS jsonb) ELSE r.result END"
    " WHERE r.state = 'running' AND NOT EXISTS (SELECT FROM sync.sync_log l"
    " WHERE l.pair_id = r.pair_id AND l.request_id = r.id AND l.status = 'running')"
)
_WAITING = text(
    f"SELECT {', '.join('r.' + name for name in _COLUMNS.split(', '))} FROM sync.run_request r"  # noqa: S608
    " JOIN sync.pair p ON p.id = r.pair_id JOIN sync.integration i ON i.id = r.integration_id"
    " WHERE r.state = 'waiting' AND (r.next_attempt_at IS NULL OR r.next_attempt_at <= now())"
    " AND (p.lease_log_id IS NULL OR p.lease_expires_at < now())"
    " AND (i.status NOT IN ('paused', 'disabled') OR i.draft AND r.kind = 'simulation')"
    " AND i.deleted_at IS NULL"
    # Nobody waits for one of these: with a broken credential each would be another run that fails.
    " AND (r.kind <> 'refresh' OR i.status = 'active')"
    " ORDER BY r.created_at LIMIT :limit"
)
# Scheduled runs that Prefect or the lease refused because a request's run had the pair, and none came since.
_MET = text(
    "SELECT DISTINCT ON (s.pair_id) s.id, s.pair_id, s.initiated_by FROM sync.run_request q"
    " JOIN sync.pair p ON p.id = q.pair_id JOIN sync.integration i ON i.id = p.integration_id"
    " JOIN sync.sync_log r ON r.pair_id = q.pair_id AND r.request_id = q.id"
    " JOIN sync.sync_log s ON s.pair_id = q.pair_id AND s.started_at BETWEEN r.started_at AND r.ended_at"
    " WHERE (q.state = 'waiting' AND q.started_at IS NOT NULL OR q.ended_at > now() - interval '1 hour')"
    " AND r.status NOT IN ('running', 'skipped') AND r.ended_at > now() - interval '1 hour'"
    " AND s.status = 'skipped' AND s.request_id IS NULL AND s.initiated_by IN ('schedule', 'webhook')"
    " AND (p.lease_log_id IS NULL OR p.lease_expires_at < now())"
    " AND p.enabled AND i.status = 'active' AND i.deleted_at IS NULL"
    " AND NOT EXISTS (SELECT FROM sync.sync_log n WHERE n.pair_id = s.pair_id AND n.request_id IS NULL"
    " AND n.status <> 'skipped' AND n.started_at >= s.started_at)"
    " ORDER BY s.pair_id, s.started_at DESC"
)
_ASKED = text(
    "UPDATE sync.run_request SET asked = asked + 1 WHERE id = :id AND asked = :asked AND state = 'waiting'"
)
_CANCEL = text(
    "UPDATE sync.run_request SET state = 'cancelled', ended_at = now() WHERE id = :id AND state = 'waiting'"
)
_LIST = text(
    "SELECT r.id, r.integration_id, i.name AS integration, p.entity, r.direction, r.kind, r.state,"
    " r.requested_by, r.created_at, r.started_at, r.ended_at, r.attempts, r.next_attempt_at, r.parent_log_id,"
    " r.result, (SELECT l.id FROM sync.sync_log l WHERE l.pair_id = r.pair_id AND l.request_id = r.id"
    " ORDER BY l.started_at DESC LIMIT 1) AS log_id"
    " FROM sync.run_request r JOIN sync.pair p ON p.id = r.pair_id"
    " JOIN sync.integration i ON i.id = r.integration_id"
    " WHERE (CAST(:id AS uuid) IS NULL OR r.id = :id)"
    " AND (CAST(:parent AS uuid) IS NULL OR r.parent_log_id = :parent)"
    " AND (CAST(:of_pair AS uuid) IS NULL OR r.pair_id = :of_pair)"
    " AND (CAST(:kind AS text) IS NULL OR r.kind = :kind)"
    " AND (NOT :open OR r.state IN ('waiting', 'running')) ORDER BY r.created_at DESC, r.id DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Request:
    """`selection` holds ids and moments only; `asked` counts the flow runs that ended without claiming it."""

    id: UUID
    tenant_id: UUID
    integration_id: UUID
    pair_id: UUID
    kind: RequestKind
    direction: Direction
    selection: Mapping[str, Any]
    cursor: Cursor | None
    parent_log_id: UUID | None
    state: str
    attempts: int
    asked: int

    @property
    def is_scan(self) -> bool:
        """A webhook told that something changed: its run is the pair's own."""
        return self.kind is RequestKind.REFRESH and not self.selection

    @property
    def key(self) -> str:
        """The idempotency key of the flow run that is to serve it."""
        return f"request:{self.id}:{self.asked}"


@dataclass(frozen=True, slots=True)
class Met:
    """A run that was skipped for a request's sake and is owed to its pair."""

    log_id: UUID
    pair_id: UUID
    initiated_by: Trigger


async def ask(
    engine: AsyncEngine,
    tenant_id: UUID,
    pair_id: UUID,
    kind: RequestKind,
    direction: Direction,
    selection: Mapping[str, Any],
    *,
    by: str,
    parent_log_id: UUID | None = None,
) -> Request:
    """A new request, or the open one that asks for the same. Raises `ConfigurationError` for no such pair."""
    encoded = msgspec.json.encode(dict(selection), order="deterministic")
    values = {
        "pair": pair_id,
        "kind": kind.value,
        "direction": direction.value,
        "selection": encoded.decode(),
        "fingerprint": hashlib.sha256(f"{kind}:{direction}:".encode() + encoded).hexdigest(),
        "parent": parent_log_id,
        "by": by,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        # The open one may end between the two statements: then there is room for a new one.
        for _ in range(3):
            row = (await connection.execute(_INSERT, values)).one_or_none()
            row = row or (await connection.execute(_EQUAL, values)).one_or_none()
            if row is not None:
                details = {"request": str(row.id), "kind": kind.value}
                await audit.record(connection, tenant_id, audit.By(by), "run.request", str(pair_id), details)
                return _request(row)
    raise ConfigurationError("O par não existe mais: a integração foi excluída.")


async def read(engine: AsyncEngine, request_id: UUID) -> Request | None:
    async with system_transaction(engine) as connection:
        row = (await connection.execute(_READ, {"id": request_id})).one_or_none()
    return None if row is None else _request(row)


async def claim(
    connection: AsyncConnection,
    pair_id: UUID,
    direction: Direction,
    request_id: UUID,
    only: RequestKind | None = None,
) -> Request | None:
    """Take a waiting request, of one kind `only`, for the run that has just taken the pair's lease, in its
    transaction."""
    values = {"id": request_id, "pair": pair_id, "direction": direction.value, "only": only}
    row = (await connection.execute(_CLAIM, values)).one_or_none()
    return None if row is None else _request(row)


async def keep_place(connection: AsyncConnection, request_id: UUID, cursor: Cursor) -> None:
    """Where a run goes on from after it was interrupted; progress makes its failures count anew."""
    await connection.execute(_PLACE, {"id": request_id, "cursor": msgspec.json.encode(cursor).decode()})


async def settle(
    connection: AsyncConnection,
    request: Request,
    status: RunStatus,
    error: SyncError | None,
    counts: Counts,
    *,
    done: bool,
) -> None:
    """End a request with its run, in the transaction that closes the log, or let it wait for another run."""
    current = (await connection.execute(_READ, {"id": request.id})).one()
    attempts, next_at, now = current.attempts, None, datetime.now(UTC)
    state = _state(status, done)
    if isinstance(error, RateLimited):
        next_at = error.retry_at
    elif status is RunStatus.INTERRUPTED or (status is RunStatus.ERROR and error and error.retryable):
        attempts += 1
        state = "waiting" if attempts < ATTEMPTS else "failed"
        next_at = now + DELAYS[min(attempts, len(DELAYS)) - 1] if error else None
    result: dict[str, Any] = {"processed": counts.processed, "errors": counts.errors}
    if error is not None:
        result |= {"error_class": type(error).__name__, "message": error.message}
    await connection.execute(
        _SETTLE,
        {
            "id": request.id,
            "state": state,
            "attempts": attempts,
            "next": next_at if state == "waiting" else None,
            "result": msgspec.json.encode(result).decode(),
        },
    )


async def give_back(engine: AsyncEngine) -> int:
    """Let requests whose run died wait again; returns how many there were. Raises `DatabaseUnavailable`."""
    reason = {"message": f"As {ATTEMPTS} últimas execuções deste pedido foram interrompidas sem avançar."}
    values = {"most": ATTEMPTS, "result": msgspec.json.encode(reason).decode()}
    async with system_transaction(engine) as connection:
        return (await connection.execute(_GIVE_BACK, values)).rowcount


async def waiting(engine: AsyncEngine, limit: int = 200) -> list[Request]:
    """Those that a run could serve now, oldest first: their pair is free and its integration not paused."""
    async with system_transaction(engine) as connection:
        return [_request(row) for row in await connection.execute(_WAITING, {"limit": limit})]


async def met(engine: AsyncEngine) -> list[Met]:
    """Runs of the last hour that found their pair busy with a request, the newest of each pair."""
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_MET)).all()
    return [Met(row.id, row.pair_id, Trigger(row.initiated_by)) for row in rows]


async def note_asked(engine: AsyncEngine, request: Request) -> bool:
    """The flow run of this key ended without claiming it: the next one gets another key."""
    async with system_transaction(engine) as connection:
        values = {"id": request.id, "asked": request.asked}
        return (await connection.execute(_ASKED, values)).rowcount == 1


async def cancel(engine: AsyncEngine, tenant_id: UUID, request_id: UUID, by: str) -> bool:
    """Take back a request that waits; False when it is running, ended or unknown."""
    async with tenant_transaction(engine, tenant_id) as connection:
        cancelled = (await connection.execute(_CANCEL, {"id": request_id})).rowcount == 1
        if cancelled:
            await audit.record(connection, tenant_id, audit.By(by), "run.request.cancel", str(request_id))
    return cancelled


async def listing(
    engine: AsyncEngine,
    tenant_id: UUID,
    *,
    request_id: UUID | None = None,
    parent_log_id: UUID | None = None,
    pair_id: UUID | None = None,
    kind: RequestKind | None = None,
    only_open: bool = False,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Requests, the newest first. Plain rows with stable keys. `parent_log_id`: what was asked from a log."""
    values = {
        "id": request_id,
        "parent": parent_log_id,
        "of_pair": pair_id,
        "kind": kind,
        "open": only_open,
        "limit": limit,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_LIST, values)]


def _state(status: RunStatus, done: bool) -> str:
    if status is RunStatus.CANCELLED:
        return "cancelled"
    if status is RunStatus.ERROR:
        return "failed"
    return "done" if done else "waiting"


def _request(row: Row[Any]) -> Request:
    values = dict(row._mapping)
    values["kind"] = RequestKind(row.kind)
    values["direction"] = Direction(row.direction)
    values["cursor"] = msgspec.convert(row.cursor, Cursor, strict=False) if row.cursor else None
    return Request(**values)
