"""A record that kills the worker, one of 300: all others arrive, and it becomes one issue."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from core import engine as rules
from core import isolation
from core.entities import Entity, RunStatus, Trigger
from core.records import Record
from core.spec import Raw, Settings
from deployments.apply import Prefect
from providers import registry
from providers.woocommerce import WOOCOMMERCE
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.faults.conftest import LONG
from tests.faults.poison import POISON
from tests.faults.poison import PRODUCTS as RESOURCE
from tests.faults.test_kill import Until, succeeded
from tests.providers.conftest import Shop

PRODUCTS = 300
ISSUES = "SELECT external_id, error_class, state FROM sync.issue"
IMPORTED = "SELECT count(*), count(DISTINCT sku) FROM erp.product"
PLACE = "SELECT deaths, suspect FROM sync.cursor"
STATUSES = "SELECT status FROM sync.sync_log ORDER BY started_at"


@pytest.mark.skipif(not LONG, reason="make faults: it takes a minute")
@pytest.mark.timeout(300)
async def test_one_deadly_record_of_300_is_one_issue(
    connect: Callable[[Store], Awaitable[UUID]],
    prefect: Prefect,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Until,
) -> None:
    with open_shop(products=PRODUCTS, variable_every=0) as shop:
        pair = await connect(shop)
        await prefect.apply([pair])
        start("deployments.sentinel")
        workers = [start("deployments.warm", CLOUDTOSYS_PROVIDERS="tests.faults.poison")]

        async def keep_one() -> None:
            while True:
                await asyncio.sleep(0.2)
                if workers[-1].poll() is not None:
                    workers.append(start("deployments.warm", CLOUDTOSYS_PROVIDERS="tests.faults.poison"))

        supervisor = asyncio.create_task(keep_one())
        await prefect.trigger(pair, initiated_by=Trigger.MANUAL)

        async def through() -> bool:
            return bool(sql(STATUSES)) and sql(STATUSES)[-1][0] == "partial"

        await until(through, 240)
        assert sql(STATUSES) == [("interrupted",)] * 4 + [("partial",)]
        assert sql(IMPORTED) == [(PRODUCTS - 1, PRODUCTS - 1)]
        assert sql(ISSUES) == [(str(POISON), "PoisonError", "open")]
        await prefect.trigger(pair, initiated_by=Trigger.MANUAL, full=True)
        await until(lambda: succeeded(sql, pair), 60)
        assert len(sql(ISSUES)) == 1
        assert len(workers) == 5
        supervisor.cancel()
        with suppress(asyncio.CancelledError):
            await supervisor
    print(f"poison pass products={PRODUCTS} deaths={len(workers) - 1}")


async def test_only_the_record_that_was_noted_is_left_out(shop: Shop) -> None:
    """Until its issue is closed. A complete scan still knows what it saw."""
    async with shop.open(Entity.PRODUCTS, full=True) as run:
        assert run.job is not None
        run.job.batch_size, run.job.isolating, run.job.suspect = 100, True, "7"
        cursor = await isolation.isolate(run.job, await rules.fetch(run.job, run.job.cursor))
        assert cursor is not None
        assert not run.job.isolating
    assert shop.query("SELECT cardinality(external_ids) FROM sync.scan_page") == [(100,)]
    assert shop.query(ISSUES) == [("7", "PoisonError", "open")]
    assert shop.query(IMPORTED) == [(99, 99)]
    assert shop.query(PLACE) == [(0, None)]
    again = await shop.run(Entity.PRODUCTS, full=True)
    assert again.status is RunStatus.SUCCESS
    assert shop.query(IMPORTED) == [(229, 229)]
    shop.query("UPDATE sync.issue SET state = 'resolved'")
    await shop.run(Entity.PRODUCTS, full=True)
    assert shop.query(IMPORTED) == [(230, 230)]


async def test_runs_that_die_are_counted_until_one_commits_or_ends(shop: Shop) -> None:
    isolating = []
    for _ in range(isolation.DEATHS + 1):
        async with shop.open(Entity.PRODUCTS) as run:
            assert run.job is not None
            isolating.append(run.job.isolating)
            # As a process that is gone: this run does not end, and another one takes the pair over.
            shop.query("UPDATE sync.pair SET lease_token = lease_token + 1, lease_log_id = NULL")
    assert isolating == [False, False, False, True]
    assert shop.query(PLACE) == [(4, None)]
    async with shop.open(Entity.PRODUCTS):
        pass
    assert shop.query(PLACE) == [(0, None)]


async def test_the_record_at_hand_is_known_when_the_process_ends(shop: Shop) -> None:
    async with shop.open(Entity.PRODUCTS) as run:
        assert run.job is not None
        await run.job.store.suspect("7")
        shop.query("UPDATE sync.pair SET lease_token = lease_token + 1, lease_log_id = NULL")
    async with shop.open(Entity.PRODUCTS) as run:
        assert run.job is not None
        assert (run.job.isolating, run.job.suspect) == (True, "7")


async def test_a_record_is_noted_before_it_is_touched(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = []

    def looking(raw: Raw, settings: Settings) -> Record:
        noted.append((str(raw["id"]), shop.query(PLACE)[0].suspect))
        return RESOURCE.map(raw, settings)

    resources = {**WOOCOMMERCE.resources, Entity.PRODUCTS: replace(RESOURCE, map=looking)}
    monkeypatch.setitem(registry._BY_KEY, "woocommerce", replace(WOOCOMMERCE, resources=resources))
    async with shop.open(Entity.PRODUCTS, full=True) as run:
        assert run.job is not None
        run.job.batch_size, run.job.isolating = 20, True
        await isolation.isolate(run.job, await rules.fetch(run.job, run.job.cursor))
    assert len(noted) >= 20
    assert [touched for touched, suspect in noted] == [suspect for touched, suspect in noted]
