"""Runs with a purpose of their own: `request`, `backfill`, `simulate` and `cancel`."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Argument, Option

from cli import chosen, output, words
from cli.installation import database, orchestrator
from cli.portuguese import command, group
from cli.requested import COLUMNS, Timeout, Wait, follow, shown
from core.entities import Direction, Entity, RequestKind
from core.errors import ConfigurationError, SyncError
from db import admin, requests, runs
from providers.registry import get

request = group("Pedidos: reprocessamentos, cargas retroativas e simulações.")
backfill = group("")
simulate = group("")
cancel = group("")
APPS = {"request": request, "backfill": backfill, "simulate": simulate, "cancel": cancel}


@request.callback()
def root() -> None:
    pass


@command(request, "list")
def list_(
    every: Annotated[bool, Option("--all", help="Também os que já terminaram.")] = False,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista os pedidos que esperam ou executam."""

    async def work() -> list[dict[str, object]]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await requests.listing(engine, owner.id, only_open=not every, limit=limit)
            return [shown(row) for row in found]

    output.show(asyncio.run(work()), COLUMNS, as_json=as_json, empty="Nenhum pedido.")


@command(backfill)
def backfill_(
    integration: words.Integration,
    entity: words.OneEntity,
    since: Annotated[
        datetime, Option("--from", metavar="<data>", parser=words.moment, help="A partir de (inclusive).")
    ],
    until: Annotated[
        datetime | None, Option(metavar="<data>", parser=words.moment, help="Até (exclusive). Padrão: agora.")
    ] = None,
    wait: Wait = False,
    timeout: Timeout = 3600,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Carga retroativa: lê de novo o que o sistema externo mudou em um período.

    Tem seu próprio ponto de retomada: a sincronização normal do par continua de onde está. Datas como
    2026-01-31 ou 2026-01-31T14:30, no horário de Brasília.
    """
    end = until or datetime.now(UTC).replace(microsecond=0)
    if since >= end:
        raise ConfigurationError("O período está vazio: --from deve ser anterior a --until.")

    async def work() -> None:
        async with database() as engine:
            pair = await _pair(engine, tenant, integration, entity, Direction.IMPORT)
            resource = get(pair.provider).resources[entity]
            if resource.incremental is None:
                print("O sistema externo não filtra por data: tudo é lido, e a data de cada registro decide.")
            owner = await chosen.tenant(engine, tenant)
            asked = await requests.ask(
                engine,
                owner.id,
                pair.id,
                RequestKind.BACKFILL,
                Direction.IMPORT,
                {"from": since.isoformat(), "until": end.isoformat()},
                by=admin.ACTOR,
            )
            await follow(engine, owner.id, [asked], seconds=timeout if wait else 0, as_json=as_json)

    asyncio.run(work())


@command(simulate)
def simulate_(
    integration: words.Integration,
    entity: words.OneEntity,
    direction: words.OneDirection = None,
    wait: Wait = False,
    timeout: Timeout = 3600,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Simula um par: conta o que seria criado, atualizado e recusado, e não grava nada.

    Um par bidirecional é simulado nas duas direções, cada uma como se a outra não tivesse executado.
    """

    async def work() -> None:
        async with database() as engine:
            pair = await _pair(engine, tenant, integration, entity, direction)
            owner = await chosen.tenant(engine, tenant)
            wanted = pair.direction if direction in (None, Direction.BOTH) else direction
            asked = [
                await requests.ask(engine, owner.id, pair.id, RequestKind.SIMULATION, way, {}, by=admin.ACTOR)
                for way in (Direction.IMPORT, Direction.EXPORT)
                if wanted in (way, Direction.BOTH)
            ]
            await follow(engine, owner.id, asked, seconds=timeout if wait else 0, as_json=as_json)

    asyncio.run(work())


@command(cancel)
def cancel_(
    id_: Annotated[UUID, Argument(metavar="LOG", help="Id do log de uma execução, ou de um pedido.")],
    tenant: words.Tenant = "",
) -> None:
    """Cancela uma execução em andamento, ou um pedido. O que já foi gravado fica."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            if await requests.cancel(engine, owner.id, id_, admin.ACTOR):
                print("Pedido cancelado.")
                return
            found = await requests.listing(engine, owner.id, request_id=id_)
            log_id = found[0]["log_id"] if found else id_
            run_id = await runs.ask_to_stop(engine, owner.id, log_id or id_, admin.ACTOR)
            print("Cancelamento pedido: a execução para antes do próximo lote.")
            if run_id is not None:
                await _stop(engine, run_id)

    asyncio.run(work())


async def _stop(engine: AsyncEngine, flow_run_id: UUID) -> None:
    """Without Prefect's answer the run still stops by itself."""
    try:
        async with orchestrator(engine) as prefect:
            await prefect.cancel(flow_run_id)
    except SyncError as error:
        print(f"O Prefect não foi avisado ({error.message})")


async def _pair(
    engine: AsyncEngine,
    tenant: str,
    integration: str,
    entity: Entity,
    direction: Direction | None,
) -> admin.PairRow:
    """The pair that goes this way, also one that goes both."""
    owner = await chosen.tenant(engine, tenant)
    found = await chosen.integration(engine, owner.id, integration)
    rows = [row for row in await admin.pairs(engine, owner.id) if row.integration_id == found.id]
    for row in rows:
        if row.entity is entity and row.direction is Direction.BOTH:
            return row
    return await chosen.pair(engine, found, entity, direction)
