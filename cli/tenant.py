"""`cloudtosys tenant`: the companies of an installation."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from typer import Argument, Option

from cli import output, words
from cli.installation import database
from cli.portuguese import command, group
from core.errors import ConfigurationError
from db import admin

app = group("Tenants (empresas).")


@command(app)
def create(
    name: Annotated[str, Argument(metavar="NOME", help="Nome da empresa.")],
    slug: Annotated[str, Option(metavar="<slug>", help="Nome curto: letras, números e hífens.")] = "",
) -> None:
    """Cria um tenant com sua filial padrão."""
    short = slug or "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
    if not short.replace("-", "").isalnum():
        raise ConfigurationError("O slug deve ter letras, números e hífens.")

    async def work() -> None:
        async with database() as engine:
            found = await admin.create_tenant(engine, name, short)
        print(f"Tenant {name} criado: slug {short}, id {found}.")

    asyncio.run(work())


@command(app, "list")
def list_(as_json: words.Json = False) -> None:
    """Lista os tenants."""

    async def work() -> list[admin.TenantRow]:
        async with database() as engine:
            return await admin.tenants(engine)

    rows = [asdict(row) for row in asyncio.run(work())]
    columns = {"slug": "Slug", "name": "Nome", "id": "Id"}
    output.show(rows, columns, as_json=as_json, empty="Nenhum tenant.")
