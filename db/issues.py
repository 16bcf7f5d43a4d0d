"""Failed records as a person sees them: the newest attempt of each, its history, and causes with counts.

Rows are plain dictionaries with stable keys and without payloads. Functions raise `DatabaseUnavailable`.
"""

# ruff: noqa: S608 - statements are put together from our own parts

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.actor import Actor
from core.errors import Absent, Advice
from core.redaction import Redactor
from db import audit
from db.runs import read_secrets
from db.session import tenant_transaction
from db.vault import Vault

Row = dict[str, Any]

_COLUMNS = (
    "i.id, i.sync_log_id, i.integration_id, n.name AS integration, i.pair_id, i.entity, i.direction,"
    " i.external_id, i.internal_id, i.attempt, i.error_class, i.field, i.message, i.cause, i.remedy, i.fault,"
    " i.provider_code, i.provider_message, i.state, i.next_attempt_at, i.resolved_at, i.resolved_by,"
    " i.resolved_reason, i.created_at, i.payload IS NOT NULL AS has_payload"
)
_FROM = " FROM sync.issue i JOIN sync.integration n ON n.id = i.integration_id"
SAME = (
    " j.integration_id = i.integration_id AND j.entity = i.entity AND j.direction = i.direction"
    " AND j.external_id = i.external_id AND j.internal_id IS NOT DISTINCT FROM i.internal_id"
)
# Of a log every attempt is shown; else of each record the newest that is open.
WHERE = (
    " WHERE (CAST(:integration AS uuid) IS NULL OR i.integration_id = :integration)"
    " AND (CAST(:entity AS text) IS NULL OR i.entity = :entity)"
    " AND (CAST(:error_class AS text) IS NULL OR i.error_class = :error_class)"
    " AND (CAST(:field AS text) IS NULL OR i.field = :field)"
    " AND (CAST(:fault AS text) IS NULL OR i.fault = :fault)"
    " AND (CAST(:direction AS text) IS NULL OR i.direction = :direction)"
    " AND (CAST(:state AS text) IS NULL OR i.state = :state)"
    " AND (i.sync_log_id = :log OR CAST(:log AS uuid) IS NULL AND (i.state <> 'open'"
    f" OR NOT EXISTS (SELECT FROM sync.issue j WHERE{SAME} AND j.state = 'open' AND j.attempt > i.attempt)))"
)
_LIST = text(
    f"SELECT {_COLUMNS}{_FROM}{WHERE} AND (CAST(:before AS uuid) IS NULL OR i.id < :before)"
    " ORDER BY i.id DESC LIMIT :limit"
)
_CAUSES = text(
    "SELECT i.error_class, i.field, i.entity, i.direction, i.fault, min(i.remedy) AS remedy,"
    " min(i.cause) AS cause, min(i.message) AS example, count(*) AS records,"
    " count(*) FILTER (WHERE i.state = 'open') AS open, max(i.created_at) AS last_at"
    f"{_FROM}{WHERE} GROUP BY 1, 2, 3, 4, 5 ORDER BY records DESC, 1, 2, 3, 4"
)
_ONE = text(f"SELECT {_COLUMNS}{_FROM} WHERE i.id = :id")
_HISTORY = text(
    "SELECT j.id, j.sync_log_id, j.attempt, j.error_class, j.field, j.message, j.state, j.created_at,"
    f" j.resolved_at, j.resolved_by FROM sync.issue i JOIN sync.issue j ON{SAME} WHERE i.id = :id"
    " ORDER BY j.created_at, j.attempt"
)
_PAIRS = text(f"SELECT DISTINCT i.pair_id, i.direction{_FROM}{WHERE} AND i.pair_id IS NOT NULL ORDER BY 1, 2")
_PAYLOAD = text("SELECT payload FROM sync.issue WHERE id = :id AND payload IS NOT NULL")


class IssueUnknown(Absent):
    advice = Advice(
        "Issue desconhecida",
        "Não há issue com este id neste tenant, ou ela passou do prazo de guarda.",
        "Veja os ids com `cloudtosys issue list`.",
    )


def filters(
    *,
    integration_id: UUID | None = None,
    entity: str | None = None,
    error_class: str | None = None,
    field: str | None = None,
    fault: str | None = None,
    direction: str | None = None,
    state: str | None = "open",
    log_id: UUID | None = None,
) -> Mapping[str, Any]:
    """What the functions below ask for; None leaves a condition out."""
    return {
        "integration": integration_id,
        "entity": entity,
        "error_class": error_class,
        "field": field,
        "fault": fault,
        "direction": direction,
        "state": state,
        "log": log_id,
    }


async def listing(
    engine: AsyncEngine,
    tenant_id: UUID,
    wanted: Mapping[str, Any],
    *,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Row]:
    """The newest first; `before` is the last id of the page before."""
    return await _rows(engine, tenant_id, _LIST, {**wanted, "before": before, "limit": limit})


async def causes(engine: AsyncEngine, tenant_id: UUID, wanted: Mapping[str, Any]) -> list[Row]:
    """How many records failed of each error class and field, the most frequent first."""
    return await _rows(engine, tenant_id, _CAUSES, wanted)


async def pairs(engine: AsyncEngine, tenant_id: UUID, wanted: Mapping[str, Any]) -> list[tuple[UUID, str]]:
    """Pairs and directions whose records these are: each is tried again by a run of its own."""
    return [(row["pair_id"], row["direction"]) for row in await _rows(engine, tenant_id, _PAIRS, wanted)]


async def read(engine: AsyncEngine, tenant_id: UUID, issue_id: UUID) -> Row:
    """One issue with all attempts of its record, `attempts`. Raises `IssueUnknown`."""
    found = await _rows(engine, tenant_id, _ONE, {"id": issue_id})
    if not found:
        raise IssueUnknown(f"Não há issue {issue_id}.")
    return found[0] | {"attempts": await _rows(engine, tenant_id, _HISTORY, {"id": issue_id})}


async def payload(engine: AsyncEngine, vault: Vault, tenant_id: UUID, issue_id: UUID) -> Row | None:
    """The record as its source sent it, with people's data; None once it was thrown away."""
    async with tenant_transaction(engine, tenant_id) as connection:
        sealed = (await connection.execute(_PAYLOAD, {"id": issue_id})).scalar_one_or_none()
    found = None if sealed is None else msgspec.json.decode(vault.open_payload(bytes(sealed)))
    return found if isinstance(found, dict) else None


async def open_payload(
    engine: AsyncEngine, vault: Vault, actor: Actor, tenant_id: UUID, issue_id: UUID
) -> Row | None:
    """As `payload`, for a person's eyes, which is put on record. The integration's own secrets are masked.

    Raises `NotAllowed`, `IssueUnknown`, `WrongKey`.
    """
    actor.require_edit()
    issue = await read(engine, tenant_id, issue_id)
    async with tenant_transaction(engine, tenant_id) as connection:
        await audit.record(connection, tenant_id, audit.By(actor.name), "issue.payload", str(issue_id))
    found = await payload(engine, vault, tenant_id, issue_id)
    secrets = await read_secrets(engine, vault, tenant_id, issue["integration_id"])
    return None if found is None else Redactor(secrets.values()).masked(found)


async def _rows(engine: AsyncEngine, tenant_id: UUID, statement: Any, values: Mapping[str, Any]) -> list[Row]:
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(statement, values)]
