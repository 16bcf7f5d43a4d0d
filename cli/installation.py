"""Where an installation keeps its data, and how a command reaches one that is running."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from cli import databases, state
from core.errors import InstallationError
from db import embedded
from db.session import engine
from db.settings import Environment, psycopg_url, read
from deployments.apply import Prefect
from deployments.client import Api
from deployments.server import AUTH_FILE


def data_folder() -> Path:
    """CLOUDTOSYS_DATA, else the data folder of the current folder."""
    named = os.environ.get("CLOUDTOSYS_DATA")
    return Path(named).resolve() if named else embedded.default_folder(Path.cwd())


def attach() -> Environment:
    """The environment of this process, completed by what `cloudtosys up` left in the data folder.

    Raises `InstallationError` when there is neither an installation running here nor a DATABASE_URL.
    """
    folder = data_folder()
    given, running = os.environ.get("DATABASE_URL"), state.read(folder)
    if not given and running is None:
        raise InstallationError(
            "Nada está em execução nesta pasta: inicie com `cloudtosys up`, vá à pasta onde ele foi "
            "iniciado, ou informe DATABASE_URL."
        )
    # With a DATABASE_URL, an installation that runs its own PostgreSQL here is another one.
    if running is not None and not (given and "DATABASE_URL" in running.environment):
        for name, value in running.environment.items():
            os.environ.setdefault(name, value)
    if not os.environ.get("CLOUDTOSYS_KEYS") and (folder / "keys").exists():
        os.environ.setdefault("CLOUDTOSYS_KEYS_FILE", str(folder / "keys"))
    if (folder / AUTH_FILE).exists():
        os.environ.setdefault("PREFECT_API_AUTH_STRING", (folder / AUTH_FILE).read_text().strip())
    return read()


@contextmanager
def admin_url() -> Iterator[str]:
    """The address that may migrate and seal the canary: DATABASE_ADMIN_URL, else the embedded server's,
    which is started for the time where nothing runs here. Raises `InstallationError`.
    """
    folder, named = data_folder(), os.environ.get("DATABASE_ADMIN_URL")
    running = state.read(folder)
    if named:
        yield psycopg_url(named)
    elif os.environ.get("DATABASE_URL"):
        raise InstallationError(
            "DATABASE_ADMIN_URL não está definida: este comando precisa do dono do banco (CREATEROLE)."
        )
    elif running is not None and "DATABASE_URL" in running.environment:
        yield running.environment["DATABASE_URL"].replace("//cloudtosys@", "//postgres@")
    elif running is not None:
        raise InstallationError("Informe DATABASE_ADMIN_URL: a instalação em execução usa o seu PostgreSQL.")
    else:
        with state.sole(folder), databases.opened(folder) as found:
            yield found.admin_url


@asynccontextmanager
async def database() -> AsyncIterator[AsyncEngine]:
    """An engine on the installation's database. Raises `InstallationError`."""
    opened = engine(attach().database_url)
    try:
        yield opened
    finally:
        await opened.dispose()


@asynccontextmanager
async def orchestrator(database: AsyncEngine) -> AsyncIterator[Prefect]:
    """Prefect of the installation. Raises `InstallationError` when no address is known."""
    async with Api.from_environment() as api:
        yield Prefect(api, database)
