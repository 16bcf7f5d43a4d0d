"""WooCommerce imports: a shop over HTTP into a real PostgreSQL."""

import pytest

from core import engine as rules
from core.entities import Entity, RunStatus
from core.errors import AuthenticationError, ContractError, LeaseLost
from core.ports import Cursor
from sandbox.process import start
from tests.providers.conftest import ENTITIES, Shop, write

ONE_LOG = (
    "SELECT status, processed, success, errors, skipped, created, error_class, remedy FROM sync.sync_log"
)


async def import_all(shop: Shop) -> None:
    for entity in ENTITIES:
        run = await shop.run(entity)
        assert run.status is RunStatus.SUCCESS, (entity, run.error)


async def test_everything_arrives_with_its_links(shop: Shop) -> None:
    await import_all(shop)
    truth = {product["id"]: product for product in shop.store.control("truth", kind="products")}
    found = shop.query(
        "SELECT m.external_id, p.sku, p.name, p.price, cardinality(p.category_ids) FROM erp.product p"
        " JOIN sync.mapping m ON m.internal_id = p.id AND m.entity = 'products'"
    )
    assert {int(row[0]): row[1] for row in found} == {id_: product["sku"] for id_, product in truth.items()}
    assert all(row[2].startswith("Caneca & pires") and row[4] == 1 for row in found)
    simple = next(row for row in found if row[0] == "7")
    assert str(simple[3]) == "12.9000"
    variations = sum(len(product["variations"]) for product in truth.values())
    assert shop.query("SELECT count(*) FROM erp.product_variant") == [(variations,)]
    simples = sum(not product["variations"] for product in truth.values())
    assert shop.query("SELECT count(*) FROM erp.stock_level") == [(simples + variations,)]
    orders = shop.query(
        'SELECT count(*), count(customer_id), min(total - items_total - shipping) FROM erp."order"'
    )
    assert orders[0][0] == 130
    assert 0 < orders[0][1] < 130
    assert orders[0][2] == 0
    assert shop.query("SELECT count(*) FROM erp.order_item WHERE product_id IS NULL") == [(0,)]
    assert shop.query("SELECT count(*) FROM erp.category WHERE parent_id IS NOT NULL") == [(15,)]
    assert shop.query("SELECT count(*) FROM erp.address WHERE postal_code ~ '^[0-9]{8}$'")[0][0] > 300


async def test_a_second_full_scan_writes_nothing(shop: Shop) -> None:
    await import_all(shop)
    before = shop.query("SELECT id, change_seq, updated_at FROM erp.product ORDER BY id")
    for entity in ENTITIES:
        run = await shop.run(entity, full=True)
        assert run.job is not None
        counts = run.job.counts
        assert (counts.success, counts.errors) == (0, 0), entity
        assert counts.skipped == counts.processed > 0
    assert shop.query("SELECT id, change_seq, updated_at FROM erp.product ORDER BY id") == before


async def test_an_incremental_run_reads_only_what_changed(shop: Shop) -> None:
    await shop.run(Entity.CATEGORIES)
    await shop.run(Entity.PRODUCTS)
    shop.store.control("change", kind="products", id=7, fields={"regular_price": "99.90"})
    run = await shop.run(Entity.PRODUCTS)
    assert run.job is not None
    assert run.job.counts.updated == 1
    assert run.job.counts.processed < 230
    price = shop.query("SELECT price FROM erp.product WHERE sku = 'SKU-0000007'")
    assert str(price[0][0]) == "99.9000"


async def test_a_product_in_the_erp_is_linked_by_sku_and_not_doubled(shop: Shop) -> None:
    shop.query(
        "INSERT INTO erp.product (tenant_id, sku, name) VALUES (:tenant, 'SKU-0000003', 'Do ERP')",
        tenant=shop.tenant.id,
    )
    await shop.run(Entity.PRODUCTS)
    found = shop.query("SELECT name FROM erp.product WHERE sku = 'SKU-0000003'")
    assert [row[0] for row in found] == ["Caneca & pires Araucária 3"]


async def test_a_record_that_cannot_be_mapped_is_an_issue_and_heals(shop: Shop) -> None:
    shop.store.control("change", kind="products", id=5, fields={"regular_price": "1.234,56"})
    run = await shop.run(Entity.PRODUCTS)
    assert run.status is RunStatus.PARTIAL
    issue = shop.query("SELECT external_id, field, error_class, remedy, payload, state FROM sync.issue")
    assert [row[:3] for row in issue] == [("5", "regular_price", "RecordError")]
    assert b"1.234" not in bytes(issue[0][4])
    shop.store.control("change", kind="products", id=5, fields={"regular_price": "10.90"})
    await shop.run(Entity.PRODUCTS)
    assert shop.query("SELECT state FROM sync.issue") == [("resolved",)]


