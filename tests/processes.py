"""A real Prefect server on the embedded PostgreSQL, pairs to deploy, and workers as real processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core.entities import Cadence, Entity, IntegrationStatus
from db import embedded
from db.vault import generate_key
from deployments import server
from deployments.apply import Prefect
from deployments.client import Api, Json
from tests.conftest import Database, Tenant

ROOT = Path(__file__).parents[1]
LEASE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class PrefectServer:
    """`admin_url` is its database."""

    url: str
    auth: str
    environment: dict[str, str]
    admin_url: str


@pytest.fixture(scope="session")
def prefect_server(
    cluster: embedded.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrefectServer]:
    name = f"prefect_{uuid4().hex[:8]}"
    admin = create_engine(cluster.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    folder = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    auth = server.auth_string(folder)
    environment = server.environment(folder, cluster.url(name, "postgres", "asyncpg"), port, auth)
    environment["PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS"] = "4"
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            server.command(port), env=os.environ | environment, stdout=log, stderr=log, cwd=folder
        )
        try:
            url = environment["PREFECT_API_URL"]
            server.wait_ready(url, auth, 120)
            yield PrefectServer(url, auth, server.client_environment(port, auth), cluster.admin_url(name))
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
async def api(prefect_server: PrefectServer) -> AsyncIterator[Api]:
    async with Api(prefect_server.url, prefect_server.auth) as opened:
        yield opened


@pytest.fixture
async def prefect(api: Api, engine: AsyncEngine) -> AsyncIterator[Prefect]:
    """The orchestrator; what it deployed is removed afterwards."""
    yield Prefect(api, engine)
    async for found in api.find("/deployments/filter", {}):
        await api.call("DELETE", f"/deployments/{found['id']}")


@pytest.fixture
def sql(database: Database) -> Iterator[Callable[..., Any]]:
    """Run a statement as administrator; rows where it returns some."""
    made: Engine = create_engine(database.admin_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def run(statement: str, **values: Any) -> Any:
        with made.connect() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    yield run
    made.dispose()


@pytest.fixture
def new_pair(sql: Callable[..., Any], tenant: Tenant) -> Callable[..., UUID]:
    """A pair of an integration of its own, or of the integration called `name`."""

    def make(
        entity: Entity = Entity.PRODUCTS,
        cadence: Cadence = Cadence.EVERY_5_MIN,
        name: str | None = None,
        status: IntegrationStatus = IntegrationStatus.ACTIVE,
    ) -> UUID:
        name = name or f"Loja {uuid4().hex[:6]}"
        found = sql("SELECT id FROM sync.integration WHERE name = :name", name=name)
        integration = found[0][0] if found else uuid4()
        if not found:
            sql(
                "INSERT INTO sync.integration (id, tenant_id, provider, name, status)"
                " VALUES (:id, :tenant, 'woocommerce', :name, :status)",
                id=integration,
                tenant=tenant.id,
                name=name,
                status=status.value,
            )
        made = sql(
            "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction, cadence)"
            " VALUES (:tenant, :integration, :entity, 'import', :cadence) RETURNING id",
            tenant=tenant.id,
            integration=integration,
            entity=entity.value,
            cadence=cadence.value,
        )
        return UUID(str(made[0][0]))

    return make


@pytest.fixture
def environment(prefect_server: PrefectServer, database: Database) -> dict[str, str]:
    """For processes of ours: this test's database, the session's Prefect, short leases."""
    return environment_of(prefect_server, database, generate_key())


def environment_of(prefect_server: PrefectServer, database: Database, keys: str) -> dict[str, str]:
    return (
        dict(os.environ)
        | prefect_server.environment
        | {
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database.url,
            "CLOUDTOSYS_KEYS": keys,
            "CLOUDTOSYS_LEASE_SECONDS": str(LEASE_SECONDS),
            "CLOUDTOSYS_FLOW_PACKAGES": "flows,tests.flows.samples",
            "CLOUDTOSYS_GRACE_SECONDS": "1",
            "CLOUDTOSYS_WATCH_SECONDS": "1",
        }
    )


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `python -m …` as `cloudtosys up` does; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
        # Background jobs of a shell ignore Ctrl-C, and what they start would, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = (tmp_path / f"{arguments[0]}-{len(started)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=environment | more, stdout=log, stderr=log, cwd=ROOT
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)


@pytest.fixture
def deploy(api: Api, prefect: Prefect, sql: Callable[..., Any]) -> Callable[..., Awaitable[str]]:
    """Deploy a pair; with `flow` its entrypoint becomes one of tests.flows.samples. Returns the id."""

    async def run(pair_id: UUID, flow: str | None = None) -> str:
        await prefect.apply([pair_id])
        id_ = str(sql("SELECT deployment_id FROM sync.pair WHERE id = :id", id=pair_id)[0][0])
        if flow is not None:
            entrypoint = {"entrypoint": f"tests.flows.samples.{flow}"}
            await api.call("PATCH", f"/deployments/{id_}", entrypoint)
        return id_

    return run


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Ask again until the answer is truthy; fails after `seconds`."""

    async def run(ask: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer := await ask():
                return answer
            await asyncio.sleep(0.1)
        raise AssertionError(f"nothing after {seconds} s")

    return run


@pytest.fixture
def state_of(api: Api) -> Callable[..., Awaitable[Json]]:
    async def read(flow_run_id: UUID) -> Json:
        run = await api.read_run(flow_run_id)
        assert run is not None
        return run

    return read
