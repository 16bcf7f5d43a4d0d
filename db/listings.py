"""Sync logs and mappings as lists. Rows are plain dictionaries with stable keys; no personal data is in them.

Every function raises `DatabaseUnavailable`.
"""

import asyncio
import time
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Entity, RunStatus
from core.errors import Absent
from db.session import system_transaction, tenant_transaction

POLL_SECONDS = 0.2
LOG_COLUMNS = (
    "l.id, l.integration_id, i.name AS integration, l.entity, l.direction, l.status, l.initiated_by,"
    " l.started_at, l.ended_at, CAST(l.duration_seconds AS float8) AS seconds, l.processed, l.success,"
    " l.created, l.updated, l.skipped, l.errors, l.error_class, l.message, l.cause, l.remedy, l.flow_run_id,"
    " l.full_scan, l.total, l.details, l.resolved_at, l.resolved_by, l.resolved_reason,"
    " l.dry_run, l.request_id, l.parent_id, l.pair_id"
)
_LOGS = (
    f"SELECT {LOG_COLUMNS} FROM sync.sync_log l JOIN sync.integration i ON i.id = l.integration_id"  # noqa: S608
    " WHERE (CAST(:integration AS uuid) IS NULL OR l.integration_id = :integration)"
    " AND (CAST(:entity AS text) IS NULL OR l.entity = :entity)"
    " AND (CAST(:status AS text) IS NULL OR l.status = :status)"
    " AND (CAST(:after AS timestamptz) IS NULL OR coalesce(l.ended_at, l.started_at) > :after)"
)
_OLDER = (
    " AND (l.started_at, l.id) <"
    " ((SELECT b.started_at FROM sync.sync_log b WHERE b.id = :before), CAST(:before AS uuid))"
)
# Failed, marked by nobody, and not made good since: by its records one by one, or by a later run as a whole.
_UNRESOLVED = (
    " AND l.status IN ('error', 'partial') AND l.resolved_at IS NULL AND (EXISTS (SELECT FROM sync.issue o"
    " WHERE o.sync_log_id = l.id AND o.state = 'open') OR (l.status = 'error' AND NOT EXISTS"
    " (SELECT FROM sync.sync_log n WHERE n.pair_id = l.pair_id AND n.direction = l.direction"
    " AND n.started_at > l.started_at AND n.status IN ('success', 'partial') AND NOT n.dry_run)))"
)
_NEWEST_FIRST = " ORDER BY l.started_at DESC, l.id DESC LIMIT :limit"
_LOG = text(
    f"SELECT {LOG_COLUMNS} FROM sync.sync_log l JOIN sync.integration i ON i.id = l.integration_id"  # noqa: S608
    " WHERE l.id = :log"
)
_ENDED = text(
    f"SELECT {LOG_COLUMNS} FROM sync.sync_log l JOIN sync.integration i ON i.id = l.integration_id"  # noqa: S608
    " WHERE l.flow_run_id = :run AND l.status <> 'running'"
)
_PROVIDER = text(
    "SELECT i.provider, l.flow_run_id FROM sync.sync_log l"
    " JOIN sync.integration i ON i.id = l.integration_id WHERE l.id = :log"
)
_MAPPINGS = text(
    "SELECT m.id, m.integration_id, i.name AS integration, m.entity, m.internal_id, m.external_id,"
    " m.parent_external_id, m.synced_at, m.state, m.orphaned_by, m.missing_at, m.notes FROM sync.mapping m"
    " JOIN sync.integration i ON i.id = m.integration_id"
    " WHERE (CAST(:integration AS uuid) IS NULL OR m.integration_id = :integration)"
    " AND (CAST(:entity AS text) IS NULL OR m.entity = :entity)"
    " AND (CAST(:state AS text) IS NULL OR m.state = :state)"
    " AND (CAST(:external AS text) IS NULL OR m.external_id = :external)"
    " AND (CAST(:search AS text) IS NULL OR position(lower(:search) IN lower(m.external_id)) > 0)"
    " AND (CAST(:held AS boolean) IS NULL OR (m.missing_at IS NOT NULL) = :held)"
    " AND m.id > :after ORDER BY m.id LIMIT :limit"
)
_PROPOSALS = text(
    "SELECT id, external_id, label, rule, state, internal_id, candidates FROM sync.proposal"
    " WHERE discovery_id = :discovery AND (CAST(:state AS text) IS NULL OR state = :state)"
    " AND id > :after ORDER BY id LIMIT :limit"
)
_DISCOVERIES = text(
    "SELECT d.id, d.integration_id, i.name AS integration, d.entity, d.state, d.counts, d.message,"
    " d.requested_by, d.created_at, d.applied_at, d.applied_by FROM sync.discovery d"
    " JOIN sync.integration i ON i.id = d.integration_id WHERE d.id < :before"
    " ORDER BY d.id DESC LIMIT :limit"
)
_CANDIDATES = {
    Entity.PRODUCTS.value: "SELECT id, concat_ws(' · ', sku, name) FROM erp.product",
    Entity.CATEGORIES.value: "SELECT id, concat_ws(' · ', nullif(slug, ''), name) FROM erp.category",
    Entity.ORDERS.value: 'SELECT id, number FROM erp."order"',
    Entity.CUSTOMERS.value: "SELECT id, coalesce('…' || right(document, 5), left(email, 1) || '…@'"
    " || split_part(email, '@', 2), '') FROM erp.customer",
}
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)

