"""`cloudtosys mapping`: which record of the ERP is which one outside."""

import asyncio
from typing import Annotated
from uuid import UUID

from typer import Option

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core.entities import Entity
from db import listings

app = group("Mapeamentos entre registros do ERP e externos.")
STATES = {"active": "ativo", "orphan": "órfão", "conflict": "conflito"}
KINDS = {"variants": "variações"}
COLUMNS = {
    "integration": "Integração",
    "entity_label": "Entidade",
    "internal_id": "ID interno (ERP)",
    "external_id": "ID externo",
    "synced_at": "Última sincronização",
    "state_label": "Status",
    "notes": "Notas",
}


@app.callback()
def root() -> None:
    pass


@command(app, "list")
def list_(
    integration: Annotated[str, Option(metavar="<integração>", help="Só desta integração.")] = "",
    entity: Annotated[
        Entity | None, Option(metavar="<entidade>", parser=words.entity, help="Só desta entidade.")
    ] = None,
    state: Annotated[
        str | None, Option(metavar="<status>", parser=words.mapping_state, help="active, orphan ou conflict.")
    ] = None,
    external_id: Annotated[str, Option(metavar="<id>", help="Só com este ID externo.")] = "",
    after: Annotated[
        UUID | None, Option(metavar="<id>", help="Página seguinte: o último id da anterior.")
    ] = None,
    limit: words.Limit = 50,
    as_json: words.Json = False,
    tenant: words.Tenant = "",
) -> None:
    """Lista os mapeamentos."""

    async def work() -> list[listings.Row]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            found = await chosen.integration(engine, owner.id, integration) if integration else None
            return await listings.mappings(
                engine,
                owner.id,
                integration_id=found.id if found else None,
                entity=entity.value if entity else None,
                state=state,
                external_id=external_id or None,
                after=after,
                limit=limit,
            )

    rows = [_row(row) for row in asyncio.run(work())]
    output.show(rows, COLUMNS, as_json=as_json, empty="Nenhum mapeamento.")


def _row(row: listings.Row) -> listings.Row:
    kind = row["entity"]
    label = KINDS.get(kind) or Entity(kind).label
    return row | {"entity_label": label, "state_label": STATES[row["state"]]}
