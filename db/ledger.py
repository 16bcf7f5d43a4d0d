"""What every batch leaves behind in its transaction: the lease held, issues, counters and the cursor."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from core.entities import Direction, Entity
from core.errors import LeaseLost, RecordError
from core.ports import Counts, Cursor, Issue
from core.retrying import next_attempt
from db import models, requests
from db.bulk import upsert
from db.vault import Vault

ISSUE = (
    *("id", "sync_log_id", "integration_id", "pair_id", "entity", "direction", "external_id", "internal_id"),
    *("error_class", "field", "message", "cause", "remedy", "fault", "provider_code", "provider_message"),
    *("payload", "key_id", "attempt", "next_attempt_at"),
)

encode = msgspec.json.Encoder().encode

_LEASE = text(
    "UPDATE sync.pair SET lease_expires_at = now() + make_interval(secs => :seconds)"
    " WHERE id = :pair AND lease_token = :token AND lease_log_id = :log"
)
_CURSOR = text(
    "INSERT INTO sync.cursor (pair_id, tenant_id, watermark, scanning, full_scan, since, place, signpost,"
    " high, change_seq, change_id, items, scan_id, scan_started_at) VALUES (:pair, :tenant, :watermark,"
    " :scanning, :full, :since, :place, :signpost, :high, :change_seq, :change_id, :items, :scan, :started)"
    " ON CONFLICT (pair_id) DO UPDATE SET watermark = excluded.watermark, scanning = excluded.scanning,"
    " full_scan = excluded.full_scan, since = excluded.since, place = excluded.place,"
    " signpost = excluded.signpost, high = excluded.high, change_seq = excluded.change_seq,"
    " change_id = excluded.change_id, items = excluded.items, scan_id = excluded.scan_id,"
    " scan_started_at = excluded.scan_started_at, deaths = 0, suspect = NULL, updated_at = now()"
)
_ALIVE = text(
    "UPDATE sync.cursor SET deaths = 0, suspect = NULL WHERE pair_id = :pair"
    " AND (deaths > 0 OR suspect IS NOT NULL)"
)
_SUSPECT = text("UPDATE sync.cursor SET suspect = :id WHERE pair_id = :pair")
_COUNT = text(
    "UPDATE sync.sync_log SET created = created + :created, updated = updated + :updated,"
    " success = success + :created + :updated, skipped = skipped + :skipped, errors = errors + :errors,"
    " processed = processed + :created + :updated + :skipped + :errors, total = coalesce(:total, total)"
    " WHERE id = :log AND status = 'running'"
)
_FULL_SCAN_DONE = text("UPDATE sync.pair SET last_full_at = now() WHERE id = :pair")
_ATTEMPTS = text(
    "SELECT CASE WHEN direction = 'import' THEN external_id ELSE internal_id::text END, max(attempt)"
    " FROM sync.issue WHERE integration_id = :integration AND entity = :entity AND direction = :direction"
    " AND (external_id = ANY(:external) OR internal_id = ANY(:internal)) AND state = 'open' GROUP BY 1"
)
_SUPERSEDED = text(
    "UPDATE sync.issue SET next_attempt_at = NULL WHERE integration_id = :integration AND entity = :entity"
    " AND direction = :direction AND (external_id = ANY(:external) OR internal_id = ANY(:internal))"
    " AND state = 'open' AND next_attempt_at IS NOT NULL"
)
_RESOLVED = text(
    "UPDATE sync.issue SET state = 'resolved', resolved_at = now(), resolved_by = 'sync',"
    " next_attempt_at = NULL"
    " WHERE integration_id = :integration AND entity = :entity AND direction = :direction"
    " AND (external_id = ANY(:external) OR internal_id = ANY(:internal)) AND state = 'open'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The run that a store serves. `branch_id` receives stock; `channel` marks orders; `fields` are those
    that the external system knows (None: all).

    The run of a request keeps its place with the request, a dry one nowhere: both leave the pair's cursor.
    """

    tenant_id: UUID
    integration_id: UUID
    pair_id: UUID
    log_id: UUID
    entity: Entity
    lease_token: int
    lease_seconds: float
    branch_id: UUID
    channel: str
    direction: Direction = Direction.IMPORT
    request_id: UUID | None = None
    dry_run: bool = False
    fields: frozenset[str] | None = None

    def knows(self, field: str) -> bool:
        """Whether the external system has this field."""
        return self.fields is None or field in self.fields

    @property
    def scope(self) -> dict[str, Any]:
        """The issues of this pair's entity and direction."""
        return {
            "integration": self.integration_id,
            "entity": self.entity.value,
            "direction": self.direction.value,
        }


