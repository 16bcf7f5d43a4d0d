"""Shopify written to: exports and two-way pairs; every call and its variables held against the schema."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from graphql import OperationDefinitionNode, get_variable_values, parse, validate

from core.entities import ConflictPolicy, Direction, Entity, RunStatus
from core.errors import ConflictError
from sandbox.shopify.process import Shop, start
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect
from tests.providers.test_shopify import asked, credentials, kept
from tests.providers.test_shopify_schema import SCHEMA, schema

LOCATION = "gid://shopify/Location/77"


@pytest.fixture(scope="module")
def running() -> Iterator[Shop]:
    with start() as shop:
        yield shop


@pytest.fixture
def shop(running: Shop) -> Iterator[Shop]:
    running.steer("begin")
    yield running
    if SCHEMA.exists():
        fits_the_schema(running)


@pytest.fixture
def account(shop: Shop, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    return connect("shopify", credentials(shop), database, tenant, monkeypatch)


def fits_the_schema(shop: Shop) -> None:
    """Everything that was sent, its input objects too."""
    texts: dict[str, Any] = {}
    for call in shop.steer("history"):
        document = texts.setdefault(call["query"], parse(call["query"]))
        operation = document.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        found = get_variable_values(schema(), operation.variable_definitions or (), call["variables"])
        assert not isinstance(found, list), (found, call)
    for document in texts.values():
        assert validate(schema(), document) == []


def product(account: Account, sku: str, **columns: Any) -> Any:
    row = {"sku": sku, "name": f"Produto {sku}", "price": "10.00", **columns}
    return account.erp.add("product", **row)


async def test_products_with_variants_are_made_once_and_changed_narrowly(
    shop: Shop, account: Account
) -> None:
    account.pair(Entity.CATEGORIES, Direction.EXPORT)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    group = account.erp.add("category", name="Verão", slug="verao")
    plain = product(
        account, "A", sale_price="8.50", gtin="7891234567895", weight_kg="0.25", category_ids=[group]
    )
    shirt = account.erp.add("product", name="Camiseta", price=None)
    sizes = {
        size: account.erp.add(
            "product_variant", product_id=shirt, sku=f"C-{size}", price="30.00", options={"Tamanho": size}
        )
        for size in ("P", "M")
    }
    await account.sync(Entity.CATEGORIES)
    await account.sync(Entity.PRODUCTS)
    made = kept(shop, "Product", title="Produto A")
    (only,) = made["variants"]
    assert (only["price"], only["compareAtPrice"], only["barcode"]) == ("8.50", "10.00", "7891234567895")
    assert only["item"]["weight"] == {"value": 0.25, "unit": "KILOGRAMS"}
    assert made["collections"] == [kept(shop, "Collection", handle="verao")["id"]]
    assert made["metafields"] == {"cloudtosys.ref": str(plain)}
    assert [one["options"] for one in kept(shop, "Product", title="Camiseta")["variants"]] == [
        {"Tamanho": "P"},
        {"Tamanho": "M"},
    ]
    shop.steer("forget")
    await account.sync(Entity.PRODUCTS)
    assert asked(shop, "mutation") == []

    account.erp.edit("product_variant", sizes["P"], price="33.00")
    account.erp.edit("product", plain, name="Produto B", category_ids=[])
    account.erp.add("product_variant", product_id=shirt, sku="C-G", price="30.00", options={"Tamanho": "G"})
    await account.sync(Entity.PRODUCTS)
    assert kept(shop, "Product", title="Produto B")["collections"] == []
    variants = kept(shop, "Product", title="Camiseta")["variants"]
    assert [(one["sku"], one["price"]) for one in variants] == [
        ("C-P", "33.00"),
        ("C-M", "30.00"),
        ("C-G", "30.00"),
    ]
    assert asked(shop, "productSet") == [], "its lists would delete what they leave out"
    (call,) = [one for one in asked(shop, "UpdateProduct") if one["variables"]["variants"]]
    assert [one["price"] for one in call["variables"]["variants"]] == ["33.00"]


async def test_a_product_gets_its_first_variants(shop: Shop, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    shirt = product(account, "A")
    await account.sync(Entity.PRODUCTS)
    for size in ("P", "M"):
        options = {"Tamanho": size}
        account.erp.add("product_variant", product_id=shirt, sku=f"A-{size}", price="9.00", options=options)
    await account.sync(Entity.PRODUCTS)
    variants = kept(shop, "Product", title="Produto A")["variants"]
    assert [(one["sku"], one["options"]) for one in variants] == [
        ("A-P", {"Tamanho": "P"}),
        ("A-M", {"Tamanho": "M"}),
    ]


@pytest.mark.parametrize("kind", ["lost", "internal"])
async def test_a_create_whose_answer_is_lost_is_not_doubled(shop: Shop, account: Account, kind: str) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    account.pair(Entity.CATEGORIES, Direction.EXPORT)
    shop.steer(
        "faults",
        script=[
            {"match": name, "kind": kind} for name in ("productSet", "customerCreate", "collectionCreate")
        ],
    )
    product(account, "A")
    account.erp.add("customer", name="Ana Teste", email="ana@example.com", document="52998224725")
    account.erp.add("category", name="Verão", slug="verao")
    for entity in (Entity.PRODUCTS, Entity.CUSTOMERS, Entity.CATEGORIES):
        await account.run(entity)
        await account.sync(entity)
        assert account.query(
            "SELECT count(*) FROM sync.mapping WHERE entity = :entity", entity=entity.value
        ) == [(1,)]
    assert [len(shop.steer("truth", kind=kind)) for kind in ("Product", "Customer", "Collection")] == [
        1,
        1,
        1,
    ]


async def test_what_the_shop_has_already_is_linked(shop: Shop, account: Account) -> None:
    shop.steer("populate", products=2, customers=2)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    product(account, "CAN-1", name="Do ERP")
    product(account, "can-2", name="De outra caixa")
    await account.run(Entity.PRODUCTS)
    titles = sorted(one["title"] for one in shop.steer("truth", kind="Product"))
    assert titles == ["Caneca & pires 2", "De outra caixa", "Do ERP"]


async def test_a_customer_comes_back_as_it_went(shop: Shop, account: Account) -> None:
    account.pair(Entity.CUSTOMERS, Direction.BOTH)
    ana = account.erp.add(
        "customer",
        name="Ana Maria Teste",
        email="ana@example.com",
        phone="11999990000",
        document="52998224725",
    )
    place = {
        "street": "Rua das Flores",
        "number": "123",
        "district": "Centro",
        "city": "São Paulo",
        "state": "SP",
    }
    account.erp.add("address", customer_id=ana, kind="billing", postal_code="01001000", country="BR", **place)
    await account.sync(Entity.CUSTOMERS)
    made = kept(shop, "Customer", email="ana@example.com")
    (address,) = made["addresses"]
    assert (address["address1"], address["address2"], address["zip"]) == (
        "Rua das Flores, \u2060123",
        "\u2060Centro",
        "01001-000",
    )
    assert (made["phone"], made["metafields"]["cloudtosys.document"]) == ("+5511999990000", "52998224725")
    shop.steer("edit", kind="Customer", id=made["id"], fields={"lastName": "Silva"})
    await account.sync(Entity.CUSTOMERS)
    row = account.query("SELECT name, document, phone FROM erp.customer")[0]
    assert tuple(row[:2]) == ("Ana Silva", "52998224725")
    shop.steer("forget")
    await account.sync(Entity.CUSTOMERS)
    assert asked(shop, "mutation") == []


async def test_an_email_that_somebody_else_has_is_an_issue(shop: Shop, account: Account) -> None:
    shop.steer("populate", customers=1)
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    first = account.erp.add("customer", name="Bia", email="bia@example.com")
    await account.sync(Entity.CUSTOMERS)
    account.erp.edit("customer", first, email="ana1@example.com")
    (run,) = await account.run(Entity.CUSTOMERS)
    assert run.status is RunStatus.PARTIAL
    assert [(issue.error_class, issue.field) for issue in account.issues()] == [("RecordError", "email")]
    assert "ana1" not in str(account.issues())


async def test_stock_is_set_only_over_what_was_read(shop: Shop, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.pair(Entity.STOCK, Direction.EXPORT)
    plain = product(account, "A")
    shirt = account.erp.add("product", name="Camiseta", price=None)
    size = account.erp.add(
        "product_variant", product_id=shirt, sku="C-P", price="30.00", options={"Tamanho": "P"}
    )
    branch = account.tenant.branch_id
    level = account.erp.add("stock_level", branch_id=branch, product_id=plain, on_hand=7, reserved=2)
    account.erp.add("stock_level", branch_id=branch, product_id=shirt, variant_id=size, on_hand=4)
    await account.sync(Entity.PRODUCTS)
    await account.sync(Entity.STOCK)

    def available(title: str) -> int:
        return int(kept(shop, "Product", title=title)["variants"][0]["item"]["levels"][LOCATION]["available"])

    assert (available("Produto A"), available("Camiseta")) == (5, 4)
    keys = [call["variables"]["key"] for call in asked(shop, "SetQuantities")]
    assert len(keys) == len(set(keys)) == 1
    assert [
        one["changeFromQuantity"]
        for one in asked(shop, "SetQuantities")[0]["variables"]["input"]["quantities"]
    ] == [0, 0]
    shop.steer("faults", script=[{"match": "SetQuantities", "kind": "lost"}])
    account.erp.edit("stock_level", level, on_hand=12)
    await account.sync(Entity.STOCK)
    assert available("Produto A") == 10, "the same key again is the same write"


async def test_a_sale_meanwhile_is_not_overwritten(shop: Shop, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.pair(Entity.STOCK, Direction.EXPORT)
    products = [product(account, name) for name in "AB"]
    levels = [
        account.erp.add("stock_level", branch_id=account.tenant.branch_id, product_id=one, on_hand=7)
        for one in products
    ]
    await account.sync(Entity.PRODUCTS)
    await account.sync(Entity.STOCK)
    for level in levels:
        account.erp.edit("stock_level", level, on_hand=20)
    shop.steer("switch", sale={"sku": "A", "available": 6})
    (run,) = await account.run(Entity.STOCK)
    truth = {
        one["title"]: one["variants"][0]["item"]["levels"][LOCATION]
        for one in shop.steer("truth", kind="Product")
    }
    assert truth["Produto A"]["available"] == 6, "what was sold between reading and writing stands"
    assert truth["Produto B"]["available"] == 20, "one refused entry keeps nothing from the others"
    assert run.status is RunStatus.PARTIAL
    account.query("UPDATE sync.issue SET next_attempt_at = now() - interval '1 second'")
    await account.sync(Entity.STOCK)
    assert (
        kept(shop, "Product", title="Produto A")["variants"][0]["item"]["levels"][LOCATION]["available"] == 20
    )


async def test_stock_goes_both_ways(shop: Shop, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.pair(Entity.STOCK, Direction.BOTH)
    level = account.erp.add(
        "stock_level", branch_id=account.tenant.branch_id, product_id=product(account, "A"), on_hand=7
    )
    await account.sync(Entity.PRODUCTS)
    await account.sync(Entity.STOCK)
    shop.steer("stock", sku="A", available=5)
    await account.sync(Entity.STOCK)
    assert account.query("SELECT on_hand FROM erp.stock_level") == [(5,)]
    account.erp.edit("stock_level", level, on_hand=9)
    shop.steer("forget")
    await account.sync(Entity.STOCK)
    (call,) = asked(shop, "SetQuantities")
    (entry,) = call["variables"]["input"]["quantities"]
    assert (entry["changeFromQuantity"], entry["quantity"]) == (5, 9)
    shop.steer("forget")
    await account.sync(Entity.STOCK)
    assert asked(shop, "SetQuantities") == []


async def test_both_sides_of_a_product_meet(shop: Shop, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.BOTH, ConflictPolicy.ASK)
    ours = product(account, "A")
    await account.sync(Entity.PRODUCTS)
    made = kept(shop, "Product", title="Produto A")
    shop.steer("edit", kind="Product", id=made["id"], fields={"descriptionHtml": "Da loja"})
    account.erp.edit("product", ours, price="11.00")
    await account.sync(Entity.PRODUCTS)
    row = account.query("SELECT description, price FROM erp.product")[0]
    assert tuple(row) == ("Da loja", Decimal("11.00"))
    assert kept(shop, "Product", title="Produto A")["variants"][0]["price"] == "11.00"
    shop.steer("forget")
    await account.sync(Entity.PRODUCTS)
    assert asked(shop, "mutation") == [], "nothing comes back"
    shop.steer("edit", kind="Product", id=made["id"], fields={"title": "Da loja"})
    account.erp.edit("product", ours, name="Do ERP")
    await account.run(Entity.PRODUCTS)
    assert account.query("SELECT fields FROM sync.conflict") == [(["name"],)]


async def test_an_order_takes_its_steps(shop: Shop, account: Account) -> None:
    shop.steer("populate", products=3, customers=2, orders=3)
    account.pair(Entity.ORDERS, Direction.BOTH)
    await account.run(Entity.ORDERS)
    ids = dict(account.query('SELECT number, id FROM erp."order"'))
    account.erp.edit("order", ids["1001"], status="paid")
    account.erp.edit("order", ids["1002"], status="shipped")
    account.erp.edit("order", ids["1003"], status="cancelled")
    ended = await account.run(Entity.ORDERS)
    assert ended[-1].status is RunStatus.SUCCESS, account.issues()
    assert kept(shop, "Order", name="#1001")["displayFinancialStatus"] == "PAID"
    assert kept(shop, "Order", name="#1002")["displayFulfillmentStatus"] == "FULFILLED"
    assert kept(shop, "Order", name="#1003")["cancelledAt"]
    shop.steer("forget")
    await account.run(Entity.ORDERS)
    assert asked(shop, "mutation") == []
    account.erp.edit("order", ids["1002"], status="pending")
    ended = await account.run(Entity.ORDERS)
    assert ended[-1].status is RunStatus.PARTIAL
    assert [issue.field for issue in account.issues() if issue.direction == "export"] == [
        "displayFulfillmentStatus"
    ]


async def test_an_ambiguous_sku_waits_for_a_person(shop: Shop, account: Account) -> None:
    shop.steer("populate", products=1)
    shop.steer("populate", products=1)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    product(account, "CAN-1")
    (run,) = await account.run(Entity.PRODUCTS)
    assert run.status is RunStatus.PARTIAL
    assert [issue.error_class for issue in account.issues()] == [ConflictError.__name__]
    assert len(shop.steer("truth", kind="Product")) == 2
