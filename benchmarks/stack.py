"""A whole installation for a measurement: PostgreSQL, Prefect, one warm worker, a shop, its product pair."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core.entities import Cadence, Direction, Entity
from db import admin, embedded
from db.databases import OURS, PREFECT, create_databases
from db.session import engine
from db.upgrade import upgrade
from db.vault import Vault, generate_key
from deployments import server
from sandbox.process import Store, start

ROOT = Path(__file__).parents[1]
EMPTY = "TRUNCATE erp.product, erp.product_variant, sync.mapping, sync.mapping_snapshot, sync.cursor CASCADE"


@dataclass(frozen=True, slots=True)
class Stack:
    cluster: embedded.Server
    store: Store
    worker: subprocess.Popen[bytes]
    api_url: str
    auth: str

    @property
    def database(self) -> AsyncEngine:
        return engine(self.cluster.url(OURS, "cloudtosys"))

    def empty(self) -> None:
        """Forget what was imported, so that the next run is a first one."""
        with create_engine(self.cluster.admin_url(OURS), poolclass=NullPool).begin() as connection:
            connection.execute(text(EMPTY))

    def worker_megabytes(self) -> float:
        """Peak of the worker's resident memory since it started."""
        for line in Path(f"/proc/{self.worker.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return float(psutil.Process(self.worker.pid).memory_info().rss) / 2**20

    async def connect(self) -> UUID:
        """A tenant with the shop and one product pair; the pair's id."""
        tenant = await admin.create_tenant(self.database, "Bench", "bench")
        draft = admin.Draft(
            tenant_id=tenant,
            provider="woocommerce",
            name="Loja",
            base_url=self.store.url,
            settings={},
            secrets={
                "consumer_key": self.store.consumer_key,
                "consumer_secret": self.store.consumer_secret,
            },
            direction=Direction.IMPORT,
            pairs={Entity.PRODUCTS: Cadence.MANUAL},
        )
        await admin.create_integration(self.database, Vault([os.environ["CLOUDTOSYS_KEYS"]]), draft)
        return (await admin.pairs(self.database, tenant))[0].id


@contextmanager
def running(products: int) -> Iterator[Stack]:
    """Everything on this machine's loopback and in a folder of its own, gone afterwards."""
    root = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path(tempfile.mkdtemp())
    folder = root / f"bench-{os.getpid()}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = embedded.start(folder)
        stack.callback(cluster.stop)
        create_databases(cluster)
        upgrade(cluster.admin_url(OURS))
        store = stack.enter_context(start(products=products, variable_every=0))
        port, auth = _free_port(), server.auth_string(folder)
        settings = server.environment(folder, cluster.url(PREFECT, PREFECT, "asyncpg"), port, auth)
        os.environ.update(server.client_environment(port, auth))
        os.environ.update(
            DATABASE_URL=cluster.url(OURS, "cloudtosys"),
            CLOUDTOSYS_KEYS=generate_key(),
            CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS=store.url.removeprefix("http://"),
        )
        _child(stack, server.command(port), settings, folder / "prefect.log")
        server.wait_ready(settings["PREFECT_API_URL"], auth, 120)
        worker = _child(stack, [sys.executable, "-m", "deployments.warm"], {}, folder / "worker.log")
        yield Stack(cluster, store, worker, settings["PREFECT_API_URL"], auth)


def _child(
    stack: ExitStack, command: list[str], settings: dict[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | settings,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    return process


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
