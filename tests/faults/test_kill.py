"""SIGKILL of the worker at random moments of an import: after the next run ERP and shop are equal."""

import asyncio
import random
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from core.entities import Trigger
from deployments.apply import Prefect
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.faults.conftest import LONG

KILLS, PRODUCTS = 20, 50_000
SEED = 20261124
SLOT_TRIES = 6
"""A run is over for us before Prefect frees its slot; one asked for in between is skipped."""
EMPTY = "TRUNCATE erp.product, erp.product_variant, sync.mapping, sync.mapping_snapshot, sync.cursor CASCADE"

Until = Callable[..., Awaitable[Any]]


@pytest.mark.skipif(not LONG, reason="make faults: it takes a minute")
@pytest.mark.timeout(3600)
async def test_killed_anywhere_nothing_is_lost_or_doubled(
    connect: Callable[[Store], Awaitable[UUID]],
    prefect: Prefect,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Until,
) -> None:
    chance = random.Random(SEED)
    written_at_kill = []
    with open_shop(products=PRODUCTS, variable_every=50) as shop:
        pair = await connect(shop)
        await prefect.apply([pair])
        worker = start("deployments.warm")
        start("deployments.sentinel")
        seconds = await first_import(prefect, pair, sql, until)
        for turn in range(KILLS):
            sql(EMPTY)
            await prefect.trigger(pair, initiated_by=Trigger.MANUAL)
            await until(lambda: running(sql, pair), 30)
            await asyncio.sleep(chance.uniform(0.0, seconds))
            worker.kill()
            worker.wait()
            written_at_kill.append(sql("SELECT count(*) FROM erp.product")[0][0])
            shop.mutate(seed=turn, products=20)
            worker = start("deployments.warm")
            await finish(prefect, pair, sql, until)
            assert_equal(shop, sql)
    print(f"kills={KILLS} products={PRODUCTS} seed={SEED} written_at_kill={written_at_kill}")


async def first_import(prefect: Prefect, pair: UUID, sql: Callable[..., Any], until: Until) -> float:
    """Seconds of an undisturbed run: the window in which the worker is killed."""
    await prefect.trigger(pair, initiated_by=Trigger.MANUAL)
    await until(lambda: succeeded(sql, pair), 240)
    return float(sql("SELECT max(duration_seconds) FROM sync.sync_log WHERE status = 'success'")[0][0])


async def finish(prefect: Prefect, pair: UUID, sql: Callable[..., Any], until: Until) -> None:
    """The sentinel resumes the dead run; another run picks up what changed behind the first one's reader."""
    await until(lambda: succeeded(sql, pair), 120)
    status = "skipped"
    for _ in range(SLOT_TRIES):
        run = await prefect.trigger(pair, initiated_by=Trigger.MANUAL)
        status = await until(partial(ended, sql, run), 120)
        if status != "skipped":
            break
    assert status == "success"


async def running(sql: Callable[..., Any], pair: UUID) -> bool:
    found = sql("SELECT count(*) FROM sync.sync_log WHERE pair_id = :p AND status = 'running'", p=pair)
    return bool(found[0][0])


async def succeeded(sql: Callable[..., Any], pair: UUID) -> bool:
    """Whether the newest run went through."""
    found = sql(
        "SELECT status FROM sync.sync_log WHERE pair_id = :p ORDER BY started_at DESC, id DESC LIMIT 1",
        p=pair,
    )
    return bool(found) and found[0][0] == "success"


async def ended(sql: Callable[..., Any], run: UUID) -> str | None:
    """How a run ended; a run that Prefect would not even start counts as skipped."""
    found = sql("SELECT status FROM sync.sync_log WHERE flow_run_id = :r AND status <> 'running'", r=run)
    return found[0][0] if found else None


def assert_equal(shop: Store, sql: Callable[..., Any], *, gone: int = 0) -> None:
    """Every product of the shop once, with its price; each with one mapping and one snapshot. Of the `gone`
    ones the ERP keeps its record, and the mapping is an orphan."""
    truth = {product["sku"]: product["regular_price"] or None for product in shop.truth("products")}
    rows = sql("SELECT sku, price::numeric(15,2)::text FROM erp.product WHERE deleted_at IS NULL")
    found = dict(map(tuple, rows))
    assert len(rows) == len(found) == len(truth) + gone
    wrong = {sku for sku, price in truth.items() if found.get(sku, "") != price and price is not None}
    assert (set(truth) - set(found), wrong) == (set(), set())
    links = sql(
        "SELECT count(*), count(DISTINCT external_id), count(DISTINCT internal_id), count(s.mapping_id)"
        " FROM sync.mapping m LEFT JOIN sync.mapping_snapshot s ON s.mapping_id = m.id"
        " WHERE entity = 'products' AND state = 'active' AND missing_at IS NULL"
    )
    assert set(links[0]) == {len(truth)}
    assert sql(
        "SELECT count(*) FROM sync.mapping WHERE entity = 'products' AND orphaned_by = 'external'"
    ) == [(gone,)]
