"""T8: records that share one moment of change, and records that change while they are paged."""

import random
from dataclasses import replace
from typing import Any

import pytest

from core import engine as rules
from core import orphans
from core.entities import Entity, RunStatus
from core.paging import OffsetById
from core.ports import Cursor
from sandbox.process import Store, start
from tests.faults.conftest import LONG
from tests.providers.conftest import Shop, write

SEED = 20270308
SHARED, ROUNDS = 10_000, (101 if LONG else 8)
WRITTEN = (
    "SELECT (SELECT array_agg(xmin::text ORDER BY id) FROM erp.product),"
    " (SELECT array_agg(xmin::text ORDER BY id) FROM sync.mapping),"
    " (SELECT array_agg(xmin::text ORDER BY mapping_id) FROM sync.mapping_snapshot)"
)
"""The transaction that wrote each row: the same again means that nothing was written."""


@pytest.mark.skipif(not LONG, reason="make faults: it takes a minute")
@pytest.mark.timeout(300)
async def test_ten_thousand_records_of_one_second(shop: Shop) -> None:
    """Asked again whole by the next run, in which they cost no write; a change of one of them is found."""
    with start(products=SHARED, variable_every=0, tie=SHARED) as tied:
        shop.connect(tied)
        first = await shop.run(Entity.PRODUCTS)
        assert first.job is not None
        assert (first.job.counts.created, first.status) == (SHARED, RunStatus.SUCCESS)
        assert shop.query("SELECT count(DISTINCT external_updated_at) FROM sync.mapping") == [(1,)]
        before = shop.query(WRITTEN)
        second = await shop.run(Entity.PRODUCTS)
        assert second.job is not None
        assert (second.job.counts.skipped, second.job.counts.success) == (SHARED, 0)
        assert shop.query(WRITTEN) == before
        changed = tied.mutate(seed=SEED, products=37)["products"]
        third = await shop.run(Entity.PRODUCTS)
        assert third.job is not None
        assert third.job.counts.updated == len(changed) == 37
        assert different(tied, shop) == set()
    print(f"T8 pass shared={SHARED} lost=0 rewritten=0 seed={SEED}")


@pytest.mark.timeout(900)
async def test_records_that_change_while_they_are_paged(shop: Shop) -> None:
    """Any size of page; edits, new records and deletions between any two batches."""
    chance = random.Random(SEED)
    sizes = [2, 3, 100, *chance.sample(range(4, 100), k=min(96, ROUNDS - 3))]
    with start(products=230, variable_every=0, tie=50) as moving:
        shop.connect(moving)
        for number, size in enumerate(sizes):
            full = chance.random() < 0.5
            await disturbed_run(shop, moving, chance, size=size, full=full, name=f"{SEED}-{number}")
            run = await shop.run(Entity.PRODUCTS)
            assert run.status is RunStatus.SUCCESS, (size, run.error)
            assert different(moving, shop) == set(), (size, full)
            before = shop.query(WRITTEN)
            await shop.run(Entity.PRODUCTS)
            assert shop.query(WRITTEN) == before, size
        await shop.run(Entity.PRODUCTS, full=True)
        left = {str(product["id"]) for product in moving.truth("products")}
        active = "SELECT external_id FROM sync.mapping WHERE state = 'active' AND missing_at IS NULL"
        held = shop.query("SELECT count(*) FROM sync.alarm WHERE closed_at IS NULL")[0][0]
        assert held or {row[0] for row in shop.query(active)} == left
    print(f"T8 pass paged sizes={len(sizes)} lost=0 rewritten=0 seed={SEED}")


def test_pages_that_cannot_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        OffsetById(size=1, total_header="x-wp-total")


async def disturbed_run(
    shop: Shop, moving: Store, chance: random.Random, *, size: int, full: bool, name: str
) -> None:
    async with shop.open(Entity.PRODUCTS, full=full) as run:
        assert run.job is not None
        paging: Any = run.job.resource.paging
        run.job.resource = replace(run.job.resource, paging=replace(paging, size=size))
        run.job.batch_size = max(size, 60)
        cursor: Cursor | None = run.job.cursor
        while cursor is not None:
            batch = await rules.fetch(run.job, cursor)
            moving.mutate(seed=chance.randrange(10**6), products=3)
            if chance.random() < 0.3:
                moving.create_product(name="Novo", sku=f"{name}-{chance.random()}", regular_price="9.90")
            if chance.random() < 0.2:
                moving.delete_product(chance.choice([p["id"] for p in moving.truth("products")]))
            cursor = await write(run, batch)
        await orphans.settle(run.job)
    assert run.status is RunStatus.SUCCESS, (size, run.error)


def different(store: Store, shop: Shop) -> set[str]:
    """SKUs that the ERP lacks, has twice or has otherwise than the shop."""
    rows = shop.query("SELECT sku, name, price::numeric(15,2)::text FROM erp.product")
    assert len(rows) == len({row[0] for row in rows})
    ours = {row[0]: (row[1], row[2]) for row in rows}
    theirs = {
        product["sku"]: (product["name"].replace("&amp;", "&"), product["regular_price"] or None)
        for product in store.truth("products")
    }
    return {sku for sku, seen in theirs.items() if ours.get(sku) != seen}
