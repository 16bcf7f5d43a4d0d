"""`cloudtosys mapping discover` and what follows it: links proposed, applied, picked, dismissed."""

import asyncio
import time
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Argument, Exit, Option

from cli import chosen, output, words
from cli.installation import database, orchestrator
from cli.logs import address
from cli.portuguese import command, group
from core.discovering import PROPOSALS, STAGES, Rule
from core.discovering import words as in_words
from core.entities import Entity
from core.errors import ConfigurationError, SyncError
from core.formats import number
from db import admin, discovery, listings
from db.audit import By

app = group("")
POLL_SECONDS = 0.5
NOT_SUCCEEDED = 3
COLUMNS = {
    "id": "Proposta",
    "external_id": "ID externo",
    "label": "Registro externo",
    "state_label": "Situação",
    "rule_label": "Por",
    "candidates_label": "Candidatos no ERP",
}

Discovery = Annotated[
    UUID | None, Option("--discovery", metavar="<id>", help="Qual descoberta; sem isto, a mais nova.")
]


@command(app)
def discover(
    integration: words.Integration,
    entity: words.OneEntity,
    apply: Annotated[
        bool, Option("--apply", help="Cria logo os vínculos sem ambiguidade; sem isto, só propõe.")
    ] = False,
    wait: Annotated[bool, Option("--wait", help="Espera o fim e mostra o resultado.")] = False,
    timeout: Annotated[
        int, Option(min=1, max=86_400, metavar="<segundos>", help="Com --wait: quanto esperar.")
    ] = 3600,
    reason: words.Reason = "",
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Procura vínculos entre registros que já existem dos dois lados, sem gravar nada.

    Produtos por SKU e GTIN, clientes por CPF/CNPJ e e-mail, pedidos por número, categorias por slug e nome.
    """
    row = asyncio.run(_discover(integration, entity, tenant, reason, apply, timeout if wait else 0))
    if as_json:
        output.print_json(row)
    else:
        print(_said(row))
    if row["state"] == "failed":
        raise Exit(NOT_SUCCEEDED)


@command(app)
def proposals(
    integration: words.Integration,
    entity: words.OneEntity,
    discovery_id: Discovery = None,
    state: Annotated[
        str | None,
        Option(metavar="<situação>", parser=words.proposal_state, help=", ".join(words.PROPOSAL_STATES)),
    ] = None,
    after: Annotated[
        UUID | None, Option(metavar="<id>", help="Página seguinte: o último id da anterior.")
    ] = None,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Mostra o que a descoberta propôs."""

    async def work() -> tuple[listings.Row, list[listings.Row]]:
        async with database() as engine:
            owner, found = await _owner(engine, tenant, integration)
            id_ = discovery_id or await discovery.latest(engine, owner, found.id, entity)
            run = await _read(engine, owner, id_, found.id, entity)
            return run, await listings.proposals(
                engine, owner, id_, entity, state=state, after=after, limit=limit
            )

    run, rows = asyncio.run(work())
    if not as_json:
        print(_said(run))
    output.show([_row(row) for row in rows], COLUMNS, as_json=as_json, empty="Nenhuma proposta.")


@command(app)
def apply(
    integration: words.Integration,
    entity: words.OneEntity,
    discovery_id: Discovery = None,
    reason: words.Reason = "",
    tenant: words.Tenant = "",
) -> None:
    """Cria os vínculos sem ambiguidade que a descoberta propôs."""

    async def work() -> discovery.Applied:
        async with database() as engine:
            owner, found = await _owner(engine, tenant, integration)
            id_ = discovery_id or await discovery.latest(engine, owner, found.id, entity)
            await _read(engine, owner, id_, found.id, entity)
            return await discovery.apply(engine, owner, id_, By(admin.ACTOR, reason))

    done = asyncio.run(work())
    print(f"{number(done.linked)} vínculos criados; a próxima execução compara os registros.")
    if done.passed:
        print(f"{number(done.passed)} deixados: vinculados ou excluídos desde a descoberta.")


@command(app)
def pick(
    proposal: Annotated[UUID, Argument(metavar="PROPOSTA", help="Id da proposta (mapping proposals).")],
    candidate: Annotated[UUID, Argument(metavar="CANDIDATO", help="ID do registro no ERP.")],
    reason: words.Reason = "",
    tenant: words.Tenant = "",
) -> None:
    """Escolhe o candidato de uma proposta ambígua e cria o vínculo."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            await discovery.pick(engine, owner.id, proposal, candidate, By(admin.ACTOR, reason))

    asyncio.run(work())
    print("Vínculo criado; a próxima execução compara os registros.")


@command(app)
def dismiss(
    proposal: Annotated[list[UUID], Argument(metavar="PROPOSTA", help="Ids das propostas.")],
    reason: words.Reason = "",
    tenant: words.Tenant = "",
) -> None:
    """Descarta propostas; outra descoberta pode propô-las de novo."""

    async def work() -> int:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await discovery.dismiss(engine, owner.id, proposal, By(admin.ACTOR, reason))

    print(f"{number(asyncio.run(work()))} descartadas.")


async def _discover(
    integration: str, entity: Entity, tenant: str, reason: str, apply: bool, seconds: int
) -> listings.Row:
    async with database() as engine, orchestrator(engine) as prefect:
        owner, found = await _owner(engine, tenant, integration)
        pairs = [row for row in await admin.pairs(engine, owner) if row.integration_id == found.id]
        pair = next((row for row in pairs if row.entity is entity), None)
        if pair is None:
            raise ConfigurationError(f"{found.name} não tem par de {entity.label}.")
        id_ = await discovery.begin(engine, owner, found.id, entity, By(admin.ACTOR, reason))
        try:
            await prefect.discover(pair.id, id_, apply=apply)
        except SyncError as error:
            await discovery.fail(engine, owner, id_, error.message)
            raise
        deadline = time.monotonic() + seconds
        row = await discovery.read(engine, owner, id_)
        # Between proposed and applied there is a moment.
        ends = ("applied", "failed") if apply else ("proposed", "applied", "failed")
        while row["state"] not in ends and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            row = await discovery.read(engine, owner, id_)
    return row


async def _owner(engine: AsyncEngine, tenant: str, integration: str) -> tuple[UUID, admin.IntegrationRow]:
    owner = await chosen.tenant(engine, tenant)
    return owner.id, await chosen.integration(engine, owner.id, integration)


async def _read(
    engine: AsyncEngine, tenant_id: UUID, id_: UUID, integration_id: UUID, entity: Entity
) -> listings.Row:
    row = await discovery.read(engine, tenant_id, id_)
    if (row["integration_id"], row["entity"]) != (integration_id, entity.value):
        raise ConfigurationError("Esta descoberta é de outra integração ou entidade.")
    return row


def _said(row: listings.Row) -> str:
    where = address(row["flow_run_id"])
    lines = [f"Descoberta {row['id']}: {STAGES[row['state']]}. {row['message']}".rstrip()]
    if row["state"] in ("proposed", "applied"):
        lines.append(f"{in_words(row['counts'])}.")
    return "\n".join(lines + ([where] if where else []))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    candidates = "; ".join(f"{item['id']} {item['label']}".rstrip() for item in row["candidates"])
    return row | {
        "state_label": PROPOSALS[row["state"]],
        "rule_label": Rule(row["rule"]).label if row["rule"] else "",
        "candidates_label": candidates,
    }
