"""`cloudtosys integration`: connected accounts."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Exit, Option

from cli import certificates, chosen, credentials, output, probe, webhook, words
from cli import connect as connecting
from cli.following import follow_up
from cli.installation import database
from cli.portuguese import command, group
from core import form
from core.address import Guard
from core.entities import Cadence, ConflictPolicy, Direction, Entity, IntegrationStatus, Matching
from core.spec import Provider
from db import admin, deleted
from db.settings import Environment, read
from db.vault import from_environment
from providers.registry import get

app = group("Integrações: contas conectadas de sistemas externos.")
COLUMNS = {
    "name": "Nome",
    "provider": "Provedor",
    "status_label": "Status",
    "direction_label": "Direção",
    "base_url": "Endereço",
    "last_success_at": "Última sincronização",
    "id": "Id",
}
FileOption = Annotated[
    Path | None,
    Option("--credentials-file", metavar="<arquivo>", help="Credenciais em JSON ou linhas campo=valor."),
]
Settings = Annotated[
    list[str] | None, Option("--set", metavar="<campo=valor>", help="Outro campo do provedor; repetível.")
]


@command(app)
def create(
    name: Annotated[str, Option(metavar="<nome>", help="Nome, como 'Shopify Loja Principal'.")],
    provider: Annotated[str, Option(metavar="<provedor>", help="Veja `cloudtosys providers`.")],
    base_url: Annotated[str, Option(metavar="<endereço>", help="URL base do sistema externo.")] = "",
    entities: Annotated[
        list[Entity] | None,
        Option(
            "--entity",
            metavar="<entidade>",
            parser=words.entity,
            help="Repetível. Padrão: todas do provedor.",
        ),
    ] = None,
    direction: Annotated[
        Direction | None, Option(metavar="<direção>", parser=words.direction, help="Padrão: importar.")
    ] = None,
    cadence: Annotated[
        Cadence | None,
        Option(metavar="<frequência>", parser=words.cadence, help="manual, 5min, 15min, 1h, diária."),
    ] = None,
    branch: Annotated[str, Option(metavar="<código>", help="Filial vinculada.")] = "",
    matching: Annotated[
        Matching | None,
        Option(metavar="<como>", parser=words.matching, help="Pareamento: sku (padrão), id ou campo."),
    ] = None,
    policy: Annotated[
        ConflictPolicy | None,
        Option(
            "--conflict",
            metavar="<política>",
            parser=words.policy,
            help="Bidirecional, quando os dois lados mudam: erp, externo, recente ou perguntar (padrão).",
        ),
    ] = None,
    write_at_once: Annotated[
        bool,
        Option(
            "--no-simulation",
            help="A primeira execução de cada par já grava, em vez de só contar o que faria.",
        ),
    ] = False,
    credentials_file: FileOption = None,
    settings: Settings = None,
    tenant: words.Tenant = "",
) -> None:
    """Cria uma integração. As credenciais vêm do arquivo, do ambiente ou são pedidas sem eco."""
    kind = get(provider)
    wanted = direction or Direction.IMPORT
    rhythm = cadence or Cadence.MANUAL
    directions = form.directions(kind, entities, wanted)
    form.check_cadence(kind, rhythm)

    async def work() -> None:
        async with database() as engine:
            environment = read()
            owner = await chosen.tenant(engine, tenant)
            branch_id = await admin.find_branch(engine, owner.id, branch) if branch else None
            others = form.defaults(kind) | credentials.settings(kind, settings or [])
            secrets = credentials.credentials(kind, credentials_file)
            given = {"base_url": base_url, **others, **secrets}
            form.complete(kind, given)
            _check_addresses(kind, environment, given)
            if kind.certificate is not None:
                kind.certificate(given)  # refused before anything is kept
            simulate = not write_at_once and all(form.may_simulate(kind, entity) for entity in directions)
            draft = admin.Draft(
                tenant_id=owner.id,
                provider=kind.key,
                name=name,
                base_url=base_url or None,
                settings=others,
                secrets=secrets,
                direction=wanted,
                pairs=dict.fromkeys(directions, rhythm),
                directions=directions,
                branch_id=branch_id,
                matching=matching or Matching.SKU,
                policy=policy or ConflictPolicy.ASK,
                simulate=simulate,
            )
            vault = from_environment(environment)
            found = await admin.create_integration(engine, vault, draft)
            print(f"Integração {name} criada: id {found}.")
            made = await chosen.integration(engine, owner.id, str(found))
            await certificates.note_expiry(engine, vault, kind, made)
            if simulate:
                print("A primeira execução de cada par é uma simulação e nada grava; a segunda grava.")
            await follow_up(engine)
            await webhook.offer(engine, made)

    asyncio.run(work())


@command(app, "list")
def list_(as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Lista as integrações."""

    async def work() -> list[admin.IntegrationRow]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await admin.integrations(engine, owner.id)

    rows = [_row(row) for row in asyncio.run(work())]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhuma integração.")


