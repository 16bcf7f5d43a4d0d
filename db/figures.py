"""Figures of a whole installation, for its operator: counts and times, no names and no personal data."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.session import system_transaction

_INTEGRATIONS = text(
    "SELECT provider, status, count(*) FROM sync.integration WHERE deleted_at IS NULL GROUP BY 1, 2"
)
_RUNS = text(
    "SELECT status, initiated_by, count(*) FROM sync.sync_log"
    " WHERE started_at > now() - interval '24 hours' AND resolved_at IS NULL GROUP BY 1, 2"
)
_ISSUES = text("SELECT count(*) FROM sync.issue WHERE state = 'open'")
_ALARMS = text("SELECT kind, count(*) FROM sync.alarm WHERE closed_at IS NULL GROUP BY 1")
_PAIRS = text(
    "SELECT p.id, i.provider, p.entity, p.direction, l.at, CAST(extract(epoch FROM now() - l.at) AS float8)"
    " FROM sync.pair p JOIN sync.integration i ON i.id = p.integration_id,"
    " LATERAL (SELECT max(s.ended_at) AS at FROM sync.sync_log s WHERE s.pair_id = p.id"
    " AND s.status IN ('success', 'partial')) l"
    " WHERE i.deleted_at IS NULL AND p.enabled AND i.status = 'active'"
)
_LAST = text("SELECT max(ended_at) FROM sync.sync_log WHERE status = 'success'")


@dataclass(frozen=True, slots=True)
class PairFigure:
    """`last_success_at` is None for a pair that has never succeeded; `age` is in seconds."""

    id: UUID
    provider: str
    entity: str
    direction: str
    last_success_at: datetime | None
    age: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Integrations by (provider, status), runs of 24 h by (status, trigger), open alarms by kind."""

    integrations: dict[tuple[str, str], int]
    runs: dict[tuple[str, str], int]
    issues: int
    alarms: dict[str, int]
    pairs: list[PairFigure]
    last_success_at: datetime | None


async def figures(engine: AsyncEngine) -> Figures:
    """Raises `DatabaseUnavailable`."""
    async with system_transaction(engine) as connection:
        integrations = {(row[0], row[1]): row[2] for row in await connection.execute(_INTEGRATIONS)}
        runs = {(row[0], row[1]): row[2] for row in await connection.execute(_RUNS)}
        issues = (await connection.execute(_ISSUES)).scalar_one()
        alarms = {row[0]: row[1] for row in await connection.execute(_ALARMS)}
        pairs = [PairFigure(*row) for row in await connection.execute(_PAIRS)]
        last = (await connection.execute(_LAST)).scalar_one()
    return Figures(integrations, runs, issues, alarms, pairs, last)


async def last_success(engine: AsyncEngine) -> datetime | None:
    """End of the newest run without errors. Raises `DatabaseUnavailable`."""
    async with system_transaction(engine) as connection:
        found: datetime | None = (await connection.execute(_LAST)).scalar_one()
    return found
