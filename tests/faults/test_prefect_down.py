"""T15: Prefect's server killed or standing still: slots are served late, none twice, and runs go on."""

import asyncio
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core.cadence import EPOCH, slots, spread
from core.entities import Cadence, Entity, Trigger
from db import embedded
from db.vault import Vault
from deployments import server
from deployments.apply import Prefect
from deployments.client import PrefectUnavailable
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.conftest import Tenant
from tests.faults.conftest import LONG
from tests.faults.test_kill import Until, assert_equal
from tests.processes import PrefectServer

ROUNDS, PAIRS, LARGE = 3, 30, 30_000
OUTAGE = 15.0, 45.0
"""Seconds; a killed server needs some more to start."""
PERIOD = 300
SLOWNESS = 4.0
AHEAD, EVERY = 10.0, 1.5
"""Seconds until the first slot after the pairs are deployed, and between slots."""
LONGEST_SECONDS = 120.0
SEED = 20261125


class Server:
    """A Prefect server that may be killed, stopped and started again; its database stays."""

    def __init__(self, folder: Path, database_url: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self.auth = server.auth_string(folder)
        self._environment = server.environment(folder, database_url, self._port, self.auth)
        self.url = self._environment["PREFECT_API_URL"]
        self.client = server.client_environment(self._port, self.auth)
        self.begin()

    def begin(self) -> None:
        with (self._folder / "prefect-server.txt").open("ab") as log:
            self.process = subprocess.Popen(
                server.command(self._port),
                env=os.environ | self._environment,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        server.wait_ready(self.url, self.auth, 120)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own(cluster: embedded.Server, tmp_path: Path) -> Iterator[Server]:
    name = f"prefect_{uuid4().hex[:8]}"
    admin = create_engine(cluster.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    made = Server(tmp_path, cluster.url(name, "postgres", "asyncpg"))
    yield made
    made.kill()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def prefect_server(own: Server) -> PrefectServer:
    return PrefectServer(own.url, own.auth, own.client, "")


@pytest.fixture
def connect(
    environment: dict[str, str], sql: Callable[..., Any], tenant: Tenant
) -> Callable[[Store, Entity, UUID, Cadence], None]:
    """A shop as an integration of its own, with one pair of that id."""
    vault = Vault([environment["CLOUDTOSYS_KEYS"]])

    def run(shop: Store, entity: Entity, pair: UUID, cadence: Cadence) -> None:
        values: dict[str, Any] = {"tenant": tenant.id, "integration": uuid4()}
        sql(
            "INSERT INTO sync.integration (id, tenant_id, provider, name, base_url)"
            " VALUES (:integration, :tenant, 'woocommerce', :name, :url)",
            name=f"Loja {pair.hex[:8]}",
            url=shop.url,
            **values,
        )
        for name in ("consumer_key", "consumer_secret"):
            sealed = vault.seal(tenant.id, values["integration"], name, getattr(shop, name))
            sql(
                "INSERT INTO sync.credential VALUES (:tenant, :integration, :name, :secret, :key)",
                name=name,
                secret=sealed.ciphertext,
                key=sealed.key_id,
                **values,
            )
        sql(
            "INSERT INTO sync.pair (id, tenant_id, integration_id, entity, direction, cadence)"
            " VALUES (:pair, :tenant, :integration, :entity, 'import', :cadence)",
            pair=pair,
            entity=entity.value,
            cadence=cadence.value,
            **values,
        )

    return run


@pytest.mark.skipif(not LONG, reason="make faults: in the gate it is the worker that is away (test_outage)")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_slots_are_served_once_after_an_outage(
    connect: Callable[[Store, Entity, UUID, Cadence], None],
    environment: dict[str, str],
    own: Server,
    prefect: Prefect,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Until,
    how: str,
) -> None:
    chance, lateness, missed, under_way = random.Random(SEED), [], 0, uuid4()
    with open_shop(products=5) as shop, open_shop(products=LARGE, variable_every=0) as large:
        hosts = ",".join(one.url.removeprefix("http://") for one in (shop, large))
        environment |= {"CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS": hosts, "CLOUDTOSYS_LEASE_SECONDS": "30"}
        connect(large, Entity.PRODUCTS, under_way, Cadence.MANUAL)
        await prefect.apply([under_way])
        start("deployments.warm")
        start("deployments.sentinel")
        for _ in range(ROUNDS):
            large.faults({"on": {"path": "products"}, "kind": "slow", "delay": SLOWNESS})
            run = await prefect.trigger(under_way, initiated_by=Trigger.MANUAL, full=True)
            await until(lambda run=run: state(sql, run), 60)
            expected = dict(pairs(PAIRS))
            for pair in expected:
                connect(shop, Entity.CATEGORIES, pair, Cadence.EVERY_5_MIN)
            await prefect.apply(list(expected))
            await asyncio.sleep((min(expected.values()) - datetime.now(UTC)).total_seconds() + 2 * EVERY)
            assert await state(sql, run) == "running"
            began = datetime.now(UTC)
            healed = await outage(own, prefect, how, chance.uniform(*OUTAGE))
            assert await state(sql, run) == "running", "it outlives the outage"
            missed += sum(began < slot < healed for slot in expected.values())
            large.faults()
            await until(lambda slots=expected: served(sql, slots), LONGEST_SECONDS)
            await until(lambda run=run: over(sql, run), LONGEST_SECONDS)
            assert await state(sql, run) == "success"
            assert sql(
                "SELECT count(*) FROM sync.sync_log WHERE pair_id = :p AND status <> 'success'", p=under_way
            ) == [(0,)]
            assert_equal(large, sql)
            lateness += [late(sql, pair, slot, healed) for pair, slot in expected.items()]
    assert missed >= 3 * ROUNDS
    assert max(lateness) <= LONGEST_SECONDS
    print(
        f"T15 pass {how} outages={ROUNDS} slots={len(lateness)} in_outage={missed} twice=0"
        f" latest={max(lateness):.0f}s seed={SEED}"
    )


def pairs(count: int) -> Iterator[tuple[UUID, datetime]]:
    """Ids of pairs and their next slots, `EVERY` seconds apart."""
    first = datetime.now(UTC) + timedelta(seconds=AHEAD)
    for number in range(count):
        wanted = int((first - EPOCH).total_seconds() + number * EVERY) % PERIOD
        id_ = next(id_ for id_ in iter(uuid4, None) if spread(id_, PERIOD) == wanted)
        yield id_, next(slots(Cadence.EVERY_5_MIN, id_, first - timedelta(seconds=1)))


async def outage(own: Server, prefect: Prefect, how: str, seconds: float) -> datetime:
    """When it was over."""
    if how == "stop":
        own.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        own.process.send_signal(signal.SIGCONT)
        return datetime.now(UTC)
    own.kill()
    with pytest.raises(PrefectUnavailable):
        await prefect.trigger(uuid4(), initiated_by=Trigger.MANUAL)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(own.begin)
    return datetime.now(UTC)


async def state(sql: Callable[..., Any], run: UUID) -> str:
    found = sql("SELECT status FROM sync.sync_log WHERE flow_run_id = :run", run=run)
    return found[0][0] if found else ""


async def over(sql: Callable[..., Any], run: UUID) -> bool:
    return await state(sql, run) not in ("", "running")


async def served(sql: Callable[..., Any], slots: dict[UUID, datetime]) -> bool:
    return all(effects(sql, pair, slot) for pair, slot in slots.items())


def effects(sql: Callable[..., Any], pair: UUID, slot: datetime) -> list[Any]:
    """Runs that did something for a slot."""
    return list(
        sql(
            "SELECT started_at FROM sync.sync_log WHERE pair_id = :pair AND status IN ('success', 'partial')"
            " AND started_at BETWEEN :slot AND CAST(:slot AS timestamptz) + interval '5 min'",
            pair=pair,
            slot=slot - timedelta(seconds=1),
        )
    )


def late(sql: Callable[..., Any], pair: UUID, slot: datetime, healed: datetime) -> float:
    """Seconds after the slot, or after the outage it fell into; it was served once."""
    [(started,)] = effects(sql, pair, slot)
    return float((started - max(slot, healed)).total_seconds())
