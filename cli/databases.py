"""The databases of an installation, embedded or named by the environment: migrated, keys checked."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import InstallationError
from db import embedded, settings
from db.databases import OURS, PREFECT, create_databases
from db.installation import Installed, inspect
from db.keys import verify
from db.session import engine
from db.upgrade import upgrade
from db.vault import WrongKey, from_environment, generate_key

PREFECT_DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


@dataclass(frozen=True, slots=True)
class Databases:
    """Addresses. `admin_url` is empty where we may not migrate, `prefect_url` where Prefect is not ours."""

    url: str
    admin_url: str
    prefect_url: str
    is_embedded: bool


@contextmanager
def opened(folder: Path) -> Iterator[Databases]:
    """Databases that answer; an embedded server is stopped afterwards.

    Raises `DatabaseUnavailable`, and `InstallationError` when the environment is not complete.
    """
    given = os.environ.get("DATABASE_URL", "")
    if given:
        found = _given(given)
        inspect(found.admin_url or found.url, as_admin=bool(found.admin_url))
        yield found
        return
    cluster = embedded.start(folder)
    try:
        create_databases(cluster)
        yield Databases(
            url=cluster.url(OURS, "cloudtosys"),
            admin_url=cluster.admin_url(OURS),
            prefect_url=os.environ.get(PREFECT_DATABASE) or cluster.url(PREFECT, PREFECT, "asyncpg"),
            is_embedded=True,
        )
    finally:
        cluster.stop()


def prepare(folder: Path, found: Databases) -> dict[str, str]:
    """Migrate where we may, make the key file on the first start, check the keys; what children need to know.

    Raises `WrongKey`, `InstallationError`, `DatabaseUnavailable`.
    """
    if found.admin_url:
        upgrade(found.admin_url)
    installed = inspect(found.url, as_admin=False)
    if not installed.migrated:
        raise InstallationError(
            "O banco ainda não tem as tabelas: rode `cloudtosys db upgrade` com DATABASE_ADMIN_URL."
        )
    environment = {"DATABASE_URL": found.url} | keys(folder, installed)
    os.environ.update(environment)
    asyncio.run(_verify(found.url))
    return environment


def keys(folder: Path, installed: Installed) -> dict[str, str]:
    """Where the keys are; a file is made only for an installation that has never had keys.

    Raises `WrongKey` when the file is gone but secrets were stored with it.
    """
    if os.environ.get("CLOUDTOSYS_KEYS"):
        return {}
    path = Path(os.environ.get("CLOUDTOSYS_KEYS_FILE") or folder / "keys")
    if not path.exists():
        if installed.canary is not None:
            raise WrongKey(
                f"O arquivo de chaves {path} não existe, e há credenciais gravadas com ele. Restaure a "
                "cópia dele; sem ele as credenciais precisam ser digitadas de novo."
            )
        make_keys(path)
        print(f"Chave de criptografia criada em {path}: guarde uma cópia em outro lugar.", flush=True)
    return {"CLOUDTOSYS_KEYS_FILE": str(path)}


def make_keys(path: Path) -> None:
    """A new key file, readable by us alone. Raises `InstallationError`; never overwrites."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InstallationError(f"O arquivo {path} já existe e não é sobrescrito.") from None
    except OSError as error:
        raise InstallationError(f"O arquivo {path} não pôde ser criado: {error.strerror}.") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(generate_key() + "\n")


async def _verify(url: str) -> None:
    database = engine(url)
    try:
        await verify(database, from_environment(settings.read()))
    finally:
        await database.dispose()


def _given(url: str) -> Databases:
    prefect = os.environ.get(PREFECT_DATABASE, "")
    if not prefect and not os.environ.get("PREFECT_API_URL"):
        raise InstallationError(
            f"Com DATABASE_URL, informe também PREFECT_API_URL (um servidor Prefect seu) ou "
            f"{PREFECT_DATABASE} (um banco para o servidor Prefect que o CloudToSys inicia: postgresql+asyncpg://…)."
        )
    admin = os.environ.get("DATABASE_ADMIN_URL", "")
    return Databases(
        url=settings.psycopg_url(url),
        admin_url=settings.psycopg_url(admin) if admin else "",
        prefect_url=prefect,
        is_embedded=False,
    )
