"""The Americanas Marketplace end to end: an account over HTTP, a real PostgreSQL, and deaths in between."""

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import engine as rules
from core.entities import Entity, RunStatus, Trigger
from core.errors import AuthenticationError, TransientError
from providers.americanas.mapping import invoice_from, order_from, product_from, utc
from sandbox.americanas import samples
from sandbox.americanas.process import Market, start
from tasks.job import open_run
from tests.conftest import Database, Tenant
from tests.faults.once import die
from tests.providers.account import Account, connect

ORDERS = Entity.ORDERS
OLD, NEW = "Lojas Americanas-201036063220001", "Lojas Americanas-1517940500002-01"
LATER = 301.0
"""Seconds after which the queue gives again what was not acknowledged."""
EXPIRE = "UPDATE sync.pair SET lease_expires_at = now() - interval '1 s' WHERE lease_log_id IS NOT NULL"


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
    return connect("americanas", settings(market), database, tenant, monkeypatch)


def settings(market: Market, **more: str) -> dict[str, str]:
    return {
        "base_url": market.url,
        "omnik_url": f"{market.url}/omnik",
        "user_email": f"{uuid.uuid4().hex}@example.com" if more.get("other") else market.user_email,
        "api_key": market.api_key,
        "accountmanager_key": market.accountmanager_key,
        "requests": "500",
        **more,
    }


def asked(market: Market, start: str) -> list[dict[str, Any]]:
    return [one for one in market.steer("log") if one["call"].startswith(start)]


def left(market: Market) -> list[str]:
    found: list[str] = market.steer("queue")["left"]
    return found


def kept(account: Account) -> dict[str, str]:
    """Statuses by number; a doubled order fails here, for a number is its own only by the mapping."""
    rows = account.query('SELECT number, status FROM erp."order" WHERE deleted_at IS NULL')
    assert len(rows) == len({row.number for row in rows})
    return {row.number: row.status for row in rows}


async def test_orders_are_saved_then_acknowledged(market: Market, account: Account) -> None:
    for entity in (Entity.PRODUCTS, ORDERS):
        account.pair(entity)
        await account.sync(entity)
    assert kept(account) == {OLD: "paid", NEW: "paid"}
    assert left(market) == []
    gone = [one["call"] for one in asked(market, "DELETE")]
    assert gone == [f"DELETE /queues/orders/{code.replace(' ', '%20')}" for code in (OLD, NEW)]
    order = account.query(
        "SELECT external_status, total, items_total, shipping, buyer_document, buyer_name, placed_at::text,"
        f" channel FROM erp.\"order\" WHERE number = '{OLD}'"
    )[0]
    assert order[:6] == (
        *("payment_received", Decimal("119.80"), Decimal("99.80"), Decimal("20.00")),
        *("52998224725", "Comprador Teste"),
    )
    item = account.query(
        "SELECT i.sku, i.quantity, i.unit_price, i.product_id, i.variant_id FROM erp.order_item i LIMIT 1"
    )[0]
    assert item[:3] == ("CAM-1-P", Decimal(2), Decimal("49.90"))
    assert None not in item
    assert account.query("SELECT count(*), min(number) FROM erp.address")[0] == (4, "1234")


async def test_a_queue_is_no_complete_list(market: Market, account: Account) -> None:
    """What it gave once it does not give again, and nothing is missing for it."""
    account.pair(ORDERS)
    await account.sync(ORDERS)
    market.steer("order", code="Submarino-1", status={"code": "separando", "type": "APPROVED"})
    market.steer("edit", code=OLD, status="order_canceled")
    (run,) = await account.sync(ORDERS, full=True)
    assert run.job is not None
    assert (run.job.counts.created, run.job.counts.updated) == (1, 1)
    assert kept(account) == {OLD: "cancelled", NEW: "paid", "Submarino-1": "paid"}
    states = "SELECT count(*) FROM sync.mapping WHERE state <> 'active' OR missing_at IS NOT NULL"
    assert account.query(states) == [(0,)]
    assert asked(market, "GET /orders") == [], "nothing was missed, so nothing has to be looked for"


