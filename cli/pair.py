"""`cloudtosys pair`: integration × entity × direction, and how often each runs."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from typer import Argument, Option

from cli import chosen, output, words
from cli.following import follow_up
from cli.installation import database
from cli.portuguese import command, group
from core import form
from core.entities import Cadence, ConflictPolicy, Direction, Entity
from db import admin
from providers.registry import get

app = group("Pares: integração × entidade × direção, com sua frequência.")
COLUMNS = {
    "integration": "Integração",
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "cadence_label": "Frequência",
    "enabled": "Ligado",
    "policy_label": "Em conflito",
    "status_label": "Status da integração",
    "last_success_at": "Último sucesso",
}


@command(app, "list")
def list_(
    integration: Annotated[str, Option(metavar="<integração>", help="Só os pares desta.")] = "",
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista os pares."""

    async def work() -> list[admin.PairRow]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            rows = await admin.pairs(engine, owner.id)
            if not integration:
                return rows
            found = await chosen.integration(engine, owner.id, integration)
            return [row for row in rows if row.integration_id == found.id]

    rows = [_row(row) for row in asyncio.run(work())]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhum par.")


@command(app)
def enable(
    integration: words.Integration,
    entity: words.OneEntity,
    direction: words.OneDirection = None,
    tenant: words.Tenant = "",
) -> None:
    """Liga um par: seu agendamento volta a executar."""
    _change(integration, entity, direction, tenant, enabled=True)


@command(app)
def disable(
    integration: words.Integration,
    entity: words.OneEntity,
    direction: words.OneDirection = None,
    tenant: words.Tenant = "",
) -> None:
    """Desliga um par: seu agendamento fica inativo."""
    _change(integration, entity, direction, tenant, enabled=False)


@command(app)
def schedule(
    integration: words.Integration,
    entity: words.OneEntity,
    cadence: Annotated[
        Cadence,
        Argument(metavar="FREQUÊNCIA", parser=words.cadence, help="manual, 5min, 15min, 1h, diária."),
    ],
    direction: words.OneDirection = None,
    tenant: words.Tenant = "",
) -> None:
    """Muda a frequência de um par."""
    _change(integration, entity, direction, tenant, cadence=cadence)


@command(app)
def policy(
    integration: words.Integration,
    entity: words.OneEntity,
    choice: Annotated[
        ConflictPolicy,
        Argument(metavar="POLÍTICA", parser=words.policy, help="erp, externo, recente ou perguntar."),
    ],
    direction: words.OneDirection = None,
    tenant: words.Tenant = "",
) -> None:
    """Diz qual lado vence quando os dois mudaram o mesmo campo (pares bidirecionais)."""
    _change(integration, entity, direction, tenant, choice=choice)


def _change(
    integration: str,
    entity: Entity,
    direction: Direction | None,
    tenant: str,
    *,
    enabled: bool | None = None,
    cadence: Cadence | None = None,
    choice: ConflictPolicy | None = None,
) -> None:
    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await chosen.integration(engine, owner.id, integration)
            if cadence is not None:
                form.check_cadence(get(found.provider), cadence)
            pair = await chosen.pair(engine, found, entity, direction)
            await admin.change_pair(
                engine, owner.id, pair.id, enabled=enabled, cadence=cadence, policy=choice
            )
            state = "ligado" if (pair.enabled if enabled is None else enabled) else "desligado"
            rhythm = (cadence or pair.cadence).label
            conflict = (choice or pair.policy).label
            two_way = f"; em conflito: {conflict}" if pair.direction is Direction.BOTH else ""
            print(f"{found.name} · {entity.label} · {pair.direction.label}: {state}, {rhythm}{two_way}.")
            await follow_up(engine)

    asyncio.run(work())


def _row(row: admin.PairRow) -> output.Row:
    return asdict(row) | {
        "entity_label": row.entity.label,
        "direction_label": row.direction.label,
        "cadence_label": row.cadence.label,
        "policy_label": row.policy.label if row.direction is Direction.BOTH else "",
        "status_label": row.status.label,
    }
