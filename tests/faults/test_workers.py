"""T5: many workers on one due run have one effect; one that stood still past its lease writes nothing."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from core.entities import Entity, RunStatus, Trigger
from deployments.apply import Prefect
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.faults.conftest import LONG
from tests.faults.test_kill import EMPTY, Until, assert_equal, ended
from tests.processes import ROOT
from tests.providers.conftest import Shop

ROUNDS, SEED = (50 if LONG else 3), 20270405
LEASE_SECONDS = 2.0
COUNTS = (2, 10) if LONG else (5,)
PRODUCTS, BATCH = 600, 100


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", COUNTS)
async def test_workers_that_find_the_same_run_have_one_effect(
    connect: Callable[[Store], Awaitable[UUID]],
    prefect: Prefect,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Until,
    count: int,
) -> None:
    with open_shop(products=300, variable_every=0) as shop:
        pair = await connect(shop)
        await prefect.apply([pair])
        run = await prefect.trigger(pair, initiated_by=Trigger.MANUAL)
        workers = [start("deployments.warm", "--name", f"w{number}") for number in range(count)]
        assert await until(lambda: ended(sql, run), 180) == "success"
        assert all(worker.poll() is None for worker in workers)
        assert sql("SELECT status, created FROM sync.sync_log") == [("success", 300)]
        assert_equal(shop, sql)
    print(f"T5 pass workers={count} effects=1 seed=0")


@pytest.mark.parametrize("count", COUNTS)
async def test_runs_of_one_pair_begun_at_once_have_one_effect(shop: Shop, until: Until, count: int) -> None:
    """Without Prefect between them: the lease alone. The shop asks for patience until all have come."""
    busy = {"kind": "429", "path": "^products$", "times": 1000, "retry_after": 1}
    shop.store.control("faults", script=[busy])
    runs = [begin(shop) for _ in range(count)]
    await until(lambda: has_come(shop, count), 60)
    shop.store.control("faults")
    found = Counter(outcome(run) for run in runs)
    assert found == {"success": 1, "skipped": count - 1}
    assert shop.query("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(230, 230)]
    print(f"T5 pass runs={count} effects=1 seed=0")


@pytest.mark.timeout(600)
async def test_a_run_that_stood_still_past_its_lease_writes_nothing(
    shop: Shop, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDTOSYS_LEASE_SECONDS", str(LEASE_SECONDS))
    chance = random.Random(SEED)
    stale = Counter[str]()
    with open_shop(products=PRODUCTS, variable_every=0) as slow:
        shop.connect(slow)
        while stale.total() < ROUNDS:
            shop.query(EMPTY)
            slow.faults({"kind": "slow", "path": "^products$", "delay": 0.15})
            run = begin(shop)
            await until(lambda: has_begun(shop), 60)
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            run.send_signal(signal.SIGSTOP)
            slow.clear_faults()
            await asyncio.sleep(LEASE_SECONDS + 0.3)
            if shop.query("SELECT lease_log_id FROM sync.pair WHERE lease_log_id IS NOT NULL"):
                heir = await shop.run(Entity.PRODUCTS, batch_size=BATCH)
                assert heir.status is RunStatus.SUCCESS, heir.error
                before = written(shop)
                run.send_signal(signal.SIGCONT)
                stale[outcome(run)] += 1
                assert written(shop) == before
                assert_equal(slow, shop.query)
            else:
                run.send_signal(signal.SIGCONT)
                assert outcome(run) == "success"
    # Inside a transaction it was the database that ended it, so that the heir could go on.
    assert set(stale) <= {"error LeaseLost", "error DatabaseUnavailable"}
    print(f"T5 pass stopped={ROUNDS} rejected={stale.total()} {dict(stale)} seed={SEED}")


async def has_come(shop: Shop, count: int) -> bool:
    return bool(shop.query("SELECT count(*) FROM sync.sync_log") == [(count,)])


async def has_begun(shop: Shop) -> bool:
    return bool(shop.query("SELECT 1 FROM erp.product LIMIT 1"))


def begin(shop: Shop) -> "subprocess.Popen[bytes]":
    pair = str(shop.pairs[Entity.PRODUCTS])
    command = [sys.executable, "-m", "tests.faults.once", pair, "products", str(BATCH)]
    return subprocess.Popen(command, env=os.environ, cwd=ROOT, stdout=subprocess.PIPE)


def outcome(run: "subprocess.Popen[bytes]") -> str:
    said, _ = run.communicate(timeout=90)
    return said.decode().strip()


def written(shop: Shop) -> Any:
    """Which transaction wrote each row, and what the logs count."""
    tables = ("erp.product", "sync.mapping", "sync.cursor")
    rows = [shop.query(f"SELECT xmin::text, t::text FROM {table} t ORDER BY 2") for table in tables]
    return rows, shop.query("SELECT id, status, processed FROM sync.sync_log ORDER BY id")
