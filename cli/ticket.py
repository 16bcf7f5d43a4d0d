"""`cloudtosys ticket`: support tickets. One is opened with `cloudtosys log ticket`."""

import asyncio
from typing import Annotated

from typer import Argument

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core.actor import OPERATOR
from core.errors import ConfigurationError
from db import tickets
from db.dossier import Row

app = group("Tickets de suporte.")
STATES = {"open": "aberto", "closed": "fechado"}
COLUMNS = {
    "number": "Número",
    "created_at": "Aberto em",
    "state_label": "Situação",
    "integration": "Integração",
    "subject": "Assunto",
    "opened_by": "Aberto por",
}
Number = Annotated[str, Argument(metavar="NÚMERO", help="Como T-2026-000123.")]


@command(app, "list")
def list_(limit: words.Limit = 50, as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Lista os tickets, os mais novos primeiro."""
    output.show(_read(tenant, None, limit), COLUMNS, as_json=as_json, empty="Nenhum ticket.")


@command(app)
def show(number: Number, tenant: words.Tenant = "") -> None:
    """Mostra um ticket."""
    found = _read(tenant, number, 1)
    if not found:
        raise ConfigurationError(f"Não há ticket com o número {number}.")
    print(f"{found[0]['body']}\nSituação: {found[0]['state_label']}")


@command(app)
def close(number: Number, tenant: words.Tenant = "") -> None:
    """Fecha um ticket."""

    async def work() -> None:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            await tickets.close_ticket(engine, OPERATOR, owner.id, number)

    asyncio.run(work())
    print(f"Ticket {number} fechado.")


def _read(tenant: str, number: str | None, limit: int) -> list[Row]:
    async def work() -> list[Row]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return await tickets.tickets(engine, owner.id, number=number, limit=limit)

    return [row | {"state_label": STATES[row["state"]]} for row in asyncio.run(work())]
