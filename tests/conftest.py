"""Fixtures that many tests share: a real PostgreSQL, a migrated database for each test, a tenant."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from db import embedded
from db.upgrade import upgrade
from db.vault import Vault, generate_key


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database of its own: as administrator, and as the services see it."""

    admin_url: str
    url: str


@dataclass(frozen=True, slots=True)
class Tenant:
    id: uuid.UUID
    branch_id: uuid.UUID


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Server]:
    """The embedded server, or with TEST_POSTGRES_SOCKETS a disposable one of another version: the folder of
    its socket, where the user postgres is trusted."""
    if given := os.environ.get("TEST_POSTGRES_SOCKETS"):
        yield embedded.Server(Path(given), Path(given))
        return
    root = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path(tmp_path_factory.mktemp("pg"))
    server = embedded.start(root / f"tests-{os.getpid()}")
    # Nobody cuts its power (tests/database/test_embedded.py kills servers of its own).
    for name in ("fsync", "full_page_writes"):
        _administer(server, f"ALTER SYSTEM SET {name} = off")
    _administer(server, "SELECT pg_reload_conf()")
    yield server
    server.stop()
    _remove(server.data.parent)


@pytest.fixture(scope="session")
def template(cluster: embedded.Server) -> Iterator[str]:
    """Migrated as a managed PostgreSQL makes us: by an owner who is no superuser, so that forced row-level
    security and its exceptions are the real ones in every test."""
    name = f"template_{uuid.uuid4().hex[:8]}"
    _administer(cluster, f"CREATE ROLE {name} LOGIN CREATEROLE")
    _administer(cluster, f"CREATE DATABASE {name} OWNER {name}")
    upgrade(cluster.url(name, name))
    yield name
    _administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(cluster: embedded.Server, template: str) -> Iterator[Database]:
    with new_database(cluster, template) as made:
        yield made


@contextmanager
def new_database(cluster: embedded.Server, template: str) -> Iterator[Database]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(cluster, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield Database(cluster.admin_url(name), cluster.url(name, "cloudtosys"))
    _administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(database.url, pool_size=5)
    yield made
    await made.dispose()


@pytest.fixture
def vault() -> Vault:
    return Vault([generate_key()])


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return new_tenant(database, "Loja Teste")


def new_tenant(database: Database, name: str) -> Tenant:
    """A tenant with its default branch."""
    found = Tenant(uuid.uuid4(), uuid.uuid4())
    with create_engine(database.admin_url, poolclass=NullPool).begin() as connection:
        connection.execute(
            text("INSERT INTO erp.tenant (id, name, slug) VALUES (:id, :name, :slug)"),
            {"id": found.id, "name": name, "slug": found.id.hex[:8]},
        )
        connection.execute(
            text(
                "INSERT INTO erp.branch (tenant_id, id, code, name, is_default)"
                " VALUES (:tenant, :id, '1', 'Matriz', true)"
            ),
            {"tenant": found.id, "id": found.branch_id},
        )
    return found


def _administer(server: embedded.Server, statement: str) -> None:
    engine = create_engine(server.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
