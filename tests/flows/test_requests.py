"""Requests through real processes: command line, Prefect, worker and sentinel."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, RequestKind, RunStatus, Trigger
from db import requests, runs
from deployments.apply import Prefect
from deployments.client import Api, Json
from deployments.requests import Requests
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.conftest import Tenant
from tests.faults.conftest import connect
from tests.processes import ROOT

__all__ = ["connect"]

Until = Callable[..., Awaitable[Any]]
Start = Callable[..., subprocess.Popen[bytes]]
Connect = Callable[..., Awaitable[UUID]]
Sql = Callable[..., Any]
OPEN = "SELECT external_id FROM sync.issue WHERE state = 'open' ORDER BY 1"


@pytest.fixture
def shop() -> Iterator[Store]:
    with open_shop(products=40, variable_every=0, orders=0, customers=0, categories=0) as running:
        yield running


async def cloudtosys(environment: dict[str, str], *words: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", *words),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def answer(environment: dict[str, str], *words: str) -> Any:
    status, output, errors = await cloudtosys(environment, *words, "--json")
    assert status == 0, output + errors
    return msgspec.json.decode(output)


def request_rows(sql: Sql) -> list[Any]:
    found: list[Any] = sql("SELECT * FROM sync.run_request ORDER BY created_at")
    return found


def logs(sql: Sql) -> list[Any]:
    found: list[Any] = sql("SELECT * FROM sync.sync_log ORDER BY started_at")
    return found


async def test_two_people_press_at_once_and_one_run_mends_all(
    connect: Connect,
    environment: dict[str, str],
    prefect: Prefect,
    start: Start,
    shop: Store,
    sql: Sql,
) -> None:
    pair = await connect(shop)
    await prefect.apply([pair])
    start("deployments.warm")
    for id_ in (5, 8, 11):
        shop.control("change", kind="products", id=id_, fields={"regular_price": "1.234,56"})
    await cloudtosys(environment, "run", "Loja", "produtos", "--wait")
    log = str(logs(sql)[0].id)
    causes = await answer(environment, "issue", "causes")
    assert [(row["records"], row["error_class"], row["field"]) for row in causes] == [
        (3, "RecordError", "regular_price")
    ]
    for id_ in (5, 8):
        shop.control("change", kind="products", id=id_, fields={"regular_price": "10.90"})
    pressed = await asyncio.gather(
        *(cloudtosys(environment, "issue", "reprocess", "--log", log, "--wait", "--json") for _ in range(2))
    )
    assert [status for status, _, _ in pressed] == [3, 3], pressed
    first, second = (msgspec.json.decode(output)[0] for _, output, _ in pressed)
    assert first["id"] == second["id"]
    assert (first["processed"], first["updated"] + first["created"], first["errors"]) == (3, 2, 1)
    assert len(request_rows(sql)) == 1
    assert [run.initiated_by for run in logs(sql)] == ["manual", "reprocess"]
    [left] = await answer(environment, "issue", "list")
    assert (left["external_id"], left["attempt"]) == ("11", 2)
    fixed = await answer(
        environment,
        *("issue", "fix", left["id"], "--set", "regular_price=1234.56", "--reason", "vírgula", "--wait"),
    )
    assert fixed[0]["status"] == "success"
    assert sql(OPEN) == []
    assert sql("SELECT price::text FROM erp.product WHERE sku = 'SKU-0000011'") == [("1234.5600",)]
    shown = await answer(environment, "issue", "show", left["id"])
    assert [row["attempt"] for row in shown["attempts"]] == [1, 2]
    assert (shown["state"], shown["resolved_by"]) == ("resolved", "sync")


async def test_a_request_that_met_a_busy_pair_is_served_by_the_sentinel(
    connect: Connect,
    environment: dict[str, str],
    prefect: Prefect,
    start: Start,
    engine: AsyncEngine,
    shop: Store,
    sql: Sql,
    until: Until,
) -> None:
    pair_id = await connect(shop)
    await prefect.apply([pair_id])
    start("deployments.warm")
    pair = await runs.read_pair(engine, pair_id)
    lease = await runs.open_run(
        engine, pair, initiated_by=Trigger.MANUAL, flow_run_id=None, slot_at=None, lease_seconds=60
    )
    assert lease is not None
    await answer(environment, "simulate", "Loja", "produtos")

    async def refused() -> bool:
        return [run.status for run in logs(sql)] == ["running", "skipped"]

    await until(refused)
    start("deployments.sentinel")
    await asyncio.sleep(3)
    assert [row.state for row in request_rows(sql)] == ["waiting"], "the pair is still busy"
    await runs.close_run(engine, lease, RunStatus.SUCCESS, full_scan=False)

    async def served() -> bool:
        return [row.state for row in request_rows(sql)] == ["done"]

    await until(served, 20)
    [row] = request_rows(sql)
    assert (row.asked, row.result["processed"]) == (1, 40)
    assert sql("SELECT count(*) FROM erp.product") == [(0,)]


async def test_a_worker_killed_in_a_backfill_is_followed_by_another_that_goes_on(
    connect: Connect,
    environment: dict[str, str],
    prefect: Prefect,
    start: Start,
    sql: Sql,
    until: Until,
) -> None:
    with open_shop(products=5000, variable_every=0) as shop:
        await prefect.apply([await connect(shop)])
        worker = start("deployments.warm")
        start("deployments.sentinel")
        await answer(environment, "backfill", "Loja", "produtos", "--from", "2000-01-01")

        async def begun() -> bool:
            return bool(sql("SELECT FROM sync.run_request WHERE cursor IS NOT NULL"))

        await until(begun)
        worker.send_signal(signal.SIGKILL)
        start("deployments.warm")

        async def done() -> bool:
            return [row.state for row in request_rows(sql)] == ["done"]

        await until(done, 90)
    ended = logs(sql)
    assert [run.status for run in ended] == ["interrupted", "success"]
    assert sum(run.created for run in ended) == 5000
    assert sql("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(5000, 5000)]
    assert sql("SELECT watermark FROM sync.cursor") == [(None,)]


async def test_a_long_request_gives_way_to_a_scheduled_run_that_met_it(
    connect: Connect,
    environment: dict[str, str],
    prefect: Prefect,
    start: Start,
    sql: Sql,
    until: Until,
) -> None:
    with open_shop(products=4000, variable_every=0) as shop:
        shop.faults({"kind": "slow", "path": "^products", "delay": 0.1})
        pair = await connect(shop)
        await prefect.apply([pair])
        start("deployments.warm", CLOUDTOSYS_SLICE_SECONDS="0.1")
        await answer(environment, "backfill", "Loja", "produtos", "--from", "2000-01-01")

        async def running() -> bool:
            return [run.status for run in logs(sql)] == ["running"]

        await until(running)
        await prefect.trigger(pair, initiated_by=Trigger.SCHEDULE)
        start("deployments.sentinel")

        async def done() -> bool:
            return [row.state for row in request_rows(sql)] == ["done"]

        await until(done, 120)
    ended = [run for run in logs(sql) if run.status != "skipped"]
    assert len(ended) >= 4
    assert {run.status for run in ended} == {"success"}
    assert [run.initiated_by for run in ended[:2]] == ["manual", "schedule"]
    assert sum(run.request_id is None for run in ended) == 1
    assert sql("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(4000, 4000)]
    assert request_rows(sql)[0].attempts == 0


@pytest.mark.parametrize("through", ["command", "prefect"])
async def test_a_run_is_cancelled_and_keeps_what_it_wrote(
    connect: Connect,
    environment: dict[str, str],
    prefect: Prefect,
    start: Start,
    sql: Sql,
    until: Until,
    state_of: Callable[..., Awaitable[Json]],
    through: str,
) -> None:
    with open_shop(products=4000, variable_every=0) as shop:
        shop.faults({"kind": "slow", "path": "^products", "delay": 2, "skip": 17})
        pair = await connect(shop)
        await prefect.apply([pair])
        start("deployments.warm")
        run = await prefect.trigger(pair, initiated_by=Trigger.MANUAL)

        async def written() -> bool:
            return bool(sql("SELECT FROM sync.sync_log WHERE created > 0"))

        await until(written)
        if through == "command":
            status, output, errors = await cloudtosys(environment, "cancel", str(logs(sql)[0].id))
            assert status == 0, output + errors
        else:
            await prefect.cancel(run)

        async def cancelled() -> bool:
            return bool(logs(sql)[0].status == "cancelled")

        await until(cancelled, 20)
        [log] = logs(sql)
        assert 0 < log.created < 4000
        assert sql("SELECT count(*) FROM erp.product") == [(log.created,)]
        assert (log.cancel_requested_by == "cli") is (through == "command")

        async def told() -> bool:
            return bool((await state_of(run))["state_type"] == "CANCELLED")

        await until(told)
        shop.clear_faults()
        again = await answer(environment, "run", "Loja", "produtos", "--wait")
        assert again[0]["created"] == 4000 - log.created


async def test_who_cancels_a_run_before_it_begins_does_not_want_its_request(
    connect: Connect,
    environment: dict[str, str],
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    tenant: Tenant,
    start: Start,
    shop: Store,
    sql: Sql,
    until: Until,
) -> None:
    pair_id = await connect(shop)
    await prefect.apply([pair_id])
    asked = await requests.ask(
        engine, tenant.id, pair_id, RequestKind.RESYNC, Direction.IMPORT, {}, by="teste"
    )
    run = await prefect.trigger(
        pair_id, initiated_by=Trigger.REPROCESS, request_id=asked.id, idempotency_key=asked.key
    )
    look = Requests(api, engine, prefect)
    assert await look.look() == 1
    assert await look.look() == 0, "the same run waits already"
    await prefect.cancel(run)
    start("deployments.sentinel")

    async def given_up() -> bool:
        return [row.state for row in request_rows(sql)] == ["cancelled"]

    await until(given_up)
    listed = await answer(environment, "request", "list", "--all")
    assert [(row["id"], row["state"]) for row in listed] == [(str(asked.id), "cancelled")]
    assert await answer(environment, "request", "list") == []