async def test_stock_without_product_says_what_to_do(shop: Shop) -> None:
    run = await shop.run(Entity.STOCK)
    assert run.job is not None
    assert run.job.counts.success == 0
    classes = shop.query("SELECT DISTINCT error_class, remedy FROM sync.issue")
    assert [row[0] for row in classes] == ["MappingNotFound"]
    assert "descoberta" in classes[0][1]


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ({"kind": "html", "times": 9}, RunStatus.ERROR, ContractError),
        ({"kind": "broken_json", "times": 9}, RunStatus.ERROR, ContractError),
        ({"kind": "429", "times": 1, "retry_after": 1}, RunStatus.SUCCESS, None),
        ({"kind": "429", "times": 1, "retry_after": 3600}, RunStatus.DEFERRED, None),
        ({"kind": "500", "times": 1}, RunStatus.SUCCESS, None),
        ({"kind": "truncate", "times": 1, "skip": 1}, RunStatus.SUCCESS, None),
        ({"kind": "empty_page", "times": 1, "skip": 1}, RunStatus.SUCCESS, None),
    ],
    ids=["html", "broken", "429-short", "429-long", "500", "truncated", "empty-page"],
)
async def test_faults(
    shop: Shop, fault: dict[str, object], status: RunStatus, error: type[Exception] | None
) -> None:
    shop.store.control("faults", script=[{"path": "^customers", **fault}])
    run = await shop.run(Entity.CUSTOMERS)
    assert run.status is status
    assert error is None or isinstance(run.error, error)
    log = shop.query(ONE_LOG)[0]
    assert log.status == status.value
    assert log.processed == log.success + log.errors + log.skipped
    if status is RunStatus.SUCCESS:
        assert log.created == 40
    else:
        assert log.remedy


async def test_a_run_goes_on_from_the_last_committed_batch(shop: Shop) -> None:
    shop.store.control("faults", script=[{"path": "^products$", "kind": "html", "times": 9, "skip": 2}])
    run = await shop.run(Entity.PRODUCTS, batch_size=50)
    assert run.status is RunStatus.ERROR
    shop.store.control("faults")
    saved = shop.query("SELECT count(*) FROM erp.product")[0][0]
    assert 0 < saved < 230
    run = await shop.run(Entity.PRODUCTS, batch_size=50)
    assert run.job is not None
    assert run.job.counts.processed == 230 - saved
    assert shop.query("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(230, 230)]


async def test_records_removed_while_paging_do_not_hide_others(shop: Shop) -> None:
    with start(products=250, variable_every=0) as moving:
        shop.connect(moving)
        async with shop.open(Entity.PRODUCTS) as run:
            assert run.job is not None
            run.job.batch_size, run.job.concurrency = 50, 1
            batch = await rules.fetch(run.job, run.job.cursor)
            for id_ in range(1, 40):
                moving.control("delete", kind="products", id=id_)
            cursor = await write(run, batch)
            while cursor is not None:
                cursor = await write(run, await rules.fetch(run.job, cursor))
    found = {row[0] for row in shop.query("SELECT sku FROM erp.product")}
    assert {f"SKU-{id_:07d}" for id_ in range(40, 251)} <= found


async def test_a_run_that_lost_its_lease_writes_nothing(shop: Shop) -> None:
    await shop.run(Entity.CATEGORIES)
    run = await shop.run(Entity.CUSTOMERS)
    assert run.job is not None
    with pytest.raises(LeaseLost):
        await run.job.store.commit([], [], skipped=1, cursor=Cursor(), total=None)


async def test_no_credential_is_stored_in_clear(shop: Shop) -> None:
    await shop.run(Entity.CATEGORIES)
    secrets = (shop.store.consumer_key, shop.store.consumer_secret)
    for table in ("sync.credential", "sync.integration", "sync.sync_log", "sync.issue"):
        rows = shop.query(f"SELECT t::text FROM {table} t")
        assert not [row for row in rows if any(secret in row[0] for secret in secrets)]


async def test_a_refused_key_is_an_authentication_error(shop: Shop) -> None:
    shop.reseal("consumer_secret", "cs_invented")
    run = await shop.run(Entity.ORDERS)
    assert isinstance(run.error, AuthenticationError)
    assert "cs_invented" not in str(run.error)
    assert shop.query(ONE_LOG)[0].remedy.startswith("Renove")
