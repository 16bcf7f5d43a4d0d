"""The warm worker as a real process, and the inner parts of Prefect that it leans on."""

import asyncio
import inspect
import signal
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.workers.base import BaseWorker

from core.entities import Cadence, Entity, Trigger
from deployments.apply import Prefect
from deployments.client import Api, Json, moment
from deployments.warm import Engine, load

StateOf = Callable[..., Awaitable[Json]]
Until = Callable[..., Awaitable[Any]]
Start = Callable[..., subprocess.Popen[bytes]]


def ended(state_of: StateOf, *runs: UUID) -> Callable[[], Awaitable[list[Json]]]:
    """Asks whether all runs have an end."""

    async def ask() -> list[Json]:
        found = [await state_of(run) for run in runs]
        return found if all(run["end_time"] for run in found) else []

    return ask


def running(state_of: StateOf, run: UUID) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return bool((await state_of(run))["state_type"] == "RUNNING")

    return ask


def test_the_parts_of_prefect_we_lean_on_are_where_they_were() -> None:
    """A Prefect release may move them: then this fails before a worker does."""
    for name in ("start", "run_context", "call_flow_fn", "handle_crash", "is_running", "set_state"):
        assert hasattr(AsyncFlowRunEngine, name)
    assert isinstance(inspect.getattr_static(AsyncFlowRunEngine, "heartbeat_seconds"), property)
    assert inspect.iscoroutinefunction(AsyncFlowRunEngine.handle_crash)
    assert list(inspect.signature(AsyncFlowRunEngine.handle_crash).parameters) == ["self", "exc"]
    assert {"flow", "flow_run", "parameters"} <= set(inspect.signature(Engine).parameters)
    parameters = inspect.signature(BaseWorker.__init__).parameters
    assert {"work_pool_name", "name", "limit", "prefetch_seconds"} <= set(parameters)
    assert list(inspect.signature(BaseWorker.run).parameters) == [
        *("self", "flow_run", "configuration", "task_status")
    ]
    for name in ("setup", "teardown", "start", "get_and_submit_flow_runs"):
        assert inspect.iscoroutinefunction(getattr(BaseWorker, name))


@pytest.mark.parametrize("entrypoint", ["os.system", "tests.flows.samples.nap", "flows.sync.run", "nap"])
def test_only_async_flows_of_our_own_packages_are_loaded(entrypoint: str) -> None:
    """Whoever can write to Prefect's API could name any code otherwise."""
    with pytest.raises(ValueError, match=r"Entrypoint|assíncronos"):
        load(entrypoint)


async def test_runs_go_at_the_same_time_with_their_own_logs_and_one_crash_leaves_the_others(
    prefect: Prefect,
    api: Api,
    start: Start,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: StateOf,
    until: Until,
) -> None:
    kinds = ["nap", "nap", "nap", "nap", "fail", "suicide"]
    pairs = [new_pair(cadence=Cadence.MANUAL) for _ in kinds]
    for pair_id, kind in zip(pairs, kinds, strict=True):
        await deploy(pair_id, kind)
    start("deployments.warm")
    runs = [await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL) for pair_id in pairs]
    found = await until(ended(state_of, *runs))
    assert [run["state_type"] for run in found] == ["COMPLETED"] * 4 + ["FAILED", "CRASHED"]
    begun = [moment(run["start_time"]) for run in found[:4]]
    closed = [moment(run["end_time"]) for run in found[:4]]
    assert max(m for m in begun if m) < min(m for m in closed if m)

    async def logs() -> bool:
        for pair_id, run in zip(pairs[:4], runs[:4], strict=True):
            wanted = {"logs": {"flow_run_id": {"any_": [str(run)]}}}
            lines = [line["message"] for line in await api.call("POST", "/logs/filter", wanted)]
            if not any(f"nap of {pair_id}" in line for line in lines):
                return False
            assert not any(f"nap of {other}" in line for other in pairs if other != pair_id for line in lines)
        return True

    await until(logs)


async def test_a_second_run_of_a_pair_is_cancelled_by_prefect(
    prefect: Prefect,
    start: Start,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: StateOf,
    until: Until,
) -> None:
    pair_id = new_pair(cadence=Cadence.MANUAL)
    await deploy(pair_id, "nap")
    start("deployments.warm")
    first = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await until(running(state_of, first))
    second = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    found = await until(ended(state_of, first, second))
    assert [run["state_type"] for run in found] == ["COMPLETED", "CANCELLED"]


