"""Everything known of one record, both ways: what was told, tried, written, refused, decided and by whom.

Without a trace there is still an answer: what its pair has read, and why it may have passed the record over.
Functions raise `DatabaseUnavailable`.
"""

# ruff: noqa: S608 - statements are put together from our own parts

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Entity
from core.errors import Absent
from db.session import tenant_transaction

Row = dict[str, Any]

MOST = 100
"""Of each kind of trace, the newest."""
LOOKED_BACK = 500
"""Requests of the pair that may have named the record."""

_ISSUE_OF = "(:external <> '' AND i.external_id = :external OR i.internal_id = CAST(:internal AS uuid))"
_MAPPING = text(
    "SELECT m.id, m.external_id, m.internal_id, m.state, m.synced_at, m.missing_at"
    " FROM sync.mapping m WHERE m.integration_id = :integration AND m.entity = :entity"
    " AND (m.external_id = :external OR :external = '' AND m.internal_id = CAST(:internal AS uuid)"
    " AND m.state <> 'orphan')"
)
_TRACES = {
    "event": "SELECT e.id, e.received_at AS at, e.topic, e.state, e.reason, e.processed_at"
    " FROM sync.webhook_event e WHERE e.integration_id = :integration AND e.external_id = :external"
    " AND :external <> '' ORDER BY e.received_at DESC LIMIT :most",
    "issue": "SELECT i.id, i.created_at AS at, i.sync_log_id, i.direction, i.attempt, i.error_class, i.field,"
    " i.message, i.state, i.next_attempt_at, i.resolved_at, i.resolved_by, i.resolved_reason"
    " FROM sync.issue i WHERE i.integration_id = :integration AND i.entity = :entity"
    f" AND {_ISSUE_OF} ORDER BY i.id DESC LIMIT :most",
    "conflict": "SELECT c.id, c.created_at AS at, c.fields, c.state, c.resolved_by, c.resolved_at"
    " FROM sync.conflict c WHERE c.mapping_id = CAST(:mapping AS uuid)"
    " ORDER BY c.created_at DESC LIMIT :most",
    "override": "SELECT i.id, i.created_at AS at, i.author, i.reason, i.direction, i.lapsed_at"
    " FROM sync.record_override i WHERE i.integration_id = :integration AND i.entity = :entity"
    f" AND {_ISSUE_OF} ORDER BY i.created_at DESC LIMIT :most",
    "audit": "SELECT a.id, a.at, a.actor, a.action, a.reason FROM sync.audit_log a"
    " WHERE a.target = CAST(:mapping AS text) AND a.action LIKE 'mapping.%'"
    # Until then the request itself tells of it.
    " AND (a.action <> 'mapping.resync' OR a.at < now() - interval '90 days')"
    " ORDER BY a.at DESC LIMIT :most",
    # A link that was broken has no mapping any more.
    "broken": "SELECT a.id, a.at, a.actor, a.action, a.reason FROM sync.audit_log a"
    " WHERE a.action = 'mapping.delete' AND a.details->>'entity' = :entity"
    " AND a.details->>'external_id' = :external AND a.at > now() - interval '1 year'"
    " ORDER BY a.at DESC LIMIT 10",
    "outbox": "SELECT o.id, o.updated_at AS at, o.state, o.attempts, o.next_attempt_at, o.sync_log_id"
    " FROM sync.outbox o WHERE o.integration_id = :integration AND o.entity = :entity"
    " AND o.internal_id = CAST(:internal AS uuid) AND o.state IN ('intent', 'sent', 'unknown') LIMIT 1",
    "request": "SELECT r.id, r.created_at AS at, r.kind, r.direction, r.state, r.requested_by, r.ended_at,"
    " r.result, (SELECT l.id FROM sync.sync_log l WHERE l.request_id = r.id ORDER BY l.started_at DESC"
    " LIMIT 1) AS log_id FROM (SELECT * FROM sync.run_request WHERE pair_id = CAST(:pair AS uuid)"
    " ORDER BY created_at DESC LIMIT :back) r WHERE jsonb_exists(r.selection->'ids', :external)"
    " OR jsonb_exists(r.selection->'ids', CAST(:internal AS text))"
    " OR jsonb_exists_any(r.selection->'issues', CAST(:issues AS text[])) LIMIT :most",
}
_INTEGRATION = text(
    "SELECT id, name, provider, status, status_reason, deleted_at FROM sync.integration"
    " WHERE id = :integration"
)
_PAIR = text(
    "SELECT p.id, p.direction, p.cadence, p.enabled, p.simulate_next, p.last_full_at, c.watermark,"
    " c.scanning, c.items FROM sync.pair p LEFT JOIN sync.cursor c ON c.pair_id = p.id"
    " WHERE p.integration_id = :integration AND p.entity = :entity"
)
_RUNS = text(
    "SELECT id, direction, status, initiated_by, started_at, ended_at, processed, success, skipped, errors,"
    " message, full_scan, dry_run FROM sync.sync_log WHERE pair_id = CAST(:pair AS uuid)"
    " ORDER BY started_at DESC LIMIT 5"
)
_MENTIONED = text(
    "SELECT DISTINCT i.integration_id, i.entity, i.external_id FROM sync.issue i"
    " WHERE i.integration_id = ANY(:integrations) AND i.entity = ANY(:entities) AND i.external_id = :external"
    " LIMIT 20"
)


