"""HubSpot written to: exports and two-way pairs; every call held against the OpenAPI."""

import asyncio
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.entities import ConflictPolicy, Direction, Entity, RunStatus
from core.errors import ConfigurationError, ConflictError, ContractError, NotFoundError, RecordError
from core.spec import Answer
from providers.hubspot.calls import submit
from sandbox.hubspot.process import Account as HubSpot
from sandbox.hubspot.process import start
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect
from tests.providers.test_hubspot import STAGES, asked, credentials, held_against_the_openapi, kept

WRITES = ("batch/update", "batch/upsert", "batch/archive", "associate/default")


@pytest.fixture(scope="module")
def running() -> Iterator[HubSpot]:
    with start() as hubspot:
        yield hubspot


@pytest.fixture
def hubspot(running: HubSpot) -> Iterator[HubSpot]:
    running.steer("begin")
    yield running
    held_against_the_openapi(running)


@pytest.fixture
def account(hubspot: HubSpot, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    return connect("hubspot", credentials(hubspot, stages=STAGES), database, tenant, monkeypatch)


def written(hubspot: HubSpot) -> list[dict[str, Any]]:
    return [call for path in WRITES for call in asked(hubspot, path)]


def customer(account: Account, name: str, **columns: Any) -> UUID:
    return account.erp.add("customer", name=name, **columns)


def order(account: Account, number: str, *, items: int = 2, **columns: Any) -> UUID:
    row = {
        "channel": "erp",
        "number": number,
        "status": "paid",
        "external_status": "",
        "currency": "BRL",
        "total": "41.50",
        "items_total": "31.50",
        "discount": "0",
        "shipping": "10.00",
        "tax": "0",
        "placed_at": "2026-03-02T12:31:06.471Z",
        **columns,
    }
    made = account.erp.add("order", **row)
    for place in range(items):
        item(account, made, place)
    return made


def item(account: Account, order_id: UUID, place: int, **columns: Any) -> UUID:
    row = {
        "name": f"Item {place}",
        "sku": f"I-{place}",
        "quantity": "3",
        "unit_price": "5.50",
        "discount": "0.75",
    }
    total = Decimal(row["quantity"]) * Decimal(row["unit_price"]) - Decimal(row["discount"])
    return account.erp.add(
        "order_item", order_id=order_id, position=place, external_id="", total=total, **{**row, **columns}
    )


async def test_contacts_are_made_once_and_changed_narrowly(hubspot: HubSpot, account: Account) -> None:
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    ana = customer(
        account, "Ana Souza Lima", email="Ana@Example.com", document="52998224725", phone="+55 11 99999-0000"
    )
    account.erp.add(
        "address",
        customer_id=ana,
        kind="billing",
        street="Rua das Flores",
        number="123",
        complement="Apto 4",
        district="Centro",
        city="São Paulo",
        state="SP",
        postal_code="01001000",
    )
    await account.sync(Entity.CUSTOMERS)
    made = kept(hubspot, "contacts")
    assert {
        name: made[name] for name in ("firstname", "lastname", "email", "cpf_cnpj", "cloudtosys_ref")
    } == {
        "firstname": "Ana",
        "lastname": "Souza Lima",
        "email": "ana@example.com",
        "cpf_cnpj": "52998224725",
        "cloudtosys_ref": str(ana),
    }
    assert (made["address"], made["zip"]) == ("Rua das Flores, 123, Apto 4 - Centro", "01001-000")
    unique = {
        call["body"]["name"]: call["body"]["hasUniqueValue"]
        for call in asked(hubspot, "properties/contacts")
        if call["body"]
    }
    assert unique == {"cloudtosys_ref": True, "cpf_cnpj": False}
    hubspot.steer("forget")
    account.erp.edit("customer", ana, phone=None)
    await account.sync(Entity.CUSTOMERS)
    (call,) = written(hubspot)
    assert call["body"]["inputs"] == [
        {"objectWriteTraceId": str(ana), "id": made["id"], "properties": {"phone": ""}}
    ]
    hubspot.steer("forget")
    await account.sync(Entity.CUSTOMERS, full=True)
    assert written(hubspot) == []


async def test_both_sides_of_a_contact_meet(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("populate", contacts=1)
    account.pair(Entity.CUSTOMERS, Direction.BOTH, ConflictPolicy.ASK)
    ours = customer(account, "Bia Silva", email="bia@example.com")
    await account.sync(Entity.CUSTOMERS)
    assert account.query("SELECT count(*) FROM erp.customer") == [(2,)]
    made = kept(hubspot, "contacts", email="bia@example.com")["id"]
    hubspot.steer("edit", type="contacts", id=made, properties={"lastname": "Souza"})
    account.erp.edit("customer", ours, phone="+55 11 90000-0000")
    await account.sync(Entity.CUSTOMERS)
    assert account.query("SELECT name FROM erp.customer WHERE email = 'bia@example.com'") == [("Bia Souza",)]
    assert kept(hubspot, "contacts", email="bia@example.com")["phone"] == "+55 11 90000-0000"
    theirs = account.query("SELECT id FROM erp.customer WHERE email = 'ana1@example.com'")[0][0]
    account.erp.edit("customer", theirs, email="ana.nova@example.com")
    await account.sync(Entity.CUSTOMERS)
    assert kept(hubspot, "contacts", email="ana.nova@example.com")["firstname"] == "Ana"
    hubspot.steer("forget")
    await account.sync(Entity.CUSTOMERS, full=True)
    assert written(hubspot) == [], "nothing comes back"
    hubspot.steer("edit", type="contacts", id=made, properties={"phone": "1"})
    account.erp.edit("customer", ours, phone="2")
    await account.run(Entity.CUSTOMERS)
    assert account.query("SELECT fields FROM sync.conflict") == [(["phone"],)]


@pytest.mark.parametrize("whole", [False, True])
async def test_one_bad_record_keeps_nothing_from_the_others(
    hubspot: HubSpot, account: Account, whole: bool
) -> None:
    """In an answer with several statuses; and where one refuses the whole batch."""
    hubspot.steer("populate", contacts=1)
    hubspot.steer("whole", on=whole)
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    for number in range(6):
        customer(account, f"Cliente {number}", email=f"c{number}@example.com")
    bad = customer(account, "Torto", email="sem-arroba")
    customer(account, "Dono de outro CPF", email="ana1@example.com", document="11144477735")
    (run,) = await account.run(Entity.CUSTOMERS)
    assert run.status is RunStatus.PARTIAL
    issues = account.query("SELECT error_class, field, message FROM sync.issue ORDER BY error_class")
    assert [issue[0] for issue in issues] == ["ConflictError", "RecordError"]
    assert whole or issues[1].field == "email"
    assert "ana1" not in str(issues)
    assert len(hubspot.steer("truth", type="contacts")) == 7
    assert account.query("SELECT count(*) FROM sync.mapping") == [(6,)]
    account.erp.edit("customer", bad, email="torto@example.com")
    await account.run(Entity.CUSTOMERS)
    assert kept(hubspot, "contacts", email="torto@example.com")["firstname"] == "Torto"
    assert asked(hubspot, "contacts/batch/upsert")[0]["status"] == (400 if whole else 207)


class Answering:
    """A source that gives one answer."""

    settings: Mapping[str, str] = {}

    def __init__(self, data: Any) -> None:
        self._data = data

    async def send(self, *_: Any, **__: Any) -> Answer:
        return Answer(self._data, httpx.Headers())


@pytest.mark.parametrize(
    ("errors", "results", "refused"),
    [
        ([{"category": "CONFLICT", "context": {"objectWriteTraceId": ["b"]}}], [], {"b": ConflictError}),
        ([{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["2"]}}], [], {"b": NotFoundError}),
        ([{"category": "VALIDATION_ERROR"}], [{"id": "1"}], {"b": RecordError}),
        (
            [{"category": "VALIDATION_ERROR"}],
            [{"id": "9", "properties": {"cloudtosys_ref": "1"}}, {"id": "8", "objectWriteTraceId": "b"}],
            {},
        ),
        ([{"message": "?"}], [], {"a": RecordError, "b": RecordError}),
        ([], [{"id": "1"}, {"id": "2"}], {}),
    ],
)
async def test_errors_that_name_no_record_are_of_those_without_a_result(
    errors: list[Any], results: list[Any], refused: dict[str, Any]
) -> None:
    """Every field of an error is optional."""
    rows = [{"objectWriteTraceId": trace, "id": id_} for trace, id_ in (("a", "1"), ("b", "2"))]
    source: Any = Answering({"results": results, "errors": errors})
    found = await submit(source, "crm/v3/objects/contacts/batch/update", rows)
    assert {trace: type(error) for trace, error in found.items()} == refused


async def test_a_lost_answer_makes_no_double(hubspot: HubSpot, account: Account) -> None:
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    customer(account, "Ana", email="ana@example.com")
    customer(account, "Sem e-mail")
    hubspot.steer("faults", script=[{"match": "batch/upsert", "kind": "lost"}])
    await account.sync(Entity.CUSTOMERS)
    assert len(asked(hubspot, "batch/upsert")) == 2
    assert len(hubspot.steer("truth", type="contacts")) == 2


async def test_a_create_in_doubt_is_found_without_the_search(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("lag", seconds=3600)
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    customer(account, "Sem e-mail")
    hubspot.steer("faults", script=[{"match": "batch/upsert", "kind": "lost", "times": 3}])
    await account.run(Entity.CUSTOMERS)
    await asyncio.sleep(0.3)
    await account.run(Entity.CUSTOMERS)
    assert account.query("SELECT count(*) FROM sync.mapping") == [(1,)]
    assert len(hubspot.steer("truth", type="contacts")) == 1
    assert len(asked(hubspot, "batch/upsert")) == 3


async def test_contacts_that_are_there_are_linked(hubspot: HubSpot, account: Account) -> None:
    """By CPF or CNPJ; by e-mail where only one side knows the document."""
    hubspot.steer("populate", contacts=4)
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    customer(account, "Ana", document="52998224725", email="outra@example.com")
    customer(account, "Quatro", document="00000000191", email="ANA4@example.com")
    await account.sync(Entity.CUSTOMERS)
    assert len(hubspot.steer("truth", type="contacts")) == 4
    assert kept(hubspot, "contacts", cpf_cnpj="52998224725")["email"] == "outra@example.com"
    assert kept(hubspot, "contacts", email="ana4@example.com")["cpf_cnpj"] == "00000000191"


async def test_products_are_matched_by_sku_and_go_both_ways(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("populate", products=2)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    known = account.erp.add("product", sku="CAN-1", name="Caneca", price="12.50")
    new = account.erp.add("product", sku="NOVO", name="Novo", description="De vidro", price="7.00")
    await account.sync(Entity.PRODUCTS)
    assert len(hubspot.steer("truth", type="products")) == 3
    assert kept(hubspot, "products", hs_sku="CAN-1")["price"] == "12.50"
    made = kept(hubspot, "products", hs_sku="NOVO")
    assert (made["price"], made["description"], made["cloudtosys_ref"]) == ("7.00", "De vidro", str(new))
    account.query("UPDATE sync.pair SET direction = 'both'")
    hubspot.steer("edit", type="products", id=made["id"], properties={"price": "8"})
    account.erp.edit("product", known, name="Caneca branca")
    await account.sync(Entity.PRODUCTS)
    assert account.query("SELECT price FROM erp.product WHERE sku = 'NOVO'") == [(Decimal("8.00"),)]
    assert kept(hubspot, "products", hs_sku="CAN-1")["name"] == "Caneca branca"
    hubspot.steer("forget")
    await account.sync(Entity.PRODUCTS, full=True)
    assert written(hubspot) == []


async def test_what_was_archived_is_not_made_again(hubspot: HubSpot, account: Account) -> None:
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    ids = [account.erp.add("product", sku=f"S-{n}", name="Produto", price="1.00") for n in range(12)]
    await account.sync(Entity.PRODUCTS)
    hubspot.steer("archive", type="products", id=kept(hubspot, "products", hs_sku="S-0")["id"])
    for id_ in ids:
        account.erp.edit("product", id_, price="2.00")
    await account.run(Entity.PRODUCTS)
    assert account.query("SELECT state, count(*) FROM sync.mapping GROUP BY 1 ORDER BY 1") == [
        ("active", 11),
        ("orphan", 1),
    ]
    assert {one["price"] for one in hubspot.steer("truth", type="products")} == {"2.00"}


async def test_properties_that_an_account_lacks_are_left_out(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("drop", type="products", name="description")
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.erp.add("product", sku="A", name="Produto", description="Texto", price="1.00")
    await account.sync(Entity.PRODUCTS)
    assert "description" not in kept(hubspot, "products", hs_sku="A")


async def test_without_the_right_to_make_properties_the_admin_is_told_which(
    hubspot: HubSpot, account: Account
) -> None:
    hubspot.steer("switch", denied=["schemas.write"])
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.erp.add("product", sku="A", name="Produto", price="1.00")
    (run,) = await account.run(Entity.PRODUCTS)
    assert isinstance(run.error, ConfigurationError)
    assert "cloudtosys_ref" in run.error.message
    property_ = {"name": "cloudtosys_ref", "type": "string", "hasUniqueValue": True}
    hubspot.steer("define", type="products", property=property_)
    hubspot.steer("switch", denied=["schemas.write", "schemas.read"])
    await account.sync(Entity.PRODUCTS)
    kept(hubspot, "products", hs_sku="A")


def lines_of(hubspot: HubSpot, type_: str, **properties: str) -> list[dict[str, Any]]:
    ids = kept(hubspot, type_, **properties)["links"].get("line_items", [])
    found = [one for one in hubspot.steer("truth", type="line_items") if one["id"] in ids]
    return sorted(found, key=lambda one: int(one.get("hs_position_on_quote", 0)))


async def test_orders_go_out_with_items_and_contact(hubspot: HubSpot, account: Account) -> None:
    account.pair(Entity.CUSTOMERS, Direction.EXPORT)
    account.pair(Entity.PRODUCTS, Direction.EXPORT)
    account.pair(Entity.ORDERS, Direction.EXPORT)
    buyer = customer(account, "Ana Souza", email="ana@example.com")
    product = account.erp.add("product", sku="I-0", name="Item 0", price="5.50")
    made = order(account, "1001", customer_id=buyer, items=0)
    first = item(account, made, 0, product_id=product)
    second = item(account, made, 1)
    account.erp.add(
        "address",
        order_id=made,
        kind="shipping",
        name="Ana",
        street="Rua A",
        number="5",
        district="Centro",
        city="São Paulo",
        state="SP",
        postal_code="01001000",
    )
    for entity in account.pairs:
        await account.sync(entity)
    there = kept(hubspot, "orders")
    assert {name: there[name] for name in ("hs_external_order_id", "hs_total_price", "hs_shipping_cost")} == {
        "hs_external_order_id": "1001",
        "hs_total_price": "41.50",
        "hs_shipping_cost": "10.00",
    }
    assert (there["hs_pipeline_stage"], there["hs_external_order_status"]) == ("stage-paid", "paid")
    assert there["hs_shipping_address_street"] == "Rua A, 5 - Centro"
    assert there["links"]["contacts"] == [kept(hubspot, "contacts")["id"]]
    lines = lines_of(hubspot, "orders")
    assert [(one["hs_sku"], one["quantity"], one["discount"], one["amount"]) for one in lines] == [
        ("I-0", "3", "0.25", "15.75"),
        ("I-1", "3", "0.25", "15.75"),
    ]
    assert lines[0]["hs_product_id"] == kept(hubspot, "products")["id"]
    hubspot.steer("forget")
    await account.sync(Entity.ORDERS, full=True)
    assert written(hubspot) == []
    account.erp.edit("order_item", first, quantity="4", total="21.25")
    account.erp.delete("order_item", second)
    item(account, made, 2, sku="I-2")
    account.erp.edit("order", made, status="shipped")
    await account.sync(Entity.ORDERS)
    assert [(one["hs_sku"], one["quantity"]) for one in lines_of(hubspot, "orders")] == [
        ("I-0", "4"),
        ("I-2", "3"),
    ]
    assert kept(hubspot, "orders")["hs_pipeline_stage"] == "stage-shipped"
    account.erp.delete("order_item", first)
    await account.sync(Entity.ORDERS)
    (left,) = hubspot.steer("truth", type="line_items")
    assert (left["hs_sku"], left["quantity"], left.get("hs_product_id")) == ("I-2", "3", None)


async def test_an_order_that_lacks_an_item_is_linked_and_mended(hubspot: HubSpot, account: Account) -> None:
    account.pair(Entity.ORDERS, Direction.EXPORT)
    made = order(account, "1001", items=1)
    torn = item(account, made, 1)
    hubspot.steer("define", type="line_items", property={"name": "hs_sku", "type": "number"})
    account.query("UPDATE erp.order_item SET sku = '12' WHERE position = 0")
    (run,) = await account.run(Entity.ORDERS)
    assert run.status is RunStatus.PARTIAL
    assert [issue.error_class for issue in account.issues()] == ["RecordError"]
    assert account.query("SELECT count(*) FROM sync.mapping") == [(1,)]
    assert len(lines_of(hubspot, "orders")) == 1
    account.erp.edit("order_item", torn, sku="13")
    await account.run(Entity.ORDERS)
    assert [one["hs_sku"] for one in lines_of(hubspot, "orders")] == ["12", "13"]
    assert len(hubspot.steer("truth", type="orders")) == 1


@pytest.mark.parametrize("match", ["orders/batch/upsert", "line_items/batch/upsert", "associate/default"])
async def test_an_order_cut_in_the_middle_is_completed(
    hubspot: HubSpot, account: Account, match: str
) -> None:
    account.pair(Entity.ORDERS, Direction.EXPORT)
    order(account, "1001")
    hubspot.steer("faults", script=[{"match": match, "kind": "html"}])
    (run,) = await account.run(Entity.ORDERS)
    assert isinstance(run.error, ContractError)
    await asyncio.sleep(0.3)
    account.query("UPDATE sync.issue SET next_attempt_at = now() - interval '1 second'")
    await account.run(Entity.ORDERS)
    assert len(lines_of(hubspot, "orders")) == 2
    assert len(hubspot.steer("truth", type="line_items")) == 2


async def test_orders_go_both_ways(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("populate", contacts=2, products=2, orders=3)
    account.pair(Entity.PRODUCTS)
    account.pair(Entity.CUSTOMERS)
    account.pair(Entity.ORDERS, Direction.BOTH)
    for entity in account.pairs:
        await account.sync(entity)
    hubspot.steer("forget")
    await account.sync(Entity.ORDERS, full=True)
    assert written(hubspot) == []
    ours = account.query("SELECT id FROM erp.\"order\" WHERE number = '1001'")[0][0]
    account.erp.edit("order", ours, status="shipped")
    there = kept(hubspot, "orders", hs_external_order_id="1002")["id"]
    hubspot.steer("edit", type="orders", id=there, properties={"hs_pipeline_stage": "stage-paid"})
    await account.sync(Entity.ORDERS)
    assert kept(hubspot, "orders", hs_external_order_id="1001")["hs_pipeline_stage"] == "stage-shipped"
    assert len(lines_of(hubspot, "orders", hs_external_order_id="1001")) == 2
    assert account.query("SELECT status FROM erp.\"order\" WHERE number = '1002'") == [("paid",)]
    assert len(hubspot.steer("truth", type="orders")) == 3


async def test_orders_go_out_as_deals(
    hubspot: HubSpot, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = credentials(hubspot, orders_object="deals", pipeline="vendas", stages="ganho=paid")
    account = connect("hubspot", settings, database, tenant, monkeypatch)
    account.pair(Entity.ORDERS, Direction.BOTH)
    order(account, "1001", note="Entregar à tarde")
    await account.sync(Entity.ORDERS)
    deal = kept(hubspot, "0-3")
    names = ("cloudtosys_number", "dealname", "amount", "closedate", "dealstage", "pipeline", "description")
    assert [deal[name] for name in names] == [
        *("1001", "1001", "41.50", "2026-03-02T12:31:06.471Z", "ganho", "vendas", "Entregar à tarde"),
    ]
    assert len(lines_of(hubspot, "0-3")) == 2
    hubspot.steer("forget")
    await account.sync(Entity.ORDERS, full=True)
    assert written(hubspot) == []
    assert account.query('SELECT shipping FROM erp."order"') == [(Decimal("10.00"),)], "deals have no freight"
