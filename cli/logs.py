"""`cloudtosys logs`: what ran, and how it ended."""

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Option

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core.entities import Direction, Entity, RunStatus
from core.formats import moment, number
from db import listings
from db.settings import read

app = group("")
FOLLOW_SECONDS = 2.0
STATUSES = ", ".join(status.value for status in RunStatus)
TRIGGERS = {"schedule": "agenda", "manual": "manual", "webhook": "webhook", "reprocess": "reprocesso"}
COLUMNS = {
    "started_at": "Data/Hora",
    "integration": "Integração",
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "status_label": "Status",
    "processed": "Total",
    "success": "Sucesso",
    "errors": "Erros",
    "skipped": "Ignorados",
    "seconds": "Segundos",
    "initiated_by_label": "Iniciado por",
    "message": "Mensagem",
    "id": "Id",
}


@command(app)
def logs(
    integration: Annotated[str, Option(metavar="<integração>", help="Só desta integração.")] = "",
    entity: Annotated[
        Entity | None, Option(metavar="<entidade>", parser=words.entity, help="Só desta entidade.")
    ] = None,
    status: Annotated[
        RunStatus | None,
        Option(metavar="<status>", parser=words.status, help=f"Só com este: {STATUSES}."),
    ] = None,
    before: Annotated[
        UUID | None, Option(metavar="<id>", help="Página anterior no tempo: o id mais antigo desta.")
    ] = None,
    unresolved: Annotated[
        bool, Option("--unresolved", help="Só os que falharam e que nada resolveu ainda.")
    ] = False,
    limit: words.Limit = 20,
    follow: Annotated[bool, Option("--follow", help="Continua mostrando; Ctrl-C encerra.")] = False,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Mostra os logs de sincronização, os mais novos por último.

    Com --follow e --json cada execução é uma linha JSON.
    """
    asyncio.run(_logs(integration, entity, status, before, unresolved, limit, follow, as_json, tenant))


async def _logs(
    integration: str,
    entity: Entity | None,
    status: RunStatus | None,
    before: UUID | None,
    unresolved: bool,
    limit: int,
    follow: bool,
    as_json: bool,
    tenant: str,
) -> None:
    async with database() as engine:
        owner = await chosen.tenant(engine, tenant)
        found = await chosen.integration(engine, owner.id, integration) if integration else None
        integration_id = found.id if found else None
        source = _Source(engine, owner.id, integration_id, entity, status, unresolved, limit)
        rows = await source.read(None, before)
        if not follow:
            output.show(rows, COLUMNS, as_json=as_json, empty="Nenhuma execução.")
            return
        _lines(rows, as_json)
        await _follow(source, rows, as_json)


class _Source:
    """The same question asked again and again."""

    def __init__(
        self,
        engine: AsyncEngine,
        tenant_id: UUID,
        integration_id: UUID | None,
        entity: Entity | None,
        status: RunStatus | None,
        unresolved: bool,
        limit: int,
    ) -> None:
        self._engine = engine
        self._tenant_id = tenant_id
        self._integration_id = integration_id
        self._entity = entity.value if entity else None
        self._status = status.value if status else None
        self._unresolved = unresolved
        self._limit = limit

    async def read(self, after: datetime | None, before: UUID | None = None) -> list[listings.Row]:
        rows = await listings.logs(
            self._engine,
            self._tenant_id,
            integration_id=self._integration_id,
            entity=self._entity,
            status=self._status,
            after=after,
            before=before,
            unresolved=self._unresolved,
            limit=self._limit if after is None else 1000,
        )
        return [labelled(row) for row in reversed(rows)]


async def _follow(source: _Source, shown: list[listings.Row], as_json: bool) -> None:
    """A run is shown when it begins and again when it ends."""
    seen = {(row["id"], row["status"]) for row in shown}
    last = max((row["ended_at"] or row["started_at"] for row in shown), default=None)
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        rows = [row for row in await source.read(last) if (row["id"], row["status"]) not in seen]
        _lines(rows, as_json)
        seen |= {(row["id"], row["status"]) for row in rows}


def labelled(row: listings.Row) -> listings.Row:
    """A log with the words people read beside its keys."""
    return row | {
        "entity_label": Entity(row["entity"]).label,
        "direction_label": Direction(row["direction"]).label,
        "initiated_by_label": TRIGGERS[row["initiated_by"]],
        "url": address(row["flow_run_id"]),
    }


def address(flow_run_id: UUID | None) -> str:
    """Of a run in Prefect's interface; empty where none is known."""
    url = read().prefect_ui_url
    return f"{url}/runs/flow-run/{flow_run_id}" if url and flow_run_id else ""


def _lines(rows: list[listings.Row], as_json: bool) -> None:
    for row in rows:
        if as_json:
            output.print_json_line(row)
            continue
        counts = (
            f"total {number(row['processed'])}, sucesso {number(row['success'])}, "
            f"erros {number(row['errors'])}, ignorados {number(row['skipped'])}"
        )
        line = (
            f"{moment(row['started_at'])}  {row['integration']} · {row['entity_label']} · "
            f"{row['direction_label']}  {row['status_label']}  {counts}  {row['message']}"
        )
        print(line.rstrip(), flush=True)
