"""What a run is asked to do beyond its scan, over HTTP into a real PostgreSQL."""

import asyncio
import dataclasses
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core import engine as rules
from core import overriding
from core.entities import Direction, Entity, RequestKind, RunStatus
from core.errors import MappingNotFound, RecordError, TransientError
from core.ports import Cursor
from core.retrying import DELAYS, next_attempt
from db import overrides, requests, runs
from db.requests import Request
from tests.providers.conftest import Shop, write

ISSUES = "SELECT external_id, attempt, state FROM sync.issue ORDER BY attempt, external_id"
CURSOR = "SELECT watermark, scanning, place FROM sync.cursor ORDER BY pair_id"
PRICE = "SELECT price::numeric(15,2)::text FROM erp.product WHERE sku = 'SKU-0000005'"


async def ask(
    shop: Shop, engine: AsyncEngine, entity: Entity, kind: RequestKind, **selection: Any
) -> Request:
    parent = selection.get("log")
    return await requests.ask(
        engine,
        shop.tenant.id,
        shop.pairs[entity],
        kind,
        Direction.IMPORT,
        selection,
        by="teste",
        parent_log_id=uuid.UUID(parent) if parent else None,
    )


def break_price(shop: Shop, *ids: int) -> None:
    for id_ in ids:
        shop.store.control("change", kind="products", id=id_, fields={"regular_price": "1.234,56"})


def mend_price(shop: Shop, *ids: int, price: str = "10.90") -> None:
    for id_ in ids:
        shop.store.control("change", kind="products", id=id_, fields={"regular_price": price})


def state(shop: Shop, request: Request) -> Any:
    return shop.query("SELECT * FROM sync.run_request WHERE id = :id", id=request.id)[0]


@pytest.fixture
def broken(shop: Shop) -> Any:
    """Products 5, 8 and 11 cannot be mapped; mended again for the tests that follow."""
    break_price(shop, 5, 8, 11)
    yield shop
    mend_price(shop, 5, 8, 11)


async def failed_import(shop: Shop) -> uuid.UUID:
    run = await shop.run(Entity.PRODUCTS)
    assert run.status is RunStatus.PARTIAL
    return run.lease.log_id


@pytest.mark.parametrize("read_again", [True, False], ids=["read", "kept"])
async def test_failed_records_of_a_log_are_tried_again_and_resolved(
    broken: Shop, engine: AsyncEngine, read_again: bool
) -> None:
    """`kept`: a provider without a read by id uses what the issue kept, which has not changed."""
    log = await failed_import(broken)
    before = broken.query(CURSOR)
    mend_price(broken, 5, 8)
    request = await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS, log=str(log))
    async with broken.open(Entity.PRODUCTS, request=request.id) as run:
        assert run.job is not None
        if not read_again:
            run.job.resource = dataclasses.replace(run.job.resource, read=None)
        elif run.job.resource.read is None:
            pytest.skip("no read by id")
        cursor: Cursor | None = run.job.cursor
        while cursor is not None:
            cursor = await write(run, await rules.fetch(run.job, cursor))
    assert broken.query(CURSOR) == before
    rows = broken.query(ISSUES)
    failing = {"11"} if read_again else {"5", "8", "11"}
    assert {row.external_id for row in rows if row.state == "open"} == failing
    assert [row.external_id for row in rows if row.attempt == 2] == sorted(failing)
    logs = broken.query("SELECT * FROM sync.sync_log ORDER BY started_at")
    assert (logs[1].initiated_by, logs[1].parent_id, logs[1].request_id) == ("reprocess", log, request.id)
    assert (logs[1].processed, logs[1].errors) == (3, len(failing))
    assert state(broken, request).state == "done"


async def test_two_who_ask_for_the_same_get_one_run(broken: Shop, engine: AsyncEngine) -> None:
    log = str(await failed_import(broken))
    asked = await asyncio.gather(
        *(ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS, log=log) for _ in range(8))
    )
    assert len({request.id for request in asked}) == 1
    other = await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS, error_class="RecordError")
    assert other.id != asked[0].id
    await broken.run(Entity.PRODUCTS, request=asked[0].id)
    assert (await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS, log=log)).id != asked[0].id


