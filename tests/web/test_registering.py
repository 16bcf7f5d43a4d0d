"""Webhooks from a shop's change to the ERP: registered, told, drained, read again; looked after every day."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.actor import OPERATOR
from core.entities import Entity
from core.errors import ConfigurationError
from db import alarms, inbox, requests, webhooks
from db.draining import drain
from sandbox.process import Store, start
from tasks.connection import Account
from tasks.webhooks import keep_all, register
from tests.providers.conftest import Shop, shop
from tests.sandbox.conftest import caller
from web.wiring import Wiring

__all__ = ["shop"]

TOPICS = [
    f"{kind}.{event}"
    for kind in ("product", "customer", "order")
    for event in ("created", "updated", "deleted")
]


@pytest.fixture
def store() -> Iterator[Store]:
    with start(products=40, categories=4, customers=5, orders=5, variable_every=10) as running:
        yield running


@pytest.fixture
def keys(shop: Shop) -> str:
    """The console opens what the shop's credentials were sealed with."""
    return os.environ["CLOUDTOSYS_KEYS"]


@pytest.fixture
def reached(wiring: Wiring, console: str, store: Store) -> Wiring:
    """With the console's own address as the public one, and the shop's as one that may be called."""
    host = store.url.removeprefix("http://")
    changed = replace(wiring.environment, public_url=console, private_hosts=frozenset({host}))
    return replace(wiring, environment=changed)


def account(shop: Shop) -> Account:
    return Account(shop.tenant.id, shop.integration_id, "woocommerce", {"base_url": shop.store.url})


def hooks(store: Store) -> list[dict[str, Any]]:
    with caller(store) as client:
        found: list[dict[str, Any]] = client.get("/webhooks", params={"per_page": 100, "order": "asc"}).json()
    return found


async def told(shop: Shop, count: int) -> None:
    for _ in range(250):
        if shop.query("SELECT count(*) FROM sync.webhook_event")[0][0] >= count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(shop.query("SELECT topic, records FROM sync.webhook_event"))


async def served(shop: Shop, wiring: Wiring) -> list[Any]:
    """Drain, and run what was asked for as the sentinel would."""
    await drain(wiring.engine)
    entities = {pair: entity for entity, pair in shop.pairs.items()}
    while waiting := await requests.waiting(wiring.engine):
        run = await shop.run(entities[waiting[0].pair_id], request=waiting[0].id)
        assert run.error is None
    found: list[Any] = shop.query(
        "SELECT l.entity, l.processed, l.updated, l.created, l.errors FROM sync.sync_log l"
        " JOIN sync.run_request r ON r.id = l.request_id WHERE r.kind = 'refresh' ORDER BY l.started_at"
    )
    return found


async def test_a_change_in_the_shop_reaches_the_erp(shop: Shop, reached: Wiring) -> None:
    await shop.run(Entity.CATEGORIES)
    await shop.run(Entity.PRODUCTS)
    assert await register(reached.environment, reached.engine, account(shop)) == dict.fromkeys(TOPICS, "")
    shop.store.control("change", kind="products", id=3, fields={"regular_price": "77.70", "price": "77.70"})
    variation = next(shop.store.truth("variations"))
    shop.store.control("change", kind="variations", id=variation["id"], fields={"regular_price": "5.55"})
    with caller(shop.store) as client:
        assert client.delete("/products/4").status_code == 200
        assert client.delete("/products/5").status_code == 200
        made = {"name": "Nova", "sku": "NOVA-1", "regular_price": "9.90"}
        assert client.post("/products", json=made).status_code == 201
        draft = {"name": "Rascunho", "sku": "R-1", "status": "draft"}
        assert client.post("/products", json=draft).status_code == 201
    await told(shop, 6)
    first = await served(shop, reached)
    [run] = [row for row in first if row.entity == "products"]
    assert (run.processed, run.created, run.errors) == (6, 2, 0)
    prices = shop.query("SELECT sku, price::text FROM erp.product WHERE sku IN ('SKU-0000003', 'NOVA-1')")
    assert sorted(prices) == [("NOVA-1", "9.9000"), ("SKU-0000003", "77.7000")]
    found = "SELECT price::text FROM erp.product_variant WHERE sku = :sku"
    assert shop.query(found, sku=variation["sku"]) == [("5.5500",)]
    orphans = shop.query(
        "SELECT external_id FROM sync.mapping WHERE state = 'orphan' AND entity = 'products'"
    )
    assert sorted(row.external_id for row in orphans) == ["4", "5"]
    assert shop.query("SELECT count(*) FROM sync.issue") == [(0,)]
    # Told again, late and out of order: nothing changes.
    shop.query(
        "UPDATE sync.webhook_event SET state = 'received', received_at = now() - random() * interval '1 day'"
    )
    again = (await served(shop, reached))[len(first) :]
    assert again
    assert [row for row in again if row.updated or row.created] == []


