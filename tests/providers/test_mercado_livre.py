"""Mercado Livre end to end: an account over HTTP, and a real PostgreSQL."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from core.entities import Entity, RunStatus
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    ContractError,
    TransientError,
)
from core.oauth2 import TOKEN, Token
from core.spec import Span
from core.webhooks import Delivery
from providers.mercado_livre import MERCADO_LIVRE, permissions
from providers.mercado_livre.reading import fetch_orders, fetch_products
from sandbox.mercado_livre.process import Account as Seller
from sandbox.mercado_livre.process import start
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect
from tests.providers.contract import connected
from tests.providers.stands import Stand

ENTITIES = (Entity.PRODUCTS, Entity.STOCK, Entity.ORDERS)


@pytest.fixture(scope="module")
def running() -> Iterator[Seller]:
    with start() as seller:
        yield seller


@pytest.fixture
def seller(running: Seller) -> Seller:
    running.steer("begin", items=9, orders=6)
    return running


@pytest.fixture
def account(seller: Seller, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr("core.http.DEFAULT_PAUSE", timedelta(seconds=0.1))
    made = connect("mercado-livre", credentials(seller), database, tenant, monkeypatch)
    consented(made, seller)
    return made


def credentials(seller: Seller) -> dict[str, str]:
    return {"base_url": seller.url, "client_id": seller.client_id, "client_secret": seller.client_secret}


def consented(account: Account, seller: Seller) -> None:
    """The seller agreed in the browser, and the code was exchanged."""
    account.seal(TOKEN, msgspec.json.encode(token(seller)).decode())


def token(seller: Seller) -> Token:
    granted = seller.steer("consent")
    expires = datetime.now(UTC) + timedelta(seconds=granted["expires_in"])
    return Token(access=granted["access_token"], refresh=granted["refresh_token"], expires_at=expires)


def stand(seller: Seller) -> Stand:
    return Stand(credentials(seller), token(seller))


def begin(account: Account, seller: Seller, **options: Any) -> None:
    seller.steer("begin", **options)
    consented(account, seller)


def calls(seller: Seller, method: str, path: str) -> list[dict[str, Any]]:
    return [one for one in seller.steer("log") if one["method"] == method and path in one["path"]]


def item(seller: Seller, **fields: Any) -> dict[str, Any]:
    found = [one for one in seller.steer("truth", kind="items").values() if fields.items() <= one.items()]
    assert len(found) == 1, found
    return dict(found[0])


async def import_all(account: Account) -> None:
    for entity in ENTITIES:
        account.pair(entity)
        await account.sync(entity)


async def test_everything_arrives_with_its_links(account: Account) -> None:
    await import_all(account)
    assert account.query("SELECT count(*), count(sku), min(price) FROM erp.product")[0] == (
        9,
        6,
        Decimal("21.90"),
    )
    assert account.query("SELECT count(sku), count(DISTINCT options) FROM erp.product_variant")[0] == (6, 2)
    assert account.query("SELECT count(*), sum(on_hand) FROM erp.stock_level")[0] == (12, 63)
    amounts = account.query(
        'SELECT count(*), min(total - items_total - shipping - tax + discount) FROM erp."order"'
    )[0]
    assert tuple(amounts) == (6, 0)
    statuses = account.query('SELECT status, count(*) FROM erp."order" GROUP BY 1 ORDER BY 1')
    assert [tuple(row) for row in statuses] == [("cancelled", 1), ("paid", 4), ("pending", 1)]
    assert account.query("SELECT count(*) FROM erp.order_item WHERE product_id IS NULL")[0][0] == 0
    assert account.query("SELECT count(*) FROM erp.order_item WHERE variant_id IS NOT NULL")[0][0] == 2


async def test_orders_have_documents_and_addresses(account: Account) -> None:
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    found = account.query(
        'SELECT number, buyer_document, buyer_name, note FROM erp."order" ORDER BY number LIMIT 4'
    )
    assert [row.buyer_document for row in found] == ["11222333000181", None, "52998224725", "11222333000181"]
    assert found[2].buyer_name == "Ana Teste Silva"
    assert "12345678900" in found[1].note, "an invalid document stays visible"
    assert found[2].note == found[3].note == "Pacote 2000009000000000", "one cart, one shipment"
    addresses = account.query(
        "SELECT a.kind, a.street, a.city, a.state, a.postal_code FROM erp.address a"
        ' JOIN erp."order" o ON o.id = a.order_id WHERE o.number = :n ORDER BY 1',
        n=found[0].number,
    )
    assert [tuple(row) for row in addresses] == [
        ("billing", "Rua das Flores", "Bom Jardim", "RJ", "28660000"),
        ("shipping", "Avenida Brasil", "São Paulo", "SP", "01001000"),
    ]
    masked = account.query("SELECT count(*) FROM erp.address WHERE kind = 'shipping'")
    assert masked == [(4,)], "of paid orders alone"


async def test_a_paid_order_under_suspicion_waits(seller: Seller, account: Account) -> None:
    one = sorted(seller.steer("truth", kind="orders"))[0]
    seller.steer("edit", kind="orders", id=one, fields={"tags": ["paid", "fraud_risk_detected"]})
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    assert account.query("SELECT number FROM erp.\"order\" WHERE status = 'on_hold'") == [(one,)]


async def test_the_list_may_leave_the_tax_data_out(seller: Seller, account: Account) -> None:
    seller.steer("switch", bare_list=True)
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    assert account.query('SELECT count(buyer_document) FROM erp."order"') == [(4,)]


async def test_a_second_complete_scan_writes_nothing(account: Account) -> None:
    await import_all(account)
    for entity in ENTITIES:
        (run,) = await account.sync(entity, full=True)
        assert run.job is not None
        assert (run.job.counts.success, run.job.counts.errors) == (0, 0), entity
        assert run.job.counts.skipped == run.job.counts.processed > 0


async def test_changes_are_the_head_of_the_sorted_list(seller: Seller, account: Account) -> None:
    begin(account, seller, items=130)
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    # The long way round once: what was imported is as old as the account.
    account.query("UPDATE sync.cursor SET watermark = now()")
    seller.steer("forget")
    seller.steer("edit", kind="items", id=item(seller, title="Caneca 4")["id"], fields={"title": "Nova"})
    (run,) = await account.sync(Entity.PRODUCTS)
    assert run.job is not None
    assert (run.job.counts.processed, run.job.counts.updated) == (1, 1)
    (call,) = calls(seller, "GET", "/items/search")
    assert call["query"]["orders"] == "last_updated_desc"


async def test_a_list_that_is_not_sorted_is_read_whole(
    seller: Seller, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.mercado_livre.reading.IDS_A_PAGE", 3)
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    account.query("UPDATE sync.cursor SET watermark = now()")
    seller.steer("switch", unsorted=True)
    seller.steer("edit", kind="items", id=item(seller, title="Caneca 5")["id"], fields={"title": "Outra"})
    await account.sync(Entity.PRODUCTS)
    assert account.query("SELECT count(*) FROM erp.product WHERE name = 'Outra'") == [(1,)]


async def test_more_changes_than_the_sorted_list_shows_are_all_read(
    seller: Seller, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.mercado_livre.reading.IDS_A_PAGE", 3)
    monkeypatch.setattr("providers.mercado_livre.reading.MOST_SORTED", 6)
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    account.query("UPDATE sync.cursor SET watermark = now()")
    for number, id_ in enumerate(seller.steer("truth", kind="items")):
        seller.steer("edit", kind="items", id=id_, fields={"title": f"Nova {number}"})
    await account.sync(Entity.PRODUCTS)
    assert account.query("SELECT count(*) FROM erp.product WHERE name LIKE 'Nova %'") == [(9,)]


async def test_a_scroll_that_ended_is_begun_anew(
    seller: Seller, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.mercado_livre.reading.IDS_A_PAGE", 4)
    async with connected(MERCADO_LIVRE, stand(seller)) as (_, source):
        seller.steer("switch", scroll_seconds=-1)
        first = await fetch_products(source, Span(), None)
        seller.steer("switch", scroll_seconds=300)
        found, place = [], first.next
        while place is not None:
            step = await fetch_products(source, Span(), place)
            found += [raw["id"] for raw in step.items]
            place = step.next
    assert len(first.items) == 4
    assert sorted(found) == sorted(seller.steer("truth", kind="items"))


async def test_a_list_that_ends_too_early_is_no_list(seller: Seller, account: Account) -> None:
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    seller.steer("switch", short_scan=True)
    (run,) = await account.run(Entity.PRODUCTS, full=True)
    assert isinstance(run.error, TransientError)
    assert account.query("SELECT count(*) FROM sync.mapping WHERE missing_at IS NOT NULL") == [(0,)]


async def test_one_item_that_cannot_be_read_stops_no_other(seller: Seller, account: Account) -> None:
    seller.steer("switch", codes={item(seller, title="Caneca 4")["id"]: 403})
    account.pair(Entity.PRODUCTS)
    (run,) = await account.run(Entity.PRODUCTS)
    assert run.status is RunStatus.PARTIAL
    assert [row.error_class for row in account.issues()] == ["RecordError"]
    assert account.query("SELECT count(*) FROM erp.product") == [(8,)]


async def test_a_closed_item_is_gone_for_good(seller: Seller, account: Account) -> None:
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    seller.steer("edit", kind="items", id=item(seller, title="Caneca 4")["id"], fields={"status": "closed"})
    await account.sync(Entity.PRODUCTS, full=True)
    assert account.query("SELECT orphaned_by FROM sync.mapping WHERE state = 'orphan'") == [("external",)]


async def test_an_item_without_stock_is_still_active(seller: Seller, account: Account) -> None:
    paused = {"status": "paused", "sub_status": ["out_of_stock"], "available_quantity": 0}
    seller.steer("edit", kind="items", id=item(seller, title="Caneca 4")["id"], fields=paused)
    own = {"status": "paused", "sub_status": ["paused_by_seller"]}
    seller.steer("edit", kind="items", id=item(seller, title="Caneca 5")["id"], fields=own)
    account.pair(Entity.PRODUCTS)
    await account.sync(Entity.PRODUCTS)
    assert account.query("SELECT name FROM erp.product WHERE NOT active") == [("Caneca 5",)]


async def test_many_orders_are_read_in_halves_of_the_time(
    seller: Seller, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(account, seller, items=2, orders=24)
    for number, id_ in enumerate(seller.steer("truth", kind="orders")):
        moment = (datetime.now(UTC) - timedelta(days=300 - 12 * number)).isoformat()
        seller.steer("set", kind="orders", id=id_, fields={"last_updated": moment})
    monkeypatch.setattr("providers.mercado_livre.reading.MOST_ORDERS", 9)
    monkeypatch.setattr("providers.mercado_livre.reading.ORDERS_A_PAGE", 4)
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    assert account.query('SELECT count(*) FROM erp."order"') == [(24,)]

    offsets = [int(call["query"]["offset"]) for call in calls(seller, "GET", "/orders/search")]
    assert max(offsets) < 9


async def test_an_order_that_changes_while_the_list_is_read_hides_no_other(
    seller: Seller, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.mercado_livre.reading.ORDERS_A_PAGE", 2)
    async with connected(MERCADO_LIVRE, stand(seller)) as (_, source):
        step = await fetch_orders(source, Span(), None)
        first, place = [raw["id"] for raw in step.items], step.next
        seller.steer("edit", kind="orders", id=str(first[0]), fields={"tags": ["changed"]})
        found = set(first)
        while place is not None:
            step = await fetch_orders(source, Span(), place)
            found |= {raw["id"] for raw in step.items}
            place = step.next
    assert found == {int(id_) for id_ in seller.steer("truth", kind="orders")}


async def test_a_change_of_an_order_is_found_and_a_cancellation(seller: Seller, account: Account) -> None:
    await import_all(account)
    account.query("UPDATE sync.cursor SET watermark = now()")
    one, other = sorted(seller.steer("truth", kind="orders"))[:2]
    shipment = seller.steer("truth", kind="orders")[one]["shipping"]["id"]
    seller.steer("edit", kind="shipments", id=str(shipment), fields={"status": "delivered"})
    seller.steer("edit", kind="orders", id=one, fields={"tags": ["delivered"]})
    seller.steer("edit", kind="orders", id=other, fields={"status": "cancelled"})
    seller.steer("forget")
    await account.sync(Entity.ORDERS)
    found = account.query('SELECT status FROM erp."order" ORDER BY number LIMIT 2')
    assert [row.status for row in found] == ["completed", "cancelled"]
    asked = [call["query"] for call in calls(seller, "GET", "/orders/search")]
    assert all("order.date_last_updated.from" in query for query in asked)


async def test_half_an_order_is_asked_for_again(seller: Seller, account: Account) -> None:
    seller.steer("switch", bare_list=True)
    seller.steer("faults", script=[{"match": r"GET /orders/\d+$", "kind": "206"}])
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    assert account.query('SELECT count(buyer_document) FROM erp."order"') == [(4,)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("500", RunStatus.SUCCESS), ("429", RunStatus.SUCCESS), ("html", RunStatus.ERROR)],
)
async def test_faults(seller: Seller, account: Account, kind: str, status: RunStatus) -> None:
    seller.steer("faults", script=[{"match": "GET /items$", "kind": kind}])
    account.pair(Entity.PRODUCTS)
    (run,) = await account.run(Entity.PRODUCTS)
    assert run.status is status
    assert status is RunStatus.SUCCESS or isinstance(run.error, ContractError)


async def test_a_limit_without_figures_is_waited_for(seller: Seller, account: Account) -> None:
    seller.steer("limit", calls=3)
    account.pair(Entity.ORDERS)
    await account.sync(Entity.ORDERS)
    assert seller.steer("meter")["throttled"] == 1


async def test_an_access_token_that_ended_is_renewed_once(seller: Seller, account: Account) -> None:
    account.pair(Entity.ORDERS)
    seller.steer("expire")
    await account.sync(Entity.ORDERS)
    seller.steer("expire")
    await account.sync(Entity.ORDERS)
    assert seller.steer("meter")["refreshed"] == 2, "each with the refresh token that came last"


async def test_a_consent_taken_back_is_told_and_given_again(seller: Seller, account: Account) -> None:
    account.pair(Entity.ORDERS)
    seller.steer("revoke")
    (run,) = await account.run(Entity.ORDERS)
    assert isinstance(run.error, AuthenticationError)
    consented(account, seller)
    await account.sync(Entity.ORDERS)


async def test_a_wrong_secret_is_told(seller: Seller, account: Account) -> None:
    account.seal("client_secret", "segredo-errado")
    seller.steer("expire")
    account.pair(Entity.ORDERS)
    (run,) = await account.run(Entity.ORDERS)
    assert isinstance(run.error, AuthenticationError)
    assert run.error.provider_code == "invalid_client"


async def test_an_account_of_another_country_is_refused(seller: Seller, account: Account) -> None:
    begin(account, seller, items=1, site="MLA")
    account.pair(Entity.PRODUCTS)
    (run,) = await account.run(Entity.PRODUCTS)
    assert isinstance(run.error, ConfigurationError)
    assert permissions({"id": 1, "site_id": "MLA"})[Entity.PRODUCTS] == frozenset()


def test_a_notification_names_what_to_look_at(seller: Seller) -> None:
    webhooks = MERCADO_LIVRE.webhooks
    assert webhooks is not None
    id_ = next(iter(seller.steer("truth", kind="orders")))
    seller.steer("edit", kind="orders", id=id_, fields={"status": "cancelled"})
    body = json.dumps(seller.steer("notifications")[-1]).encode()
    settings = {"client_id": seller.client_id}
    assert webhooks.verify(Delivery(body, httpx.Headers()), settings)
    assert not webhooks.verify(Delivery(body, httpx.Headers()), {"client_id": "999"})
    assert not webhooks.verify(Delivery(b"<xml>", httpx.Headers()), settings)
    assert webhooks.topics[webhooks.topic(body, httpx.Headers())] == (Entity.ORDERS,)
    assert webhooks.delivery(body, httpx.Headers()) == json.loads(body)["_id"]


def test_a_code_is_exchanged_once_with_its_verifier(seller: Seller) -> None:
    """RFC 7636, appendix B: verifier and challenge."""
    challenge, redirect = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "https://erp.example.com/oauth"
    form = {
        "grant_type": "authorization_code",
        "client_id": seller.client_id,
        "client_secret": seller.client_secret,
        "redirect_uri": redirect,
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }

    def exchanged(**fields: str) -> httpx.Response:
        code = seller.steer("consent", challenge=challenge, redirect_uri=redirect)
        return httpx.post(f"{seller.url}/oauth/token", data={**form, "code": code, **fields})

    answer = exchanged()
    assert answer.json()["user_id"] == 123456789
    for wrong in ({"code_verifier": "outro"}, {"redirect_uri": f"{redirect}/"}, {"code": "TG-1"}):
        assert exchanged(**wrong).json()["error"] == "invalid_grant"
