"""Shopify end to end: a shop over HTTP, a real PostgreSQL, and every call held against the schema."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from core.entities import Entity, RunStatus
from core.errors import AuthenticationError, AuthorizationError, ConfigurationError, ContractError
from core.webhooks import Delivery
from db.session import engine as open_engine
from db.settings import read
from providers.shopify import SHOPIFY
from providers.shopify.reading import grouped
from sandbox.shopify.process import Shop, start
from tasks import webhooks
from tasks.connection import Account as Whose
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect

ENTITIES = (Entity.CATEGORIES, Entity.PRODUCTS, Entity.CUSTOMERS, Entity.STOCK, Entity.ORDERS)


@pytest.fixture(scope="module")
def running() -> Iterator[Shop]:
    with start() as shop:
        yield shop


@pytest.fixture
def shop(running: Shop) -> Shop:
    running.steer("begin", products=9, collections=6, customers=4, orders=8)
    return running


@pytest.fixture
def account(shop: Shop, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    return connect("shopify", credentials(shop), database, tenant, monkeypatch)


def credentials(shop: Shop) -> dict[str, str]:
    return {"base_url": shop.url, "client_id": shop.client_id, "client_secret": shop.client_secret}


def asked(shop: Shop, word: str) -> list[dict[str, Any]]:
    return [call for call in shop.steer("log") if word in call["query"]]


def kept(shop: Shop, kind: str, **fields: Any) -> dict[str, Any]:
    found = [one for one in shop.steer("truth", kind=kind) if fields.items() <= one.items()]
    assert len(found) == 1, found
    return dict(found[0])


async def import_all(account: Account) -> None:
    for entity in ENTITIES:
        account.pair(entity)
        await account.sync(entity)


async def test_everything_arrives_with_its_links(shop: Shop, account: Account) -> None:
    shop.steer("switch", polls=1)
    await import_all(account)
    products = account.query("SELECT sku, name, price, sale_price, weight_kg FROM erp.product ORDER BY id")
    assert len(products) == 9
    plain = next(row for row in products if row.sku == "CAN-4")
    assert (plain.price, plain.sale_price, plain.weight_kg) == (
        Decimal("23.90"),
        Decimal("13.90"),
        Decimal("0.2"),
    )
    assert account.query("SELECT count(*), count(DISTINCT options) FROM erp.product_variant")[0] == (9, 3)
    assert account.query("SELECT count(*), sum(on_hand) FROM erp.stock_level")[0] == (15, 81)
    assert account.query("SELECT count(*) FROM erp.product WHERE cardinality(category_ids) = 1")[0][0] == 9
    orders = account.query(
        'SELECT count(*), count(customer_id), min(total - items_total - shipping + discount) FROM erp."order"'
    )[0]
    assert (orders[0], orders[2]) == (8, 0)
    assert 0 < orders[1] < 8
    assert account.query("SELECT count(*) FROM erp.order_item WHERE product_id IS NULL")[0][0] == 0
    address = account.query(
        "SELECT street, number, complement, district, postal_code FROM erp.address WHERE number = '1' LIMIT 1"
    )[0]
    assert tuple(address) == ("Rua das Flores", "1", "Apto 4", "Centro", "01001000")
    assert len(asked(shop, "bulkOperationRunQuery")) == 5


async def test_a_second_complete_scan_writes_nothing(account: Account) -> None:
    await import_all(account)
    for entity in ENTITIES:
        (run,) = await account.sync(entity, full=True)
        assert run.job is not None
        assert (run.job.counts.success, run.job.counts.errors) == (0, 0), entity
        assert run.job.counts.skipped == run.job.counts.processed > 0


async def test_changes_come_in_pages_and_look_the_same(shop: Shop, account: Account) -> None:
    await import_all(account)
    shop.steer("forget")
    product = kept(shop, "Product", handle="caneca-3")
    shop.steer("edit", kind="Product", id=product["id"], fields={"title": "Nova"})
    (run,) = await account.sync(Entity.PRODUCTS)
    assert run.job is not None
    assert run.job.counts.updated == 1, "and the others are the same in a page and in a bulk operation"
    assert asked(shop, "bulkOperationRunQuery") == []
    assert account.query("SELECT count(*) FROM erp.product WHERE name = 'Nova'")[0][0] == 1
    for entity in (Entity.CATEGORIES, Entity.CUSTOMERS, Entity.ORDERS):
        (run,) = await account.sync(entity)
        assert run.job is not None
        assert run.job.counts.success == 0


async def test_nested_lists_are_read_to_their_end(shop: Shop, account: Account) -> None:
    shop.steer("begin", products=3, variants=130)
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    product = kept(shop, "Product", handle="caneca-3")
    shop.steer("edit", kind="Product", id=product["id"], fields={"title": "Grande"})
    await account.sync(Entity.PRODUCTS)
    assert len(asked(shop, "query Rest")) == 2
    assert account.query("SELECT count(*) FROM erp.product_variant WHERE deleted_at IS NULL")[0][0] == 130


async def test_many_changes_are_one_bulk_operation(
    shop: Shop, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.shopify.reading.MOST_IN_PAGES", 3)
    monkeypatch.setattr("providers.shopify.reading.PIECE", 700)
    await import_all(account)
    shop.steer("forget")
    await account.sync(Entity.PRODUCTS)
    assert len(asked(shop, "bulkOperationRunQuery")) == 1
    assert account.query("SELECT count(*) FROM erp.product")[0][0] == 9


async def test_a_second_bulk_operation_waits_for_the_next_run(shop: Shop, account: Account) -> None:
    shop.steer("switch", busy=True)
    account.pair(Entity.PRODUCTS)
    (run,) = await account.run(Entity.PRODUCTS)
    assert run.status is RunStatus.DEFERRED


async def test_an_empty_bucket_is_waited_for(shop: Shop, account: Account) -> None:
    account.pair(Entity.CUSTOMERS)
    await account.sync(Entity.CUSTOMERS)
    shop.steer("bucket", size=900, restore=2000)
    shop.steer("forget")
    shop.steer("faults", script=[{"match": "query List", "kind": "throttled", "times": 2}])
    await account.sync(Entity.CUSTOMERS)
    assert [call["fault"] for call in asked(shop, "query List")] == ["throttled", "throttled", None]


async def test_a_bucket_that_runs_low_is_let_fill(shop: Shop, account: Account) -> None:
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    shop.steer("bucket", size=790, restore=100)
    shop.steer("forget")
    await account.sync(Entity.PRODUCTS)
    assert len(asked(shop, "query List")) == 2, "pages of 760 points each"
    assert shop.steer("meter")["throttled"] == 0


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("500", RunStatus.SUCCESS),
        ("429", RunStatus.SUCCESS),
        ("internal", RunStatus.SUCCESS),
        ("html", RunStatus.ERROR),
    ],
)
async def test_faults(shop: Shop, account: Account, kind: str, status: RunStatus) -> None:
    shop.steer("faults", script=[{"match": "query Bulk", "kind": kind}])
    account.pair(Entity.CUSTOMERS)
    (run,) = await account.run(Entity.CUSTOMERS)
    assert run.status is status
    assert status is RunStatus.SUCCESS or isinstance(run.error, ContractError)


async def test_a_token_that_ends_is_asked_for_again(shop: Shop, account: Account) -> None:
    account.pair(Entity.CATEGORIES)
    await account.sync(Entity.CATEGORIES)
    shop.steer("expire")
    await account.sync(Entity.CATEGORIES)
    assert account.query("SELECT expires_at FROM sync.credential WHERE name = 'oauth_token'") == [(None,)]


async def test_wrong_credentials_are_told_and_corrected(shop: Shop, account: Account) -> None:
    account.seal("client_secret", "shpss_errado")
    account.pair(Entity.CATEGORIES)
    (run,) = await account.run(Entity.CATEGORIES)
    assert isinstance(run.error, AuthenticationError)
    account.seal("client_secret", shop.client_secret)
    await account.sync(Entity.CATEGORIES)


async def test_an_old_token_signs_by_itself(
    shop: Shop, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"base_url": shop.url, "access_token": shop.token}
    account = connect("shopify", settings, database, tenant, monkeypatch)
    account.pair(Entity.CATEGORIES)
    await account.sync(Entity.CATEGORIES)
    assert shop.steer("meter")["tokens"] == 0


async def test_without_credentials_the_admin_is_told_which(
    shop: Shop, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = connect("shopify", {"base_url": shop.url}, database, tenant, monkeypatch)
    account.pair(Entity.CATEGORIES)
    (run,) = await account.run(Entity.CATEGORIES)
    assert isinstance(run.error, ConfigurationError)
    assert "Client ID" in run.error.message


async def test_a_missing_scope_turns_only_its_entity_off(shop: Shop, account: Account) -> None:
    shop.steer("scopes", scopes=["read_products", "read_locations"])
    for entity in (Entity.CATEGORIES, Entity.ORDERS):
        account.pair(entity)
    await account.sync(Entity.CATEGORIES)
    (run,) = await account.run(Entity.ORDERS)
    assert isinstance(run.error, AuthorizationError)


async def test_stock_needs_a_location_where_there_are_several(shop: Shop, account: Account) -> None:
    shop.steer("begin", products=2, locations=2)
    account.pair(Entity.STOCK)
    (run,) = await account.run(Entity.STOCK)
    assert isinstance(run.error, ConfigurationError)
    assert "Loja 2 (78)" in run.error.message


async def test_a_cancelled_order_is_what_was_ordered(shop: Shop, account: Account) -> None:
    await import_all(account)
    order = kept(shop, "Order", name="#1002")
    lines = [{**line, "currentQuantity": 0} for line in order["lines"]]
    zero = {"shopMoney": {"amount": "0.00", "currencyCode": "BRL"}}
    fields = {"cancelledAt": "2026-04-21T09:00:00Z", "lines": lines, "currentTotalPriceSet": zero}
    shop.steer("edit", kind="Order", id=order["id"], fields=fields)
    await account.sync(Entity.ORDERS)
    found = account.query(
        "SELECT status, total, items_total, shipping FROM erp.\"order\" WHERE number = '1002'"
    )
    assert tuple(found[0]) == ("cancelled", Decimal("64.00"), Decimal("44.00"), Decimal("20.00"))


def test_a_portion_ends_where_an_object_is_complete() -> None:
    lines = [
        b'{"id":"gid://shopify/Product/1"}\n',
        b'{"id":"gid://shopify/ProductVariant/2","__parentId":"gid://shopify/Product/1"}\n',
        b'{"id":"gid://shopify/Product/3"}\n',
        b'{"id":"gid://shopify/ProductVariant/4","__parentId":"gid://shopify/Product/3"}\n',
    ]
    whole = b"".join(lines)
    for cut in range(len(whole) + 1):
        items, taken = grouped(whole[:cut], last=False)
        rest, _ = grouped(whole[taken:], last=True)
        assert [one["id"][-1] for one in items + rest] == ["1", "3"]
        assert all(len(one["variants"]) == 1 for one in items + rest), cut
    with pytest.raises(ContractError):
        grouped(lines[1], last=True)


async def test_topics_are_registered_and_kept_at_one_address(
    shop: Shop, account: Account, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.pair(Entity.PRODUCTS)
    account.pair(Entity.CUSTOMERS)
    whose = Whose(account.tenant.id, account.integration_id, "shopify", credentials(shop))
    engine = open_engine(database.url)

    async def register(public_url: str) -> list[str]:
        monkeypatch.setenv("CLOUDTOSYS_PUBLIC_URL", public_url)
        return sorted(set((await webhooks.register(read(), engine, whose)).values()))

    assert await register("https://erp.exemplo.test") == [""]
    found = shop.steer("truth", kind="WebhookSubscription")
    assert sorted(one["topic"] for one in found) == [
        f"{kind}_{event}" for kind in ("CUSTOMERS", "PRODUCTS") for event in ("CREATE", "DELETE", "UPDATE")
    ]
    [address] = {one["uri"] for one in found}
    assert address.startswith("https://erp.exemplo.test/webhooks/shopify/")
    assert await register("https://erp.exemplo.test") == [""]
    assert len(asked(shop, "webhookSubscriptionCreate")) == 6
    assert await register("https://nova.exemplo.test") == [""]
    found = shop.steer("truth", kind="WebhookSubscription")
    assert {one["uri"] for one in found} == {address.replace("erp.", "nova.")}
    assert len(found) == 6
    [refused] = await register("http://nova.exemplo.test")
    assert "http:// is not supported" in refused
    await engine.dispose()


def test_a_delivery_is_ours_only_with_the_secret() -> None:
    declared = SHOPIFY.webhooks
    assert declared is not None
    # printf '{"id":1}' | openssl dgst -sha256 -hmac segredo-do-app -binary | base64
    signature = "cy8pmBCryWRGGgpKi2MBQmJaxrMHNPSwH0UkrUJNxqE="
    headers = httpx.Headers({"X-Shopify-Hmac-SHA256": signature, "X-Shopify-Topic": "orders/create"})
    settings = {"client_secret": "segredo-do-app"}
    assert declared.verify(Delivery(b'{"id":1}', headers), settings)
    assert not declared.verify(Delivery(b'{"id":2}', headers), settings)
    assert not declared.verify(Delivery(b'{"id":1}', httpx.Headers()), settings)
    assert not declared.verify(Delivery(b'{"id":1}', headers), {"client_secret": ""})
    assert declared.topics[declared.topic(b"", headers)] == (Entity.ORDERS,)
