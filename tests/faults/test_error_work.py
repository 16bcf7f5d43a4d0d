"""T28: thousands of failed records of six causes, worked off as people do it."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Entity, RunStatus
from db import asking, issues
from db.audit import By
from db.requests import Request
from sandbox.process import Store
from sandbox.process import start as open_shop
from tasks.job import Run
from tests.faults.conftest import LONG
from tests.providers.conftest import Shop

FAILED = 10_000 if LONG else 600
ONE = FAILED // 6
BREAKS: tuple[dict[str, Any], ...] = (
    {"regular_price": "1.234,56"},
    {"sku": ""},
    {"name": None},
    {"weight": "pesado"},
    {"dimensions": {"length": "x"}},
    {"sku": "SKU-0000001"},
)
"""The last one is the SKU of the one good product: both cannot be the same record."""
BY = By("ana", "teste")
DOUBLED = (
    "SELECT count(*) - count(DISTINCT sku), count(*) - (SELECT count(*) FROM sync.mapping"
    " WHERE entity = 'products') FROM erp.product"
)
HISTORY = (
    "SELECT count(*) FROM (SELECT external_id FROM sync.issue GROUP BY external_id"
    " HAVING count(*) <> max(attempt) OR count(*) <> count(DISTINCT attempt)) uneven"
)
OPEN = "SELECT count(DISTINCT external_id) FROM sync.issue WHERE state = 'open'"


def ids_of(cause: int) -> list[int]:
    return list(range(2 + cause * ONE, 2 + (cause + 1) * ONE))


class Desk:
    """A person at the failed records of a shop."""

    def __init__(self, shop: Shop, store: Store, engine: AsyncEngine) -> None:
        self.shop, self.store, self.engine = shop, store, engine
        self.good = {p["id"]: p for p in store.truth("products")}

    def plant(self, cause: int) -> None:
        for id_ in ids_of(cause):
            self.store.control("change", kind="products", id=id_, fields=BREAKS[cause])

    def mend(self, *ids: int) -> None:
        for id_ in ids:
            fields = {name: self.good[id_][name] for cause in BREAKS for name in cause}
            self.store.control("change", kind="products", id=id_, fields=fields)

    async def serve(self, *asked: Request) -> list[Run]:
        return [await self.shop.run(Entity.PRODUCTS, request=request.id) for request in asked]

    async def press(self, **wanted: Any) -> list[Request]:
        return await asking.reprocess(self.engine, self.shop.tenant.id, issues.filters(**wanted), BY)

    async def first(self, field: str) -> issues.Row:
        found = await issues.listing(self.engine, self.shop.tenant.id, issues.filters(), limit=FAILED)
        return next(row for row in found if row["field"] == field)

    @property
    def open(self) -> int:
        return int(self.shop.query(OPEN)[0][0])


@pytest.mark.timeout(1800 if LONG else 300)
async def test_failed_records_are_worked_off(shop: Shop, engine: AsyncEngine) -> None:
    with open_shop(products=1 + 6 * ONE, variable_every=0) as store:
        shop.connect(store)
        desk = Desk(shop, store, engine)
        for cause in range(6):
            desk.plant(cause)
        began = time.monotonic()
        run = await shop.run(Entity.PRODUCTS)
        seconds = time.monotonic() - began
        assert run.status is RunStatus.PARTIAL
        assert desk.open == 6 * ONE
        began = time.monotonic()
        groups = await issues.causes(engine, shop.tenant.id, issues.filters())
        grouping = time.monotonic() - began
        assert Counter(row["records"] for row in groups) == {ONE: 6}

        # One, as it is now outside.
        one = await desk.first("regular_price")
        desk.mend(int(one["external_id"]))
        await desk.serve(*await asking.reprocess_some(engine, shop.tenant.id, [one["id"]], BY))
        assert desk.open == 6 * ONE - 1

        # One corrected here; outside it stays wrong.
        other = await desk.first("weight")
        corrected = await asking.correct(
            engine, shop.vault, shop.tenant.id, other["id"], {"weight": "1.5"}, BY
        )
        await desk.serve(corrected)
        assert desk.open == 6 * ONE - 2

        # A filter.
        desk.mend(*ids_of(5))
        [run] = await desk.serve(*await desk.press(error_class="ConflictError"))
        assert run.job is not None
        assert (run.job.counts.created, desk.open) == (ONE, 5 * ONE - 2)

        # Two people press for the same log, while a scheduled run wants the same records.
        log = shop.query("SELECT id FROM sync.sync_log ORDER BY started_at LIMIT 1")[0][0]
        desk.mend(*ids_of(0), *ids_of(1))
        pressed = await asyncio.gather(desk.press(log_id=log), desk.press(log_id=log))
        assert len({request.id for [request] in pressed}) == 1
        [request] = pressed[0]
        both = await asyncio.gather(
            shop.run(Entity.PRODUCTS, request=request.id),
            shop.run(Entity.PRODUCTS, full=True),
            return_exceptions=True,
        )
        assert [isinstance(run, Run) for run in both].count(True) == 1, "the lease lets one in"
        if not isinstance(both[0], Run):
            await desk.serve(request)
        assert desk.open == 3 * ONE - 1

        # All that is left, at once: one run mends it, and then there is nothing to press for.
        for cause in (2, 3, 4):
            desk.mend(*ids_of(cause))
        began = time.monotonic()
        await desk.serve(*await desk.press())
        retry = time.monotonic() - began
        assert desk.open == 0
        assert await desk.press() == []
    assert shop.query(DOUBLED) == [(0, 0)]
    assert shop.query(HISTORY) == [(0,)], "every record's attempts are 1, 2, 3 …"
    assert shop.query("SELECT count(*) FROM erp.product") == [(1 + 6 * ONE,)]
    print(
        f"T28 pass failed={6 * ONE} causes=6 import={seconds:.1f}s grouping={grouping * 1000:.0f}ms"
        f" retry_half={retry:.1f}s doubled=0"
    )
