"""When a failing integration stops by itself: at once without valid credentials, else after some failures.

Judged in the transaction that closes a run, so that status, log and notice are one. Schedules follow by
`PairState.scheduled`; a run by hand stays possible.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.entities import Entity
from core.errors import AuthenticationError, DatabaseUnavailable, InstallationError, SyncError
from db.notices import Notice, announce

RECONNECT = "reconnect"
FAILURES = "failures"
MOST_FAILURES = 5
SPAN_MINUTES = 30
OURS = (InstallationError, DatabaseUnavailable)
"""What fails every integration alike, and says nothing of any."""

# A log of before the last resume, or of before the credentials were changed, says nothing of now. Runs that
# were skipped, cancelled or interrupted neither count nor break a row; a dry run is no run of the pair.
_STREAK = text(
    "SELECT count(*) AS failures, coalesce(now() - min(l.started_at)"
    " >= make_interval(mins => :minutes), false) AS long"
    " FROM sync.sync_log me JOIN sync.integration i ON i.id = me.integration_id"
    " JOIN sync.sync_log l ON l.pair_id = me.pair_id AND l.direction = me.direction AND l.status = 'error'"
    " AND NOT l.dry_run AND coalesce(l.error_class, '') <> ALL(:ours)"
    " AND l.started_at >= i.status_since AND l.started_at > coalesce((SELECT"
    " max(g.started_at) FROM sync.sync_log g WHERE g.pair_id = me.pair_id AND g.direction = me.direction"
    " AND g.status IN ('success', 'partial', 'deferred') AND NOT g.dry_run), '-infinity')"
    " WHERE me.id = :log"
)
# `failures` may become `reconnect`; what a person paused stays as it is.
_STOP = text(
    "UPDATE sync.integration i SET status = 'error', status_code = :code, status_reason = :reason,"
    " status_since = now(), updated_at = now() FROM sync.sync_log me"
    " WHERE me.id = :log AND i.id = me.integration_id AND me.started_at >= i.status_since"
    " AND (i.status = 'active' OR (i.status = 'error' AND i.status_code <> :code AND :code = 'reconnect'))"
    " RETURNING i.id, i.tenant_id, i.name"
)


async def judge(connection: AsyncConnection, log_id: UUID, entity: Entity, error: SyncError) -> None:
    """Turn the integration of a run that failed to `error` where it is time to, with a notice."""
    if isinstance(error, AuthenticationError):
        reason = f"As credenciais foram recusadas. {error.advice.cause} {error.advice.remedy}"
        await _stop(connection, log_id, RECONNECT, reason, entity, error)
        return
    values = {"log": log_id, "minutes": SPAN_MINUTES, "ours": [kind.__name__ for kind in OURS]}
    streak = (await connection.execute(_STREAK, values)).one()
    if streak.failures >= MOST_FAILURES and streak.long:
        reason = (
            f"{streak.failures} execuções seguidas de {entity.label} falharam: {error.advice.title}."
            f" {error.advice.cause} {error.advice.remedy}"
        )
        await _stop(connection, log_id, FAILURES, reason, entity, error)


async def _stop(
    connection: AsyncConnection, log_id: UUID, code: str, reason: str, entity: Entity, error: SyncError
) -> None:
    values = {"log": log_id, "code": code, "reason": reason}
    stopped = (await connection.execute(_STOP, values)).one_or_none()
    if stopped is None:
        return
    what = "reconecte" if code == RECONNECT else "sincronização parada por falhas"
    again = (
        "Grave credenciais novas (cloudtosys integration update): os agendamentos voltam por si."
        if code == RECONNECT
        else "Corrija a causa e reative com um passo (cloudtosys integration resume)."
    )
    body = (
        f"Integração: {stopped.name}\nEntidade: {entity.label}\nErro: {error.advice.title}\n"
        f"O que houve: {reason}\n\nOs agendamentos desta integração estão inativos. {again}\n"
        "Uma execução manual continua possível."
    )
    await announce(
        connection,
        stopped.tenant_id,
        Notice(f"integration_{code}", f"{stopped.name}: {what} ({error.advice.title})", body, stopped.id),
    )
