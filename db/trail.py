"""The audit trail as people read it, the newest first. Every function raises `DatabaseUnavailable`."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.session import tenant_transaction

EXPORT_PAGE = 1000

_ROWS = text(
    "SELECT a.id, a.at, a.actor, a.action, a.target, a.details, coalesce(a.reason, '') AS reason"
    " FROM sync.audit_log a WHERE (CAST(:actor AS text) IS NULL OR a.actor = :actor)"
    " AND (CAST(:action AS text) IS NULL OR a.action = :action)"
    " AND (CAST(:target AS text) IS NULL OR a.target = :target)"
    " AND (CAST(:since AS timestamptz) IS NULL OR a.at >= :since)"
    " AND (CAST(:until AS timestamptz) IS NULL OR a.at < :until)"
    " AND (CAST(:before AS uuid) IS NULL OR (a.at, a.id) <"
    " ((SELECT b.at FROM sync.audit_log b WHERE b.id = :before), CAST(:before AS uuid)))"
    " ORDER BY a.at DESC, a.id DESC LIMIT :limit"
)
# What an id is the id of, and how people know it; rows that are gone have no name.
_NAMES = text(
    "SELECT id, 'integration' AS kind, name FROM sync.integration WHERE id = ANY(:ids)"
    " AND deleted_at IS NULL"
    " UNION ALL SELECT p.id, 'pair', concat_ws(' · ', i.name, p.entity) FROM sync.pair p"
    " JOIN sync.integration i ON i.id = p.integration_id WHERE p.id = ANY(:ids)"
    " UNION ALL SELECT m.id, 'mapping', concat_ws(' · ', i.name, m.external_id) FROM sync.mapping m"
    " JOIN sync.integration i ON i.id = m.integration_id WHERE m.id = ANY(:ids)"
    " UNION ALL SELECT l.id, 'log', concat_ws(' · ', i.name, l.entity) FROM sync.sync_log l"
    " JOIN sync.integration i ON i.id = l.integration_id WHERE l.id = ANY(:ids)"
    " UNION ALL SELECT id, 'person', name FROM sync.user WHERE id = ANY(:ids)"
    " UNION ALL SELECT id, 'api_key', name FROM sync.api_key WHERE id = ANY(:ids)"
    " UNION ALL SELECT id, 'channel', name FROM sync.channel WHERE id = ANY(:ids)"
)


@dataclass(frozen=True, slots=True)
class Filters:
    """None leaves a condition out; `since` is inclusive, `until` is not."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind` and `name` are of the target, empty where it is gone or has no page."""

    id: UUID
    at: datetime
    actor: str
    action: str
    target: str
    details: Mapping[str, Any]
    reason: str
    kind: str = ""
    name: str = ""


async def trail(
    engine: AsyncEngine,
    tenant_id: UUID,
    filters: Filters,
    *,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Entry]:
    """`before` is the last id of the page before."""
    values = {
        "actor": filters.actor,
        "action": filters.action,
        "target": filters.target,
        "since": filters.since,
        "until": filters.until,
        "before": before,
        "limit": limit,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = [Entry(**row._mapping) for row in await connection.execute(_ROWS, values)]
        names = await _names(connection, {id_ for row in rows if (id_ := _id(row.target))})
    return [replace(row, kind=kind, name=name) for row in rows for kind, name in [_of(names, row.target)]]


async def whole_trail(engine: AsyncEngine, tenant_id: UUID, filters: Filters) -> AsyncIterator[Entry]:
    """All that fits, a page a transaction."""
    before: UUID | None = None
    while page := await trail(engine, tenant_id, filters, before=before, limit=EXPORT_PAGE):
        for entry in page:
            yield entry
        before = page[-1].id


async def _names(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, tuple[str, str]]:
    if not ids:
        return {}
    found = await connection.execute(_NAMES, {"ids": list(ids)})
    return {row.id: (row.kind, row.name) for row in found}


def _of(names: Mapping[UUID, tuple[str, str]], target: str) -> tuple[str, str]:
    id_ = _id(target)
    return names.get(id_, ("", "")) if id_ else ("", "")


def _id(target: str) -> UUID | None:
    try:
        return UUID(target)
    except ValueError:
        return None