@pytest.mark.timeout(240)
async def test_killed_after_any_commit_no_order_is_lost_or_doubled(market: Market, account: Account) -> None:
    """Every round begins with an order that is new. The process that survives is the last; a dead one
    leaves orders that the queue hides, then gives again."""
    account.pair(ORDERS)
    codes, between = {OLD, NEW}, 0
    for place in itertools.count(1):
        codes.add(code := f"Lojas Americanas-{place}")
        market.steer("order", code=code)
        survived = die(account.pairs[ORDERS], ORDERS, 1000, place, "after")
        between += code in kept(account) and code in left(market)
        account.query(EXPIRE)
        market.steer("pass", seconds=LATER)
        await account.sync(ORDERS)
        assert kept(account).keys() == codes, place
        assert left(market) == [], place
        if survived:
            break
    assert place > 5
    assert between, "one of them died between saving and acknowledging"


async def test_a_portion_is_acknowledged_before_the_next_is_taken(
    market: Market, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the queue: otherwise the first orders would be given again before the last were saved."""
    monkeypatch.setattr("providers.americanas.orders.PORTION", 2)
    market.steer("begin", orders=5, metered=0)
    account.pair(ORDERS)
    await account.sync(ORDERS)
    calls = "".join(one["call"][0] for one in asked(market, ""))
    assert calls == "GGDDGGDDGGD"
    assert (len(kept(account)), left(market)) == (5, [])


async def test_an_order_saved_but_not_acknowledged_comes_again_unchanged(
    market: Market, account: Account
) -> None:
    account.pair(ORDERS)
    market.steer("faults", script=[{"match": "DELETE /queues", "kind": "500", "times": 3}])
    (run,) = await account.run(ORDERS)
    assert run.status is RunStatus.ERROR
    assert kept(account) == {OLD: "paid", NEW: "paid"}
    assert left(market) == [OLD, NEW]
    (run,) = await account.sync(ORDERS)
    assert run.job is not None
    assert run.job.counts.processed == 0, "hidden for five minutes"
    market.steer("pass", seconds=LATER)
    (run,) = await account.sync(ORDERS)
    assert run.job is not None
    assert (run.job.counts.skipped, run.job.counts.success) == (2, 0)
    assert left(market) == []


async def test_a_second_try_acknowledges_alone(market: Market, account: Account) -> None:
    """As Prefect tries a task again: with the batch that it had."""
    account.pair(ORDERS)
    market.steer("faults", script=[{"match": "DELETE /queues", "kind": "500", "times": 3}])
    async with open_run(
        account.pairs[ORDERS],
        ORDERS,
        full=False,
        initiated_by=Trigger.MANUAL,
        flow_run_id=None,
        slot_at=None,
    ) as run:
        assert run is not None
        assert run.job is not None
        job = run.job
        batch = await rules.transform(job, rules.map_records(job, await rules.fetch(job, job.cursor)))
        with pytest.raises(TransientError):
            await rules.upsert(job, batch)
        assert left(market) == [OLD, NEW]
        await rules.upsert(job, batch)
        assert (job.counts.created, job.counts.updated) == (2, 0)
    assert run.status is RunStatus.SUCCESS
    assert (kept(account), left(market)) == ({OLD: "paid", NEW: "paid"}, [])


async def test_an_acknowledgement_whose_answer_was_lost_is_one(market: Market, account: Account) -> None:
    account.pair(ORDERS)
    market.steer("faults", script=[{"match": "DELETE /queues", "kind": "lost", "times": 1}])
    await account.sync(ORDERS)
    assert [one["status"] for one in asked(market, "DELETE")] == [204, 404, 204]
    assert kept(account) == {OLD: "paid", NEW: "paid"}


async def test_an_order_that_cannot_be_used_is_an_issue_and_leaves_the_queue(
    market: Market, account: Account
) -> None:
    account.pair(ORDERS)
    market.steer("order", code="Shoptime-1", total_ordered="muito")
    (run,) = await account.run(ORDERS)
    assert run.status is RunStatus.PARTIAL
    assert left(market) == []
    assert [row.field for row in account.issues()] == ["total_ordered"]


async def test_calls_keep_to_the_limit(
    market: Market, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.steer("begin", orders=8, metered=1)
    account = connect("americanas", settings(market, requests=""), database, tenant, monkeypatch)
    account.pair(ORDERS)
    await account.sync(ORDERS)
    assert len(kept(account)) == 8
    assert market.steer("meter")["refused"] == 0


async def test_a_refusal_for_haste_is_waited_for(
    market: Market, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.DEFAULT_PAUSE", timedelta(seconds=0.2))
    account.pair(ORDERS)
    market.steer("faults", script=[{"match": "GET /queues", "kind": "429"}])
    await account.sync(ORDERS)
    assert left(market) == []


@pytest.mark.parametrize("name", ["api_key", "accountmanager_key"])
async def test_wrong_credentials_are_told(market: Market, account: Account, name: str) -> None:
    account.seal(name, "chave-errada")
    account.pair(ORDERS)
    (run,) = await account.run(ORDERS)
    assert isinstance(run.error, AuthenticationError)
    assert market.steer("queue")["given"] == []


async def test_categories_have_their_path_as_a_name(market: Market, account: Account) -> None:
    account.pair(Entity.CATEGORIES)
    await account.sync(Entity.CATEGORIES)
    rows = account.query("SELECT count(*), max(name) FROM erp.category WHERE parent_id IS NULL")
    assert rows == [(12, "Moda > Camisetas 9")]


@pytest.mark.parametrize(("cursor", "calls"), [(True, 2), (False, 1)])
async def test_products_come_with_variations_and_stock(
    market: Market, account: Account, cursor: bool, calls: int
) -> None:
    market.steer("begin", products=30, metered=0)
    market.steer("paging", cursor=cursor)
    for entity in (Entity.PRODUCTS, Entity.STOCK):
        account.pair(entity)
        await account.sync(entity)
    assert len(asked(market, "GET /products")) == calls * 2
    plain = account.query(
        "SELECT name, price, sale_price, weight_kg, width_cm FROM erp.product WHERE sku = 'CAM-2'"
    )[0]
    assert plain[1:] == (Decimal("59.90"), Decimal("49.90"), Decimal("0.3"), Decimal(20))
    assert account.query("SELECT count(*) FROM erp.product_variant") == [(30,)]
    levels = account.query("SELECT count(*), sum(on_hand) FROM erp.stock_level")[0]
    assert levels == (45, 15 * 8 + sum(4 + number for number in range(2, 31, 2)))
    (run,) = await account.sync(Entity.PRODUCTS, full=True)
    assert run.job is not None
    assert run.job.counts.success == 0


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("book_product", "NEW", "pending"),
        ("Complete", "DELIVERED", "completed"),
        ("order_invoiced", None, "paid"),
        ("returned", None, "refunded"),
        ("separando_na_loja", "APPROVED", "paid"),
        ("novo_do_marketplace", "OUTRO", "other"),
    ],
)
def test_statuses_are_told_by_code_then_by_type(code: str, kind: str | None, status: str) -> None:
    raw = samples.order("X", status={"code": code, "type": kind})
    assert order_from(raw, {}).status == status


def test_an_order_is_read_with_care() -> None:
    """Fields that the notices of 2025 may have taken away, an invalid document, another's price."""
    raw = samples.order("X", customer={"name": "Ana", "vat_number": "111.111.111-12"}, billing_address=None)
    for name in ("discount", "interest", "updated_at", "approved_date", "payments"):
        del raw[name]
    raw["items"] = [{"id": "LIV-1", "product_id": "LIV-1", "qty": 1, "original_price": 10.5}]
    order = order_from(raw, {})
    assert (order.buyer_document, "111.111.111-12" in order.note) == (None, True)
    assert (order.updated_at, order.paid_at, len(order.addresses)) == (None, None, 1)
    (item,) = order.items
    assert (item.variant_id, item.unit_price, item.total) == (None, Decimal("10.50"), Decimal("10.50"))
    assert utc("2026-04-02T10:00:00") == datetime(2026, 4, 2, 13, tzinfo=UTC)


def test_prices_and_keys() -> None:
    raw = samples.product(1, classic=False) | {"price": 59.9, "promotional_price": 59.9}
    assert product_from(raw, {}).sale_price is None
    invoice = invoice_from({"key": "35260411222333000181550010000001231000001232", "order": "X"}, {})
    assert (invoice.number, invoice.series, invoice.order_id) == ("123", "1", "X")
