"""What ended in Prefect without a log gets one; what a run wrote itself is never touched."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Cadence, RunStatus, Trigger
from db import runs
from deployments.apply import Prefect
from deployments.client import Api, Json
from deployments.mirror import SUPERSEDED, Mirror


@pytest.fixture
def mirror(api: Api, engine: AsyncEngine) -> Mirror:
    return Mirror(api, engine, stuck_after=120)


@pytest.fixture
def logs(sql: Callable[..., Any]) -> Callable[[UUID], list[Any]]:
    def read(pair_id: UUID) -> list[Any]:
        found: list[Any] = sql(
            "SELECT * FROM sync.sync_log WHERE pair_id = :id ORDER BY started_at, id", id=pair_id
        )
        return found

    return read


async def test_a_cancelled_run_is_logged_once(
    prefect: Prefect, mirror: Mirror, new_pair: Callable[..., UUID], logs: Callable[[UUID], list[Any]]
) -> None:
    pair_id = new_pair()
    run = await prefect.trigger(pair_id, initiated_by=Trigger.WEBHOOK)
    await prefect.cancel(run)
    assert await mirror.look() == 1
    assert await mirror.look() == 0
    [log] = logs(pair_id)
    assert (log.status, log.initiated_by, log.flow_run_id) == ("cancelled", "webhook", run)
    assert log.ended_at is not None


@pytest.mark.parametrize(
    ("kind", "status"), [("CRASHED", RunStatus.INTERRUPTED), ("FAILED", RunStatus.ERROR)]
)
async def test_a_run_that_died_before_our_code_is_logged(
    prefect: Prefect,
    api: Api,
    mirror: Mirror,
    new_pair: Callable[..., UUID],
    logs: Callable[[UUID], list[Any]],
    kind: str,
    status: RunStatus,
) -> None:
    """And Prefect's message, which may hold anything, stays where it is."""
    pair_id = new_pair()
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(run, "PENDING", "")
    await api.set_state(run, kind, "password=hunter2")
    await mirror.look()
    [log] = logs(pair_id)
    assert log.status == status
    assert log.cause
    assert log.remedy
    assert "hunter2" not in str(log)


async def test_a_run_that_the_limit_refused_is_logged_as_skipped(
    prefect: Prefect,
    api: Api,
    mirror: Mirror,
    new_pair: Callable[..., UUID],
    logs: Callable[[UUID], list[Any]],
) -> None:
    pair_id = new_pair()
    first = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    second = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(first, "PENDING", "")
    await api.set_state(second, "PENDING", "")
    await mirror.look()
    assert [(log.status, log.flow_run_id) for log in logs(pair_id)] == [("skipped", second)]


async def test_a_log_that_its_run_finished_is_never_written_again(
    prefect: Prefect,
    api: Api,
    mirror: Mirror,
    engine: AsyncEngine,
    new_pair: Callable[..., UUID],
    logs: Callable[[UUID], list[Any]],
) -> None:
    pair_id = new_pair()
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(run, "RUNNING", "")
    pair = await runs.read_pair(engine, pair_id)
    lease = await runs.open_run(
        engine, pair, initiated_by=Trigger.MANUAL, flow_run_id=run, slot_at=None, lease_seconds=60
    )
    assert lease is not None
    await runs.close_run(engine, lease, RunStatus.SUCCESS, full_scan=False)
    await api.set_state(run, "CRASHED", "the worker was killed on its way out")
    before = logs(pair_id)
    assert await mirror.look() == 0
    assert logs(pair_id) == before
    assert before[0].status == "success"


async def test_a_run_nobody_works_on_frees_its_slot(
    prefect: Prefect,
    api: Api,
    engine: AsyncEngine,
    new_pair: Callable[..., UUID],
    state_of: Callable[..., Awaitable[Json]],
    deploy: Callable[..., Awaitable[str]],
) -> None:
    """The worker died between Pending and our first line. Until then the deployment could not run again."""
    pair_id = new_pair(cadence=Cadence.MANUAL)
    await deploy(pair_id)
    stuck = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(stuck, "PENDING", "")
    await Mirror(api, engine, stuck_after=120).look()
    assert (await state_of(stuck))["state_type"] == "PENDING"
    await Mirror(api, engine, stuck_after=0).look()
    assert (await state_of(stuck))["state_type"] == "CRASHED"
    following = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(following, "PENDING", "")
    assert (await state_of(following))["state_type"] == "PENDING"


async def test_a_run_that_prefect_cannot_end_is_forgotten(
    prefect: Prefect,
    api: Api,
    engine: AsyncEngine,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
) -> None:
    """Its deployment was deleted by hand while it ran."""
    pair_id = new_pair(cadence=Cadence.MANUAL)
    id_ = await deploy(pair_id)
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)
    await api.set_state(run, "PENDING", "")
    await api.call("DELETE", f"/deployments/{id_}")
    await Mirror(api, engine, stuck_after=0).look()
    assert await api.read_run(run) is None


async def test_after_an_outage_one_late_run_of_a_pair_is_left(
    prefect: Prefect,
    api: Api,
    mirror: Mirror,
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    until: Callable[..., Awaitable[Any]],
    logs: Callable[[UUID], list[Any]],
) -> None:
    """No worker: runs of a schedule of a few seconds pile up as late."""
    pair_id = new_pair()
    id_ = await deploy(pair_id)
    schedule = (await api.call("GET", f"/deployments/{id_}"))["schedules"][0]
    path = f"/deployments/{id_}/schedules/{schedule['id']}"
    await api.call("PATCH", path, {"schedule": {"interval": 3}})
    late = {"deployment_id": {"any_": [id_]}, "state": {"name": {"any_": ["Late"]}}}

    async def piled_up() -> bool:
        return len([run async for run in api.runs(late)]) >= 3

    await until(piled_up, 90)
    await api.call("PATCH", path, {"active": False})
    newest = [run["id"] async for run in api.runs(late)][-1]
    await mirror.look()
    assert [run["id"] async for run in api.runs(late)] == [newest]
    skipped = logs(pair_id)
    assert {(log.status, log.message) for log in skipped} == {("skipped", SUPERSEDED)}
    assert all(log.slot_at > datetime.now(UTC) - timedelta(minutes=5) for log in skipped)