Row = dict[str, Any]


async def logs(
    engine: AsyncEngine,
    tenant_id: UUID,
    *,
    integration_id: UUID | None = None,
    entity: str | None = None,
    status: str | None = None,
    after: datetime | None = None,
    before: UUID | None = None,
    unresolved: bool = False,
    limit: int = 50,
) -> list[Row]:
    """The newest runs first; `after` leaves out those that ended (or began, when running) before.

    `before` is the last id of the page before: only older runs follow. `unresolved` ones failed, and neither
    a person nor a later run has put that right.
    """
    statement = _LOGS + (_OLDER if before else "") + (_UNRESOLVED if unresolved else "") + _NEWEST_FIRST
    values = {
        "integration": integration_id,
        "entity": entity,
        "status": status,
        "after": after,
        "limit": limit,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (
            await connection.execute(text(statement), values | ({"before": before} if before else {}))
        ).all()
    return [_labelled(dict(row._mapping)) for row in rows]


async def provider_of(engine: AsyncEngine, tenant_id: UUID, log_id: UUID) -> tuple[str, UUID | None] | None:
    """Provider and flow run of a log; None where the tenant has no such log."""
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_PROVIDER, {"log": log_id})).one_or_none()
    return (row.provider, row.flow_run_id) if row else None


async def log(engine: AsyncEngine, tenant_id: UUID, log_id: UUID) -> Row:
    """One log. Raises `Absent` for one that does not exist."""
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_LOG, {"log": log_id})).one_or_none()
    if row is None:
        raise Absent(f"Não há log {log_id}.")
    return _labelled(dict(row._mapping))


async def ended(engine: AsyncEngine, flow_run_id: UUID, seconds: float) -> Row | None:
    """The log of a flow run when it has ended; None when it has not after so many `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        async with system_transaction(engine) as connection:
            row = (await connection.execute(_ENDED, {"run": flow_run_id})).one_or_none()
        if row is not None:
            return _labelled(dict(row._mapping))
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(POLL_SECONDS)


async def mappings(
    engine: AsyncEngine,
    tenant_id: UUID,
    *,
    integration_id: UUID | None = None,
    entity: str | None = None,
    state: str | None = None,
    external_id: str | None = None,
    search: str | None = None,
    held: bool | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Row]:
    """Mappings by id; `after` is the last id of the page before.

    `search` is a part of the external id; `held` ones were missed by a scan and wait for a person.
    """
    values = {
        "integration": integration_id,
        "entity": entity,
        "state": state,
        "external": external_id,
        "search": search or None,
        "held": held,
        "after": after or _FIRST,
        "limit": limit,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_MAPPINGS, values)]


async def discoveries(
    engine: AsyncEngine, tenant_id: UUID, *, before: UUID | None = None, limit: int = 50
) -> list[Row]:
    """The newest first; `before` is the last id of the page before."""
    values = {"before": before or _LAST, "limit": limit}
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_DISCOVERIES, values)]


async def proposals(
    engine: AsyncEngine,
    tenant_id: UUID,
    discovery_id: UUID,
    entity: Entity,
    *,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Row]:
    """Proposals of a discovery, `candidates` with a `label` that people know them by (of people a part)."""
    values = {"discovery": discovery_id, "state": state, "after": after or _FIRST, "limit": limit}
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = [dict(row._mapping) for row in await connection.execute(_PROPOSALS, values)]
        ids = {id_ for row in rows for id_ in row["candidates"]}
        statement = text(f"{_CANDIDATES[entity.value]} WHERE id = ANY(:ids)")
        found = await connection.execute(statement, {"ids": list(ids)})
        labels: dict[UUID, str] = {row[0]: row[1] for row in found}
    for row in rows:
        row["candidates"] = [{"id": id_, "label": labels.get(id_, "")} for id_ in row["candidates"]]
    return rows


def _labelled(row: Row) -> Row:
    return row | {"status_label": RunStatus(row["status"]).label}
