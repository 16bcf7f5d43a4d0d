"""Melhor Envio end to end: an account over HTTP and a real PostgreSQL. No label may be paid for twice."""

import asyncio
import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core import answers
from core.address import Guard
from core.entities import Direction, Entity, RunStatus
from core.errors import RecordError
from core.http import client
from core.oauth2 import TOKEN, Token
from core.probe import probe
from core.records import Parcel, Shipment
from core.webhooks import Delivery
from db.settings import read
from providers.melhor_envio import MELHOR_ENVIO, delivery, signed, topic
from providers.melhor_envio.mapping import shipment_from
from providers.melhor_envio.quoting import chosen, described, volumes
from providers.melhor_envio.writing import wanted
from sandbox.melhor_envio.process import Broker, start
from tasks import consent
from tasks.connection import Account as Whose
from tests.conftest import Database, Tenant
from tests.providers.account import Account, connect
from tests.providers.stands.melhor_envio import settings

KEY = "35260411222333000181550010000010421000010421"


@pytest.fixture(scope="module")
def running() -> Iterator[Broker]:
    with start() as broker:
        yield broker


@pytest.fixture
def broker(running: Broker) -> Broker:
    running.steer("begin")
    running.steer("faults", script=[])
    return running


@pytest.fixture
def account(broker: Broker, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Account:
    return opened(broker, database, tenant, monkeypatch, purchase="automatic")


def opened(broker: Broker, *fixtures: Any, direction: Direction = Direction.BOTH, **more: str) -> Account:
    made = connect("melhor-envio", settings(broker) | {"token": broker.token} | more, *fixtures)
    made.pair(Entity.SHIPMENTS, direction)
    return made


def ship(account: Account, *, invoice: bool = True, **columns: Any) -> uuid.UUID:
    """An order of two mugs, and a shipment that asks for its label."""
    erp, number = account.erp, f"PED-{uuid.uuid4().hex[:6]}"
    product = erp.add("product", sku="CAN-1", name="Caneca", weight_kg="0.4", length_cm=12, width_cm=10)
    erp.edit("product", product, height_cm=9)
    order = erp.add(
        "order",
        number=number,
        status="paid",
        external_status="",
        currency="BRL",
        total=60,
        items_total=60,
        discount=0,
        shipping=0,
        tax=0,
        buyer_name="Ana Souza",
        buyer_document="52998224725",
        placed_at="2026-04-20T10:00:00Z",
    )
    erp.add(
        "order_item",
        order_id=order,
        position=0,
        external_id="",
        product_id=product,
        sku="CAN-1",
        name="Caneca",
        quantity=2,
        unit_price=30,
        discount=0,
        total=60,
    )
    erp.add(
        "address",
        order_id=order,
        kind="shipping",
        position=0,
        name="Ana Souza",
        street="Av. Afonso Pena",
        number="10",
        district="Centro",
        city="Belo Horizonte",
        state="MG",
        postal_code="30110000",
    )
    if invoice:
        erp.add(
            "invoice",
            order_id=order,
            direction="issued",
            access_key=KEY,
            number="1042",
            series="1",
            status="authorized",
            total=60,
        )
    return erp.add(
        "shipment", **{"order_id": order, "status": "pending", "carrier": "Melhor Envio", **columns}
    )


def label(broker: Broker) -> dict[str, Any]:
    (found,) = broker.steer("labels")
    return dict(found)


def put_in_cart(broker: Broker, like: dict[str, Any], tag: str) -> None:
    """Another program does, with tags as ours are."""
    tags = [{"tag": tag}, {"tag": str(uuid.uuid4())}]
    body = {"service": 1, **{name: like[name] for name in ("from", "to", "volumes")}}
    body["options"] = {"non_commercial": True, "tags": tags}
    headers = {"Authorization": f"Bearer {broker.token}", "User-Agent": "Outro (a@exemplo.com.br)"}
    httpx.post(f"{broker.url}/api/v2/me/cart", json=body, headers=headers).raise_for_status()


def calls(broker: Broker, call: str) -> int:
    return sum(one["call"].endswith(call) for one in broker.steer("log"))


def row(account: Account, id_: uuid.UUID) -> dict[str, Any]:
    return account.erp.one("shipment", id_)


async def test_a_label_is_bought_and_followed_to_the_door(broker: Broker, account: Account) -> None:
    id_ = ship(account)
    await account.sync(Entity.SHIPMENTS)
    bought = label(broker)
    assert len(broker.steer("purchases")) == 1
    assert [tag["tag"] for tag in bought["tags"]][1] == str(id_)
    assert (bought["to"]["postal_code"], bought["to"]["document"]) == ("30110000", "52998224725")
    assert bought["from"]["company_document"] == "11222333000181"
    assert bought["volumes"] == [{"length": 12.0, "width": 10.0, "height": 18.0, "weight": 0.8}]
    await account.sync(Entity.SHIPMENTS)
    found = row(account, id_)
    assert (found["carrier"], found["service"], found["status"]) == ("Jadlog", ".Package", "paid")
    assert (found["cost"], found["tracking_code"]) == (Decimal("18.2"), bought["self_tracking"])
    assert bought["id"] in found["label_url"]
    broker.steer("move", id=bought["id"], status="posted", posted_at=True)
    broker.steer("edit", id=bought["id"], fields={"tracking": "AB123456789BR"})
    await account.sync(Entity.SHIPMENTS)
    broker.steer("move", id=bought["id"], status="delivered", delivered_at=True)
    await account.sync(Entity.SHIPMENTS)
    found = row(account, id_)
    assert (found["status"], found["tracking_code"]) == ("delivered", "AB123456789BR")
    assert [event["status"] for event in found["events"]] == ["paid", "generated", "posted", "delivered"]
    assert found["delivered_at"] > found["shipped_at"]
    assert (len(broker.steer("purchases")), len(broker.steer("labels"))) == (1, 1)


async def test_a_second_run_changes_nothing(broker: Broker, account: Account) -> None:
    ship(account)
    for _ in range(3):
        await account.sync(Entity.SHIPMENTS)
    ended = await account.sync(Entity.SHIPMENTS, full=True)
    assert [run.job.counts.success for run in ended if run.job] == [0, 0]
    assert (calls(broker, "/cart"), calls(broker, "/checkout"), calls(broker, "/generate")) == (1, 1, 1)


@pytest.mark.parametrize("step", ["/me/cart", "/checkout", "/generate"])
async def test_a_lost_answer_buys_nothing_twice(broker: Broker, account: Account, step: str) -> None:
    id_ = ship(account)
    broker.steer("faults", script=[{"match": step, "kind": "lost"}])
    await account.run(Entity.SHIPMENTS)
    for _ in range(3):
        await account.run(Entity.SHIPMENTS)
    assert len(broker.steer("purchases")) == 1
    assert (label(broker)["status"], row(account, id_)["status"]) == ("released", "paid")
    assert account.query("SELECT count(*) FROM sync.outbox")[0][0] == 0


async def test_a_pair_that_only_exports_finds_its_lost_cart(
    broker: Broker, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: Any = {"direction": Direction.EXPORT, "purchase": "automatic"}
    account = opened(broker, database, tenant, monkeypatch, **how)
    ship(account)
    broker.steer("faults", script=[{"match": "POST /api/v2/me/cart", "kind": "lost"}])
    await account.run(Entity.SHIPMENTS)
    await account.run(Entity.SHIPMENTS)
    assert (label(broker)["status"], len(broker.steer("purchases"))) == ("released", 1)
    assert [issue for issue in account.issues() if issue.state == "open"] == []


@pytest.mark.parametrize("step", [1, 2])
async def test_a_run_that_dies_buys_nothing_twice(
    broker: Broker, account: Account, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Before it has put on record that the cart has the item, or that it is paid."""
    id_, told = ship(account), 0

    async def dies(*given: Any) -> Any:
        nonlocal told
        told += 1
        if told == step:
            raise asyncio.CancelledError
        return await record_of(*given)

    record_of = answers.record
    monkeypatch.setattr(answers, "record", dies)
    with pytest.raises(asyncio.CancelledError):
        await account.run(Entity.SHIPMENTS)
    for _ in range(3):
        await account.run(Entity.SHIPMENTS)
    assert (len(broker.steer("purchases")), len(broker.steer("labels"))) == (1, 1)
    assert row(account, id_)["status"] == "paid"


async def test_what_was_paid_and_seems_not_to_be_is_not_paid_again(broker: Broker, account: Account) -> None:
    """The answer of the payment and the look after it are lost."""
    ship(account)
    script = [
        {"match": "/checkout", "kind": "lost"},
        {"match": "GET /api/v2/me/orders/", "kind": "500", "times": 3},
    ]
    broker.steer("faults", script=script)
    (_, export) = await account.run(Entity.SHIPMENTS)
    assert export.status is not RunStatus.SUCCESS
    await account.sync(Entity.SHIPMENTS)
    await account.sync(Entity.SHIPMENTS)
    assert len(broker.steer("purchases")) == 1


async def test_what_is_shown_as_unpaid_after_its_payment_is_not_paid_again(
    broker: Broker, account: Account
) -> None:
    id_ = ship(account)
    script = [{"match": "POST /api/v2/me/shipment/generate", "kind": "500", "times": 3}]
    broker.steer("faults", script=script)
    await account.run(Entity.SHIPMENTS)
    assert len(broker.steer("purchases")) == 1
    broker.steer("edit", id=label(broker)["id"], fields={"status": "pending"})
    (_, export) = await account.run(Entity.SHIPMENTS)
    assert export.status is RunStatus.PARTIAL
    assert calls(broker, "/checkout") > 1
    broker.steer("edit", id=label(broker)["id"], fields={"status": "released"})
    await account.sync(Entity.SHIPMENTS)
    await account.sync(Entity.SHIPMENTS)
    assert (len(broker.steer("purchases")), row(account, id_)["status"]) == (1, "paid")
    assert [issue for issue in account.issues() if issue.state == "open"] == []


async def test_an_empty_wallet_leaves_it_in_the_cart(broker: Broker, account: Account) -> None:
    id_ = ship(account)
    broker.steer("wallet", balance=5)
    await account.run(Entity.SHIPMENTS)
    await account.run(Entity.SHIPMENTS)
    assert calls(broker, "/checkout") == 0
    assert (label(broker)["status"], row(account, id_)["status"]) == ("pending", "quoted")
    open_ = [issue for issue in account.issues() if issue.state == "open"]
    assert {issue.error_class for issue in open_} == {"InsufficientBalance"}
    assert "R$ 5,00" in open_[0].message
    broker.steer("wallet", balance=500)
    await account.run(Entity.SHIPMENTS)
    await account.sync(Entity.SHIPMENTS)
    assert (len(broker.steer("purchases")), row(account, id_)["status"]) == (1, "paid")
    assert [issue for issue in account.issues() if issue.state == "open"] == []


async def test_quotes_wait_in_the_cart_for_a_person(
    broker: Broker, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = opened(broker, database, tenant, monkeypatch)
    id_ = ship(account, service="sedex")
    for _ in range(3):
        await account.sync(Entity.SHIPMENTS)
    found = row(account, id_)
    assert (found["status"], found["service"], found["cost"]) == ("quoted", "SEDEX", Decimal("39.9"))
    assert [event["description"] for event in found["events"]] == [
        "Jadlog .Package: R$ 18,20, 5 dias",
        "Correios PAC: R$ 21,50, 7 dias",
        "Jadlog .Com: R$ 25,00, 4 dias",
        "Correios SEDEX: R$ 39,90, 3 dias",
    ]
    assert broker.steer("purchases") == []
    broker.steer("move", id=label(broker)["id"], status="released", paid_at=True)
    await account.sync(Entity.SHIPMENTS)
    await account.sync(Entity.SHIPMENTS)
    assert (row(account, id_)["status"], calls(broker, "/generate")) == ("paid", 1)


async def test_a_cancelled_shipment_gives_the_money_back(broker: Broker, account: Account) -> None:
    id_ = ship(account)
    await account.sync(Entity.SHIPMENTS)
    await account.sync(Entity.SHIPMENTS)
    account.erp.edit("shipment", id_, status="cancelled")
    await account.sync(Entity.SHIPMENTS)
    assert label(broker)["canceled_at"] is not None
    await account.sync(Entity.SHIPMENTS)
    assert row(account, id_)["status"] == "cancelled"


async def test_a_cancelled_shipment_leaves_the_cart(
    broker: Broker, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = opened(broker, database, tenant, monkeypatch)
    id_ = ship(account)
    await account.sync(Entity.SHIPMENTS)
    await account.sync(Entity.SHIPMENTS)
    account.erp.edit("shipment", id_, status="cancelled")
    await account.sync(Entity.SHIPMENTS)
    assert broker.steer("labels") == []


async def test_only_what_asks_for_a_label_gets_one(broker: Broker, account: Account) -> None:
    ship(account, carrier="Correios")
    await account.sync(Entity.SHIPMENTS)
    assert broker.steer("labels") == []
    assert account.issues() == []


async def test_a_label_that_the_erp_lost_finds_its_order(broker: Broker, account: Account) -> None:
    """Made by another installation, say, or its row was never there."""
    ship(account)
    await account.sync(Entity.SHIPMENTS)
    before, number = label(broker), account.query('SELECT number FROM erp."order"')[0][0]
    for tag in (number, "PED-estranho"):
        put_in_cart(broker, before, tag)
    await account.run(Entity.SHIPMENTS)
    assert account.query("SELECT count(*), count(DISTINCT order_id) FROM erp.shipment")[0] == (2, 1)
    assert [(issue.field, issue.state) for issue in account.issues()] == [("order", "open")]
    assert len(broker.steer("purchases")) == 1, "and what nobody asked for is not paid"


async def test_without_an_invoice_there_is_no_label(broker: Broker, account: Account) -> None:
    ship(account, invoice=False)
    (_, export) = await account.run(Entity.SHIPMENTS)
    assert export.status is RunStatus.PARTIAL
    assert [(issue.error_class, issue.field) for issue in account.issues()] == [("RecordError", "invoice")]
    assert broker.steer("labels") == []


async def test_a_refused_field_is_named(broker: Broker, account: Account) -> None:
    ship(account)
    account.query("UPDATE erp.address SET city = ''")
    await account.run(Entity.SHIPMENTS)
    said = account.query("SELECT provider_message FROM sync.issue")[0][0]
    assert said == "to.city: O campo to.city é obrigatório."


async def test_the_limit_ends_the_run_and_the_next_one_goes_on(broker: Broker, account: Account) -> None:
    id_ = ship(account)
    broker.steer("faults", script=[{"match": "POST /api/v2/me/shipment/generate", "kind": "429"}])
    await account.run(Entity.SHIPMENTS)
    await account.run(Entity.SHIPMENTS)
    await account.sync(Entity.SHIPMENTS)
    assert (row(account, id_)["status"], len(broker.steer("purchases"))) == ("paid", 1)


async def tested(broker: Broker, **more: str) -> Any:
    given = settings(broker) | more
    guard = Guard(private=frozenset({broker.url.removeprefix("http://")}))
    assert MELHOR_ENVIO.headers is not None
    assert MELHOR_ENVIO.auth is not None
    auth = MELHOR_ENVIO.auth(given)
    async with client(MELHOR_ENVIO.base_url(given), auth, guard) as http:
        http.headers.update(MELHOR_ENVIO.headers(given))
        return await probe(MELHOR_ENVIO, given, http)


async def test_the_accounts_consent_is_renewed(
    broker: Broker, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = connect("melhor-envio", settings(broker), database, tenant, monkeypatch)
    account.pair(Entity.SHIPMENTS)
    token = Token(access="vencido", refresh=broker.refresh, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    account.seal(TOKEN, msgspec.json.encode(token).decode())
    await account.sync(Entity.SHIPMENTS)
    broker.steer("expire")
    await account.sync(Entity.SHIPMENTS)
    assert sum(one["call"] == "POST /oauth/token" for one in broker.steer("log")) == 2


async def test_a_consent_connects_the_account(
    broker: Broker, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, engine: AsyncEngine
) -> None:
    given = settings(broker)
    account = connect("melhor-envio", given, database, tenant, monkeypatch)
    account.pair(Entity.SHIPMENTS)
    plain = {name: value for name, value in given.items() if name != "client_secret"}
    ids = account.tenant.id, account.integration_id, "melhor-envio"
    # Nobody is sent to a page without TLS.
    browser = Whose(*ids, plain | {"base_url": "https://sandbox.melhorenvio.com.br"})
    url = await consent.begin(read(), engine, browser, "https://erp.exemplo.test/oauth/retorno")
    await consent.finish(read(), engine, Whose(*ids, plain), broker.steer("consent", url=url), "ana")
    await account.sync(Entity.SHIPMENTS)


async def test_testar_conexao_shows_the_wallet(broker: Broker) -> None:
    broker.steer("wallet", balance=1520.35)
    result = await tested(broker, token=broker.token)
    assert (result.ok, result.message) == (
        True,
        "Conexão e credenciais válidas. Saldo da carteira: R$ 1.520,35.",
    )
    assert (await tested(broker, token="errado")).status == 401
    assert (await tested(broker, token=broker.token, email="")).status == 403


def test_webhooks_are_signed() -> None:
    body = b'{"event":"order.posted","data":{"id":"x","status":"released"}}'
    made = hmac.digest(b"segredo", body, hashlib.sha256)
    for text in (base64.b64encode(made).decode(), made.hex()):
        assert signed(Delivery(body, httpx.Headers({"X-ME-Signature": text})), {"client_secret": "segredo"})
        assert not signed(
            Delivery(body + b" ", httpx.Headers({"X-ME-Signature": text})), {"client_secret": "segredo"}
        )
    assert topic(body, httpx.Headers()) == "order.posted"
    assert delivery(body, httpx.Headers()) != delivery(body.replace(b"posted", b"paused"), httpx.Headers())
    assert topic(b"nada", httpx.Headers()) == ""


def test_labels_are_mapped() -> None:
    fixture = Path(__file__).parent / "fixtures" / "melhor_envio" / "shipments.json"
    first, second, third = json.loads(fixture.read_text())["records"]
    found = shipment_from(first, {})
    assert (found.status, found.tracking_code, found.order_number) == ("paid", "ME26006ES26BR", "PED-1042")
    assert found.reference == "0197d3f0-0000-7000-8000-000000000001"
    assert found.events[0].at.isoformat() == "2026-04-20T12:01:00+00:00"
    assert shipment_from(second, {}).tracking_code == "AB123456789BR"
    assert shipment_from(second, {}).cost == Decimal("18.2")
    assert shipment_from(third, {}).status == "quoted"
    assert shipment_from(first | {"canceled_at": "2026-04-20 10:00:00"}, {}).status == "cancelled"
    assert shipment_from(first | {"status": "undelivered"}, {}).status == "other"


def test_a_service_is_chosen() -> None:
    company = {"name": "Correios"}
    found = [
        {"id": 1, "name": "PAC", "price": "21.50", "delivery_time": 7, "company": company},
        {"id": 2, "name": "SEDEX", "custom_price": 39.9, "custom_delivery_time": 3, "company": company},
    ]
    assert chosen(found, record(), {})["id"] == 1
    assert chosen(found, record(), {"choice": "fastest"})["id"] == 2
    assert chosen(found, record(service="2"), {})["id"] == 2
    assert chosen(found, record(service="correios sedex"), {})["id"] == 2
    with pytest.raises(RecordError, match="PAC, SEDEX"):
        chosen(found, record(service="Jadlog"), {})
    assert described(found[1]) == "Correios SEDEX: R$ 39,90, 3 dias"
    package = {"dimensions": {"length": 20, "width": 15, "height": 10}, "weight": "1.5"}
    assert volumes(found[0] | {"packages": [package]}, record(), {})[0]["weight"] == 1.5
    with pytest.raises(RecordError, match="2 volumes"):
        volumes(found[0] | {"packages": [package] * 2}, record(), {})


def test_products_need_weight_and_measures() -> None:
    bare = Parcel(name="Caneca", weight_kg=Decimal("0.4"))
    with pytest.raises(RecordError, match="peso ou medidas"):
        volumes({}, record(contents=(bare,)), {})
    assert volumes({}, record(contents=(bare,)), {"box": "20x15x10,5"})[0]["height"] == 10.5


def test_rows_that_ask_for_a_label() -> None:
    assert wanted(record(carrier="Melhor-Envio"))
    assert not wanted(record())
    assert not wanted(record(carrier="Jadlog"))
    assert not wanted(record(carrier="Melhor Envio", tracking_code="AB1"))
    assert not wanted(record(carrier="Melhor Envio", status="quoted"))


def record(**fields: Any) -> Shipment:
    return Shipment(external_id="", **fields)
