"""What the hub shows of a tenant, in one transaction: figures, pairs, their days, what waits for a person.

Days are São Paulo's, as `run_day` counts them. Every function raises `DatabaseUnavailable`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Cadence, Direction, Entity, IntegrationStatus
from core.errors import Absent, ConfigurationError
from core.formats import ZONE
from core.freshness import Standing
from db.session import tenant_transaction

HEAT_DAYS = 30
EXPIRY_DAYS = 30
CAUSES = 5

_STATUSES = text(
    "SELECT CASE WHEN draft THEN 'draft' ELSE status END, count(*) FROM sync.integration"
    " WHERE deleted_at IS NULL GROUP BY 1"
)
# A run that began on one day and ended on the next is of the first: the newest success is of two days.
_FIGURES = text(
    "SELECT (SELECT max(succeeded_at) FROM sync.run_day WHERE day >= (SELECT max(day) - 1 FROM sync.run_day"
    " WHERE succeeded_at IS NOT NULL)) AS succeeded_at,"
    " (SELECT count(*) FROM sync.sync_log WHERE status = 'error' AND resolved_at IS NULL"
    " AND started_at > :since) AS errors,"
    " (SELECT coalesce(sum(processed), 0) FROM sync.run_day WHERE day >= :month)"
    " + (SELECT coalesce(sum(processed), 0) FROM sync.sync_log WHERE status = 'running' AND NOT dry_run"
    " AND started_at >= :month_began) AS processed,"
    " (SELECT count(*) FROM sync.channel WHERE enabled) AS channels"
)
_PAIRS = text(
    "SELECT p.id, p.integration_id, i.name AS integration, i.provider, i.status, i.status_code,"
    " i.status_reason, p.entity, p.direction, p.cadence, p.enabled,"
    " greatest(p.updated_at, i.updated_at) AS changed_at,"
    " p.lease_log_id IS NOT NULL AND p.lease_expires_at >= now() AS running,"
    " r.started_at AS running_since, r.processed, r.total, n.started_at, d.synced_at,"
    " EXISTS (SELECT FROM sync.run_request q WHERE q.pair_id = p.id AND q.state = 'waiting'"
    " AND coalesce(q.next_attempt_at, now()) <= now()) AS waiting,"
    " f.id AS log_id, f.status AS log_status, f.message"
    " FROM sync.pair p JOIN sync.integration i ON i.id = p.integration_id AND i.deleted_at IS NULL"
    " AND NOT i.draft LEFT JOIN sync.sync_log r ON r.id = p.lease_log_id"
    " LEFT JOIN LATERAL (SELECT l.started_at FROM sync.sync_log l WHERE l.pair_id = p.id"
    " ORDER BY l.started_at DESC LIMIT 1) n ON true"
    " LEFT JOIN LATERAL (SELECT y.synced_at FROM sync.run_day y WHERE y.pair_id = p.id"
    " AND y.synced_at IS NOT NULL ORDER BY y.day DESC LIMIT 1) d ON true"
    # Of each direction the newest run that tells something; of the two, the one that failed.
    " LEFT JOIN LATERAL (SELECT x.* FROM unnest(CASE p.direction WHEN 'both' THEN ARRAY['import', 'export']"
    " ELSE ARRAY[p.direction] END) w (direction) CROSS JOIN LATERAL (SELECT l.id, l.status, l.message,"
    " l.ended_at FROM sync.sync_log l WHERE l.pair_id = p.id AND l.direction = w.direction AND NOT l.dry_run"
    " AND l.status NOT IN ('running', 'skipped', 'cancelled') ORDER BY l.started_at DESC LIMIT 1) x"
    " ORDER BY x.status IN ('error', 'interrupted') DESC, x.ended_at DESC LIMIT 1) f ON true"
    " ORDER BY lower(i.name), i.id, p.entity, p.direction"
)
_DAYS = text(
    "SELECT pair_id, day, success_runs, partial_runs, error_runs, other_runs, processed, errors"
    " FROM sync.run_day WHERE day >= :first"
)
_CONFLICTS = text(
    "SELECT c.integration_id, i.name AS integration, count(*) AS records FROM sync.conflict c"
    " JOIN sync.integration i ON i.id = c.integration_id WHERE c.state = 'open' AND i.deleted_at IS NULL"
    " GROUP BY 1, 2 ORDER BY records DESC, 2"
)
# A record counts once, with its newest attempt, as in the list of failures. Few were tried twice, so what is
# left out is looked up from there: a join of all with all took four times as long.
_CAUSES = text(
    "SELECT i.error_class, i.field, i.entity, i.direction, i.fault, min(i.remedy) AS remedy,"
    " count(*) AS records, max(i.created_at) AS last_at, CAST(sum(count(*)) OVER () AS bigint) AS total"
    " FROM sync.issue i WHERE i.state = 'open' AND i.id NOT IN (SELECT o.id FROM sync.issue n"
    " JOIN sync.issue o ON o.integration_id = n.integration_id AND o.entity = n.entity"
    " AND o.direction = n.direction AND o.external_id = n.external_id"
    " AND o.internal_id IS NOT DISTINCT FROM n.internal_id AND o.state = 'open' AND o.attempt < n.attempt"
    " WHERE n.state = 'open' AND n.attempt > 1)"
    " GROUP BY 1, 2, 3, 4, 5 ORDER BY records DESC, 1, 2, 3, 4 LIMIT :limit"
)
_EXPIRING = text(
    "SELECT i.id, i.name AS integration, i.provider, c.name, c.expires_at FROM sync.credential c"
    " JOIN sync.integration i ON i.id = c.integration_id WHERE i.deleted_at IS NULL"
    " AND i.status <> 'disabled' AND c.expires_at < now() + make_interval(days => :days)"
    " ORDER BY c.expires_at, i.name, c.name"
)
_ONE = text(
    "SELECT p.entity, p.enabled, i.name, i.provider, i.status FROM sync.pair p"
    " JOIN sync.integration i ON i.id = p.integration_id WHERE p.id = :pair AND i.deleted_at IS NULL"
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Day:
    """Ended runs of a pair on a day, and the records they read."""

    day: date
    success: int
    partial: int
    error: int
    other: int
    processed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Pair:
    """`log_id`, `log_status`, `message`: of the newest run that tells how the pair is. `total` where the
    source of a running one gives it. `days` are those with runs."""

    id: UUID
    integration_id: UUID
    integration: str
    provider: str
    status: IntegrationStatus
    status_reason: str
    entity: Entity
    direction: Direction
    standing: Standing
    running_since: datetime | None
    processed: int | None
    total: int | None
    log_id: UUID | None
    log_status: str | None
    message: str
    days: Mapping[date, Day]


@dataclass(frozen=True, slots=True)
class Hub:
    """`integrations` by status, without `drafts`; `errors` of 24 hours, `processed` since the month began,
    `channels` that are on. `causes` are the most frequent ones of open failures, `failures` all of them."""

    drafts: int
    integrations: Mapping[str, int]
    succeeded_at: datetime | None
    errors: int
    processed: int
    channels: int
    pairs: Sequence[Pair]
    conflicts: Sequence[Row]
    causes: Sequence[Row]
    failures: int
    expiring: Sequence[Row]


async def read(engine: AsyncEngine, tenant_id: UUID, now: datetime) -> Hub:
    today = now.astimezone(ZONE).date()
    month = today.replace(day=1)
    values = {
        "since": now - timedelta(hours=24),
        "month": month,
        "month_began": datetime(month.year, month.month, 1, tzinfo=ZONE),
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        statuses: dict[str, int] = {row[0]: row[1] for row in await connection.execute(_STATUSES)}
        figures = (await connection.execute(_FIGURES, values)).one()
        days = await _days(connection, today)
        pairs = [_pair(row, days) for row in await _rows(connection, _PAIRS)]
        conflicts = await _rows(connection, _CONFLICTS)
        causes = await _rows(connection, _CAUSES, limit=CAUSES)
        expiring = await _rows(connection, _EXPIRING, days=EXPIRY_DAYS)
    return Hub(
        drafts=statuses.pop("draft", 0),
        integrations=statuses,
        succeeded_at=figures.succeeded_at,
        errors=figures.errors,
        processed=int(figures.processed),
        channels=figures.channels,
        pairs=pairs,
        conflicts=conflicts,
        causes=causes,
        failures=causes[0]["total"] if causes else 0,
        expiring=expiring,
    )


async def runnable(engine: AsyncEngine, tenant_id: UUID, pair_id: UUID) -> tuple[str, Entity]:
    """Name of the integration and entity of a pair that may run by hand. Raises `Absent`, and
    `ConfigurationError` for one that stands still."""
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_ONE, {"pair": pair_id})).one_or_none()
    if row is None:
        raise Absent("Não há este par neste tenant.")
    if row.status in (IntegrationStatus.PAUSED, IntegrationStatus.DISABLED):
        state = IntegrationStatus(row.status).label
        raise ConfigurationError(f"{row.name} está {state}: retome a integração antes de executar.")
    return row.name, Entity(row.entity)


async def _rows(connection: AsyncConnection, statement: TextClause, **values: Any) -> list[Row]:
    return [dict(row._mapping) for row in await connection.execute(statement, values)]


async def _days(connection: AsyncConnection, today: date) -> dict[UUID, dict[date, Day]]:
    """By pair, those with runs."""
    found: dict[UUID, dict[date, Day]] = {}
    first = today - timedelta(days=HEAT_DAYS - 1)
    for pair_id, day, *counts in await connection.execute(_DAYS, {"first": first}):
        found.setdefault(pair_id, {})[day] = Day(day, *counts)
    return found


def _pair(row: Row, days: Mapping[UUID, Mapping[date, Day]]) -> Pair:
    status = IntegrationStatus(row["status"])
    standing = Standing(
        pair_id=row["id"],
        cadence=Cadence(row["cadence"]),
        enabled=row["enabled"],
        status=status,
        changed_at=row["changed_at"],
        running=row["running"],
        waiting=row["waiting"],
        failed=row["log_status"] in ("error", "interrupted"),
        started_at=row["started_at"],
        synced_at=row["synced_at"],
    )
    return Pair(
        id=row["id"],
        integration_id=row["integration_id"],
        integration=row["integration"],
        provider=row["provider"],
        status=status,
        status_reason=row["status_reason"],
        entity=Entity(row["entity"]),
        direction=Direction(row["direction"]),
        standing=standing,
        running_since=row["running_since"],
        processed=row["processed"],
        total=row["total"],
        log_id=row["log_id"],
        log_status=row["log_status"],
        message=row["message"] or "",
        days=days.get(row["id"], {}),
    )
