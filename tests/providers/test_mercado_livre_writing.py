"""Mercado Livre written to: items, stock over its version, and the NF-e of a sale."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from core.entities import ConflictPolicy, Direction, Entity, RunStatus
from core.errors import ConfigurationError, UnknownOutcome
from sandbox.mercado_livre.process import Account as Seller
from sandbox.mercado_livre.process import start
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect
from tests.providers.test_mercado_livre import begin, calls, consented, credentials, item

IMAGES = ["https://img.example.com/nova.jpg"]
KEY = "35260911222333000181550010000012341123456787"
OTHER_KEY = "35260911222333000181550010000012351123456784"


@pytest.fixture(scope="module")
def running() -> Iterator[Seller]:
    with start() as seller:
        yield seller


@pytest.fixture
def seller(running: Seller) -> Seller:
    running.steer("begin")
    return running


@pytest.fixture
def account(seller: Seller, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    made = connect("mercado-livre", credentials(seller), database, tenant, monkeypatch)
    consented(made, seller)
    return made


def product(account: Account, sku: str | None, **columns: Any) -> Any:
    row = {"sku": sku, "name": f"Caneca {sku}", "price": "10.00", "image_urls": IMAGES, **columns}
    return account.erp.add("product", **row)


def level(account: Account, product_id: Any, on_hand: int, variant_id: Any = None) -> Any:
    return account.erp.add(
        "stock_level",
        product_id=product_id,
        variant_id=variant_id,
        branch_id=account.erp.branch_id,
        on_hand=on_hand,
    )


async def test_items_are_made_once_and_changed_narrowly(seller: Seller, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    plain = product(account, "A", gtin="7891234567895", description="Boa caneca", active=False)
    shirt = product(account, None, name="Camiseta", price="30.00")
    for size in ("P", "M"):
        account.erp.add(
            "product_variant", product_id=shirt, sku=f"C-{size}", price="30.00", options={"Tamanho": size}
        )
    await account.sync(Entity.PRODUCTS)
    made = item(seller, title="Caneca A")
    assert (made["price"], made["category_id"], made["status"]) == (10.0, "MLB31447", "paused")
    assert made["seller_custom_field"] == str(plain)
    assert {one["id"]: one["value_name"] for one in made["attributes"]} == {
        "SELLER_SKU": "A",
        "GTIN": "7891234567895",
    }
    assert seller.steer("truth", kind="descriptions") == {made["id"]: "Boa caneca"}
    assert len(item(seller, title="Camiseta")["variations"]) == 2
    seller.steer("forget")
    await account.sync(Entity.PRODUCTS)
    assert calls(seller, "PUT", "/") + calls(seller, "POST", "/") == []

    account.erp.edit("product", plain, price="12.50", active=True)
    account.erp.add("product_variant", product_id=shirt, sku="C-G", price="31.00", options={"Tamanho": "G"})
    account.query("UPDATE erp.product_variant SET price = 33 WHERE sku = 'C-P'")
    await account.sync(Entity.PRODUCTS)
    (put,) = calls(seller, "PUT", made["id"])
    assert put["body"] == {"status": "active", "price": 12.5}
    variations = item(seller, title="Camiseta")["variations"]
    assert [one["price"] for one in variations] == [33.0, 30.0, 31.0], "none was removed by a list"


@pytest.mark.parametrize("kind", ["lost", "500"])
async def test_a_create_whose_answer_is_lost_is_not_doubled(
    seller: Seller, account: Account, kind: str
) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    seller.steer("faults", script=[{"match": "POST /items$", "kind": kind}])
    product(account, "A")
    (run,) = await account.run(Entity.PRODUCTS)
    assert run.job is not None
    assert [row.error_class for row in account.issues()] == [UnknownOutcome.__name__]
    await account.sync(Entity.PRODUCTS)
    assert account.query("SELECT count(*) FROM sync.mapping") == [(1,)]
    assert len(seller.steer("truth", kind="items")) == 1


async def test_an_item_with_the_same_sku_is_linked(seller: Seller, account: Account) -> None:
    begin(account, seller, items=2)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    product(account, "CAN-2", name="Caneca 2", price="99.00")
    await account.sync(Entity.PRODUCTS)
    assert len(seller.steer("truth", kind="items")) == 2
    assert item(seller, title="Caneca 2")["price"] == 99.0


async def test_user_products_have_family_names_and_no_variations(seller: Seller, account: Account) -> None:
    begin(account, seller, tags=["user_product_seller"])
    account.pair(Entity.PRODUCTS, Direction.BOTH, ConflictPolicy.ERP_WINS)
    plain = product(account, "A")
    shirt = product(account, None, name="Camiseta")
    account.erp.add("product_variant", product_id=shirt, sku="C-P", price="3.00", options={"Tamanho": "P"})
    await account.run(Entity.PRODUCTS)
    made = item(seller, family_name="Caneca A")
    assert made["user_product_id"]
    assert [(row.error_class, row.field) for row in account.issues()] == [("RecordError", "variations")]
    account.erp.edit("product", plain, name="Caneca B")
    await account.run(Entity.PRODUCTS)
    assert item(seller, id=made["id"])["family_name"] == "Caneca B"
    seller.steer("edit", kind="items", id=made["id"], fields={"price": 15.5})
    await account.run(Entity.PRODUCTS)
    assert account.erp.one("product", plain)["price"] == Decimal("15.50")
    assert account.erp.one("product", plain)["name"] == "Caneca B"


@pytest.mark.parametrize(
    ("columns", "field"),
    [({"image_urls": []}, "pictures"), ({"price": None}, "price"), ({"name": "Coisa"}, "category_id")],
)
async def test_what_a_new_item_lacks_is_said(
    seller: Seller, account: Account, columns: dict[str, Any], field: str
) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    product(account, "A", **columns)
    await account.run(Entity.PRODUCTS)
    assert [(row.error_class, row.field) for row in account.issues()] == [("RecordError", field)]
    assert seller.steer("truth", kind="items") == {}


async def test_a_price_that_is_automatic_is_left_alone(seller: Seller, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    plain = product(account, "A")
    await account.sync(Entity.PRODUCTS)
    made = item(seller, title="Caneca A")
    seller.steer("edit", kind="items", id=made["id"], fields={"tags": ["dynamic_standard_price"]})
    account.erp.edit("product", plain, price="11.00", name="Caneca B")
    await account.run(Entity.PRODUCTS)
    now = item(seller, id=made["id"])
    assert (now["title"], now["price"]) == ("Caneca B", 10.0)
    assert [row.field for row in account.issues() if row.state == "open"] == ["price"]


async def test_stock_of_items_and_variations(seller: Seller, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.pair(Entity.STOCK, Direction.EXPORT)
    plain = product(account, "A")
    shirt = product(account, None, name="Camiseta")
    size = account.erp.add(
        "product_variant", product_id=shirt, sku="C-P", price="3.00", options={"Tamanho": "P"}
    )
    one = level(account, plain, 0)
    level(account, shirt, 8, size)
    await account.sync(Entity.PRODUCTS)
    await account.sync(Entity.STOCK)
    made = item(seller, title="Caneca A")
    assert (made["status"], made["sub_status"]) == ("paused", ["out_of_stock"])
    assert item(seller, title="Camiseta")["variations"][0]["available_quantity"] == 8
    account.erp.edit("stock_level", one, on_hand=4)
    await account.sync(Entity.STOCK)
    assert item(seller, title="Caneca A")["status"] == "active", "stock brings it back"


async def test_a_quantity_taken_and_not_kept_is_told(seller: Seller, account: Account) -> None:
    begin(account, seller, tags=["warehouse_management"], stores=1, items=1)
    account.pair(Entity.PRODUCTS)
    account.pair(Entity.STOCK, Direction.EXPORT)
    await account.sync(Entity.PRODUCTS)
    level(account, account.query("SELECT id FROM erp.product")[0][0], 44)
    await account.run(Entity.STOCK)
    (found,) = account.issues()
    assert "estoque por depósito" in found.message


async def warehouse(account: Account, seller: Seller, direction: Direction, **options: Any) -> None:
    tags = ["user_product_seller", "warehouse_management"]
    begin(account, seller, tags=tags, items=2, **options)
    account.pair(Entity.PRODUCTS)
    account.pair(Entity.STOCK, direction, ConflictPolicy.ERP_WINS)
    await account.sync(Entity.PRODUCTS)


def held(seller: Seller, place: int = 0) -> list[int]:
    products = seller.steer("truth", kind="products").values()
    return [one["locations"][place]["quantity"] for one in products]


async def test_stock_of_a_warehouse_is_written_over_its_version(seller: Seller, account: Account) -> None:
    await warehouse(account, seller, Direction.BOTH, stores=1)
    await account.sync(Entity.STOCK)
    rows = account.query("SELECT id, on_hand FROM erp.stock_level ORDER BY on_hand")
    assert [row.on_hand for row in rows] == [1, 2]
    account.erp.edit("stock_level", rows[1].id, on_hand=9)
    seller.steer("switch", sale=True)
    await account.run(Entity.STOCK)
    assert held(seller) == [1, 1], "the sale stands, and 409 was the answer"
    assert [row.error_class for row in account.issues()] == ["TransientError"]
    account.query("UPDATE sync.issue SET next_attempt_at = now() - interval '1 s'")
    await account.run(Entity.STOCK)
    assert held(seller) == [1, 9]


async def test_a_sale_after_the_two_sides_were_compared_stands(seller: Seller, account: Account) -> None:
    await warehouse(account, seller, Direction.BOTH, stores=1)
    await account.sync(Entity.STOCK)
    rows = account.query("SELECT id FROM erp.stock_level ORDER BY on_hand")
    account.erp.edit("stock_level", rows[1].id, on_hand=9)
    # Two are read by the import, one by the comparison.
    seller.steer("switch", sale_after_reads=3)
    await account.run(Entity.STOCK)
    assert held(seller) == [1, 1]
    assert [row.error_class for row in account.issues()] == ["TransientError"]


async def test_an_export_alone_writes_over_a_sale(seller: Seller, account: Account) -> None:
    await warehouse(account, seller, Direction.EXPORT, stores=1)
    one, _ = account.query("SELECT id FROM erp.product ORDER BY sku")
    level(account, one[0], 7)
    seller.steer("switch", sale=True)
    await account.sync(Entity.STOCK)
    assert held(seller) == [7, 2]


async def test_several_warehouses_need_a_choice(seller: Seller, account: Account) -> None:
    await warehouse(account, seller, Direction.BOTH, stores=2)
    (run,) = await account.run(Entity.STOCK)
    assert isinstance(run.error, ConfigurationError)
    assert "Depósito 2 (102)" in run.error.message
    account.query("""UPDATE sync.integration SET settings = settings || '{"store_id": "102"}'""")
    await account.sync(Entity.STOCK)
    rows = account.query("SELECT id FROM erp.stock_level ORDER BY on_hand")
    account.erp.edit("stock_level", rows[0].id, on_hand=30)
    await account.sync(Entity.STOCK)
    assert held(seller, 1) == [30, 2]
    assert held(seller, 0) == [1, 2], "the other warehouse is not ours"


async def test_items_of_one_user_product_have_one_stock(seller: Seller, account: Account) -> None:
    await warehouse(account, seller, Direction.EXPORT, stores=1)
    first = item(seller, family_name="Caneca 1")
    premium = {
        "user_product_id": first["user_product_id"],
        "attributes": [{"id": "SELLER_SKU", "value_name": "P1"}],
    }
    seller.steer("add", number=1, fields=premium)
    await account.sync(Entity.PRODUCTS, full=True)
    rows = account.query("SELECT id FROM erp.product WHERE sku IN ('CAN-1', 'P1') ORDER BY sku")
    levels = [level(account, row.id, 6) for row in rows]
    seller.steer("forget")
    await account.sync(Entity.STOCK)
    assert len(calls(seller, "PUT", "/stock/type/seller_warehouse")) == 1
    account.erp.edit("stock_level", levels[0], on_hand=3)
    account.erp.edit("stock_level", levels[1], on_hand=5)
    await account.run(Entity.STOCK)
    assert [row.field for row in account.issues()] == ["quantity"]


async def test_stock_in_full_is_not_ours(seller: Seller, account: Account) -> None:
    begin(account, seller, items=2)
    full = {"shipping": {"logistic_type": "fulfillment"}}
    seller.steer("edit", kind="items", id=item(seller, title="Caneca 1")["id"], fields=full)
    account.pair(Entity.PRODUCTS)
    account.pair(Entity.STOCK, Direction.BOTH, ConflictPolicy.ERP_WINS)
    await account.sync(Entity.PRODUCTS)
    await account.sync(Entity.STOCK)
    assert account.query("SELECT on_hand FROM erp.stock_level") == [(2,)]


def nfe(total: Any, key: str = KEY) -> str:
    """The parts of an authorised NF-e that the account looks at."""
    return (
        '<?xml version="1.0"?><nfeProc xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><NFe>'
        f'<infNFe Id="NFe{key}"><total><ICMSTot><vNF>{total:.2f}</vNF></ICMSTot></total></infNFe></NFe>'
        f"<protNFe><infProt><chNFe>{key}</chNFe><cStat>100</cStat></infProt></protNFe></nfeProc>"
    )


def invoice(account: Account, place: int, **columns: Any) -> Any:
    order = account.query('SELECT id, total FROM erp."order" ORDER BY number OFFSET :n LIMIT 1', n=place - 1)[
        0
    ]
    row = {
        "order_id": order.id,
        "direction": "issued",
        "status": "authorized",
        "number": "1234",
        "access_key": KEY,
        "total": order.total,
        "xml": nfe(order.total),
        **columns,
    }
    return account.erp.add("invoice", **row)


async def sold(account: Account, seller: Seller) -> None:
    begin(account, seller, items=2, orders=4)
    account.pair(Entity.ORDERS)
    account.pair(Entity.INVOICES, Direction.EXPORT)
    await account.sync(Entity.ORDERS)


def saved(seller: Seller) -> list[str]:
    return [one["fiscal_key"] for one in seller.steer("truth", kind="invoices").values()]


async def test_an_invoice_goes_to_its_shipment_once(seller: Seller, account: Account) -> None:
    await sold(account, seller)
    invoice(account, 1)
    invoice(account, 2, direction="received", access_key=OTHER_KEY)
    invoice(account, 2, status="pending", access_key=None)
    await account.sync(Entity.INVOICES)
    assert saved(seller) == [KEY]
    states = [one["substatus"] for one in seller.steer("truth", kind="shipments").values()]
    assert states.count("ready_to_print") == 1
    assert account.query("SELECT count(*) FROM sync.mapping WHERE entity = 'invoices'") == [(1,)]
    seller.steer("forget")
    await account.sync(Entity.INVOICES, full=True)
    assert calls(seller, "POST", "/invoice_data/") == []


async def test_a_cart_has_one_invoice_and_a_corrected_one_replaces_it(
    seller: Seller, account: Account
) -> None:
    await sold(account, seller)
    totals = account.query('SELECT total FROM erp."order" ORDER BY number OFFSET 2 LIMIT 2')
    cart = sum(row.total for row in totals)
    made = invoice(account, 3, total=cart, xml=nfe(cart))
    await account.sync(Entity.INVOICES)
    assert saved(seller) == [KEY]
    account.erp.edit("invoice", made, access_key=OTHER_KEY, xml=nfe(cart, OTHER_KEY))
    await account.sync(Entity.INVOICES)
    assert saved(seller) == [OTHER_KEY]
    assert account.query("SELECT count(*) FROM sync.mapping WHERE entity = 'invoices'") == [(1,)]


@pytest.mark.parametrize("kind", ["lost", "500"])
async def test_an_invoice_whose_answer_is_lost_is_looked_for(
    seller: Seller, account: Account, kind: str
) -> None:
    await sold(account, seller)
    invoice(account, 1)
    seller.steer("faults", script=[{"match": "POST /shipments", "kind": kind}])
    await account.run(Entity.INVOICES)
    await account.sync(Entity.INVOICES)
    assert saved(seller) == [KEY]
    assert account.query("SELECT count(*) FROM sync.mapping WHERE entity = 'invoices'") == [(1,)]


async def test_an_invoice_waits_for_its_shipment(seller: Seller, account: Account) -> None:
    await sold(account, seller)
    id_ = next(iter(seller.steer("truth", kind="shipments")))
    seller.steer("edit", kind="shipments", id=id_, fields={"status": "pending", "substatus": None})
    invoice(account, 1)
    await account.run(Entity.INVOICES)
    assert [row.error_class for row in account.issues()] == ["TransientError"]
    ready = {"status": "ready_to_ship", "substatus": "invoice_pending"}
    seller.steer("edit", kind="shipments", id=id_, fields=ready)
    account.query("UPDATE sync.issue SET next_attempt_at = now() - interval '1 s'")
    await account.sync(Entity.INVOICES)
    assert saved(seller) == [KEY]


async def test_why_an_invoice_is_refused_is_told(seller: Seller, account: Account) -> None:
    await sold(account, seller)
    invoice(account, 1, xml=nfe(1))
    invoice(account, 2, xml="<NFe/>", access_key=OTHER_KEY)
    (run,) = await account.run(Entity.INVOICES)
    assert run.status is RunStatus.PARTIAL
    codes = account.query("SELECT provider_code, field FROM sync.issue ORDER BY id")
    assert {tuple(row) for row in codes} == {("nfe_order_value_divergence", ""), (None, "xml")}


async def test_another_invoice_of_the_shipment_is_a_conflict(seller: Seller, account: Account) -> None:
    await sold(account, seller)
    invoice(account, 1)
    await account.sync(Entity.INVOICES)
    invoice(account, 1, access_key=OTHER_KEY, number="1235")
    await account.run(Entity.INVOICES)
    assert [row.error_class for row in account.issues()] == ["ConflictError"]
    assert saved(seller) == [KEY]
