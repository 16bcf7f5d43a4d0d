"""`cloudtosys db`: migrations."""

import asyncio
import os
import time

from cli.databases import keys
from cli.installation import admin_url, data_folder
from cli.portuguese import command, group
from core.formats import number
from db.installation import inspect
from db.keys import verify
from db.session import engine
from db.settings import psycopg_url, read
from db.upgrade import upgrade
from db.vault import from_environment

app = group("Banco de dados.")


@app.callback()
def root() -> None:
    pass


@command(app, "upgrade")
def upgrade_() -> None:
    """Cria os papéis, migra o banco e registra as chaves de criptografia.

    Usa DATABASE_ADMIN_URL (dono do banco) ou o PostgreSQL embutido. Rode também depois de restaurar um
    backup.
    """
    began = time.monotonic()
    with admin_url() as url:
        upgrade(url)
        installed = inspect(url, as_admin=True)
        os.environ.update(keys(data_folder(), installed))
        # As the services do it: the check needs their rights, not the owner's.
        services = os.environ.get("DATABASE_URL")
        os.environ["DATABASE_URL"] = psycopg_url(services or url)
        asyncio.run(_verify(os.environ["DATABASE_URL"]))
    print(f"Banco na versão mais nova e chaves conferidas ({number(time.monotonic() - began, 1)} s).")


async def _verify(url: str) -> None:
    database = engine(url)
    try:
        await verify(database, from_environment(read()))
    finally:
        await database.dispose()