@dataclass(frozen=True, slots=True)
class Known:
    """`traces` have `trace`, what they are, and `at`, the oldest first. `pair` and `mapping` are None where
    there is none; `runs` are the pair's newest."""

    integration: Row
    pair: Row | None
    mapping: Row | None
    traces: Sequence[Row]
    runs: Sequence[Row]


async def read(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    entity: Entity,
    *,
    external_id: str = "",
    internal_id: UUID | None = None,
) -> Known:
    """A record by its id outside, or of one that is only in the ERP by that. Raises `Absent` where the
    integration is none of this tenant's."""
    values = {
        "integration": integration_id,
        "entity": entity,
        "external": external_id,
        "internal": internal_id,
        "most": MOST,
        "back": LOOKED_BACK,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        integration = await _one(connection, _INTEGRATION, values)
        if integration is None:
            raise Absent("Não há esta integração.")
        pair = await _one(connection, _PAIR, values)
        mapping = await _one(connection, _MAPPING, values)
        values |= {"pair": pair["id"] if pair else None, "mapping": mapping["id"] if mapping else None}
        if mapping is not None:
            values |= {"internal": mapping["internal_id"], "external": mapping["external_id"]}
        traces = await _traces(connection, values)
        runs = [dict(row._mapping) for row in await connection.execute(_RUNS, values)]
    if mapping is not None:
        traces += _of_mapping(mapping, traces)
    return Known(integration, pair, mapping, sorted(traces, key=lambda row: row["at"]), runs)


async def mentioned(
    engine: AsyncEngine,
    tenant_id: UUID,
    integrations: Sequence[UUID],
    entities: Sequence[str],
    external_id: str,
) -> list[Row]:
    """Records with that very id outside of which a failure is known."""
    values = {"integrations": list(integrations), "entities": list(entities), "external": external_id}
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_MENTIONED, values)]


async def _traces(connection: AsyncConnection, values: Mapping[str, Any]) -> list[Row]:
    found: list[Row] = []
    issues: list[str] = []
    for name, statement in _TRACES.items():
        rows = await connection.execute(text(statement), {**values, "issues": issues})
        found += [dict(row._mapping) | {"trace": name} for row in rows]
        if name == "issue":
            issues = [str(row["id"]) for row in found if row["trace"] == "issue"]
    return found


def _of_mapping(mapping: Row, traces: Sequence[Row]) -> list[Row]:
    """When the link was made is in its id (RFC 9562 5.7), unless the audit trail knows who made it."""
    found: list[Row] = []
    told = any(row["trace"] == "audit" and row["action"] == "mapping.create" for row in traces)
    if not told and mapping["id"].version == 7:
        made = datetime.fromtimestamp((mapping["id"].int >> 80) / 1000, UTC)
        found.append({"trace": "linked", "at": made})
    if mapping["synced_at"]:
        found.append({"trace": "written", "at": mapping["synced_at"]})
    if mapping["missing_at"]:
        found.append({"trace": "missing", "at": mapping["missing_at"], "state": mapping["state"]})
    return found


async def _one(connection: AsyncConnection, statement: Any, values: Mapping[str, Any]) -> Row | None:
    row = (await connection.execute(statement, values)).first()
    return None if row is None else dict(row._mapping)
