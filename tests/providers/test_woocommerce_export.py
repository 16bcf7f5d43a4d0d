"""Both directions of a WooCommerce shop: what the ERP changes arrives there, and does not come back."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from core import exporting, settling
from core.entities import Direction, Entity, RunStatus, Trigger
from core.ports import Cursor
from sandbox.process import Store, start
from tasks.job import Run, open_run
from tests.providers.conftest import ENTITIES, Shop


@pytest.fixture
def both(shop: Shop) -> Iterator[tuple[Shop, Store]]:
    """A shop of its own, whose pairs go both ways, already imported."""
    with start(products=20, categories=6, customers=5, orders=6) as store:
        shop.connect(store)
        shop.query("UPDATE sync.pair SET direction = 'both', conflict_policy = 'ask'")
        yield shop, store


async def export(shop: Shop, entity: Entity) -> Run:
    async with open_run(
        shop.pairs[entity],
        entity,
        direction=Direction.EXPORT,
        full=False,
        initiated_by=Trigger.MANUAL,
        flow_run_id=None,
        slot_at=None,
    ) as run:
        assert run is not None
        assert run.job is not None
        job = run.job
        await exporting.start(job)
        await settling.settle(job)
        cursor: Cursor | None = job.cursor
        while cursor is not None:
            batch = await exporting.fetch(job, cursor)
            batch = await exporting.transform(job, exporting.map_records(job, batch))
            cursor = await exporting.upsert(job, batch)
    assert run.status is not RunStatus.ERROR, (entity, run.error)
    return run


async def export_all(shop: Shop, status: RunStatus = RunStatus.SUCCESS) -> dict[Entity, Any]:
    counts = {}
    for entity in ENTITIES:
        run = await export(shop, entity)
        assert run.status is status, (entity, shop.query("SELECT error_class, message FROM sync.issue"))
        assert run.job is not None
        counts[entity] = (run.job.counts.created, run.job.counts.updated)
    return counts


def posted(store: Store) -> int:
    return sum(entry["method"] != "GET" for entry in store.requests())


async def test_what_the_erp_changes_arrives_and_does_not_come_back(both: tuple[Shop, Store]) -> None:
    shop, store = both
    for entity in ENTITIES:
        run = await shop.run(entity)
        assert run.status is RunStatus.SUCCESS, (entity, run.error)
    store.clear_requests()
    assert set((await export_all(shop)).values()) == {(0, 0)}
    assert posted(store) == 0
    change(shop)
    counts = await export_all(shop)
    assert counts == {
        Entity.CATEGORIES: (1, 0),
        Entity.PRODUCTS: (2, 1),
        Entity.CUSTOMERS: (1, 0),
        Entity.STOCK: (1, 1),
        Entity.ORDERS: (0, 1),
    }
    products = {raw["sku"]: raw for raw in store.truth("products")}
    assert products["SKU-0000007"]["regular_price"] == "77.70"
    assert products["SIMPLES"]["name"] == "Caneca &amp; pires"
    assert [item["name"] for item in products["SIMPLES"]["categories"]] == ["Novidades"]
    parts = {raw["sku"]: raw for raw in store.truth("variations") if raw["sku"].startswith("CAM-")}
    assert {raw["parent_id"] for raw in parts.values()} == {products["CAM"]["id"]}
    assert parts["CAM-P"]["stock_quantity"] == 9
    assert products["SKU-0000006"]["stock_quantity"] == 123
    people = {raw["email"]: raw for raw in store.truth("customers")}
    extra = {item["key"]: item["value"] for item in people["rui@exemplo.test"]["meta_data"]}
    assert extra["billing_cpf"] == "529.982.247-25"
    store.clear_requests()
    assert set((await export_all(shop)).values()) == {(0, 0)}
    assert posted(store) == 0
    before = erp(shop)
    for entity in ENTITIES:
        run = await shop.run(entity, full=True)
        assert run.status is RunStatus.SUCCESS, (entity, run.error)
    assert erp(shop) == before
    assert set((await export_all(shop)).values()) == {(0, 0)}
    assert posted(store) == 0


async def test_creates_whose_answer_is_lost_are_linked_and_not_doubled(both: tuple[Shop, Store]) -> None:
    shop, store = both
    for number in range(3):
        insert(shop, "product", sku=f"PERDIDO-{number}", name="Perdido", price=Decimal(5))
    insert(shop, "product", name="Sem código", price=Decimal(5))
    shop.query("UPDATE sync.integration SET matching = 'id'")
    count = store.counts()["products"]
    store.faults({"kind": "lost", "path": "products/batch$", "times": 1})
    run = await export(shop, Entity.PRODUCTS)
    assert run.status is RunStatus.PARTIAL
    shop.query("UPDATE sync.outbox SET next_attempt_at = now() - interval '1 second'")
    run = await export(shop, Entity.PRODUCTS)
    assert run.status is RunStatus.SUCCESS
    assert store.counts()["products"] == count + 4
    linked = "SELECT count(*) FROM sync.mapping WHERE entity = 'products'"
    assert shop.query(linked) == [(4,)]
    assert shop.query("SELECT count(*) FROM sync.outbox") == [(0,)]


def insert(shop: Shop, table: str, **values: Any) -> Any:
    names = ", ".join(["tenant_id", *values])
    marks = ", ".join([":tenant_id", *(f":{name}" for name in values)])
    sql = f"INSERT INTO erp.{table} ({names}) VALUES ({marks}) RETURNING id"
    return shop.query(sql, tenant_id=shop.tenant.id, **values)[0][0]


def change(shop: Shop) -> None:
    """One of everything that an ERP does."""
    category = insert(shop, "category", name="Novidades", slug="novidades")
    insert(
        shop, "product", sku="SIMPLES", name="Caneca & pires", price=Decimal("12.50"), category_ids=[category]
    )
    shirt = insert(shop, "product", sku="CAM", name="Camiseta")
    small = insert(
        shop, "product_variant", product_id=shirt, sku="CAM-P", price=Decimal(40), options='{"Tamanho": "P"}'
    )
    insert(
        shop, "product_variant", product_id=shirt, sku="CAM-M", price=Decimal(40), options='{"Tamanho": "M"}'
    )
    insert(shop, "customer", name="Rui Teste", document="52998224725", email="rui@exemplo.test")
    branch = shop.query("SELECT branch_id FROM erp.stock_level LIMIT 1")[0][0]
    insert(shop, "stock_level", branch_id=branch, product_id=shirt, variant_id=small, on_hand=Decimal(9))
    shop.query("UPDATE erp.product SET price = 77.70 WHERE sku = 'SKU-0000007'")
    shop.query(
        "UPDATE erp.stock_level SET on_hand = 123"
        " WHERE product_id = (SELECT id FROM erp.product WHERE sku = 'SKU-0000006')"
    )
    shop.query(
        "UPDATE erp.\"order\" SET status = CASE status WHEN 'completed' THEN 'cancelled' ELSE 'completed' END"
        ' WHERE id = (SELECT id FROM erp."order" ORDER BY number LIMIT 1)'
    )


def erp(shop: Shop) -> list[Any]:
    """What the ERP holds, without the moments at which it was written."""
    tables = ("product", "product_variant", "category", "customer", "stock_level", '"order"', "address")
    return [
        shop.query(f"SELECT to_jsonb(t) - 'updated_at' - 'change_seq' FROM erp.{name} t ORDER BY id")
        for name in tables
    ]


async def test_a_product_whose_variant_is_refused_is_linked_at_once(both: tuple[Shop, Store]) -> None:
    shop, store = both
    product = insert(shop, "product", sku="MEIO", name="Meio aceito")
    for sku, price in (("MEIO-P", 5), ("SKU-0000007", 6)):
        insert(shop, "product_variant", product_id=product, sku=sku, price=Decimal(price), options="{}")
    count = store.counts()["products"]
    await export(shop, Entity.PRODUCTS)
    made = shop.query("SELECT external_id FROM sync.mapping WHERE internal_id = :id", id=product)
    assert len(made) == 1
    issue = shop.query("SELECT attempt, error_class FROM sync.issue WHERE state = 'open'")
    assert [row[0] for row in issue] == [1]
    shop.query("UPDATE erp.product_variant SET sku = 'MEIO-G' WHERE sku = 'SKU-0000007'")
    await export(shop, Entity.PRODUCTS)
    assert store.counts()["products"] == count + 1
    skus = {raw["sku"] for raw in store.truth("variations") if str(raw["parent_id"]) == made[0][0]}
    assert skus == {"MEIO-P", "MEIO-G"}
    assert shop.query("SELECT count(*) FROM sync.issue WHERE state = 'open'") == [(0,)]
