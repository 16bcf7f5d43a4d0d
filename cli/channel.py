"""`cloudtosys channel`: where the notices of a tenant go."""

import asyncio
import getpass
import sys
from pathlib import Path
from typing import Annotated

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Argument, Exit, Option

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core.actor import OPERATOR
from core.address import Guard
from core.channel import destination
from core.errors import ConfigurationError
from db import channels
from db.channels import ChannelRow
from db.settings import read
from db.vault import Vault, from_environment

app = group("Canais de aviso: e-mail, webhook ou chat.")
COLUMNS = {"name": "Nome", "where": "Destino", "enabled": "Ligado", "created_at": "Criado", "id": "Id"}
Channel = Annotated[str, Argument(metavar="CANAL", help="Nome ou id do canal.")]


@command(app)
def create(
    name: Annotated[str, Argument(metavar="NOME", help="Nome do canal, como 'Equipe de TI'.")],
    email: Annotated[str, Option(metavar="<e-mail>", help="Avisos por e-mail a este endereço.")] = "",
    address_file: Annotated[
        Path | None,
        Option(metavar="<arquivo>", help="Arquivo com a URL do webhook ou o endereço do chat."),
    ] = None,
    tenant: words.Tenant = "",
) -> None:
    """Cria um canal. A URL de um webhook ou chat é secreta: vem de um arquivo ou é pedida sem eco.

    Aceita e-mail, https://…, slack://A/B/C, discord://id/token, gchat://espaço/chave/token e
    tgram://token/chat.
    """

    async def work() -> None:
        async with database() as engine:
            environment = read()
            guard = Guard(environment.private_hosts, environment.plain_http)
            target = destination(email or _address(address_file), guard)
            owner = await chosen.tenant(engine, tenant)
            vault = from_environment(environment)
            found = await channels.create_channel(engine, vault, OPERATOR, owner.id, name, target)
        print(f"Canal {name} criado ({target.label}): id {found}.")
        print(f"Teste com: cloudtosys notice test {name!r}")

    asyncio.run(work())


@command(app, "list")
def list_(as_json: words.Json = False, tenant: words.Tenant = "") -> None:
    """Lista os canais; do endereço, só o tipo e o host."""

    async def work() -> list[output.Row]:
        async with database() as engine:
            owner = await chosen.tenant(engine, tenant)
            vault = from_environment(read())
            return [_row(vault, row) for row in await channels.channels(engine, owner.id)]

    output.show(asyncio.run(work()), COLUMNS, as_json=as_json, empty="Nenhum canal: ninguém é avisado.")


@command(app)
def enable(channel: Channel, tenant: words.Tenant = "") -> None:
    """Liga um canal."""
    _switch(channel, tenant, enabled=True)


@command(app)
def disable(channel: Channel, tenant: words.Tenant = "") -> None:
    """Desliga um canal; o que ainda não foi enviado por ele não será."""
    _switch(channel, tenant, enabled=False)


@command(app)
def delete(
    channel: Channel,
    yes: Annotated[bool, Option("--yes", help="Não pede confirmação.")] = False,
    tenant: words.Tenant = "",
) -> None:
    """Exclui um canal e destrói seu endereço; os avisos ficam."""
    if not yes and input(f"Excluir o canal {channel}? [s/N] ").strip().lower() not in ("s", "sim"):
        raise Exit(1)

    async def work() -> None:
        async with database() as engine:
            found = await find(engine, tenant, channel)
            await channels.delete_channel(engine, OPERATOR, found)
            print(f"Canal {found.name} excluído.")

    asyncio.run(work())


async def find(engine: AsyncEngine, tenant: str, typed: str) -> ChannelRow:
    """By id or name, whatever its case. Raises `ConfigurationError`."""
    owner = await chosen.tenant(engine, tenant)
    rows = await channels.channels(engine, owner.id)
    wanted = typed.strip().lower()
    for row in rows:
        if wanted in (str(row.id), row.name.lower()):
            return row
    names = ", ".join(row.name for row in rows) or "nenhum"
    raise chosen.NotChosen(f"Não há canal {typed!r}. Existem: {names}.")


def _switch(channel: str, tenant: str, *, enabled: bool) -> None:
    async def work() -> None:
        async with database() as engine:
            found = await find(engine, tenant, channel)
            await channels.enable_channel(engine, OPERATOR, found, enabled=enabled)
            print(f"Canal {found.name} {'ligado' if enabled else 'desligado'}.")

    asyncio.run(work())


def _address(file: Path | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise ConfigurationError("Falta o endereço do canal: use --email ou --address-file.")
        return getpass.getpass("Endereço do webhook ou chat: ").strip()
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"O arquivo {file} não pôde ser lido.") from None


def _row(vault: Vault, row: ChannelRow) -> output.Row:
    return {
        "id": row.id,
        "name": row.name,
        "where": row.where(vault),
        "enabled": row.enabled,
        "created_at": row.created_at,
    }
