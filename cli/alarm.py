"""`cloudtosys alarm`: what should have happened and did not."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from typer import Option

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core.entities import Direction, Entity
from db import alarms

app = group("Alarmes: o que deixou de acontecer.")
COLUMNS = {
    "opened_at": "Aberto",
    "kind_label": "Alarme",
    "integration": "Integração",
    "entity_label": "Entidade",
    "direction_label": "Direção",
    "message": "Mensagem",
    "closed_at": "Fechado",
}


@app.callback()
def root() -> None:
    pass


@command(app, "list")
def list_(
    closed: Annotated[bool, Option("--all", help="Também os que já se fecharam.")] = False,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista os alarmes abertos; cada um se fecha sozinho quando a causa termina."""

    async def work() -> list[alarms.AlarmRow]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await alarms.alarms(engine, owner.id, closed=closed, limit=limit)

    rows = [_row(row) for row in asyncio.run(work())]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhum alarme.")


def _row(row: alarms.AlarmRow) -> output.Row:
    return asdict(row) | {
        "kind_label": alarms.LABELS.get(row.kind, row.kind),
        "entity_label": Entity(row.entity).label if row.entity else "",
        "direction_label": Direction(row.direction).label if row.direction else "",
    }
