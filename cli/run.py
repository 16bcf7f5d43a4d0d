"""`cloudtosys run`: a pair, now."""

import asyncio
import sys
from typing import Annotated

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Exit, Option

from cli import chosen, output, words
from cli.installation import database, orchestrator
from cli.logs import address, labelled
from cli.portuguese import command, group
from core.entities import Direction, Entity, RunStatus, Trigger
from core.errors import ConfigurationError
from db import admin, listings

app = group("")
NOT_SUCCEEDED = 3
COLUMNS = {
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "status_label": "Status",
    "processed": "Lidos",
    "created": "Criados",
    "updated": "Atualizados",
    "skipped": "Ignorados",
    "errors": "Erros",
    "seconds": "Segundos",
}


@command(app)
def run(
    integration: words.Integration,
    entity: words.OneEntity,
    direction: words.OneDirection = None,
    full: Annotated[bool, Option("--full", help="Varredura completa, sem o filtro de alterações.")] = False,
    wait: Annotated[bool, Option("--wait", help="Espera o fim e mostra o resultado.")] = False,
    timeout: Annotated[
        int, Option(min=1, max=86_400, metavar="<segundos>", help="Com --wait: quanto esperar.")
    ] = 3600,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Executa um par agora, pelo seu deployment no Prefect."""
    status = asyncio.run(_run(integration, entity, direction, tenant, full, timeout if wait else 0, as_json))
    if status is not RunStatus.SUCCESS:
        raise Exit(NOT_SUCCEEDED)


async def _run(
    integration: str,
    entity: Entity,
    direction: Direction | None,
    tenant: str,
    full: bool,
    seconds: int,
    as_json: bool,
) -> RunStatus:
    async with database() as engine, orchestrator(engine) as prefect:
        pair = await _pair(engine, tenant, integration, entity, direction)
        run_id = await prefect.trigger(pair.id, initiated_by=Trigger.MANUAL, full=full)
        where = address(run_id)
        if not seconds:
            if as_json:
                output.print_json({"flow_run_id": run_id, "pair_id": pair.id, "url": where})
            else:
                print(f"Execução pedida: {run_id} {where}".rstrip())
            return RunStatus.SUCCESS
        log = await listings.ended(engine, run_id, seconds)
    if log is None:
        raise ConfigurationError(
            f"A execução {run_id} não terminou em {seconds} s; ela continua. Acompanhe com `cloudtosys logs`."
        )
    row = labelled(log)
    output.show([row], COLUMNS, as_json=as_json, empty="")
    if log["message"]:
        print(log["message"], file=sys.stderr)
    if log["cause"]:
        print(f"Causa: {log['cause']}\nSolução: {log['remedy']}", file=sys.stderr)
    return RunStatus(log["status"])


async def _pair(
    engine: AsyncEngine, tenant: str, integration: str, entity: Entity, direction: Direction | None
) -> admin.PairRow:
    owner = await chosen.tenant(engine, tenant)
    found = await chosen.integration(engine, owner.id, integration)
    return await chosen.pair(engine, found, entity, direction)
