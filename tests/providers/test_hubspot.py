"""HubSpot end to end: an account over HTTP, a real PostgreSQL, every call held against the OpenAPI."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from core.entities import Entity, RunStatus
from core.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ContractError,
    TransientError,
)
from core.spec import Answer, Span
from providers.hubspot import HUBSPOT, app_key
from providers.hubspot.calls import pause
from providers.hubspot.reading import CATALOGUE
from sandbox.hubspot.process import Account as HubSpot
from sandbox.hubspot.process import start
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect
from tests.providers.contract import connected
from tests.providers.stands import Stand
from tests.providers.test_hubspot_openapi import ABSENT, SPECS, misfits

STAGES = "stage-paid=paid, stage-shipped=shipped"
LONG_AGO = 1_772_000_000_000
"""February 2026, in milliseconds."""


@pytest.fixture(scope="module")
def running() -> Iterator[HubSpot]:
    with start() as hubspot:
        yield hubspot


@pytest.fixture
def hubspot(running: HubSpot) -> Iterator[HubSpot]:
    running.steer("begin", contacts=5, products=4, orders=6)
    yield running
    held_against_the_openapi(running)


@pytest.fixture
def account(hubspot: HubSpot, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    return connect("hubspot", credentials(hubspot, stages=STAGES), database, tenant, monkeypatch)


def held_against_the_openapi(hubspot: HubSpot) -> None:
    if not SPECS.exists():
        print(ABSENT)
        return
    assert misfits(hubspot.steer("history")) == []


def credentials(hubspot: HubSpot, **settings: str) -> dict[str, str]:
    fast = {"requests_per_10s": "20000"}
    return {"base_url": hubspot.url, "access_token": hubspot.token, **fast, **settings}


def asked(hubspot: HubSpot, path: str) -> list[dict[str, Any]]:
    return [call for call in hubspot.steer("log") if call["path"].endswith(path)]


def kept(hubspot: HubSpot, type_: str, **properties: str) -> dict[str, Any]:
    found = [one for one in hubspot.steer("truth", type=type_) if properties.items() <= one.items()]
    assert len(found) == 1, found
    return dict(found[0])


async def import_all(account: Account) -> None:
    for entity in (Entity.PRODUCTS, Entity.CUSTOMERS, Entity.ORDERS):
        account.pair(entity)
        await account.sync(entity)


async def test_everything_arrives_with_its_links(hubspot: HubSpot, account: Account) -> None:
    await import_all(account)
    product = account.query("SELECT name, description, price FROM erp.product WHERE sku = 'CAN-1'")
    assert [tuple(row) for row in product] == [("Caneca 1", "De porcelana", Decimal("10.90"))]
    customer = account.query(
        "SELECT c.name, c.document, c.person_type, c.phone, a.street, a.number, a.complement, a.district,"
        " a.postal_code, a.country FROM erp.customer c JOIN erp.address a ON a.customer_id = c.id"
        " WHERE c.email = 'ana1@example.com'"
    )[0]
    assert tuple(customer) == (
        *("Ana Teste 1", "52998224725", "F", "+55 11 90001-0000"),
        *("Rua das Flores", "1", "Apto 4", "Centro", "01001000", "BR"),
    )
    company = account.query("SELECT name, person_type FROM erp.customer WHERE email = 'ana3@example.com'")
    assert tuple(company[0]) == ("Loja 3 Ltda", "J")
    orders = account.query(
        "SELECT number, status, total, items_total, discount, shipping, customer_id IS NULL, buyer_name"
        ' FROM erp."order" ORDER BY number'
    )
    assert [row[1] for row in orders] == ["paid", "shipped", "pending"] * 2
    assert tuple(orders[0][2:6]) == (Decimal("60.00"), Decimal("41.00"), Decimal("1.00"), Decimal("20.00"))
    assert [row[6] for row in orders] == [False, False, False, True, False, False]
    assert orders[0].buyer_name == "Ana Teste 2"
    items = account.query(
        'SELECT count(*), count(product_id) FROM erp.order_item i JOIN erp."order" o ON o.id = i.order_id'
    )
    assert tuple(items[0]) == (12, 6)
    assert asked(hubspot, "/search") == [], "a whole list needs no search"


async def test_a_second_complete_scan_writes_nothing(account: Account) -> None:
    await import_all(account)
    for entity in account.pairs:
        (run,) = await account.sync(entity, full=True)
        assert run.job is not None
        assert (run.job.counts.success, run.job.counts.errors) == (0, 0), entity
        assert run.job.counts.skipped == run.job.counts.processed > 0


async def test_changes_come_from_the_search_and_are_read_again(hubspot: HubSpot, account: Account) -> None:
    await import_all(account)
    hubspot.steer("forget")
    hubspot.steer(
        "edit",
        type="products",
        id=kept(hubspot, "products", hs_sku="CAN-2")["id"],
        properties={"name": "Nova"},
    )
    (run,) = await account.sync(Entity.PRODUCTS)
    assert run.job is not None
    assert run.job.counts.updated == 1
    assert account.query("SELECT sku FROM erp.product WHERE name = 'Nova'") == [("CAN-2",)]
    assert asked(hubspot, "/objects/products") == []
    (search,) = asked(hubspot, "/search")
    assert search["body"]["sorts"] == ["hs_lastmodifieddate"]
    for entity in (Entity.CUSTOMERS, Entity.ORDERS):
        (run,) = await account.sync(entity)
        assert run.job is not None
        assert run.job.counts.success == 0


async def test_the_search_is_behind(hubspot: HubSpot, account: Account) -> None:
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    product = kept(hubspot, "products", hs_sku="CAN-2")["id"]
    hubspot.steer("edit", type="products", id=product, properties={"name": "Primeira"})
    hubspot.steer("lag", seconds=3600)
    hubspot.steer("edit", type="products", id=product, properties={"name": "Segunda"})
    hubspot.steer("add", type="products", rows=[{"name": "Tardia", "hs_sku": "T-1"}])
    await account.sync(Entity.PRODUCTS)
    names = {row[0] for row in account.query("SELECT name FROM erp.product")}
    assert "Segunda" in names, "the search still has the first, the record itself is read"
    assert "Tardia" not in names
    hubspot.steer("lag", seconds=0)
    hubspot.steer("edit", type="products", id=product, properties={"name": "Terceira"})
    await account.sync(Entity.PRODUCTS, full=True)
    assert account.query("SELECT count(*) FROM erp.product WHERE name IN ('Tardia', 'Terceira')") == [(2,)]


@pytest.mark.parametrize("at", [None, LONG_AGO])
async def test_no_search_goes_beyond_its_limit(hubspot: HubSpot, account: Account, at: int | None) -> None:
    """Also not for more records of one millisecond, as an import leaves them, than a search gives."""
    hubspot.steer("begin", products=1)
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    rows = [{"name": f"P{number}", "hs_sku": f"P-{number}"} for number in range(650)]
    account.query("UPDATE sync.cursor SET watermark = to_timestamp(:at)", at=LONG_AGO / 1000)
    hubspot.steer("deepest", results=200)
    hubspot.steer("add", type="products", rows=rows, at=at)
    await account.sync(Entity.PRODUCTS)
    assert account.query("SELECT count(*) FROM erp.product") == [(651,)]
    assert {call["body"]["after"] for call in asked(hubspot, "/search")} == {"0"}


async def test_a_backfill_ends_where_its_range_ends(hubspot: HubSpot) -> None:
    hubspot.steer("begin")
    for number in range(4):
        row = {"name": f"P{number}", "hs_sku": f"P-{number}"}
        hubspot.steer("add", type="products", rows=[row], at=LONG_AGO + number * 1000)
    since, until = (datetime.fromtimestamp(LONG_AGO / 1000 + at, UTC) for at in (1, 3))
    async with connected(HUBSPOT, Stand(credentials(hubspot))) as (_, source):
        step = await CATALOGUE.fetch(source, Span(since, until), None)
    assert [raw["properties"]["name"] for raw in step.items] == ["P1", "P2"]
    assert (step.next, step.total) == (None, 2)


async def test_a_search_that_is_not_in_order_is_not_trusted(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("begin")
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    rows = [{"name": f"P{number}", "hs_sku": f"P-{number}"} for number in range(201)]
    hubspot.steer("add", type="products", rows=rows)
    hubspot.steer("reversed", on=True)
    account.query("UPDATE sync.cursor SET watermark = now()")
    (run,) = await account.run(Entity.PRODUCTS)
    assert isinstance(run.error, ContractError)


async def test_deals_are_orders_from_the_stages_that_have_a_status(
    hubspot: HubSpot, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    hubspot.steer("begin", contacts=3, products=2, deals=4)
    account = connect("hubspot", credentials(hubspot, orders_object="deals"), database, tenant, monkeypatch)
    account.pair(Entity.CUSTOMERS)
    account.pair(Entity.ORDERS)
    await account.sync(Entity.CUSTOMERS)
    (run,) = await account.run(Entity.ORDERS)
    orders = account.query(
        'SELECT status, total, items_total, placed_at::date::text, customer_id IS NULL FROM erp."order"'
        " ORDER BY number"
    )
    assert [tuple(row) for row in orders] == [
        ("paid", Decimal("43.00"), Decimal("43.00"), "2026-03-02", False),
        ("paid", Decimal("47.00"), Decimal("47.00"), "2026-03-02", True),
    ]
    open_deal = kept(hubspot, "0-3", dealname="Venda 1")["id"]
    hubspot.steer("edit", type="0-3", id=open_deal, properties={"dealstage": "closedwon"})
    (run,) = await account.run(Entity.ORDERS)
    assert run.job is not None
    assert run.job.counts.created == 1


async def test_long_lists_of_associations_are_read_to_their_end(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("switch", associations=1)
    account.pair(Entity.ORDERS)
    await account.run(Entity.ORDERS)
    assert account.query("SELECT count(*) FROM erp.order_item") == [(12,)]


async def test_what_was_not_read_is_not_gone(hubspot: HubSpot, account: Account) -> None:
    """A read that answers for a part of the records says why; only one that is not there has gone."""
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    hubspot.steer("faults", script=[{"match": "batch/read", "kind": "part"}])
    (run,) = await account.run(Entity.PRODUCTS)
    assert isinstance(run.error, TransientError)
    hubspot.steer("archive", type="products", id=kept(hubspot, "products", hs_sku="CAN-2")["id"])
    await account.sync(Entity.PRODUCTS)
    assert account.query("SELECT count(*) FROM sync.mapping WHERE state = 'orphan'") == [(0,)]
    await account.sync(Entity.PRODUCTS, full=True)
    assert account.query("SELECT count(*) FROM sync.mapping WHERE state = 'orphan'") == [(1,)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("500", RunStatus.SUCCESS),
        ("423", RunStatus.SUCCESS),
        ("429 SECONDLY", RunStatus.SUCCESS),
        ("429 DAILY", RunStatus.DEFERRED),
        ("html", RunStatus.ERROR),
    ],
)
async def test_faults(hubspot: HubSpot, account: Account, kind: str, status: RunStatus) -> None:
    hubspot.steer("faults", script=[{"match": "/objects/products", "kind": kind}])
    account.pair(Entity.PRODUCTS)
    (run,) = await account.run(Entity.PRODUCTS)
    assert run.status is status, run.error
    assert status is not RunStatus.ERROR or isinstance(run.error, ContractError)


async def test_a_spent_day_ends_the_run_as_deferred(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("limits", daily=1)
    account.pair(Entity.PRODUCTS)
    account.pair(Entity.CUSTOMERS)
    await account.run(Entity.PRODUCTS)
    (run,) = await account.run(Entity.CUSTOMERS)
    assert run.status is RunStatus.DEFERRED
    assert hubspot.steer("refused") == {}, "the last answer said that nothing is left"


@pytest.mark.parametrize(
    ("data", "headers", "seconds"),
    [
        ({"policyName": "DAILY"}, {}, 3600),
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {"x-hubspot-ratelimit-remaining": "5"}, 10),
        ({"policyName": "SECONDLY"}, {}, 1),
        ({"policyName": "NOVA"}, {}, 0),
        ({}, {"x-hubspot-ratelimit-remaining": "1", "x-hubspot-ratelimit-daily-remaining": "7"}, 0),
        ({}, {"x-hubspot-ratelimit-remaining": "0"}, 10),
        (
            {},
            {"x-hubspot-ratelimit-remaining": "0", "x-hubspot-ratelimit-interval-milliseconds": "2500"},
            2.5,
        ),
        ({}, {"x-hubspot-ratelimit-remaining": "1", "x-hubspot-ratelimit-daily-remaining": "0"}, 3600),
        (None, {}, 0),
    ],
)
def test_pauses(data: Any, headers: Mapping[str, str], seconds: float) -> None:
    assert pause(Answer(data, httpx.Headers(headers))) == seconds


async def test_wrong_credentials_are_told_and_corrected(hubspot: HubSpot, account: Account) -> None:
    account.seal("access_token", "pat-na1-errado")
    account.pair(Entity.PRODUCTS)
    (run,) = await account.run(Entity.PRODUCTS)
    assert isinstance(run.error, AuthenticationError)
    account.seal("access_token", hubspot.token)
    await account.sync(Entity.PRODUCTS)


async def test_a_missing_scope_turns_only_its_entity_off(hubspot: HubSpot, account: Account) -> None:
    hubspot.steer("switch", denied=["orders.read"])
    account.pair(Entity.PRODUCTS)
    account.pair(Entity.ORDERS)
    await account.sync(Entity.PRODUCTS)
    (run,) = await account.run(Entity.ORDERS)
    assert isinstance(run.error, AuthorizationError)


async def test_stages_that_are_no_list_are_told(
    hubspot: HubSpot, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = connect("hubspot", credentials(hubspot, stages="ganho=pago"), database, tenant, monkeypatch)
    account.pair(Entity.ORDERS)
    (run,) = await account.run(Entity.ORDERS)
    assert isinstance(run.error, ConfigurationError)
    assert "'ganho=pago'" in run.error.message


async def test_an_invalid_document_is_an_issue(hubspot: HubSpot, account: Account) -> None:
    contact = kept(hubspot, "contacts", email="ana1@example.com")["id"]
    hubspot.steer("edit", type="contacts", id=contact, properties={"cpf_cnpj": "123"})
    account.pair(Entity.CUSTOMERS)
    (run,) = await account.run(Entity.CUSTOMERS)
    assert run.status is RunStatus.PARTIAL
    assert [(issue.error_class, issue.field) for issue in account.issues()] == [("RecordError", "cpf_cnpj")]
    assert account.query("SELECT count(*) FROM erp.customer") == [(4,)]


def test_the_key_of_the_limit_is_no_token() -> None:
    one, other = app_key({"access_token": "pat-na1-um"}), app_key({"access_token": "pat-na1-outro"})
    assert one != other
    assert "pat-na1" not in one
    assert HUBSPOT.rate({"requests_per_10s": "190"}).requests == 190