async def test_a_request_is_served_once(broken: Shop, engine: AsyncEngine) -> None:
    await failed_import(broken)
    request = await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS)
    await broken.run(Entity.PRODUCTS, request=request.id)
    with pytest.raises(AssertionError):
        await broken.run(Entity.PRODUCTS, request=request.id)
    last = broken.query("SELECT status, message FROM sync.sync_log ORDER BY started_at DESC LIMIT 1")[0]
    assert (last.status, "atendido" in last.message) == ("skipped", True)
    assert broken.query("SELECT lease_log_id FROM sync.pair WHERE lease_log_id IS NOT NULL") == []


async def test_a_request_waits_for_a_busy_pair(broken: Shop, engine: AsyncEngine) -> None:
    await failed_import(broken)
    request = await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS)
    async with broken.open(Entity.PRODUCTS):
        assert await requests.waiting(engine) == []
        with pytest.raises(AssertionError):
            await broken.run(Entity.PRODUCTS, request=request.id)
        assert state(broken, request).state == "waiting"
    assert [found.id for found in await requests.waiting(engine)] == [request.id]


async def test_the_request_of_a_dead_run_waits_again_until_it_never_advances(
    broken: Shop, engine: AsyncEngine
) -> None:
    await failed_import(broken)
    request = await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS)
    for attempt in range(1, requests.ATTEMPTS + 1):
        pair = await runs.read_pair(engine, broken.pairs[Entity.PRODUCTS])
        lease = await runs.open_run(
            engine,
            pair,
            initiated_by=request.kind.trigger,
            flow_run_id=None,
            slot_at=None,
            lease_seconds=60,
            request_id=request.id,
        )
        assert lease is not None
        assert await requests.give_back(engine) == 0
        broken.query(
            "UPDATE sync.sync_log SET status = 'interrupted', ended_at = now() WHERE ended_at IS NULL"
        )
        broken.query("UPDATE sync.pair SET lease_log_id = NULL, lease_expires_at = NULL")
        assert await requests.give_back(engine) == 1
        assert state(broken, request).attempts == attempt
    assert state(broken, request).state == "failed"
    assert "interrompidas" in state(broken, request).result["message"]


async def test_a_run_that_fails_for_a_moment_gives_its_request_back(
    broken: Shop, engine: AsyncEngine
) -> None:
    await failed_import(broken)
    request = await ask(broken, engine, Entity.PRODUCTS, RequestKind.RESYNC)
    broken.store.control("faults", script=[{"path": "^products", "kind": "500", "times": 9}])
    run = await broken.run(Entity.PRODUCTS, request=request.id)
    assert isinstance(run.error, TransientError)
    row = state(broken, request)
    assert (row.state, row.attempts) == ("waiting", 1)
    assert row.next_attempt_at > datetime.now(UTC)
    assert await requests.waiting(engine) == []
    broken.store.control("faults")
    broken.query("UPDATE sync.run_request SET next_attempt_at = now()")
    await broken.run(Entity.PRODUCTS, request=request.id)
    assert state(broken, request).state == "done"


