"""Events become requests: one for a pair and for all it is to read, none that loses an event."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, Entity, IntegrationStatus, RequestKind, Trigger
from core.webhooks import Webhooks
from db import draining, requests, runs, webhooks
from db.draining import drain
from providers.registry import get
from tests.conftest import Tenant
from tests.processes import new_pair, sql

__all__ = ["new_pair", "sql"]

Sql = Callable[..., Any]
NewPair = Callable[..., UUID]
Tell = Callable[..., None]


@pytest.fixture
def tell(sql: Sql) -> Tell:
    def run(
        pair: UUID, *ids: str, entity: str = "products", topic: str = "product.updated", **more: Any
    ) -> None:
        sql(
            "INSERT INTO sync.webhook_event (tenant_id, integration_id, delivery_id, topic, records)"
            " SELECT tenant_id, integration_id, gen_random_uuid()::text, :topic, CAST(:records AS jsonb)"
            " FROM sync.pair WHERE id = :pair",
            pair=pair,
            topic="product.updated",
            records=json.dumps({entity: ids, **more}),
        )

    return run


def asked(sql: Sql) -> list[Any]:
    rows = sql("SELECT kind, direction, selection, state FROM sync.run_request ORDER BY created_at, id")
    return [(row.selection.get("ids", []), row.state) for row in rows if row.kind == "refresh"]


def events(sql: Sql) -> list[Any]:
    found: list[Any] = sql(
        "SELECT state, reason, count(*) FROM sync.webhook_event GROUP BY state, reason ORDER BY 1, 2"
    )
    return found


async def test_many_events_of_one_record_are_one_read(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql
) -> None:
    pair = new_pair()
    for id_ in ("5", "6", "5", "5"):
        tell(pair, id_)
    assert await drain(engine) == 4
    tell(pair, "7")
    tell(pair, "5")
    assert await drain(engine) == 2
    assert asked(sql) == [(["5", "6", "7"], "waiting")]
    assert events(sql) == [("asked", "", 6)]
    assert await drain(engine) == 0
    [waiting] = await requests.waiting(engine)
    assert (waiting.kind, waiting.direction, waiting.pair_id) == (RequestKind.REFRESH, Direction.IMPORT, pair)
    assert waiting.kind.trigger is Trigger.WEBHOOK


async def test_a_run_that_began_does_not_count_for_what_comes_after(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql
) -> None:
    """It may have read the record before it changed."""
    pair = new_pair()
    tell(pair, "5")
    tell(pair, entity="products")
    await drain(engine)
    assert sorted(asked(sql)) == [([], "waiting"), (["5"], "waiting")]
    sql("UPDATE sync.run_request SET state = 'running'")
    tell(pair, "5")
    tell(pair)
    tell(pair)
    await drain(engine)
    assert sorted(asked(sql)) == [
        *(([], "running"), ([], "waiting")),
        *((["5"], "running"), (["5"], "waiting")),
    ]
    # Nor does one that was interrupted half-way.
    sql("UPDATE sync.run_request SET state = 'waiting', cursor = '{\"place\": \"9\"}'")
    tell(pair, "5")
    await drain(engine)
    assert len(asked(sql)) == 5


async def test_an_event_is_about_every_pair_that_reads_it(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql
) -> None:
    products, stock = new_pair(name="Loja"), new_pair(Entity.STOCK, name="Loja")
    tell(products, "5", stock=["5", "51"])
    await drain(engine)
    found = sql("SELECT pair_id, selection FROM sync.run_request")
    assert {row.pair_id: row.selection["ids"] for row in found} == {products: ["5"], stock: ["5", "51"]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE sync.pair SET enabled = false", draining.NO_PAIR),
        ("UPDATE sync.pair SET direction = 'export'", draining.NO_PAIR),
        ("UPDATE sync.pair SET simulate_next = true", draining.NOT_YET),
        ("UPDATE sync.integration SET status = 'disabled'", draining.DISABLED),
        ("UPDATE sync.integration SET deleted_at = now()", draining.DISABLED),
        ("UPDATE sync.webhook_event SET records = '{}'", draining.UNDECLARED),
        ('UPDATE sync.webhook_event SET records = \'{"orders": ["1"]}\'', draining.NO_PAIR),
    ],
)
async def test_what_nothing_is_read_for_is_closed_with_the_reason(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql, change: str, reason: str
) -> None:
    tell(new_pair(), "5")
    sql(change)
    assert await drain(engine) == 1
    assert events(sql) == [("ignored", reason, 1)]
    assert asked(sql) == []


@pytest.mark.parametrize("status", [IntegrationStatus.PAUSED, IntegrationStatus.ERROR])
async def test_what_is_paused_or_broken_waits(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql, status: IntegrationStatus
) -> None:
    pair = new_pair(status=status)
    tell(pair, "5")
    await drain(engine)
    tell(pair, "6")
    await drain(engine)
    assert asked(sql) == [(["5", "6"], "waiting")]
    assert await requests.waiting(engine) == []
    sql("UPDATE sync.integration SET status = 'active'")
    assert len(await requests.waiting(engine)) == 1


async def test_a_request_has_its_fill(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "MOST_IDS", 10)
    pair = new_pair()
    tell(pair, *map(str, range(24)))
    await drain(engine)
    tell(pair, "x", "y", "z")
    await drain(engine)
    found = asked(sql)
    assert max(len(ids) for ids, _ in found) <= 10
    assert sorted(id_ for ids, _ in found for id_ in ids) == sorted([*map(str, range(24)), "x", "y", "z"])


async def test_two_that_drain_at_once_lose_and_double_nothing(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "STEP", 7)
    pairs = [new_pair() for _ in range(3)]
    for number in range(60):
        tell(pairs[number % 3], str(number))
    assert sum(await asyncio.gather(*(drain(engine) for _ in range(3)))) == 60
    ids = [id_ for found, _ in asked(sql) for id_ in found]
    assert sorted(ids, key=int) == [str(number) for number in range(60)]


async def test_a_request_that_is_claimed_meanwhile_gets_no_more_records(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql
) -> None:
    pair_id = new_pair()
    tell(pair_id, "5")
    await drain(engine)
    [request] = await requests.waiting(engine)
    tell(pair_id, "6")
    pair = await runs.read_pair(engine, pair_id)
    lease, _ = await asyncio.gather(
        runs.open_run(
            engine,
            pair,
            initiated_by=Trigger.WEBHOOK,
            flow_run_id=None,
            slot_at=None,
            lease_seconds=60,
            request_id=request.id,
        ),
        drain(engine),
    )
    assert lease is not None
    assert lease.request is not None
    read = list(lease.request.selection["ids"])
    left = [id_ for ids, state in asked(sql) if state == "waiting" for id_ in ids]
    assert sorted(read + left) == ["5", "6"]


async def test_topics_remember_when_they_were_last_heard_of(
    engine: AsyncEngine, new_pair: NewPair, tell: Tell, sql: Sql, tenant: Tenant
) -> None:
    pair = new_pair()
    for _ in range(3):
        tell(pair, "5")
        await drain(engine)
    sql("DELETE FROM sync.webhook_event")
    declared = get("woocommerce").webhooks
    assert isinstance(declared, Webhooks)
    [integration] = sql("SELECT id FROM sync.integration")[0]
    found = {topic.name: topic for topic in await webhooks.topics(engine, tenant.id, integration, declared)}
    assert list(found) == list(declared.topics)
    assert (found["product.updated"].events, found["order.created"].events) == (3, 0)
    assert found["product.updated"].last_received_at is not None
    assert found["order.created"].last_received_at is None
    wanted = await webhooks.wanted(engine, tenant.id, integration, declared)
    assert wanted == ["product.created", "product.updated", "product.deleted"]
