"""Logs a page at a time: among a million, each page reads about as many rows as it shows.

One index serves every filter: what was run for one integration × entity × direction × status × trigger is a
list of its own, and a page is what is newest among the heads of those that are asked for. Which of them exist
is read from the same index, from one to the next. Functions raise `DatabaseUnavailable`.
"""

# ruff: noqa: S608 - statements are put together from our own parts

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Direction, Entity, RunStatus, Trigger
from db.listings import LOG_COLUMNS, Row
from db.session import tenant_transaction

SIZE = 50
AT_ONCE = 1000
"""Rows of a whole listing read at a time."""

# Rows are compared as wholes, and not column by column: else the planner may take another index, and pass
# over all that is not asked for.
_SCOPE = "{0}.integration_id, {0}.entity, {0}.direction, {0}.status, {0}.initiated_by"
_S, _L = _SCOPE.format("s"), _SCOPE.format("l")
_NEXT = f"SELECT {_L} FROM sync.sync_log l{{where}} ORDER BY {_L} LIMIT 1"
_SCOPES = (
    "WITH RECURSIVE s AS ((" + _NEXT.format(where="") + ") UNION ALL SELECT n.* FROM s CROSS JOIN LATERAL ("
    f"{_NEXT.format(where=f' WHERE ({_L}) > ({_S})')}) n)"
)
_ASKED = (
    "(CAST(:integration AS uuid) IS NULL OR {0}.integration_id = :integration)"
    " AND (CAST(:entity AS text) IS NULL OR {0}.entity = :entity)"
    " AND (CAST(:direction AS text) IS NULL OR {0}.direction = :direction)"
    " AND (CAST(:status AS text) IS NULL OR {0}.status = :status)"
    " AND (CAST(:trigger AS text) IS NULL OR {0}.initiated_by = :trigger)"
)
_PLACE = (
    "({0}.started_at, {0}.id) < (CAST(:until AS timestamptz), CAST(:before AS uuid))"
    " AND {0}.started_at >= CAST(:since AS timestamptz)"
)
_NEWEST = "ORDER BY {0}.started_at DESC, {0}.id DESC LIMIT :limit"
_HEAD = (
    f"SELECT l.id, l.started_at FROM sync.sync_log l WHERE ({_L}, l.started_at, l.id) < ({_S},"
    " CAST(:until AS timestamptz), CAST(:before AS uuid))"
    f" AND ({_L}, l.started_at) >= ({_S}, CAST(:since AS timestamptz))"
    f" ORDER BY {', '.join(f'{name} DESC' for name in _L.split(', '))}, l.started_at DESC, l.id DESC LIMIT "
)
# A list whose newest is not among as many newest as are wanted has nothing to give.
_HEADS = (
    f"{_SCOPES}, newest AS MATERIALIZED (SELECT s.* FROM s CROSS JOIN LATERAL ({_HEAD}1) h"
    f" WHERE {_ASKED.format('s')} ORDER BY h.started_at DESC, h.id DESC LIMIT :limit)"
    f" SELECT h.id, h.started_at FROM newest s CROSS JOIN LATERAL ({_HEAD}:limit) h"
)
_ALL = f"SELECT l.id, l.started_at FROM sync.sync_log l WHERE {_PLACE.format('l')}"
_INTEGRATION = f"{_ALL} AND l.integration_id = :integration"
# Failed, marked by nobody, and not made good since: by its records one by one, or by a later run as a whole.
# The same as `listings`, from what is open instead of from all that failed.
_UNRESOLVED = (
    f"{_SCOPES}, open (log) AS ((SELECT o.sync_log_id FROM sync.issue o WHERE o.state = 'open'"
    " ORDER BY o.sync_log_id LIMIT 1) UNION ALL SELECT n.log FROM open CROSS JOIN LATERAL (SELECT"
    " o.sync_log_id AS log FROM sync.issue o WHERE o.state = 'open' AND o.sync_log_id > open.log"
    " ORDER BY o.sync_log_id LIMIT 1) n),"
    " good AS MATERIALIZED (SELECT s.integration_id, s.entity, s.direction,"
    " greatest(coalesce(max(g.started_at), '-infinity'), CAST(:since AS timestamptz)) AS at"
    " FROM s LEFT JOIN LATERAL (SELECT l.started_at FROM sync.sync_log l"
    f" WHERE s.status IN ('success', 'partial') AND ({_L}) = ({_S}) AND NOT l.dry_run"
    " ORDER BY l.started_at DESC LIMIT 1) g ON true GROUP BY 1, 2, 3),"
    " failed AS (SELECT e.* FROM s JOIN good g USING (integration_id, entity, direction) CROSS JOIN LATERAL"
    f" (SELECT l.id, l.started_at FROM sync.sync_log l WHERE ({_L}) = ({_S}) AND l.started_at > g.at"
    f" AND {_PLACE.format('l')} AND l.resolved_at IS NULL {_NEWEST.format('l')}) e"
    f" WHERE s.status = 'error' AND {_ASKED.format('s')})"
    " SELECT id, started_at FROM failed UNION SELECT l.id, l.started_at FROM open CROSS JOIN LATERAL"
    " (SELECT l.* FROM sync.sync_log l WHERE l.id = open.log LIMIT 1) l"
    " WHERE l.status IN ('error', 'partial')"
    f" AND l.resolved_at IS NULL AND {_ASKED.format('l')} AND {_PLACE.format('l')}"
)
_PAGE = (
    f"SELECT {LOG_COLUMNS} FROM ({{heads}} {{newest}}) h JOIN sync.sync_log l ON l.id = h.id"
    " JOIN sync.integration i ON i.id = l.integration_id ORDER BY l.started_at DESC, l.id DESC"
)
_START = text("SELECT started_at FROM sync.sync_log WHERE id = :id")
_INTEGRATIONS = text(
    "SELECT id, name, deleted_at IS NOT NULL AS deleted FROM sync.integration"
    " ORDER BY deleted_at IS NOT NULL, lower(name), id"
)
_LAST_ID = UUID(int=2**128 - 1)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`since` is inclusive, `until` is not. `unresolved` ones failed, and nothing has put that right."""

    integration_id: UUID | None = None
    entity: Entity | None = None
    direction: Direction | None = None
    status: RunStatus | None = None
    trigger: Trigger | None = None
    since: datetime | None = None
    until: datetime | None = None
    unresolved: bool = False

    @property
    def narrow(self) -> bool:
        """Whether more is asked than one integration and a time."""
        return any((self.entity, self.direction, self.status, self.trigger))


@dataclass(frozen=True, slots=True)
class Page:
    """`more`: there are older ones. `integrations` are all of the tenant, deleted ones last."""

    rows: Sequence[Row]
    more: bool
    integrations: Sequence[Any]


async def read_page(
    engine: AsyncEngine, tenant_id: UUID, asked: Filter, before: UUID | None = None, size: int = SIZE
) -> Page:
    """The newest first; `before` is the last id of the page before. One that is gone begins anew."""
    async with tenant_transaction(engine, tenant_id) as connection:
        integrations = (await connection.execute(_INTEGRATIONS)).all()
        rows = await _rows(connection, asked, before, size + 1)
    return Page(rows[:size], len(rows) > size, integrations)


async def whole(engine: AsyncEngine, tenant_id: UUID, asked: Filter) -> AsyncIterator[Row]:
    """Every row that fits, the newest first; a transaction for each thousand."""
    before: UUID | None = None
    while True:
        async with tenant_transaction(engine, tenant_id) as connection:
            rows = await _rows(connection, asked, before, AT_ONCE)
        for row in rows:
            yield row
        if len(rows) < AT_ONCE:
            return
        before = rows[-1]["id"]


async def _rows(connection: AsyncConnection, asked: Filter, before: UUID | None, limit: int) -> list[Row]:
    values = _values(asked) | {"limit": limit}
    if before is not None:
        place = (await connection.execute(_START, {"id": before})).scalar_one_or_none()
        # What began at one moment with the row before follows it by id.
        if place is not None and place < values["until"]:
            values |= {"until": place, "before": before}
    newest = f"ORDER BY started_at DESC, id DESC LIMIT {limit}"
    statement = text(_PAGE.format(heads=_heads(asked), newest=newest))
    return [dict(row._mapping) for row in await connection.execute(statement, values)]


def _heads(asked: Filter) -> str:
    if asked.unresolved:
        return _UNRESOLVED
    if asked.narrow:
        return _HEADS
    return _ALL if asked.integration_id is None else _INTEGRATION


def _values(asked: Filter) -> dict[str, Any]:
    # Nothing has the first id: a page until a moment leaves out what began at it.
    return {
        "integration": asked.integration_id,
        "entity": asked.entity,
        "direction": asked.direction,
        "status": asked.status,
        "trigger": asked.trigger,
        "since": asked.since or _FIRST,
        "until": asked.until or _LAST,
        "before": UUID(int=0) if asked.until else _LAST_ID,
    }
