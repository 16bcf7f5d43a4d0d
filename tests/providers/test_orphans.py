"""What a complete scan did not see: looked up, made an orphan, or held for a person."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from core import engine as rules
from core import orphans
from core.entities import Entity, RunStatus
from core.ports import Cursor
from db import mappings
from db import orphans as stored
from db.audit import By
from db.ledger import Bound
from db.session import engine, tenant_transaction
from sandbox.process import Store, start
from tests.providers.conftest import Shop, write
from tests.providers.test_woocommerce import import_all

LOST = (
    "SELECT external_id, orphaned_by FROM sync.mapping WHERE entity = 'products' AND state = 'orphan'"
    " ORDER BY external_id::int"
)
MISSING = "SELECT external_id FROM sync.mapping WHERE missing_at IS NOT NULL ORDER BY external_id::int"
GATE = "SELECT message, closed_at FROM sync.alarm WHERE kind = 'deletion_gate' ORDER BY opened_at"
PAGES = "SELECT count(*) FROM sync.scan_page"


@pytest.fixture
async def moving(shop: Shop) -> AsyncIterator[Store]:
    """A shop of its own with 120 products, imported."""
    with start(products=120, variable_every=30) as running:
        shop.connect(running)
        await shop.run(Entity.PRODUCTS)
        yield running


async def scan(
    shop: Shop,
    *,
    read: bool = True,
    hidden: Sequence[int] = (),
    params: Mapping[str, str] | None = None,
    batch_size: int = 50,
    full: bool = True,
    **resource: Any,
) -> Any:
    """A run of the products, with the provider's look-up by id or without, over a list that hides some or is
    otherwise declared."""
    async with shop.open(Entity.PRODUCTS, full=full) as run:
        assert run.job is not None
        declared = run.job.resource
        asked = {**declared.params, **(params or {})}
        if hidden:
            asked["exclude"] = ",".join(map(str, hidden))
        run.job.resource = replace(declared, read=declared.read if read else None, params=asked, **resource)
        run.job.batch_size = batch_size
        cursor: Cursor | None = run.job.cursor
        while cursor is not None:
            cursor = await write(run, await rules.fetch(run.job, cursor))
        await orphans.settle(run.job)
    return run


def test_few_are_decided_and_many_wait() -> None:
    assert not orphans.gated(1, 1)
    assert not orphans.gated(50, 500)
    assert orphans.gated(51, 1_000_000)
    assert orphans.gated(2, 19)
    assert not orphans.gated(2, 20)


@pytest.mark.parametrize("read", [True, False], ids=["looked up", "by the list alone"])
async def test_a_deleted_record_makes_an_orphan_and_the_erp_keeps_its_own(
    shop: Shop, moving: Store, read: bool
) -> None:
    before = shop.query("SELECT id, change_seq FROM erp.product ORDER BY id")
    for id_ in (7, 30):
        moving.delete_product(id_)
    run = await scan(shop, read=read, batch_size=50)
    assert (run.status, run.job.counts.success) == (RunStatus.SUCCESS, 0)
    assert shop.query(LOST) == [("7", "external"), ("30", "external")]
    assert shop.query("SELECT id, change_seq FROM erp.product ORDER BY id") == before
    assert shop.query("SELECT details->>'orphaned' FROM sync.sync_log ORDER BY started_at")[-1] == ("2",)
    variants = (
        "SELECT DISTINCT parent_external_id FROM sync.mapping WHERE entity = 'variants' AND state = 'orphan'"
    )
    assert shop.query(variants) == [("30",)]
    assert (shop.query(GATE), shop.query(PAGES)) == ([], [(0,)])
    assert (await scan(shop, read=read)).job.orphaned == 0


async def test_a_record_that_the_list_hides_keeps_its_mapping_where_it_can_be_looked_up(
    shop: Shop, moving: Store
) -> None:
    assert (await scan(shop, hidden=[7])).job.orphaned == 0
    assert (shop.query(LOST), shop.query(MISSING)) == ([], [])


async def test_a_record_seen_again_is_linked_as_before(shop: Shop, moving: Store) -> None:
    """Its ERP record and its variants too, and nothing else is written."""
    rows = "SELECT id, change_seq FROM erp.product UNION ALL SELECT id, change_seq FROM erp.product_variant"
    before = sorted(shop.query(rows))
    await scan(shop, read=False, hidden=[7, 30])
    assert len(shop.query(LOST)) == 2
    run = await scan(shop)
    assert run.job.counts.success == 0
    assert sorted(shop.query(rows)) == before
    left = "SELECT count(*) FROM sync.mapping WHERE state <> 'active' OR orphaned_by IS NOT NULL"
    assert shop.query(left) == [(0,)]


async def test_a_record_that_comes_back_changed_updates_what_it_was_linked_to(
    shop: Shop, moving: Store
) -> None:
    await scan(shop, read=False, hidden=[7])
    moving.control("change", kind="products", id=7, fields={"regular_price": "77.70"})
    await shop.run(Entity.PRODUCTS)
    assert shop.query(LOST) == []
    price = shop.query("SELECT price::numeric(9, 2)::text FROM erp.product WHERE sku = 'SKU-0000007'")
    assert price == [("77.70",)]


async def test_what_replaces_a_deleted_record_is_linked_to_its_erp_record(shop: Shop, moving: Store) -> None:
    """And the old one, should it come back, does not take it away."""
    moving.delete_product(7)
    await scan(shop)
    made = moving.create_product(name="De novo", sku="SKU-0000007", regular_price="5.00")
    await scan(shop)
    links = (
        "SELECT external_id FROM sync.mapping m JOIN erp.product p ON p.id = m.internal_id WHERE p.sku = :sku"
    )
    found = shop.query(f"{links} AND m.state = 'active'", sku="SKU-0000007")
    assert found == [(str(made["id"]),)]
    async with tenant_transaction(engine(shop.database.url), shop.tenant.id) as connection:
        old = shop.query("SELECT id FROM sync.mapping WHERE external_id = '7' AND entity = 'products'")[0][0]
        await stored.welcome(connection, bound(shop), [old])
    assert shop.query(LOST) == [("7", "external")]


async def test_many_at_once_wait_for_a_person(shop: Shop, moving: Store) -> None:
    """Until somebody decides, or all of them are seen again."""
    hidden = list(range(1, 21))
    run = await scan(shop, hidden=hidden)
    assert run.status is RunStatus.SUCCESS
    assert (run.job.orphaned, shop.query(LOST)) == (0, [])
    assert shop.query(MISSING) == [(str(id_),) for id_ in hidden]
    [(message, closed_at)] = shop.query(GATE)
    assert "20 de 120" in message
    [notice] = shop.query("SELECT subject, body FROM sync.notice")
    assert notice.subject == "Loja Teste: exclusões à espera de confirmação"
    assert "produtos · importar" in notice.body
    assert closed_at is None
    await scan(shop, read=False, hidden=hidden[:5])
    assert shop.query(MISSING) == [(str(id_),) for id_ in hidden[:5]]
    assert shop.query(LOST) == []  # few are left, and the gate is still closed
    await scan(shop)
    assert shop.query(MISSING) == []
    assert [row.closed_at is not None for row in shop.query(GATE)] == [True]


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_person_opens_the_gate(shop: Shop, moving: Store, confirmed: bool) -> None:
    hidden = list(range(1, 21))
    await scan(shop, hidden=hidden)
    decide = mappings.confirm_missing if confirmed else mappings.release_missing
    opened = engine(shop.database.url)
    count = await decide(opened, shop.tenant.id, shop.integration_id, "products", By("ana", "conferido"))
    assert count == 20
    assert len(shop.query(LOST)) == (20 if confirmed else 0)
    assert [row.closed_at is not None for row in shop.query(GATE)] == [True]
    await scan(shop, full=False, hidden=hidden)
    assert len(shop.query(LOST)) == (20 if confirmed else 0)


async def test_a_run_that_died_before_it_decided_is_made_good(shop: Shop, moving: Store) -> None:
    moving.delete_product(7)
    async with shop.open(Entity.PRODUCTS, full=True) as run:
        assert run.job is not None
        cursor: Cursor | None = run.job.cursor
        while cursor is not None:
            cursor = await write(run, await rules.fetch(run.job, cursor))
    assert shop.query(MISSING) == [("7",)]
    await scan(shop, full=False)
    assert (shop.query(LOST), shop.query(MISSING)) == ([("7", "external")], [])


async def test_a_scan_that_is_resumed_remembers_what_it_saw_before(shop: Shop, moving: Store) -> None:
    moving.delete_product(90)
    async with shop.open(Entity.PRODUCTS, full=True) as run:
        assert run.job is not None
        run.job.batch_size = 50
        await write(run, await rules.fetch(run.job, run.job.cursor))
    assert shop.query(PAGES) == [(1,)]
    await scan(shop, full=False)
    assert (shop.query(LOST), shop.query(PAGES)) == ([("90", "external")], [(0,)])


async def test_what_the_erp_deleted_is_not_made_again(shop: Shop, moving: Store) -> None:
    shop.query("UPDATE erp.product SET deleted_at = now() WHERE sku = 'SKU-0000007'")
    shop.query(
        "UPDATE sync.mapping SET state = 'orphan', orphaned_by = 'erp'"
        " WHERE entity = 'products' AND external_id = '7'"
    )
    moving.control("change", kind="products", id=7, fields={"regular_price": "77.70"})
    run = await scan(shop)
    assert (run.job.counts.success, run.job.counts.errors) == (0, 0)
    assert shop.query(LOST) == [("7", "erp")]
    found = shop.query("SELECT deleted_at IS NOT NULL AS gone FROM erp.product WHERE sku = 'SKU-0000007'")
    assert [row.gone for row in found] == [True]


async def test_a_mapping_made_while_the_scan_ran_is_not_judged_by_it(shop: Shop, moving: Store) -> None:
    async with shop.open(Entity.PRODUCTS, full=True) as run:
        assert run.job is not None
        batch = await rules.fetch(run.job, run.job.cursor)
        shop.query(
            "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id)"
            " VALUES (:tenant, :integration, 'products', '999', erp.uuid7())",
            tenant=shop.tenant.id,
            integration=shop.integration_id,
        )
        cursor = await write(run, batch)
        while cursor is not None:
            cursor = await write(run, await rules.fetch(run.job, cursor))
    assert shop.query(MISSING) == []
    await scan(shop)
    assert shop.query(LOST) == [("999", "external")]


async def test_an_order_keeps_the_product_that_was_deleted_outside(shop: Shop) -> None:
    with start(products=60, orders=30, variable_every=0, categories=5, customers=5) as running:
        shop.connect(running)
        await import_all(shop)
        sold = "SELECT count(*) FROM erp.order_item WHERE product_id IS NOT NULL"
        before = shop.query(sold)
        order = running.control("truth", kind="orders")[0]
        running.delete_product(order["line_items"][0]["product_id"])
        await scan(shop)
        assert len(shop.query(LOST)) == 1
        running.control("change", kind="orders", id=order["id"], fields={"status": "completed"})
        run = await shop.run(Entity.ORDERS)
        assert run.job is not None
        assert run.job.counts.updated == 1
        assert shop.query(sold) == before


def bound(shop: Shop) -> Bound:
    return Bound(
        tenant_id=shop.tenant.id,
        integration_id=shop.integration_id,
        pair_id=shop.pairs[Entity.PRODUCTS],
        log_id=shop.tenant.id,
        entity=Entity.PRODUCTS,
        lease_token=0,
        lease_seconds=60,
        branch_id=shop.tenant.branch_id,
        channel="",
    )
