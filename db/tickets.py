"""Support tickets: everything about a failed log without its people, kept here and told to the channels.

Numbers are counted by tenant and year, without a gap: they are given under a lock that lasts until the
ticket is committed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from core.actor import Actor
from core.entities import Direction, Entity, RunStatus
from core.errors import Absent, ConfigurationError
from core.personal import scrub, scrubbed, without_people
from db import audit
from db.audit import By
from db.dossier import Row, Setting, issues, open_dossier
from db.notices import Notice, announce
from db.session import tenant_transaction
from db.vault import Vault

MOST_ISSUES = 20
MOST_KINDS = 10
LONGEST_DETAILS = 20_000
"""Characters of the details that a notice carries; the ticket itself keeps them all."""
LONGEST_NOTE = 2_000
LONGEST_SUBJECT = 200
ZONE = ZoneInfo("America/Sao_Paulo")

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('cloudtosys.ticket'), hashtext(:tenant))")
_OPEN = text("SELECT id, number FROM sync.support_ticket WHERE sync_log_id = :log AND state = 'open'")
_NUMBER = text(
    "SELECT y.year || lpad(CAST(coalesce(max(CAST(substring(t.number FROM 8) AS integer)), 0) + 1 AS text),"
    " 6, '0') FROM (SELECT to_char(now() AT TIME ZONE 'America/Sao_Paulo', '\"T-\"YYYY\"-\"') AS year) y"
    " LEFT JOIN sync.support_ticket t ON t.number LIKE y.year || '%' GROUP BY y.year"
)
_INSERT = text(
    "INSERT INTO sync.support_ticket (id, tenant_id, integration_id, sync_log_id, number, opened_by, subject,"
    " body, details) VALUES (:id, :tenant, :integration, :log, :number, :by, :subject, :body,"
    " CAST(:details AS jsonb))"
)
_KINDS = text(
    "SELECT error_class, message, cause, remedy, count(*) AS count FROM sync.issue"
    " WHERE sync_log_id = :log GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 2 LIMIT :limit"
)
_TICKETS = text(
    "SELECT t.id, t.number, t.state, t.subject, t.opened_by, t.created_at, t.sync_log_id, t.body,"
    " i.name AS integration FROM sync.support_ticket t LEFT JOIN sync.integration i"
    " ON i.id = t.integration_id WHERE (CAST(:number AS text) IS NULL OR t.number = :number)"
    " AND (CAST(:log AS uuid) IS NULL OR t.sync_log_id = :log)"
    " AND (CAST(:before AS text) IS NULL OR t.number < :before)"
    " ORDER BY t.number DESC LIMIT :limit"
)
_CLOSE = text("UPDATE sync.support_ticket SET state = 'closed' WHERE number = :number AND state = 'open'")


@dataclass(frozen=True, slots=True)
class Ticket:
    """`is_new` is false where the log had an open ticket already."""

    id: UUID
    number: str
    is_new: bool


async def open_ticket(
    engine: AsyncEngine,
    vault: Vault,
    actor: Actor,
    tenant_id: UUID,
    log_id: UUID,
    setting: Setting,
    *,
    subject: str = "",
    note: str = "",
) -> Ticket:
    """The open ticket of a log, made where there is none. A `note` is what the person adds; without a
    `subject` it tells integration, entity and status.

    Raises `NotAllowed`, `LogUnknown`, `WrongKey`, `DatabaseUnavailable`, and `ConfigurationError` for a run
    that has not ended.
    """
    actor.require_edit()
    dossier = await open_dossier(engine, vault, tenant_id, log_id, setting)
    head = scrubbed(dossier.head)
    log = head["log"]
    if log["status"] == RunStatus.RUNNING.value:
        raise ConfigurationError("A execução ainda não terminou: abra o ticket quando ela terminar.")
    entity = Entity(log["entity"])
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_LOCK, {"tenant": str(tenant_id)})
        found = (await connection.execute(_OPEN, {"log": log_id})).one_or_none()
        if found is not None:
            return Ticket(found.id, found.number, is_new=False)
        failed = await issues(connection, vault, dossier, log_id, limit=MOST_ISSUES)
        details = {**head, "issues": [_without_people(row, entity) for row in failed]}
        kinds = (await connection.execute(_KINDS, {"log": log_id, "limit": MOST_KINDS})).all()
        number = str((await connection.execute(_NUMBER)).scalar_one())
        body = _body(number, head, [row._mapping for row in kinds], scrub(note.strip())[:LONGEST_NOTE])
        name = head["integration"]["name"]
        about = scrub(" ".join(subject.split()))[:LONGEST_SUBJECT]
        subject = f"Ticket {number}: {about or f'{name} · {entity.label} · {_status(log)}'}"
        ticket = Ticket(uuid7(), number, is_new=True)
        await connection.execute(
            _INSERT,
            {
                "id": ticket.id,
                "tenant": tenant_id,
                "integration": dossier.integration_id,
                "log": log_id,
                "number": number,
                "by": actor.name,
                "subject": subject,
                "body": body,
                "details": msgspec.json.encode(details).decode(),
            },
        )
        await audit.record(
            connection, tenant_id, By(actor.name), "log.ticket", str(log_id), {"number": number}
        )
        shown = msgspec.json.format(msgspec.json.encode(details), indent=1).decode()[:LONGEST_DETAILS]
        notice = Notice("ticket", subject, f"{body}\n\nDetalhes:\n{shown}", dossier.integration_id)
        await announce(connection, tenant_id, notice)
    return ticket


async def tickets(
    engine: AsyncEngine,
    tenant_id: UUID,
    *,
    number: str | None = None,
    log_id: UUID | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Row]:
    """A tenant's tickets, the newest first; `before` is the last number of the page before. Raises
    `DatabaseUnavailable`."""
    values = {"number": number, "log": log_id, "before": before, "limit": limit}
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_TICKETS, values)]


async def close_ticket(engine: AsyncEngine, actor: Actor, tenant_id: UUID, number: str) -> None:
    """Raises `NotAllowed`, and `ConfigurationError` where no ticket of that number is open."""
    actor.require_edit()
    async with tenant_transaction(engine, tenant_id) as connection:
        if (await connection.execute(_CLOSE, {"number": number})).rowcount == 0:
            raise Absent(f"Não há ticket aberto com o número {number}.")
        await audit.record(connection, tenant_id, By(actor.name), "ticket.close", number)


def _without_people(issue: Row, entity: Entity) -> Row:
    """Notes of a mapping are written by hand, and say anything."""
    mapping = {key: value for key, value in (issue["mapping"] or {}).items() if key != "notes"}
    rest = scrubbed({**issue, "payload": None, "mapping": mapping})
    return {**rest, "payload": without_people(issue["payload"], entity)}


def _body(number: str, head: Row, kinds: Sequence[Mapping[Any, Any]], note: str) -> str:
    log, integration, run = head["log"], head["integration"], head["run"]
    started = datetime.fromisoformat(log["started_at"]).astimezone(ZONE)
    direction = Direction(log["direction"]).label
    lines = [
        f"Ticket {number}",
        f"Integração: {integration['name']} ({integration['provider']})",
        f"Entidade: {Entity(log['entity']).label} · {direction}",
        f"Log: {log['id']} · {started:%d/%m/%Y %H:%M} · {_status(log)}",
        f"Execução no Prefect: {run['id'] or '—'} {run['url']}".rstrip(),
        f"Processados {log['processed']} · sucesso {log['success']} · erros {log['errors']}"
        f" · ignorados {log['skipped']}",
    ]
    if log["error_class"]:
        lines += _error(log["error_class"], log, "")
    for kind in kinds:
        lines += _error(kind["error_class"], kind, f" ({kind['count']} vezes)")
    lines.append(f"Versões: {_versions(head['versions'])}")
    if note:
        lines.append(f"Observação: {note}")
    return "\n".join(lines)


def _error(kind: str, told: Mapping[Any, Any], times: str) -> list[str]:
    return [
        f"Erro: {kind}: {scrub(told['message'])}{times}",
        f"  Causa: {told['cause']}",
        f"  Solução: {told['remedy']}",
    ]


def _versions(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items() if isinstance(value, str))


def _status(log: Row) -> str:
    return RunStatus(log["status"]).label