async def test_what_names_no_record_runs_the_pairs_own_scan(shop: Shop, reached: Wiring) -> None:
    await shop.run(Entity.PRODUCTS)
    before = shop.query("SELECT watermark FROM sync.cursor")
    shop.query("UPDATE sync.cursor SET watermark = watermark - interval '1 year'")
    shop.store.control("change", kind="products", id=3, fields={"name": "Outro nome"})
    shop.query(
        "INSERT INTO sync.webhook_event (tenant_id, integration_id, delivery_id, topic, records) VALUES"
        " (:tenant, :integration, 'd', 'product.updated', '{\"products\": []}')",
        tenant=shop.tenant.id,
        integration=shop.integration_id,
    )
    [run] = await served(shop, reached)
    assert (run.entity, run.updated) == ("products", 1)
    assert shop.query("SELECT watermark FROM sync.cursor") >= before, "it is the pair's own place"
    assert shop.query("SELECT state FROM sync.run_request") == [("done",)]


async def test_what_is_missing_or_disabled_is_registered_again(shop: Shop, reached: Wiring) -> None:
    shop.query("DELETE FROM sync.pair WHERE entity IN ('customers', 'orders')")
    environment, engine = reached.environment, reached.engine
    assert list(await register(environment, engine, account(shop))) == TOPICS[:3]
    first = hooks(shop.store)
    with caller(shop.store) as client:
        client.delete("/webhooks/1", params={"force": "true"})
        client.put("/webhooks/2", json={"status": "disabled"})
        stranger = {
            "topic": "product.updated",
            "delivery_url": "https://outra.exemplo.test/x",
            "status": "paused",
        }
        client.post("/webhooks", json=stranger)
    shop.store.clear_requests()
    assert await keep_all(environment, engine) == (1, 0)
    ours = [hook for hook in hooks(shop.store) if "outra" not in hook["delivery_url"]]
    assert sorted((hook["topic"], hook["status"]) for hook in ours) == sorted(
        (t, "active") for t in TOPICS[:3]
    )
    assert {hook["delivery_url"] for hook in ours} == {first[0]["delivery_url"]}
    assert await keep_all(environment, engine) == (1, 0)
    written = [one["method"] for one in shop.store.requests() if one["method"] in ("POST", "PUT")]
    assert written == ["POST", "PUT"], "what stands is left alone"


async def test_a_new_token_and_a_new_address_are_told_to_the_shop(
    shop: Shop, reached: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "DOOR_SECONDS", 0.0)
    environment, engine = reached.environment, reached.engine
    await register(environment, engine, account(shop))
    for _ in range(2):  # the first one is not accepted any more
        await webhooks.rotate(engine, reached.vault, OPERATOR, shop.tenant.id, shop.integration_id)
    await register(environment, engine, account(shop))
    shop.store.control("change", kind="products", id=3, fields={"name": "Outro nome"})
    await told(shop, 1)
    moved = replace(environment, public_url="https://nova.exemplo.test")
    await register(moved, engine, account(shop))
    found = hooks(shop.store)
    assert len(found) == 9
    assert {hook["delivery_url"].partition("/webhooks")[0] for hook in found} == {"https://nova.exemplo.test"}


async def test_who_refuses_raises_an_alarm_that_ends_by_itself(shop: Shop, reached: Wiring) -> None:
    environment, engine = reached.environment, reached.engine
    shop.reseal("consumer_secret", "cs_errado")
    assert await keep_all(environment, engine) == (0, 1)
    [alarm] = await alarms.alarms(engine, shop.tenant.id)
    assert (alarm.kind, alarm.integration) == (alarms.WEBHOOKS_UNREGISTERED, "Loja Teste")
    assert "401" in alarm.message
    assert alarm.message.endswith(".")
    shop.reseal("consumer_secret", shop.store.consumer_secret)
    assert await keep_all(environment, engine) == (1, 0)
    assert await alarms.alarms(engine, shop.tenant.id) == []
    with pytest.raises(ConfigurationError, match="CLOUDTOSYS_PUBLIC_URL"):
        await register(replace(environment, public_url=""), engine, account(shop))
    assert await keep_all(replace(environment, public_url=""), engine) == (0, 0)
