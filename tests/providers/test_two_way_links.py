"""Conflicts and links of a two-way pair against a shop: what was decided arrives, once, and stays."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core import engine as rules
from core import exporting
from core.entities import Direction, Entity, RunStatus, Trigger
from core.ports import Cursor
from core.resolving import Typed
from db import conflicts, mappings, resync
from db.audit import By
from sandbox.process import Store
from sandbox.process import start as open_shop
from tasks.job import Run, open_run
from tests.providers.conftest import Shop

BY = By("ana")


@pytest.fixture
def own() -> Iterator[Store]:
    with open_shop(products=30, variable_every=10, categories=5) as running:
        yield running


@pytest.fixture
def two_way(shop: Shop, own: Store) -> Shop:
    shop.connect(own)
    shop.query("UPDATE sync.pair SET direction = 'both', conflict_policy = 'ask'")
    return shop


async def export(shop: Shop, request: uuid.UUID | None = None) -> Run:
    async with open_run(
        shop.pairs[Entity.PRODUCTS],
        Entity.PRODUCTS,
        direction=Direction.EXPORT,
        full=False,
        initiated_by=Trigger.MANUAL,
        flow_run_id=None,
        slot_at=None,
        request_id=request,
    ) as run:
        assert run is not None
        assert run.job is not None
        cursor: Cursor | None = run.job.cursor
        while cursor is not None:
            batch = exporting.map_records(run.job, await exporting.fetch(run.job, cursor))
            cursor = await exporting.upsert(run.job, await exporting.transform(run.job, batch))
    return run


async def run_both(shop: Shop, *, full: bool = False) -> list[Run]:
    """As the flow does it: in, then out."""
    ended = [await shop.run(Entity.PRODUCTS, full=full), await export(shop)]
    assert [(one.status, one.error) for one in ended] == [(RunStatus.SUCCESS, None)] * 2
    return ended


def outside(store: Store, id_: int) -> dict[str, Any]:
    return next(product for product in store.truth("products") if product["id"] == id_)


def inside(shop: Shop, id_: int) -> Any:
    return shop.query(
        "SELECT p.name, p.price::float8 AS price FROM erp.product p JOIN sync.mapping m"
        " ON m.internal_id = p.id AND m.entity = 'products' WHERE m.external_id = :id",
        id=str(id_),
    )[0]


async def in_conflict(shop: Shop, store: Store, *ids: int) -> list[conflicts.Row]:
    """Products whose name and price both sides changed."""
    await shop.run(Entity.CATEGORIES)
    await run_both(shop)
    for id_ in ids:
        store.control("change", kind="products", id=id_, fields={"name": "Da loja", "regular_price": "11.00"})
        shop.query(
            "UPDATE erp.product SET name = 'Do ERP', price = 12 WHERE id = (SELECT internal_id"
            " FROM sync.mapping WHERE entity = 'products' AND external_id = :id)",
            id=str(id_),
        )
    await run_both(shop)
    rows = shop.query("SELECT * FROM sync.conflict WHERE state = 'open'")
    assert len(rows) == len(ids)
    return [dict(row._mapping) for row in rows]


async def test_what_a_person_decided_arrives_on_both_sides_and_stays(
    two_way: Shop, own: Store, engine: AsyncEngine
) -> None:
    conflict = (await in_conflict(two_way, own, 7))[0]
    assert (outside(own, 7)["name"], inside(two_way, 7).name) == ("Da loja", "Do ERP"), "frozen"
    choices = {"name": "external", "price": Typed("13.90")}
    await conflicts.settle(engine, two_way.tenant.id, conflict["id"], choices, None, BY)  # type: ignore[arg-type]
    assert tuple(inside(two_way, 7)) == ("Da loja", 13.9)
    await run_both(two_way)
    assert (outside(own, 7)["name"], outside(own, 7)["regular_price"]) == ("Da loja", "13.90")
    assert tuple(inside(two_way, 7)) == ("Da loja", 13.9)
    own.clear_requests()
    before = two_way.query("SELECT max(change_seq) FROM erp.product")
    for _ in range(2):
        await run_both(two_way, full=True)
    assert [call for call in own.requests() if call["method"] != "GET"] == []
    assert two_way.query("SELECT max(change_seq) FROM erp.product") == before
    assert two_way.query("SELECT count(*) FROM sync.conflict WHERE state = 'open'") == [(0,)]


@pytest.mark.parametrize(("side", "name", "price"), [("erp", "Do ERP", 12.0), ("external", "Da loja", 11.0)])
async def test_many_at_once_for_one_side(
    two_way: Shop, own: Store, engine: AsyncEngine, side: Any, name: str, price: float
) -> None:
    await in_conflict(two_way, own, 3, 4, 6)
    many = await conflicts.settle_all(engine, two_way.tenant.id, two_way.integration_id, side, BY)
    assert {one.external_id for one in many.resolved} == {"3", "4", "6"}
    assert not many.failed
    assert {one.pair_id for one in many.resolved} == {two_way.pairs[Entity.PRODUCTS]}
    await run_both(two_way)
    for id_ in (3, 4, 6):
        there = outside(own, id_)
        assert (there["name"], float(there["regular_price"])) == (name, price)
        assert tuple(inside(two_way, id_)) == (name, price)
    await run_both(two_way, full=True)
    assert two_way.query("SELECT count(*) FROM sync.mapping WHERE state <> 'active'") == [(0,)]


@pytest.mark.parametrize("direction", [Direction.IMPORT, Direction.EXPORT])
async def test_one_record_is_made_equal_either_way(
    two_way: Shop, own: Store, engine: AsyncEngine, direction: Direction
) -> None:
    """Also against a change that the other way would have taken over."""
    await two_way.run(Entity.CATEGORIES)
    await run_both(two_way)
    own.control("change", kind="products", id=7, fields={"name": "Da loja"})
    two_way.query(
        "UPDATE erp.product SET price = 12, name = 'Do ERP' WHERE id IN (SELECT internal_id FROM sync.mapping"
        " WHERE entity = 'products' AND external_id IN ('7', '8'))"
    )
    before = outside(own, 7)["regular_price"]
    id_ = two_way.query("SELECT id FROM sync.mapping WHERE entity = 'products' AND external_id = '7'")[0][0]
    asked = await resync.resync(engine, two_way.tenant.id, id_, direction, BY)
    if direction is Direction.IMPORT:
        run = await two_way.run(Entity.PRODUCTS, request=asked.id)
        wanted = ("Da loja", float(before))
    else:
        run = await export(two_way, asked.id)
        wanted = ("Do ERP", 12.0)
    assert run.status is RunStatus.SUCCESS
    there = outside(own, 7)
    assert (there["name"], float(there["regular_price"])) == wanted
    assert tuple(inside(two_way, 7)) == wanted
    assert outside(own, 8)["name"] != "Do ERP", "the one asked for, and no other"
    await run_both(two_way)
    assert tuple(inside(two_way, 7)) == wanted
    assert outside(own, 7)["name"] == wanted[0]
    assert two_way.query("SELECT count(*) FROM sync.conflict") == [(0,)]


async def test_what_else_changed_outside_comes_after_a_decision(
    two_way: Shop, own: Store, engine: AsyncEngine
) -> None:
    """A scan of changes would not show it again before the next complete one."""
    await two_way.run(Entity.CATEGORIES)
    await run_both(two_way)
    own.control("change", kind="products", id=7, fields={"name": "Da loja", "description": "Nova"})
    two_way.query("UPDATE erp.product SET name = 'Do ERP' WHERE sku = 'SKU-0000007'")
    await run_both(two_way)
    two_way.query("UPDATE sync.cursor SET watermark = now() + interval '1 hour'")
    id_ = two_way.query("SELECT id FROM sync.conflict")[0][0]
    done = await conflicts.settle(engine, two_way.tenant.id, id_, {}, "erp", BY)
    assert done.behind
    await run_both(two_way)
    description = "SELECT name, description FROM erp.product WHERE sku = 'SKU-0000007'"
    assert two_way.query(description)[0].description != "Nova"
    scope = (engine, two_way.tenant.id, done.integration_id, done.entity)
    asked = await resync.read_again(*scope, [done.external_id], BY)
    await two_way.run(Entity.PRODUCTS, request=asked[0].id)
    assert two_way.query(description) == [("Do ERP", "Nova")]
    assert outside(own, 7)["name"] == "Do ERP"


async def test_a_link_that_was_broken_is_made_again_by_sku_and_doubles_nothing(
    two_way: Shop, own: Store, engine: AsyncEngine
) -> None:
    await two_way.run(Entity.CATEGORIES)
    await run_both(two_way)
    id_ = two_way.query("SELECT id FROM sync.mapping WHERE entity = 'products' AND external_id = '7'")[0][0]
    await mappings.delete(engine, two_way.tenant.id, id_, BY)
    await run_both(two_way, full=True)
    assert two_way.query("SELECT count(*) FROM erp.product") == [(30,)]
    assert own.counts()["products"] == 30
    assert two_way.query("SELECT count(*) FROM sync.mapping WHERE entity = 'products'") == [(30,)]


async def test_a_record_of_ours_that_lost_its_mapping_is_known_by_our_id(two_way: Shop, own: Store) -> None:
    """Created outside, and the answer lost with the worker: the import that comes first doubles nothing."""
    await two_way.run(Entity.CATEGORIES)
    await run_both(two_way)
    two_way.query("UPDATE sync.integration SET matching = 'id'")
    two_way.query(
        "INSERT INTO erp.product (tenant_id, name) VALUES (:tenant, 'Sem SKU')", tenant=two_way.tenant.id
    )
    await run_both(two_way)
    assert own.counts()["products"] == 31
    two_way.query(
        "DELETE FROM sync.mapping m USING erp.product p WHERE m.entity = 'products'"
        " AND p.id = m.internal_id AND p.name = 'Sem SKU'"
    )
    await run_both(two_way, full=True)
    assert two_way.query("SELECT count(*) FROM erp.product WHERE name = 'Sem SKU'") == [(1,)]
    assert own.counts()["products"] == 31


async def test_a_link_broken_while_a_batch_is_on_its_way_stays_broken(
    shop: Shop, own: Store, engine: AsyncEngine
) -> None:
    shop.connect(own)
    await shop.run(Entity.CUSTOMERS)
    id_ = shop.query("SELECT id FROM sync.mapping WHERE external_id = '3'")[0][0]
    for customer in (3, 4):
        own.control("change", kind="customers", id=customer, fields={"first_name": "Outra"})
    async with shop.open(Entity.CUSTOMERS) as run:
        assert run.job is not None
        batch = rules.map_records(run.job, await rules.fetch(run.job, run.job.cursor))
        batch = await rules.transform(run.job, batch)
        await mappings.delete(engine, shop.tenant.id, id_, BY)
        await rules.upsert(run.job, batch)
    assert shop.query("SELECT count(*) FROM sync.mapping WHERE external_id = '3'") == [(0,)]
    names = "SELECT count(*) FROM erp.customer WHERE name LIKE 'Outra%'"
    assert shop.query(names) == [(1,)], "the other one was written"
    issue = shop.query("SELECT external_id, message FROM sync.issue")
    assert [row[0] for row in issue] == ["3"]
    assert "foi excluído durante a execução" in issue[0].message