async def test_a_running_run_is_cancelled(
    prefect: Prefect,
    start: Start,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: StateOf,
    until: Until,
) -> None:
    pair_id, other = new_pair(cadence=Cadence.MANUAL), new_pair(cadence=Cadence.MANUAL)
    await deploy(pair_id, "long")
    await deploy(other, "nap")
    start("deployments.warm")
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    beside = await prefect.trigger(other, initiated_by=Trigger.MANUAL)
    await until(running(state_of, run))
    await prefect.cancel(run)
    found = await until(ended(state_of, run, beside), 15)
    assert [run["state_type"] for run in found] == ["CANCELLED", "COMPLETED"]


async def test_sigterm_lets_short_runs_end_and_interrupts_long_ones(
    prefect: Prefect,
    start: Start,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: StateOf,
    until: Until,
) -> None:
    short, lasting = new_pair(cadence=Cadence.MANUAL), new_pair(cadence=Cadence.MANUAL)
    await deploy(short, "nap")
    await deploy(lasting, "long")
    worker = start("deployments.warm", CLOUDTOSYS_GRACE_SECONDS="6")
    runs = [await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL) for pair_id in (short, lasting)]
    for run in runs:
        await until(running(state_of, run))
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 20) == 0
    found = [await state_of(run) for run in runs]
    assert [run["state_type"] for run in found] == ["COMPLETED", "CRASHED"]
    assert "desligado" in found[1]["state"]["message"]


async def test_prefects_own_command_starts_it(
    prefect: Prefect,
    start: Start,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: StateOf,
    until: Until,
) -> None:
    """Through the entry point that `make setup` installs."""
    pair_id = new_pair(cadence=Cadence.MANUAL)
    await deploy(pair_id, "nap")
    worker = start("prefect", "worker", "start", "--pool", "cloudtosys", "--type", "cloudtosys-warm")
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    assert (await until(ended(state_of, run), 40))[0]["state_type"] == "COMPLETED"
    worker.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(worker.wait, 20) == 0


async def test_the_stock_process_worker_runs_the_same_deployments(
    prefect: Prefect,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    state_of: StateOf,
    until: Until,
    sql: Callable[..., Any],
) -> None:
    """And the real flow leaves its log, whatever becomes of it."""
    monkeypatch.setenv("CLOUDTOSYS_WORKER", "process")
    pair_id = new_pair(Entity.CATEGORIES, Cadence.MANUAL)
    await deploy(pair_id)
    options = ("--pool", "cloudtosys-process", "--type", "process")
    start("prefect", "worker", "start", *options, PREFECT_WORKER_QUERY_SECONDS="1")
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await until(ended(state_of, run), 60)
    rows = sql("SELECT status, initiated_by FROM sync.sync_log WHERE flow_run_id = :id", id=run)
    assert [(row.status, row.initiated_by) for row in rows] == [("error", "manual")]


async def test_schedules_fire_the_real_flow(
    prefect: Prefect,
    api: Api,
    start: Start,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    until: Until,
    sql: Callable[..., Any],
) -> None:
    """The schedule is set to 4 s for the test. The store has no credentials, which its log says."""
    pair_id = new_pair()
    id_ = await deploy(pair_id)
    schedule = (await api.call("GET", f"/deployments/{id_}"))["schedules"][0]
    path = f"/deployments/{id_}/schedules/{schedule['id']}"
    await api.call("PATCH", path, {"schedule": {"interval": 4}})
    start("deployments.warm")

    async def twice() -> list[Any]:
        statement = (
            "SELECT initiated_by, status, slot_at, error_class, remedy, started_at - slot_at AS late"
            " FROM sync.sync_log WHERE pair_id = :id AND status = 'error' ORDER BY slot_at"
        )
        rows: list[Any] = sql(statement, id=pair_id)
        return rows if len(rows) >= 2 else []

    for row in await until(twice, 60):
        assert row.initiated_by == "schedule"
        assert row.error_class == "ConfigurationError"
        assert row.remedy
        assert row.late.total_seconds() < 20