async def test_a_scheduled_run_at_the_same_time_changes_nothing_twice(
    broken: Shop, engine: AsyncEngine
) -> None:
    log = str(await failed_import(broken))
    mend_price(broken, 5, 8, 11)
    request = await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS, log=log)
    await broken.run(Entity.PRODUCTS)
    run = await broken.run(Entity.PRODUCTS, request=request.id)
    assert run.job is not None
    assert run.job.counts.processed == 0, "the scheduled run has resolved them"
    assert {row.state for row in broken.query(ISSUES)} == {"resolved"}
    assert broken.query("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(230, 230)]


async def test_a_record_mended_to_what_it_was_is_resolved(shop: Shop, engine: AsyncEngine) -> None:
    """Its hash is the one of the last success: nothing to write, and nothing open."""
    await shop.run(Entity.PRODUCTS)
    price = next(p["regular_price"] for p in shop.store.truth("products") if p["id"] == 5)
    break_price(shop, 5)
    await shop.run(Entity.PRODUCTS)
    mend_price(shop, 5, price=price)
    run = await shop.run(Entity.PRODUCTS)
    assert run.status is RunStatus.SUCCESS, run.error
    assert [row.state for row in shop.query(ISSUES)] == ["resolved"]


async def test_a_missing_mapping_is_tried_again_by_itself(shop: Shop) -> None:
    run = await shop.run(Entity.STOCK)
    assert run.status is RunStatus.PARTIAL
    due = shop.query("SELECT next_attempt_at - created_at AS wait FROM sync.issue")
    assert {round(row.wait.total_seconds() / 60) for row in due} == {5}
    await shop.run(Entity.PRODUCTS)
    await shop.run(Entity.STOCK)
    assert {row.state for row in shop.query(ISSUES)} != {"resolved"}, "what is not due waits"
    shop.query("UPDATE sync.issue SET next_attempt_at = now()")
    await shop.run(Entity.STOCK)
    assert {row.state for row in shop.query(ISSUES)} == {"resolved"}
    assert shop.query("SELECT count(*) FROM erp.stock_level")[0][0] > 200


def test_attempts_grow_apart_and_end_with_a_person() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    waits = [next_attempt(TransientError(""), n, now) for n in range(1, len(DELAYS) + 2)]
    minutes = [(at - now) / timedelta(minutes=1) for at in waits if at is not None]
    assert minutes[:5] == [5, 15, 60, 360, 1440]
    assert waits[-1] is None
    assert next_attempt(MappingNotFound("", field=""), 1, now) is not None
    assert next_attempt(RecordError("", field=""), 1, now) is None


async def test_a_correction_holds_until_the_source_changes_what_it_corrects(
    broken: Shop, engine: AsyncEngine
) -> None:
    await failed_import(broken)
    raw = next(p for p in broken.store.truth("products") if p["id"] == 5)
    fields = {"regular_price": "77.00"}
    record = overrides.Corrected(
        tenant_id=broken.tenant.id,
        integration_id=broken.integration_id,
        entity="products",
        direction=Direction.IMPORT,
        external_id="5",
    )
    base = overriding.digest(raw, fields)
    await overrides.keep(engine, broken.vault, record, fields, base, author="ana", reason="vírgula")
    assert "77.00" not in str(broken.query("SELECT o::text FROM sync.record_override o"))
    request = await ask(broken, engine, Entity.PRODUCTS, RequestKind.REPROCESS)
    await broken.run(Entity.PRODUCTS, request=request.id)
    assert broken.query(PRICE) == [("77.00",)]
    broken.store.control("change", kind="products", id=5, fields={"description": "Outra"})
    await broken.run(Entity.PRODUCTS)
    assert broken.query(PRICE) == [("77.00",)]
    mend_price(broken, 5, price="12.34")
    await broken.run(Entity.PRODUCTS)
    assert broken.query(PRICE) == [("12.34",)]
    assert broken.query("SELECT count(*) FROM sync.record_override WHERE lapsed_at IS NULL") == [(0,)]


async def test_resync_writes_what_the_erp_changed_even_where_the_source_did_not(
    shop: Shop, engine: AsyncEngine
) -> None:
    await shop.run(Entity.PRODUCTS)
    shop.query("UPDATE erp.product SET name = 'Mudado no ERP' WHERE sku IN ('SKU-0000003', 'SKU-0000004')")
    await shop.run(Entity.PRODUCTS, full=True)
    changed = "SELECT sku FROM erp.product WHERE name = 'Mudado no ERP' ORDER BY sku"
    assert len(shop.query(changed)) == 2
    request = await ask(shop, engine, Entity.PRODUCTS, RequestKind.RESYNC)
    await shop.run(Entity.PRODUCTS, request=request.id)
    assert shop.query(changed) == []


def changed_between(shop: Shop, since: datetime, until: datetime) -> set[str]:
    moments = {
        str(p["id"]): datetime.fromisoformat(p["date_modified_gmt"]).replace(tzinfo=UTC)
        for p in shop.store.truth("products")
    }
    return {id_ for id_, moment in moments.items() if since <= moment < until}


async def test_a_backfill_reads_its_range_beside_the_live_cursor_and_goes_on_after_a_kill(
    shop: Shop, engine: AsyncEngine
) -> None:
    moments = sorted(p["date_modified_gmt"] for p in shop.store.truth("products"))
    since, until = (datetime.fromisoformat(moments[n]).replace(tzinfo=UTC) for n in (20, 200))
    wanted = changed_between(shop, since, until)
    assert 50 < len(wanted) < 230
    request = await ask(
        shop,
        engine,
        Entity.PRODUCTS,
        RequestKind.BACKFILL,
        **{"from": since.isoformat(), "until": until.isoformat()},
    )
    shop.store.clear_requests()
    with pytest.raises(asyncio.CancelledError, match="interrupted"):
        await interrupted_run(shop, request)
    assert state(shop, request).state == "waiting"
    done = {row[0] for row in shop.query("SELECT external_id FROM sync.mapping WHERE entity = 'products'")}
    assert done
    assert done < wanted
    run = await shop.run(Entity.PRODUCTS, request=request.id, batch_size=30)
    found = {row[0] for row in shop.query("SELECT external_id FROM sync.mapping WHERE entity = 'products'")}
    assert found == wanted
    assert run.job is not None
    assert run.job.counts.created == len(wanted - done), "it went on from its own place"
    assert shop.query(CURSOR) == [(None, False, None)]
    queries = [r["query"] for r in shop.store.requests() if r["path"].endswith("/products")]
    assert queries
    assert all("modified_before" in str(query) and "modified_after" in str(query) for query in queries)


async def interrupted_run(shop: Shop, request: Request) -> None:
    """Ended by its worker after two batches."""
    async with shop.open(Entity.PRODUCTS, request=request.id) as run:
        assert run.job is not None
        run.job.batch_size, run.job.concurrency = 30, 1
        cursor = run.job.cursor
        for _ in range(1):
            found = await write(run, await rules.fetch(run.job, cursor))
            assert found is not None
            cursor = found
        raise asyncio.CancelledError("interrupted")


async def test_a_simulation_counts_and_writes_nothing(shop: Shop, engine: AsyncEngine) -> None:
    tables = ("erp.product", "sync.mapping", "sync.issue", "sync.scan_page", "erp.product_variant")
    break_price(shop, 5)
    shop.query(
        "INSERT INTO erp.product (tenant_id, sku, name) VALUES (:tenant, 'SKU-0000003', 'Do ERP')",
        tenant=shop.tenant.id,
    )
    before = {table: shop.query(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables}
    request = await ask(shop, engine, Entity.PRODUCTS, RequestKind.SIMULATION)
    run = await shop.run(Entity.PRODUCTS, request=request.id, batch_size=50)
    mend_price(shop, 5)
    assert run.status is RunStatus.PARTIAL
    assert before == {table: shop.query(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables}
    log = shop.query("SELECT * FROM sync.sync_log")[0]
    assert (log.created, log.updated, log.errors, log.dry_run) == (228, 1, 1, True)
    assert "nada foi gravado" in log.message
    assert log.details["refused"] == {"RecordError": 1}
    assert state(shop, request).state == "done"
    assert shop.query("SELECT last_success_at FROM sync.integration") == [(None,)]
    assert shop.query(CURSOR) == [(None, False, None)]


async def test_the_first_run_of_a_new_pair_is_a_simulation_and_the_next_one_writes(shop: Shop) -> None:
    shop.query("UPDATE sync.pair SET simulate_next = true")
    shop.store.control("faults", script=[{"path": "^customers", "kind": "html", "times": 9}])
    await shop.run(Entity.CUSTOMERS)
    shop.store.control("faults")
    first = await shop.run(Entity.CUSTOMERS)
    assert "SIMULAÇÃO" in first.summary
    assert shop.query("SELECT count(*) FROM erp.customer") == [(0,)]
    assert (
        "próxima execução" in shop.query("SELECT message FROM sync.sync_log WHERE status = 'success'")[0][0]
    )
    await shop.run(Entity.CUSTOMERS)
    assert shop.query("SELECT count(*) FROM erp.customer") == [(40,)]


async def test_a_run_stops_between_batches_and_keeps_what_it_wrote(shop: Shop, engine: AsyncEngine) -> None:
    async with shop.open(Entity.PRODUCTS) as run:
        assert run.job is not None
        run.job.batch_size = 50
        cursor = await write(run, await rules.fetch(run.job, run.job.cursor))
        assert cursor is not None
        await run.check()
        await runs.ask_to_stop(engine, shop.tenant.id, run.lease.log_id, "ana")
        await run.check()
    assert run.status is RunStatus.CANCELLED
    log = shop.query("SELECT status, processed, cancel_requested_by, remedy FROM sync.sync_log")[0]
    assert (log.status, log.cancel_requested_by) == ("cancelled", "ana")
    assert log.remedy
    saved = shop.query("SELECT count(*) FROM erp.product")[0][0]
    assert 0 < saved == log.processed < 230
    rest = await shop.run(Entity.PRODUCTS)
    assert rest.job is not None
    assert rest.job.counts.processed == 230 - saved
