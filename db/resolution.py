"""A log marked as resolved by a person: off the dashboard, its failed records no longer tried."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.actor import Actor
from core.errors import ConfigurationError
from db import audit
from db.audit import By
from db.dossier import LogUnknown
from db.issues import SAME, WHERE
from db.session import tenant_transaction

FAILED = ("error", "partial", "interrupted")

_LOG = text("SELECT status, resolved_by FROM sync.sync_log WHERE id = :log FOR UPDATE")
_RESOLVE = text(
    "UPDATE sync.sync_log SET resolved_at = now(), resolved_by = :by, resolved_reason = :reason"
    " WHERE id = :log"
)
_ISSUES = text(
    "UPDATE sync.issue SET state = 'resolved', resolved_at = now(), resolved_by = :by,"
    " resolved_reason = :reason, next_attempt_at = NULL WHERE sync_log_id = :log AND state = 'open'"
)

# With a record's newest failure its earlier attempts are over too.
_RECORDS = (
    "UPDATE sync.issue j SET state = 'resolved', resolved_at = now(), resolved_by = :by,"  # noqa: S608
    " resolved_reason = :reason, next_attempt_at = NULL FROM (SELECT DISTINCT i.integration_id, i.entity,"
    f" i.direction, i.external_id, i.internal_id FROM sync.issue i{{where}}) i WHERE{SAME}"
    " AND j.state = 'open'"
)
_CHOSEN = text(_RECORDS.format(where=" WHERE i.id = ANY(:ids) AND i.state = 'open'"))
_FITTING = text(_RECORDS.format(where=WHERE))


async def resolve_issues(
    engine: AsyncEngine,
    actor: Actor,
    tenant_id: UUID,
    chosen: Sequence[UUID] | Mapping[str, Any],
    reason: str,
) -> int:
    """Mark failed records as put right by hand: some by id, or all open ones that fit (`issues.filters`).
    Returns how many failures were closed, earlier attempts included.

    Raises `NotAllowed`, `DatabaseUnavailable`, and `ConfigurationError` without a reason.
    """
    actor.require_edit()
    if not reason.strip():
        raise ConfigurationError("Diga por que está resolvido: o motivo fica na auditoria.")
    values: dict[str, Any] = {"by": actor.name, "reason": reason.strip()}
    by = By(actor.name, reason.strip())
    async with tenant_transaction(engine, tenant_id) as connection:
        if isinstance(chosen, Mapping):
            count = (await connection.execute(_FITTING, {**chosen, "state": "open"} | values)).rowcount
            told = {name: str(value) for name, value in chosen.items() if value not in (None, "open")}
            await audit.record(connection, tenant_id, by, "issue.resolve", "", {**told, "issues": count})
        else:
            count = (await connection.execute(_CHOSEN, values | {"ids": list(chosen)})).rowcount
            await audit.record_each(connection, tenant_id, by, "issue.resolve", [str(id_) for id_ in chosen])
    return count


async def resolve_log(engine: AsyncEngine, actor: Actor, tenant_id: UUID, log_id: UUID, reason: str) -> int:
    """Mark a log that failed, with its open issues; returns how many those were.

    Raises `NotAllowed`, `LogUnknown`, `DatabaseUnavailable`, and `ConfigurationError` without a reason, for
    a log that has not failed, and for one that is marked already.
    """
    actor.require_edit()
    if not reason.strip():
        raise ConfigurationError("Diga por que o log está resolvido: o motivo fica na auditoria.")
    values = {"log": log_id, "by": actor.name, "reason": reason.strip()}
    async with tenant_transaction(engine, tenant_id) as connection:
        log = (await connection.execute(_LOG, {"log": log_id})).one_or_none()
        if log is None:
            raise LogUnknown("O log não foi encontrado.")
        if log.status not in FAILED:
            raise ConfigurationError("Só um log com erro, parcial ou interrompido pode ser marcado.")
        if log.resolved_by:
            raise ConfigurationError(f"O log já foi marcado como resolvido por {log.resolved_by}.")
        await connection.execute(_RESOLVE, values)
        count = (await connection.execute(_ISSUES, values)).rowcount
        by = By(actor.name, reason.strip())
        await audit.record(connection, tenant_id, by, "log.resolve", str(log_id), {"issues": count})
    return count
