"""Everything about one log: what an analyst gets as JSON ("Exportar payload") and a ticket is made from.

Secrets are redacted by name and by value: the integration's own credentials are looked for in every text.
Payloads are the records as they came, people's data included, so an export needs the right to edit and
leaves an audit row; what is redacted by name (documents, e-mails, telephones) is not in it either.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.actor import Actor
from core.errors import Absent, Advice
from core.redaction import Redactor
from db import audit
from db.audit import By
from db.runs import read_secrets
from db.session import tenant_transaction
from db.vault import Vault

FORMAT = "cloudtosys.log/1"
PAGE = 500

_HEAD = text(
    "SELECT to_jsonb(l) AS log, l.integration_id, (SELECT to_jsonb(r) FROM sync.run_request r"
    " WHERE r.id = l.request_id) AS request, jsonb_build_object('id', i.id, 'name', i.name, 'provider',"
    " i.provider, 'base_url', i.base_url, 'settings', i.settings, 'direction', i.direction, 'matching',"
    " i.matching, 'status', i.status, 'status_code', i.status_code, 'branch_id', i.branch_id) AS integration,"
    " current_setting('server_version') AS postgresql"
    " FROM sync.sync_log l JOIN sync.integration i ON i.id = l.integration_id WHERE l.id = :log"
)
_ISSUES = text(
    "SELECT i.id, to_jsonb(i) - 'payload' - 'key_id' - 'tenant_id' AS issue, i.payload,"
    " (SELECT to_jsonb(m) - 'tenant_id' FROM sync.mapping m WHERE m.integration_id = i.integration_id"
    " AND m.entity = i.entity AND (m.external_id = i.external_id OR m.internal_id = i.internal_id)"
    " ORDER BY m.external_id = i.external_id DESC LIMIT 1) AS mapping"
    " FROM sync.issue i WHERE i.sync_log_id = :log AND i.id > :after ORDER BY i.id LIMIT :limit"
)
_FIRST = UUID(int=0)

Row = dict[str, Any]


class LogUnknown(Absent):
    advice = Advice(
        "Log desconhecido",
        "O log não existe neste tenant, ou passou do prazo de guarda.",
        "Confira o id com `cloudtosys logs`.",
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """What the database does not know of a log: versions at work, and where Prefect shows the run."""

    versions: Mapping[str, Any]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Dossier:
    """The head of a log's story; `issues` read on with the same `redact`."""

    integration_id: UUID
    head: Row
    redact: Redactor


async def open_dossier(
    engine: AsyncEngine, vault: Vault, tenant_id: UUID, log_id: UUID, setting: Setting
) -> Dossier:
    """Raises `LogUnknown`, `WrongKey`, `DatabaseUnavailable`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_HEAD, {"log": log_id})).one_or_none()
    if row is None:
        raise LogUnknown("O log não foi encontrado.")
    secrets = await read_secrets(engine, vault, tenant_id, row.integration_id)
    redact = Redactor(secrets.values())
    head = {
        "format": FORMAT,
        "log": row.log,
        "integration": row.integration,
        "request": row.request,
        "run": {"id": row.log["flow_run_id"], "url": setting.url},
        "versions": {**setting.versions, "postgresql": row.postgresql},
    }
    return Dossier(row.integration_id, redact.data(head), redact)


async def issues(
    connection: AsyncConnection,
    vault: Vault,
    dossier: Dossier,
    log_id: UUID,
    *,
    after: UUID = _FIRST,
    limit: int = PAGE,
) -> list[Row]:
    """Failed records of a log by id, each with its payload in clear and its mapping. Raises `WrongKey`."""
    values = {"log": log_id, "after": after, "limit": limit}
    rows = await connection.execute(_ISSUES, values)
    return [
        dossier.redact.data(
            {**row.issue, "payload": _payload(vault, row.payload), "mapping": row.mapping},
        )
        for row in rows
    ]


async def export_log(
    engine: AsyncEngine, vault: Vault, actor: Actor, tenant_id: UUID, log_id: UUID, setting: Setting
) -> AsyncIterator[bytes]:
    """The complete JSON in pieces, a page of issues at a time; the audit row is there before the first one.

    Raises `NotAllowed`, `LogUnknown`, `WrongKey`, `DatabaseUnavailable`.
    """
    actor.require_edit()
    dossier = await open_dossier(engine, vault, tenant_id, log_id, setting)
    async with tenant_transaction(engine, tenant_id) as connection:
        await audit.record(connection, tenant_id, By(actor.name), "log.export", str(log_id))
    return _pieces(engine, vault, tenant_id, log_id, dossier)


async def export_issue(
    engine: AsyncEngine,
    vault: Vault,
    actor: Actor,
    tenant_id: UUID,
    log_id: UUID,
    issue_id: UUID,
    setting: Setting,
) -> bytes:
    """The same for one failed record of a log, which is put on record.

    Raises `NotAllowed`, `LogUnknown`, `WrongKey`, `DatabaseUnavailable`.
    """
    actor.require_edit()
    dossier = await open_dossier(engine, vault, tenant_id, log_id, setting)
    before = UUID(int=issue_id.int - 1)
    async with tenant_transaction(engine, tenant_id) as connection:
        await audit.record(connection, tenant_id, By(actor.name), "issue.export", str(issue_id))
        rows = await issues(connection, vault, dossier, log_id, after=before, limit=1)
    return msgspec.json.encode({**dossier.head, "issues": rows})


async def _pieces(
    engine: AsyncEngine, vault: Vault, tenant_id: UUID, log_id: UUID, dossier: Dossier
) -> AsyncIterator[bytes]:
    yield msgspec.json.encode(dossier.head)[:-1] + b',"issues":['
    after, comma = _FIRST, b""
    while True:
        async with tenant_transaction(engine, tenant_id) as connection:
            page = await issues(connection, vault, dossier, log_id, after=after)
        for row in page:
            yield comma + msgspec.json.encode(row)
            comma = b","
        if len(page) < PAGE:
            break
        after = UUID(page[-1]["id"])
    yield b"]}"


def _payload(vault: Vault, sealed: bytes | None) -> Any:
    if sealed is None:
        return None
    clear = vault.open_payload(bytes(sealed))
    try:
        return msgspec.json.decode(clear)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return clear.decode(errors="replace")
