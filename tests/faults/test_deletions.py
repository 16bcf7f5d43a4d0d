"""T11: lists that are cut, empty, broken or filtered otherwise delete nothing that is there."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.entities import Entity, RunStatus
from core.paging import OffsetById
from core.spec import Answer, Step
from sandbox.process import Store, start
from tests.providers.conftest import Shop
from tests.providers.test_orphans import GATE, LOST, MISSING, scan

PRODUCTS = 900


@pytest.fixture
async def moving(shop: Shop) -> AsyncIterator[Store]:
    with start(products=PRODUCTS, variable_every=0, categories=3) as running:
        shop.connect(running)
        await shop.run(Entity.PRODUCTS)
        yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("read", [True, False], ids=["looked up", "by the list alone"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "truncate", "skip": 3},
        {"kind": "empty_page", "skip": 0},
        {"kind": "empty_page", "skip": 8},
        {"kind": "500", "skip": 6},
        {"kind": "html", "skip": 6},
        {"kind": "reset", "skip": 6},
    ],
    ids=["truncated", "empty", "empty at the end", "500 on page 7", "html on page 7", "reset on page 7"],
)
async def test_a_broken_list_deletes_nothing(
    shop: Shop, moving: Store, fault: dict[str, Any], read: bool
) -> None:
    moving.faults({"path": "^products$", **fault})
    run = await scan(shop, read=read, batch_size=200)
    assert run.status is RunStatus.ERROR
    assert (shop.query(LOST), shop.query(MISSING)) == ([], [])
    await healed(shop, moving, read=read)
    print(f"T11 pass {fault['kind']}@{fault['skip'] + 1} orphans=0 seed=0")


async def test_a_list_that_is_empty_and_says_so_deletes_nothing(shop: Shop, moving: Store) -> None:
    """Even of a single record."""
    run = await scan(shop, read=False, params={"include": "99999999"})
    assert (run.status, run.job.counts.processed) == (RunStatus.SUCCESS, 0)
    assert shop.query(LOST) == []
    assert len(shop.query(GATE)) == 1
    shop.query("DELETE FROM sync.mapping WHERE entity = 'products' AND external_id <> '7'")
    shop.query("UPDATE sync.mapping SET missing_at = NULL")
    shop.query("DELETE FROM sync.alarm")
    await scan(shop, read=False, params={"include": "99999999"})
    assert (shop.query(LOST), shop.query(MISSING)) == ([], [("7",)])
    print("T11 pass empty orphans=0 seed=0")


async def test_a_filter_that_changed_deletes_nothing(shop: Shop, moving: Store) -> None:
    run = await scan(shop, read=False, params={"category": "16"})
    assert run.status is RunStatus.SUCCESS
    held = len(shop.query(MISSING))
    assert 0.1 * PRODUCTS < held < PRODUCTS
    assert shop.query(LOST) == []
    assert f"{held} de {PRODUCTS}" in shop.query(GATE)[0].message
    await healed(shop, moving, read=False)
    print(f"T11 pass filter held={held} orphans=0 seed=0")


class Boastful(OffsetById):
    """Says that there is more than it gives."""

    def step(self, place: str | None, answer: Answer) -> Step:
        step = super().step(place, answer)
        return Step(step.items, step.next, (step.total or 0) + 1)


async def test_a_list_that_is_short_of_its_own_total_deletes_nothing(shop: Shop, moving: Store) -> None:
    moving.delete_product(7)
    run = await scan(shop, read=False, paging=Boastful(size=100, total_header="x-wp-total"))
    assert run.status is RunStatus.SUCCESS
    assert (shop.query(LOST), shop.query(MISSING)) == ([], [])
    await healed(shop, moving, read=False, gone="7")
    print("T11 pass short orphans=0 seed=0")


async def test_a_record_without_a_name_may_be_any(shop: Shop, moving: Store) -> None:
    moving.delete_product(7)
    await scan(
        shop,
        read=False,
        key=lambda raw: "" if raw["id"] == 9 else str(raw["id"]),
        wanted=lambda raw: raw["id"] != 9,
    )
    assert (shop.query(LOST), shop.query(MISSING)) == ([], [])
    await healed(shop, moving, read=False, gone="7")


async def healed(shop: Shop, moving: Store, *, read: bool, gone: str = "") -> None:
    """The next scan sees all again, and the one after it what is really gone by then."""
    moving.clear_faults()
    assert (await scan(shop, read=read, batch_size=200)).status is RunStatus.SUCCESS
    assert shop.query(MISSING) == []
    assert all(row.closed_at for row in shop.query(GATE))
    moving.delete_product(11)
    await scan(shop, read=read, batch_size=200)
    assert [row[0] for row in shop.query(LOST)] == [*filter(None, [gone]), "11"]
