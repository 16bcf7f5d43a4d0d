"""`cloudtosys notice`: what people were told, and whether it reached them."""

import asyncio
import time
from typing import Annotated
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Exit, Option

from cli import channel as channels_
from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core.actor import OPERATOR
from db import channels, notices

app = group("Avisos enviados às pessoas.")
POLL_SECONDS = 1.0
COLUMNS = {
    "created_at": "Data/Hora",
    "subject": "Assunto",
    "integration": "Integração",
    "channel": "Canal",
    "state_label": "Situação",
    "attempts": "Tentativas",
    "error": "Erro",
}


@command(app, "list")
def list_(limit: words.Limit = 50, as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Lista os avisos, os mais novos primeiro, com a situação da entrega em cada canal."""

    async def work() -> list[notices.Row]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            return [_row(row) for row in await notices.notices(engine, owner.id, limit=limit)]

    output.show(asyncio.run(work()), COLUMNS, as_json=as_json, empty="Nenhum aviso.")


@command(app, "test")
def try_(
    channel: channels_.Channel,
    seconds: Annotated[int, Option("--wait", metavar="<segundos>", help="Espera pela entrega.")] = 60,
    tenant: words.Tenant = "",
) -> None:
    """Envia uma mensagem de teste pelo mesmo caminho dos avisos reais: a fila e a sentinela."""

    async def work() -> notices.Row:
        async with database() as engine:
            found = await channels_.find(engine, tenant, channel)
            notice = await channels.try_channel(engine, OPERATOR, found)
            return await _ended(engine, found.tenant_id, notice, seconds)

    row = asyncio.run(work())
    print(f"{notices.STATES[row['state']]} ({row['channel']})")
    if row["state"] == "sent":
        return
    if row["error"]:
        print(f"Erro: {row['error']}")
    else:
        print("Ainda na fila: confira se a sentinela está em execução (cloudtosys up).")
    raise Exit(1)


async def _ended(engine: AsyncEngine, tenant_id: UUID, notice_id: UUID, seconds: float) -> notices.Row:
    """The delivery once it was tried, or as it stands after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        [row] = await notices.notices(engine, tenant_id, notice_id=notice_id)
        if row["state"] != "pending" or row["error"] or time.monotonic() > deadline:
            return row
        await asyncio.sleep(POLL_SECONDS)


def _row(row: notices.Row) -> notices.Row:
    return row | {"state_label": notices.STATES[row["state"]]}