async def hold(connection: AsyncConnection, bound: Bound) -> None:
    """Every write is fenced. Raises `LeaseLost` for a run that another one took over from."""
    held = await connection.execute(
        _LEASE,
        {
            "pair": bound.pair_id,
            "token": bound.lease_token,
            "log": bound.log_id,
            "seconds": bound.lease_seconds,
        },
    )
    if held.rowcount != 1:
        raise LeaseLost("Outra execução assumiu este par; nada foi gravado por esta.")


@asynccontextmanager
async def undone_if_dry(connection: AsyncConnection, bound: Bound) -> AsyncIterator[None]:
    """A simulation writes and takes it back, so that the database refuses what it would refuse."""
    if not bound.dry_run:
        yield
        return
    trial = await connection.begin_nested()
    yield
    await trial.rollback()


async def resolve(
    connection: AsyncConnection,
    bound: Bound,
    *,
    external_ids: Sequence[str] = (),
    internal_ids: Sequence[UUID] = (),
) -> None:
    """A success closes the open issues of its record."""
    if not external_ids and not internal_ids:
        return
    values = {"external": list(external_ids), "internal": list(internal_ids)}
    await connection.execute(_RESOLVED, bound.scope | values)


async def record_issues(
    connection: AsyncConnection, vault: Vault, bound: Bound, issues: Sequence[Issue]
) -> None:
    """A row for each failed record and attempt; the newest alone says when the record is tried again."""
    if not issues:
        return
    values = {
        "external": [] if bound.direction is Direction.EXPORT else [i.external_id for i in issues],
        "internal": [i.internal_id for i in issues if i.internal_id],
    }
    attempts = {row[0]: row[1] for row in await connection.execute(_ATTEMPTS, bound.scope | values)}
    if attempts:
        await connection.execute(_SUPERSEDED, bound.scope | values)
    data = [_issue(vault, bound, issue, attempts.get(_whose(bound, issue), 0) + 1) for issue in issues]
    await upsert(connection, models.issue, ISSUE, data, str(bound.tenant_id))


async def advance(
    connection: AsyncConnection, bound: Bound, cursor: Cursor | None, counts: Counts, total: int | None
) -> None:
    """Counters, and where given the cursor."""
    if cursor is not None:
        await _advance(connection, bound, cursor)
    await connection.execute(
        _COUNT,
        {
            "log": bound.log_id,
            "created": counts.created,
            "updated": counts.updated,
            "skipped": counts.skipped,
            "errors": counts.errors,
            "total": total,
        },
    )


async def suspect(connection: AsyncConnection, bound: Bound, external_id: str) -> None:
    """Forgotten by the next `advance`."""
    await connection.execute(_SUSPECT, {"pair": bound.pair_id, "id": external_id})


async def _advance(connection: AsyncConnection, bound: Bound, cursor: Cursor) -> None:
    if bound.request_id is None and not bound.dry_run:
        await _move(connection, bound, cursor)
        return
    if bound.request_id is not None:
        await requests.keep_place(connection, bound.request_id, cursor)
    await connection.execute(_ALIVE, {"pair": bound.pair_id})


async def _move(connection: AsyncConnection, bound: Bound, cursor: Cursor) -> None:
    await connection.execute(
        _CURSOR,
        {
            "pair": bound.pair_id,
            "tenant": bound.tenant_id,
            "watermark": cursor.watermark,
            "scanning": cursor.scanning,
            "full": cursor.full,
            "since": cursor.since,
            "place": cursor.place,
            "signpost": cursor.signpost,
            "high": cursor.high,
            "change_seq": cursor.change_seq,
            "change_id": cursor.change_id,
            "items": cursor.items,
            "scan": cursor.scan_id,
            "started": cursor.scan_started_at,
        },
    )
    if bound.direction is Direction.IMPORT and cursor.full and not cursor.scanning:
        await connection.execute(_FULL_SCAN_DONE, {"pair": bound.pair_id})


def _whose(bound: Bound, issue: Issue) -> str:
    return issue.external_id if bound.direction is Direction.IMPORT else str(issue.internal_id)


def _issue(vault: Vault, bound: Bound, issue: Issue, attempt: int) -> dict[str, Any]:
    error = issue.error
    sealed = vault.seal_payload(issue.payload)
    return {
        "id": uuid7(),
        "sync_log_id": bound.log_id,
        "integration_id": bound.integration_id,
        "pair_id": bound.pair_id,
        "entity": bound.entity.value,
        "direction": bound.direction.value,
        "external_id": issue.external_id,
        "internal_id": issue.internal_id,
        "error_class": type(error).__name__,
        "field": error.field if isinstance(error, RecordError) else "",
        "message": error.message,
        "cause": error.advice.cause,
        "remedy": error.advice.remedy,
        "fault": error.fault.value,
        "provider_code": error.provider_code,
        "provider_message": error.provider_message,
        "payload": f"\\x{sealed.ciphertext.hex()}",
        "key_id": sealed.key_id,
        "attempt": attempt,
        "next_attempt_at": next_attempt(error, attempt, datetime.now(UTC)),
    }
