"""The Americanas Marketplace written to: products, stock, the steps of an order, its invoice and parcel."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import ConflictPolicy, Direction, Entity, RequestKind, RunStatus, Trigger
from db import requests
from sandbox.americanas.process import Market, start
from tasks.job import open_run
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect
from tests.providers.test_americanas import LATER, NEW, OLD, asked, kept, left, settings
from tests.world.steps import walk

KEY = "35260411222333000181550010000001231000001232"
XML = f'<nfeProc><NFe><infNFe Id="NFe{KEY}"/></NFe></nfeProc>'


@pytest.fixture(scope="module")
def running() -> Iterator[Market]:
    with start() as market:
        yield market


@pytest.fixture
def market(running: Market) -> Market:
    running.steer("begin", products=4, orders=2, categories=12, metered=0)
    return running


@pytest.fixture
def account(market: Market, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    values = settings(market, brand="Acme", tracking_url="https://rastreio.example.com/{code}")
    return connect("americanas", values, database, tenant, monkeypatch)


def product(market: Market, sku: str) -> dict[str, Any]:
    found: dict[str, Any] = market.steer("products")[sku]
    return found


def order(market: Market, code: str) -> dict[str, Any]:
    found: dict[str, Any] = market.steer("orders")[code]
    return found


def sent(market: Market, start: str) -> list[Any]:
    return [json.loads(one["body"]) for one in asked(market, start)]


def internal(account: Account, code: str) -> UUID:
    found: UUID = account.query('SELECT id FROM erp."order" WHERE number = :code', code=code)[0][0]
    return found


async def with_orders(account: Account, direction: Direction = Direction.IMPORT) -> None:
    account.pair(Entity.ORDERS, direction, ConflictPolicy.NEWEST)
    await account.sync(Entity.ORDERS)


async def test_products_are_made_with_brand_category_and_attributes(market: Market, account: Account) -> None:
    account.pair(Entity.CATEGORIES)
    await account.sync(Entity.CATEGORIES)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    [(group,)] = account.query("SELECT id FROM erp.category WHERE name = 'Moda > Camisetas 11'")
    plain = account.erp.add("product", sku="LIV 1/2", name="Livro", price="30.00", category_ids=[group])
    shirt = account.erp.add(
        "product", sku="NOVA", name="Nova", price="59.90", sale_price="49.90", category_ids=[group]
    )
    for sku, color, price in (("NOVA-A", "azul", None), ("NOVA-R", "Roxo", "65.00")):
        options = {"Cor": color}
        account.erp.add("product_variant", product_id=shirt, sku=sku, price=price, options=options)
    await account.sync(Entity.PRODUCTS)
    book, made = product(market, "LIV 1/2"), product(market, "NOVA")
    assert (book["price"], book["promotional_price"]) == (30.0, 30.0), "neither of them may be empty"
    assert (book["brand"], book["categories"]) == ("Acme", [{"id": "11"}])
    first, second = made["variations"]
    assert (first["price"], first["promotional_price"]) == (59.9, 49.9)
    assert (second["price"], second["promotional_price"]) == (65.0, 65.0)
    assert [one["specifications"] for one in (first, second)] == [
        [{"id": "11", "idValue": "111"}],
        [{"id": "11", "value": "Roxo"}],
    ]
    market.steer("forget")
    await account.sync(Entity.PRODUCTS, full=True)
    assert asked(market, "P") == []

    account.erp.edit("product", plain, price="31.50")
    account.erp.edit("product", shirt, price="60.00", sale_price=None)
    await account.sync(Entity.PRODUCTS)
    assert product(market, "LIV 1/2")["promotional_price"] == 31.5
    assert sent(market, "PUT /products/LIV%201%2F2") == [
        {"product": {"price": 31.5, "promotional_price": 31.5}}
    ]
    assert [one["price"] for one in product(market, "NOVA")["variations"]] == [60.0, 65.0]
    assert len(asked(market, "PUT /variations")) == 1, "the other has a price of its own"


async def test_both_ways_the_options_stay_what_the_erp_calls_them(market: Market, account: Account) -> None:
    """The marketplace tells them by ids alone."""
    account.pair(Entity.CATEGORIES)
    await account.sync(Entity.CATEGORIES)
    [(group,)] = account.query("SELECT id FROM erp.category WHERE name = 'Moda > Camisetas 1'")
    account.pair(Entity.PRODUCTS, Direction.BOTH, ConflictPolicy.ERP_WINS)
    shirt = account.erp.add("product", sku="NOVA", name="Nova", price="59.90", category_ids=[group])
    part = account.erp.add(
        "product_variant", product_id=shirt, sku="NOVA-A", price="59.90", options={"Cor": "Azul"}
    )
    await account.sync(Entity.PRODUCTS)
    market.steer("forget")
    for _ in range(2):
        await account.sync(Entity.PRODUCTS, full=True)
    account.erp.edit("product", shirt, name="Outra")
    await account.sync(Entity.PRODUCTS, full=True)
    assert account.erp.one("product_variant", part)["options"] == {"Cor": "Azul"}
    assert account.erp.one("product", shirt)["category_ids"] == [group]
    assert sent(market, "P") == [{"product": {"name": "Outra"}}]


async def test_a_new_variation_takes_the_attributes_of_the_category(market: Market, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    shirt = account.erp.add("product", sku="CAM-1", name="Camiseta 1", price="59.90", sale_price="49.90")
    await account.sync(Entity.PRODUCTS)
    assert asked(market, "POST /products") == [], "the SKU is there already"
    account.erp.add(
        "product_variant", product_id=shirt, sku="CAM-1-G", price="70.00", options={"Tamanho": "G"}
    )
    await account.sync(Entity.PRODUCTS)
    assert [one["sku"] for one in product(market, "CAM-1")["variations"]] == ["CAM-1-P", "CAM-1-M", "CAM-1-G"]
    assert product(market, "CAM-1")["variations"][2]["specifications"] == [{"id": "12", "value": "G"}]


async def test_what_a_new_product_lacks_is_told(market: Market, account: Account) -> None:
    account.pair(Entity.CATEGORIES)
    await account.sync(Entity.CATEGORIES)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    [(group,)] = account.query("SELECT id FROM erp.category WHERE name = 'Moda > Camisetas 1'")
    account.erp.add("product", sku="A", name="Sem categoria", price="1.00")
    account.erp.add("product", sku="B", name="Sem preço", price="0.00", category_ids=[group])
    other = account.erp.add("product", sku="C", name="Opção errada", price="1.00", category_ids=[group])
    account.erp.add("product_variant", product_id=other, sku="C-1", options={"Voltagem": "220"})
    account.erp.add("product", sku="D", name="Certo", price="1.00", category_ids=[group])
    (run,) = await account.run(Entity.PRODUCTS)
    assert run.status is RunStatus.PARTIAL
    assert {row.field for row in account.issues()} == {"categories", "price", "specifications"}
    assert any("Cor, Tamanho" in row.message for row in account.issues())
    assert "D" in market.steer("products")


async def test_stock_goes_to_the_product_or_the_variation(market: Market, account: Account) -> None:
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    account.pair(Entity.STOCK, Direction.BOTH, ConflictPolicy.ERP_WINS)
    await account.sync(Entity.STOCK)
    levels = account.query(
        "SELECT t.id, coalesce(v.sku, p.sku) FROM erp.stock_level t JOIN erp.product p ON p.id = t.product_id"
        " LEFT JOIN erp.product_variant v ON v.id = t.variant_id"
    )
    ids = {sku: id_ for id_, sku in levels}
    account.erp.edit("stock_level", ids["CAM-2"], on_hand=1)
    account.erp.edit("stock_level", ids["CAM-3-M"], on_hand=9, reserved=2)
    account.erp.edit("stock_level", ids["CAM-3-P"], on_hand="2.5")
    market.steer("forget")
    await account.run(Entity.STOCK)
    assert product(market, "CAM-2")["qty"] == 1
    assert [one["qty"] for one in product(market, "CAM-3")["variations"]] == [3, 7]
    assert len(asked(market, "PUT")) == 2
    assert [row.field for row in account.issues()] == ["qty"]


async def test_an_order_goes_through_its_steps(market: Market, account: Account) -> None:
    """Invoice, shipment with tracking, delivery; each is sent once, and only to orders of this account."""
    await with_orders(account, Direction.BOTH)
    for entity in (Entity.INVOICES, Entity.SHIPMENTS):
        account.pair(entity, Direction.EXPORT)
    id_ = internal(account, NEW)
    other = account.erp.add("order", channel="balcao", number="7", status="paid", placed_at=datetime.now(UTC))
    paper = {"direction": "issued", "number": "123", "status": "authorized", "total": "119.80"}
    issued_at = datetime(2026, 4, 3, 12, 0, tzinfo=UTC)
    account.erp.add("invoice", order_id=id_, access_key=KEY, issued_at=issued_at, **paper)
    account.erp.add("invoice", order_id=other, access_key=KEY[:-1] + "0", **paper)
    account.erp.add("invoice", direction="received", number="9", status="authorized", access_key="1" * 44)
    await account.sync(Entity.INVOICES)
    invoice = {"key": KEY, "issue_date": "2026-04-03T09:00:00-03:00"}
    assert sent(market, "POST /orders") == [{"status": "order_invoiced", "invoice": invoice}]

    parcel = account.erp.add(
        "shipment",
        order_id=id_,
        carrier="CORREIOS",
        service="SEDEX",
        status="pending",
        tracking_code="AA123456789BR",
    )
    await account.sync(Entity.SHIPMENTS)
    assert order(market, NEW)["shipments"] == [], "nothing was posted yet"
    account.erp.edit("shipment", parcel, status="posted", shipped_at=issued_at)
    await account.sync(Entity.SHIPMENTS)
    found = order(market, NEW)
    assert found["status"]["code"] == "order_shipped"
    assert found["shipments"][0]["sent"] == {
        "code": NEW,
        "items": [{"sku": "CAM-1-P", "qty": 2}],
        "track": {
            "code": "AA123456789BR",
            "carrier": "CORREIOS",
            "method": "SEDEX",
            "url": "https://rastreio.example.com/AA123456789BR",
        },
        "delivered_carrier_date": "2026-04-03T09:00:00-03:00",
    }
    account.erp.edit("shipment", parcel, status="delivered", delivered_at=issued_at + timedelta(days=2))
    await account.sync(Entity.SHIPMENTS)
    assert order(market, NEW)["status"]["code"] == "complete"
    market.steer("forget")
    account.erp.edit("order", id_, status="completed")
    for entity in (Entity.INVOICES, Entity.SHIPMENTS, Entity.ORDERS):
        await account.sync(entity, full=True)
    assert asked(market, "POST") == []
    assert kept(account)[NEW] == "completed"


async def test_a_lost_answer_sends_no_invoice_twice(market: Market, account: Account) -> None:
    await with_orders(account)
    account.pair(Entity.INVOICES, Direction.EXPORT)
    account.erp.add(
        "invoice",
        order_id=internal(account, OLD),
        access_key=KEY,
        direction="issued",
        number="123",
        status="authorized",
    )
    market.steer("faults", script=[{"match": "/invoice", "kind": "lost"}])
    await account.run(Entity.INVOICES)
    await account.run(Entity.INVOICES)
    assert len(order(market, OLD)["invoices"]) == 1
    assert account.query("SELECT external_id FROM sync.mapping WHERE entity = 'invoices'") == [(KEY,)]


async def test_deliveries_of_the_marketplace_want_the_xml(market: Market, account: Account) -> None:
    for code in ("Lojas Americanas-8", "Lojas Americanas-9"):
        market.steer("order", code=code, calculation_type="b2wentregacorreios")
    await with_orders(account)
    account.pair(Entity.INVOICES, Direction.EXPORT)
    paper = {"direction": "issued", "number": "123", "status": "authorized"}
    account.erp.add(
        "invoice", order_id=internal(account, "Lojas Americanas-8"), access_key=KEY, xml=XML, **paper
    )
    account.erp.add("invoice", order_id=internal(account, "Lojas Americanas-9"), access_key="1" * 44, **paper)
    (run,) = await account.run(Entity.INVOICES)
    assert run.status is RunStatus.PARTIAL
    assert [one["key"] for one in order(market, "Lojas Americanas-8")["invoices"]] == [KEY]
    assert [row.field for row in account.issues()] == ["invoice.file"]


async def test_statuses_are_actions(market: Market, account: Account) -> None:
    status = {"code": "book_product", "label": "Pagamento pendente", "type": "NEW"}
    market.steer("order", code="Submarino-1", status=status)
    await with_orders(account, Direction.BOTH)
    account.erp.edit("order", internal(account, OLD), status="cancelled")
    await account.sync(Entity.ORDERS)
    assert order(market, OLD)["status"]["code"] == "order_canceled"
    assert sent(market, "POST /orders/Lojas%20Americanas") == [{"status": "order_canceled"}]

    account.erp.edit("order", internal(account, "Submarino-1"), status="paid")
    await account.sync(Entity.ORDERS)
    assert order(market, "Submarino-1")["status"]["code"] == "payment_received"

    account.erp.edit("order", internal(account, NEW), status="completed")
    await account.run(Entity.ORDERS)
    (issue,) = [row for row in account.issues() if row.state == "open"]
    assert (issue.error_class, issue.external_id) == ("RecordError", NEW)
    assert order(market, NEW)["status"]["code"] == "payment_received", "delivered before it was sent"


async def test_a_simulation_leaves_the_queue_as_it_is_and_ends(
    market: Market, account: Account, engine: AsyncEngine
) -> None:
    account.pair(Entity.ORDERS)
    await asked_for(account, engine, RequestKind.SIMULATION)
    assert (kept(account), left(market), asked(market, "DELETE")) == ({}, [OLD, NEW], [])
    market.steer("pass", seconds=LATER)
    await account.sync(Entity.ORDERS)
    assert len(kept(account)) == 2


async def test_a_simulation_ends_though_the_queue_goes_round(
    market: Market, account: Account, engine: AsyncEngine
) -> None:
    """What is not acknowledged comes again, and again."""
    market.steer("lease", seconds=0)
    account.pair(Entity.ORDERS)
    await asked_for(account, engine, RequestKind.SIMULATION)
    assert len(asked(market, "GET /queues")) == 2


async def test_a_backfill_reads_the_list_and_leaves_the_queue_alone(
    market: Market, account: Account, engine: AsyncEngine
) -> None:
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    for code, moment in (
        ("Submarino-1", "2026-01-02T10:00:00-03:00"),
        ("Submarino-2", "2020-01-02T10:00:00-03:00"),
    ):
        market.steer("order", code=code, updated_at=moment)
    market.steer("forget")
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    bounds = {"from": since.isoformat(), "until": until.isoformat()}
    await asked_for(account, engine, RequestKind.BACKFILL, **bounds)
    assert kept(account).keys() == {OLD, NEW, "Submarino-1"}
    assert left(market) == ["Submarino-1", "Submarino-2"]
    await account.sync(Entity.ORDERS)
    assert kept(account).keys() == {OLD, NEW, "Submarino-1", "Submarino-2"}


async def asked_for(account: Account, engine: AsyncEngine, kind: RequestKind, **selection: Any) -> None:
    pair = account.pairs[Entity.ORDERS]
    request = await requests.ask(
        engine, account.tenant.id, pair, kind, Direction.IMPORT, selection, by="teste"
    )
    async with open_run(
        pair,
        Entity.ORDERS,
        full=False,
        initiated_by=Trigger.MANUAL,
        flow_run_id=None,
        slot_at=None,
        request_id=request.id,
    ) as run:
        assert run is not None
        await walk(run, Direction.IMPORT)
    assert run.status is RunStatus.SUCCESS, run.error


async def test_accounts_of_before_keep_names_and_free_prices(
    market: Market, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.steer("begin", products=2, orders=2, classic=1, metered=0)
    values = {name: value for name, value in settings(market).items() if name != "omnik_url"}
    account = connect("b2w", values, database, tenant, monkeypatch)
    account.pair(Entity.PRODUCTS, Direction.BOTH, ConflictPolicy.ERP_WINS)
    await account.sync(Entity.PRODUCTS)
    sizes = account.query("SELECT options FROM erp.product_variant ORDER BY sku")
    assert [row[0] for row in sizes] == [{"Tamanho": "M"}, {"Tamanho": "P"}]
    shirt = account.erp.add("product", sku="NOVA", name="Nova", price="10.00")
    account.erp.add("product_variant", product_id=shirt, sku="NOVA-P", options={"Tamanho": "P"})
    await account.sync(Entity.PRODUCTS)
    made = product(market, "NOVA")
    assert (made["promotional_price"], made["variation_attributes"]) == (None, ["Tamanho"])
    assert made["variations"][0]["specifications"] == [{"key": "Tamanho", "value": "P"}]
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    assert (len(kept(account)), left(market)) == (2, [])
    assert Decimal("119.80") in {row[0] for row in account.query('SELECT total FROM erp."order"')}