@command(app)
def show(integration: words.Integration, as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Mostra uma integração; das credenciais, só os nomes."""

    async def work() -> tuple[admin.IntegrationRow, list[admin.PairRow]]:
        async with database() as engine:
            found = await _find(engine, tenant, integration)
            pairs = await admin.pairs(engine, found.tenant_id)
            return found, [pair for pair in pairs if pair.integration_id == found.id]

    found, pairs = asyncio.run(work())
    row = _row(found)
    if as_json:
        output.print_json({**row, "pairs": [asdict(pair) for pair in pairs]})
        return
    fields = {
        **COLUMNS,
        "status_reason": "Motivo do status",
        "settings": "Campos",
        "secrets": "Credenciais gravadas",
        "ends_at": "Credencial vence em",
        "branch": "Filial",
    }
    for key, label in fields.items():
        print(f"{label}: {output.cell(row[key])}")
    for pair in pairs:
        state = "ligado" if pair.enabled else "desligado"
        print(f"Par: {pair.entity.label} · {pair.direction.label} · {pair.cadence.label} · {state}")


@command(app)
def update(
    integration: words.Integration,
    base_url: Annotated[str, Option(metavar="<endereço>", help="Nova URL base.")] = "",
    credentials_file: FileOption = None,
    ask: Annotated[bool, Option("--credentials", help="Pede as credenciais de novo, sem eco.")] = False,
    tenant: words.Tenant = "",
) -> None:
    """Troca o endereço ou as credenciais de uma integração."""

    async def work() -> None:
        async with database() as engine:
            found = await _find(engine, tenant, integration)
            environment, kind = read(), get(found.provider)
            url = base_url or found.base_url or ""
            _check_addresses(kind, environment, {**found.settings, "base_url": url})
            secrets = credentials.credentials(kind, credentials_file, ask=ask)
            vault = from_environment(environment)
            await admin.change_access(engine, vault, found, base_url=url or None, secrets=secrets)
            await certificates.note_expiry(engine, vault, kind, found)
            changed = ", ".join(sorted(secrets)) or "nenhuma"
            print(f"Integração {found.name} alterada. Credenciais trocadas: {changed}.")
            await follow_up(engine)

    asyncio.run(work())


@command(app, "test")
def probe_(integration: words.Integration, as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Testar Conexão: uma chamada simples, com a resposta crua sem segredos."""

    async def work() -> bool:
        async with database() as engine:
            found = await _find(engine, tenant, integration)
            return await probe.run(engine, found, as_json=as_json)

    if not asyncio.run(work()):
        raise Exit(1)


@command(app)
def connect(
    integration: words.Integration,
    redirect: Annotated[
        str, Option(metavar="<endereço>", help="Endereço de retorno cadastrado no sistema externo.")
    ] = "",
    tenant: words.Tenant = "",
) -> None:
    """Conecta a conta por autorização no navegador (OAuth); também depois de 'reconectar'."""

    async def work() -> None:
        async with database() as engine:
            found = await _find(engine, tenant, integration)
            await connecting.run(read(), engine, probe.account_of(found), found.name, redirect)
            await follow_up(engine)

    asyncio.run(work())


@command(app, "webhook")
def webhook_(
    integration: words.Integration,
    rotate: Annotated[
        bool, Option("--rotate", help="Troca o token; o anterior ainda vale por 24 horas.")
    ] = False,
    register: Annotated[
        bool, Option("--register", help="Registra os tópicos no sistema externo, onde a API permite.")
    ] = False,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Webhook: endereço, token (mostrado uma só vez), tópicos e há quanto tempo cada um chegou."""

    async def work() -> bool:
        async with database() as engine:
            found = await _find(engine, tenant, integration)
            return await webhook.run(engine, found, rotate=rotate, register=register, as_json=as_json)

    if not asyncio.run(work()):
        raise Exit(1)


@command(app)
def pause(integration: words.Integration, tenant: words.Tenant = "") -> None:
    """Pausa: os agendamentos ficam inativos até `resume`."""
    _set_status(integration, tenant, IntegrationStatus.PAUSED)


@command(app)
def resume(integration: words.Integration, tenant: words.Tenant = "") -> None:
    """Reativa uma integração pausada ou com erro, em um passo."""
    _set_status(integration, tenant, IntegrationStatus.ACTIVE)


@command(app)
def delete(
    integration: words.Integration,
    yes: words.Yes = False,
    tenant: words.Tenant = "",
) -> None:
    """Exclui a integração: por 30 dias pode ser restaurada, depois suas credenciais são destruídas.

    Registros do ERP, vínculos e logs ficam.
    """

    async def find() -> admin.IntegrationRow:
        async with database() as engine:
            return await _find(engine, tenant, integration)

    async def work(found: admin.IntegrationRow) -> None:
        async with database() as engine:
            await deleted.delete(engine, found, admin.CLI)
            print(f"Integração {found.name} excluída. `integration restore` a traz de volta em até 30 dias.")
            await follow_up(engine)

    found = asyncio.run(find())
    if not yes and not output.confirmed(f"Excluir {found.name}?"):
        raise Exit(1)
    asyncio.run(work(found))


@command(app)
def restore(integration: words.Integration, tenant: words.Tenant = "") -> None:
    """Traz de volta, pausada, uma integração excluída há menos de 30 dias."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            rows = await deleted.listing(engine, owner.id)
            found = chosen.among(rows, integration)
            await deleted.restore(engine, owner.id, found.id, admin.CLI)
            print(f"Integração {found.name} restaurada, pausada: continue com `integration resume`.")
            await follow_up(engine)

    asyncio.run(work())


def _set_status(integration: str, tenant: str, status: IntegrationStatus) -> None:
    async def work() -> None:
        async with database() as engine:
            found = await _find(engine, tenant, integration)
            await admin.set_status(engine, found, status)
            print(f"Integração {found.name}: {status.label}.")
            await follow_up(engine)

    asyncio.run(work())


def _check_addresses(kind: Provider, environment: Environment, given: Mapping[str, str]) -> None:
    form.check_addresses(kind, Guard(environment.private_hosts, environment.plain_http), given)


async def _find(engine: AsyncEngine, tenant: str, integration: str) -> admin.IntegrationRow:
    owner = await chosen.tenant(engine, tenant)
    return await chosen.integration(engine, owner.id, integration)


def _row(row: admin.IntegrationRow) -> dict[str, object]:
    return asdict(row) | {
        "status_label": row.status.label,
        "direction_label": row.direction.label,
    }
