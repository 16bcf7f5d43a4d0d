"""Mappings a page at a time: among a million each page reads about as many rows as it shows.

There is one index for every filter: each integration × kind × state is a list of its own, newest first, and a
page is what is newest among the heads of those that are asked for. A search goes by external id instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.finding import KEYS, as_typed, channels_of
from db.mappings import LABELS, STATES
from db.naming import Named, names, source
from db.session import tenant_transaction

SIZE = 50
HELD = "held"
"""Beside the states: what a complete scan missed and the deletion gate keeps for a person."""
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_END = "\U0010ffff"
_COLUMNS = (
    "m.id, m.integration_id, m.entity, m.internal_id, m.external_id, m.parent_external_id, m.synced_at,"
    " m.state, m.orphaned_by, m.missing_at, m.notes"
)
_SCOPES = (
    "unnest(CAST(:integrations AS uuid[])) AS i (id) CROSS JOIN unnest(CAST(:kinds AS text[])) AS k (kind)"
)
# Rows are compared as wholes, and not column by column: else the planner takes the primary key for the order
# and passes over all that is not asked for.
_NEWEST = text(
    f"SELECT m.* FROM {_SCOPES} CROSS JOIN unnest(CAST(:states AS text[])) AS s (state)"  # noqa: S608
    f" CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM sync.mapping m"
    " WHERE (m.integration_id, m.entity, m.state, m.id) < (i.id, k.kind, s.state, CAST(:before AS uuid))"
    " AND (m.integration_id, m.entity, m.state, m.id) >= (i.id, k.kind, s.state, CAST(:first AS uuid))"
    " ORDER BY m.integration_id DESC, m.entity DESC, m.state DESC, m.id DESC LIMIT :limit) m"
    " ORDER BY m.id DESC LIMIT :limit"
)
_MISSED = text(
    f"SELECT m.* FROM {_SCOPES}"  # noqa: S608
    f" CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM sync.mapping m"
    " WHERE (m.integration_id, m.entity, m.id) < (i.id, k.kind, CAST(:before AS uuid))"
    " AND (m.integration_id, m.entity, m.id) >= (i.id, k.kind, CAST(:first AS uuid))"
    " AND m.missing_at IS NOT NULL AND m.state <> 'orphan'"
    " ORDER BY m.integration_id DESC, m.entity DESC, m.id DESC LIMIT :limit) m"
    " ORDER BY m.id DESC LIMIT :limit"
)
_AFTER = "(m.external_id, m.id) > (:after_external, CAST(:after_id AS uuid))"
_BEGINNING = (
    f"SELECT b.id FROM {_SCOPES} CROSS JOIN LATERAL (SELECT m.id FROM sync.mapping m"  # noqa: S608
    " WHERE m.integration_id = i.id AND m.entity = k.kind AND m.external_id >= :low"
    f" AND m.external_id < :high AND m.state = ANY(:states) AND {_AFTER}"
    " ORDER BY m.external_id LIMIT :limit) b"
)
_KEYED = (
    "SELECT m.id FROM records r JOIN sync.mapping m ON m.integration_id = ANY(:integrations)"  # noqa: S608
    " AND m.entity = r.kind AND m.internal_id = r.id AND m.state {state}"
    f" AND m.state = ANY(:states) AND {_AFTER}"
)
_LIVING, _ORPHANED = _KEYED.format(state="<> 'orphan'"), _KEYED.format(state="= 'orphan'")
_SEARCH = (
    f"WITH records AS ({{records}}), hits AS ({_BEGINNING}"  # noqa: S608
    f" UNION {_LIVING} UNION {_ORPHANED})"
    f" SELECT {_COLUMNS} FROM hits h JOIN sync.mapping m ON m.id = h.id"
    " ORDER BY m.external_id, m.id LIMIT :limit"
)
_INTEGRATIONS = text(
    "SELECT id, name FROM sync.integration WHERE deleted_at IS NULL ORDER BY lower(name), id"
)
_GATES = text(
    "SELECT a.message, a.opened_at, p.integration_id, i.name AS integration, p.entity FROM sync.alarm a"
    " JOIN sync.pair p ON p.id = a.pair_id JOIN sync.integration i ON i.id = p.integration_id"
    " WHERE a.kind = 'deletion_gate' AND a.closed_at IS NULL ORDER BY a.opened_at"
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`state` may be `HELD`. `words`: the beginning of an external id, or a whole natural key of the ERP's
    record."""

    integration_id: UUID | None = None
    kind: str | None = None
    state: str | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` have `integration`, a name, and `record`, `Named` or None. `last` is the row after which the
    next page begins, None on the last one. `gates`: held deletions of the whole tenant."""

    rows: Sequence[Row]
    last: Row | None
    integrations: Sequence[Any]
    gates: Sequence[Any]


async def read_page(
    engine: AsyncEngine, tenant_id: UUID, asked: Filter, after: UUID | None = None, size: int = SIZE
) -> Page:
    """The mappings after one of them, newest first, or by external id where words are searched for.

    Raises `DatabaseUnavailable`. A mapping to begin after that is gone begins anew in a search.
    """
    async with tenant_transaction(engine, tenant_id) as connection:
        integrations = (await connection.execute(_INTEGRATIONS)).all()
        gates = (await connection.execute(_GATES)).all()
        called = {row.id: row.name for row in integrations}
        chosen = [id_ for id_ in called if asked.integration_id in (None, id_)]
        values: Row = {
            "integrations": chosen,
            "kinds": [kind for kind in LABELS if asked.kind in (None, kind)],
            "states": [state for state in STATES if asked.state in (None, HELD, state)],
            "limit": size + 1,
        }
        if words := asked.words.strip():
            rows = await _search(connection, words, values, after)
        else:
            statement = _MISSED if asked.state == HELD else _NEWEST
            found = await connection.execute(statement, values | {"before": after or _LAST, "first": _FIRST})
            rows = [dict(row._mapping) for row in found]
        page = rows[:size]
        records = await _named(connection, page)
    for row in page:
        row |= {"integration": called[row["integration_id"]], "record": records.get(row["internal_id"])}
    return Page(page, page[-1] if len(rows) > size else None, integrations, gates)


async def _search(connection: AsyncConnection, words: str, values: Row, after: UUID | None) -> list[Row]:
    from_ = ("", _FIRST)
    if after is not None:
        place = text("SELECT external_id, id FROM sync.mapping WHERE id = :id")
        row = (await connection.execute(place, {"id": after})).one_or_none()
        from_ = tuple(row) if row else from_
    keyed = [kind for kind in values["kinds"] if kind in KEYS]
    records = " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, t.id FROM {source(kind)[1]} WHERE t.deleted_at IS NULL AND {condition}"  # noqa: S608
        for kind in keyed
        for condition in KEYS[kind]
    )
    more = {
        "low": max(words, from_[0]),
        "high": words + _END,
        "after_external": from_[0],
        "after_id": from_[1],
        "typed": as_typed(words),
        "channels": await channels_of(connection),
    }
    nothing = "SELECT NULL AS kind, CAST(NULL AS uuid) AS id WHERE false"
    statement = text(_SEARCH.format(records=records or nothing))
    return [dict(row._mapping) for row in await connection.execute(statement, values | more)]


async def _named(connection: AsyncConnection, rows: Sequence[Row]) -> dict[UUID, Named]:
    wanted: dict[str, list[UUID]] = {}
    for row in rows:
        wanted.setdefault(row["entity"], []).append(row["internal_id"])
    return await names(connection, wanted)
