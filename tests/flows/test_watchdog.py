"""Dead runs are closed and resumed, missed slots are alarmed and run, a silent Prefect is noticed."""

import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core.entities import Cadence, RunStatus, Trigger
from db import runs, watch
from db.deploy import read_pairs
from db.retention import Swept, sweep
from deployments.apply import Prefect
from deployments.client import Api, Json
from deployments.mirror import LIMIT_REACHED, Mirror
from deployments.watchdog import Watchdog
from tests.conftest import Database
from tests.processes import LEASE_SECONDS

Until = Callable[..., Awaitable[Any]]
Start = Callable[..., subprocess.Popen[bytes]]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


LEFT_BEHIND = (
    "INSERT INTO sync.run_request (tenant_id, integration_id, pair_id, kind, direction, requested_by, state,"
    " fingerprint, ended_at) SELECT :tenant, :integration, :pair, 'resync', 'import', 'ana', s, s,"
    " CASE s WHEN 'done' THEN CAST(:at AS timestamptz) END FROM unnest(ARRAY['done', 'waiting']) s",
    "INSERT INTO sync.record_override (tenant_id, integration_id, entity, direction, fields, key_id, author,"
    " lapsed_at) SELECT :tenant, :integration, 'products', 'import', 'x', 'k', 'ana', lapsed"
    " FROM unnest(ARRAY[CAST(:at AS timestamptz), NULL]) lapsed",
    "INSERT INTO sync.channel (tenant_id, name, address, key_id) VALUES (:tenant, 'c', 'x', 'k')",
    "INSERT INTO sync.notice (tenant_id, kind, subject, body, created_at)"
    " SELECT :tenant, kind, '', '', :at FROM unnest(ARRAY['sent', 'pending']) kind",
    "INSERT INTO sync.notice_delivery (tenant_id, notice_id, channel_id, state)"
    " SELECT :tenant, n.id, c.id, n.kind FROM sync.notice n, sync.channel c",
    "INSERT INTO sync.cursor (tenant_id, pair_id, scan_id) VALUES (:tenant, :pair, erp.uuid7())",
    "INSERT INTO sync.scan_page (tenant_id, pair_id, scan_id, external_ids)"
    " SELECT :tenant, :pair, id, '{1}'"
    " FROM (SELECT erp.uuid7() AS id UNION SELECT scan_id FROM sync.cursor) s",
    "INSERT INTO sync.legacy_file (tenant_id, sha256, name, size, created_at)"
    " SELECT :tenant, name, name, 1, :at FROM unnest(ARRAY['old', 'kept']) name",
    "INSERT INTO sync.legacy_file_part (tenant_id, file_id, number, data)"
    " SELECT tenant_id, id, 0, 'x' FROM sync.legacy_file",
    "INSERT INTO sync.migration (tenant_id, integration_id, pair_id, entity, file_id, requested_by,"
    " created_at) SELECT :tenant, :integration, :pair, 'products', id, 'ana',"
    " CASE name WHEN 'old' THEN CAST(:at AS timestamptz) ELSE now() END FROM sync.legacy_file",
)
"""One of each kind past its time, and one that is not."""


@pytest.fixture
def watchdog(api: Api, engine: AsyncEngine, prefect: Prefect) -> Watchdog:
    made = Watchdog(api, engine, prefect, lease_seconds=1.0)
    made.since = LONG_AGO
    return made


async def dead_run(
    api: Api, prefect: Prefect, engine: AsyncEngine, sql: Callable[..., Any], pair_id: UUID
) -> runs.Lease:
    """A run that Prefect believes in, and whose lease ended an hour ago."""
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL, full=True)
    await api.set_state(run, "PENDING", "")
    await api.set_state(run, "RUNNING", "")
    lease = await runs.open_run(
        engine,
        await runs.read_pair(engine, pair_id),
        initiated_by=Trigger.WEBHOOK,
        flow_run_id=run,
        slot_at=None,
        lease_seconds=60,
    )
    assert lease is not None
    sql("UPDATE sync.pair SET lease_expires_at = now() - interval '1 hour' WHERE id = :id", id=pair_id)
    sql("UPDATE sync.sync_log SET processed = 7, success = 7, created = 7 WHERE id = :id", id=lease.log_id)
    return lease


def log_of(sql: Callable[..., Any], log_id: UUID) -> Any:
    return sql("SELECT * FROM sync.sync_log WHERE id = :id", id=log_id)[0]


def alarms(sql: Callable[..., Any], kind: str) -> list[Any]:
    found: list[Any] = sql("SELECT * FROM sync.alarm WHERE kind = :kind ORDER BY opened_at", kind=kind)
    return found


async def test_a_run_whose_lease_ended_is_closed_freed_and_resumed_once(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    watchdog: Watchdog,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    state_of: Callable[..., Awaitable[Json]],
) -> None:
    pair_id = new_pair(cadence=Cadence.MANUAL)
    lease = await dead_run(api, prefect, engine, sql, pair_id)
    assert await watchdog.close_dead() == 1
    log = log_of(sql, lease.log_id)
    assert (log.status, log.processed, log.created) == ("interrupted", 7, 7)
    assert log.message
    assert log.remedy
    assert sql("SELECT lease_log_id FROM sync.pair")[0][0] is None
    assert (await state_of(log.flow_run_id))["state_type"] == "CRASHED"

    assert await watchdog.resume() == 1
    assert await watchdog.resume() == 1  # asked again, the same run
    scheduled = {"tags": {"all_": [f"pair:{pair_id}"]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
    waiting = [run async for run in api.find("/flow_runs/filter", {"flow_runs": scheduled})]
    assert [run["parameters"]["initiated_by"] for run in waiting] == ["webhook"]
    assert waiting[0]["parameters"]["full"] is True
    await api.set_state(waiting[0]["id"], "PENDING", "")
    assert (await state_of(waiting[0]["id"]))["state_type"] == "PENDING"
    assert await watchdog.close_dead() == 0


async def test_a_resumed_run_that_was_refused_is_asked_for_again(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    watchdog: Watchdog,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
) -> None:
    """Prefect may hold the dead run's slot for a moment still, and then refuses what is to follow it."""
    pair_id = new_pair(cadence=Cadence.MANUAL)
    await dead_run(api, prefect, engine, sql, pair_id)
    await watchdog.close_dead()
    scheduled = {"tags": {"all_": [f"pair:{pair_id}"]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
    seen = set()
    for _ in range(2):
        assert await watchdog.resume() == 1
        [waiting] = [run async for run in api.find("/flow_runs/filter", {"flow_runs": scheduled})]
        seen.add(waiting["id"])
        await api.set_state(waiting["id"], "CANCELLED", LIMIT_REACHED)
        await Mirror(api, engine, stuck_after=120).look()
    assert len(seen) == 2
    assert sql("SELECT count(*) FROM sync.sync_log WHERE status = 'skipped'")[0][0] == 2


async def test_a_run_that_came_back_to_life_is_left_alone(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    watchdog: Watchdog,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
) -> None:
    lease = await dead_run(api, prefect, engine, sql, new_pair())
    [dead] = await watch.dead_runs(engine, 1.0)
    assert await runs.renew(engine, lease)
    assert not await watch.bury(engine, dead, RunStatus.INTERRUPTED, "", "", "")
    assert await watchdog.close_dead() == 0
    assert log_of(sql, lease.log_id).status == "running"
    assert sql("SELECT lease_log_id FROM sync.pair")[0][0] == lease.log_id


async def test_a_pair_that_another_run_took_over_keeps_its_lease(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
) -> None:
    pair_id = new_pair()
    await dead_run(api, prefect, engine, sql, pair_id)
    [dead] = await watch.dead_runs(engine, 1.0)
    pair = await runs.read_pair(engine, pair_id)
    heir = await runs.open_run(
        engine, pair, initiated_by=Trigger.MANUAL, flow_run_id=uuid4(), slot_at=None, lease_seconds=60
    )
    assert heir is not None
    assert not await watch.bury(engine, dead, RunStatus.INTERRUPTED, "", "", "")
    assert sql("SELECT lease_log_id FROM sync.pair")[0][0] == heir.log_id


async def test_a_cancelled_run_that_died_is_cancelled_and_not_resumed(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    watchdog: Watchdog,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    state_of: Callable[..., Awaitable[Json]],
) -> None:
    lease = await dead_run(api, prefect, engine, sql, new_pair())
    run = log_of(sql, lease.log_id).flow_run_id
    await prefect.cancel(run)
    assert await watchdog.close_dead() == 1
    assert log_of(sql, lease.log_id).status == "cancelled"
    assert (await state_of(run))["state_type"] == "CANCELLED"
    assert await watchdog.resume() == 0


async def test_a_pair_that_keeps_dying_is_not_resumed_for_ever(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    watchdog: Watchdog,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
) -> None:
    pair_id = new_pair(cadence=Cadence.MANUAL)
    for death in range(1, watch.DEATHS + 1):
        await dead_run(api, prefect, engine, sql, pair_id)
        await watchdog.close_dead()
        assert await watchdog.resume() == (1 if death < watch.DEATHS else 0)
        if death < watch.DEATHS:
            continue
        assert [alarm.pair_id for alarm in alarms(sql, "repeated_interruption")] == [pair_id]


async def test_dead_runs_are_closed_while_prefect_is_away(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
) -> None:
    lease = await dead_run(api, prefect, engine, sql, new_pair())
    async with Api("http://127.0.0.1:9/api") as nobody:
        alone = Watchdog(nobody, engine, Prefect(nobody, engine), lease_seconds=1.0)
        assert await alone.close_dead() == 1
        await alone.note_prefect(answers=False)
        await alone.note_prefect(answers=False)
        assert [alarm.closed_at for alarm in alarms(sql, "prefect_down")] == [None]
        await alone.note_prefect(answers=True)
        assert all(alarm.closed_at for alarm in alarms(sql, "prefect_down"))
    assert log_of(sql, lease.log_id).status == "interrupted"


async def test_a_missed_slot_is_alarmed_once_run_and_closed_by_a_success(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    watchdog: Watchdog,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
) -> None:
    missed, fresh, manual = new_pair(), new_pair(), new_pair(cadence=Cadence.MANUAL)
    for pair_id in (missed, fresh, manual):
        await deploy(pair_id)
    sql("UPDATE sync.integration SET updated_at = :at", at=LONG_AGO)
    sql("UPDATE sync.pair SET updated_at = :at WHERE id <> :fresh", at=LONG_AGO, fresh=fresh)
    assert await watchdog.check_slots() == 1
    assert await watchdog.check_slots() == 1
    [alarm] = alarms(sql, "missed_slot")
    assert (alarm.pair_id, alarm.closed_at) == (missed, None)
    assert "não aconteceu" in alarm.message
    wanted = {"tags": {"all_": [f"pair:{missed}"]}}
    found = [
        run async for run in api.find("/flow_runs/filter", {"flow_runs": wanted}) if not run["auto_scheduled"]
    ]
    assert [run["parameters"]["initiated_by"] for run in found] == ["schedule"]

    lease = await runs.open_run(
        engine,
        await runs.read_pair(engine, missed),
        initiated_by=Trigger.SCHEDULE,
        flow_run_id=uuid4(),
        slot_at=None,
        lease_seconds=60,
    )
    assert lease is not None
    assert await watchdog.check_slots() == 0
    await runs.close_run(engine, lease, RunStatus.SUCCESS, full_scan=False)
    assert await watchdog.check_slots() == 0
    assert all(alarm.closed_at for alarm in alarms(sql, "missed_slot"))


async def test_the_alarm_of_a_paused_pair_is_closed(
    watchdog: Watchdog, sql: Callable[..., Any], new_pair: Callable[..., UUID]
) -> None:
    new_pair()
    sql("UPDATE sync.integration SET updated_at = :at", at=LONG_AGO)
    sql("UPDATE sync.pair SET updated_at = :at", at=LONG_AGO)
    assert await watchdog.check_slots() == 1
    sql("UPDATE sync.integration SET status = 'paused'")
    assert await watchdog.check_slots() == 0
    assert all(alarm.closed_at for alarm in alarms(sql, "missed_slot"))


async def test_a_scheduler_that_plans_nothing_is_noticed(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    watchdog: Watchdog,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    until: Until,
) -> None:
    """Switching a schedule off in Prefect stands for a scheduler that does nothing."""
    ids = [await deploy(new_pair(cadence=cadence)) for cadence in (Cadence.EVERY_5_MIN, Cadence.DAILY)]

    async def planned() -> bool:
        return not await watchdog._without_future(await read_pairs(engine), datetime.now(UTC))

    await until(planned)
    assert await watchdog.check_scheduler() == []  # changed a moment ago: not judged yet
    sql("UPDATE sync.integration SET updated_at = :at", at=LONG_AGO)
    sql("UPDATE sync.pair SET updated_at = :at", at=LONG_AGO)
    assert await watchdog.check_scheduler() == []
    schedule = (await api.call("GET", f"/deployments/{ids[0]}"))["schedules"][0]
    await api.call("PATCH", f"/deployments/{ids[0]}/schedules/{schedule['id']}", {"active": False})
    assert len(await watchdog.check_scheduler()) == 1
    assert [alarm.closed_at for alarm in alarms(sql, "scheduler_silent")] == [None]
    await prefect.apply()
    await until(planned)
    assert await watchdog.check_scheduler() == []
    assert all(alarm.closed_at for alarm in alarms(sql, "scheduler_silent"))


async def test_sigkill_of_the_worker_is_closed_and_resumed_by_the_sentinel(
    prefect: Prefect,
    start: Start,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    deploy: Callable[..., Awaitable[str]],
    until: Until,
    state_of: Callable[..., Awaitable[Json]],
    tmp_path: Path,
) -> None:
    """Three real processes: worker, sentinel, and the worker that takes over."""
    pair_id = new_pair(cadence=Cadence.MANUAL)
    start("deployments.sentinel")

    async def deployed() -> bool:
        return sql("SELECT deployment_id FROM sync.pair WHERE id = :id", id=pair_id)[0][0] is not None

    await until(deployed)
    await deploy(pair_id, "hold")
    worker = start("deployments.warm")
    run = await prefect.trigger(pair_id, initiated_by=Trigger.MANUAL)

    async def statuses() -> list[str]:
        rows = sql("SELECT status FROM sync.sync_log WHERE pair_id = :id ORDER BY started_at", id=pair_id)
        return [row.status for row in rows]

    async def is_running() -> bool:
        return await statuses() == ["running"]

    await until(is_running)
    worker.send_signal(signal.SIGKILL)
    killed = time.monotonic()

    async def closed() -> bool:
        return await statuses() == ["interrupted"]

    await until(closed, 30)
    assert time.monotonic() - killed < LEASE_SECONDS + 10
    finish = tmp_path / "finish"
    finish.touch()
    start("deployments.warm", SAMPLE_FINISH=str(finish))

    async def resumed() -> bool:
        return await statuses() == ["interrupted", "success"]

    await until(resumed, 30)
    assert (await state_of(run))["state_type"] == "CRASHED"


async def test_the_sentinel_deploys_on_its_start_and_outlives_a_missing_prefect(
    api: Api,
    prefect: Prefect,
    start: Start,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    until: Until,
    tmp_path: Path,
) -> None:
    pair_id = new_pair()
    lost = start("deployments.sentinel", PREFECT_API_URL="http://127.0.0.1:9/api")

    async def alarmed() -> list[Any]:
        return [alarm for alarm in alarms(sql, "prefect_down") if alarm.closed_at is None]

    await until(alarmed)
    start("deployments.sentinel")

    async def deployed() -> bool:
        row = sql("SELECT deployment_id FROM sync.pair WHERE id = :id", id=pair_id)[0]
        return row.deployment_id is not None

    await until(deployed)
    assert lost.poll() is None
    lost.send_signal(signal.SIGTERM)
    assert lost.wait(10) == 0
    found = await api.call("GET", "/deployments/name/housekeeping/Limpeza diária")
    assert found["schedules"][0]["active"]


async def test_the_sentinel_outlives_a_database_that_goes_away(
    api: Api,
    prefect: Prefect,
    engine: AsyncEngine,
    database: Database,
    start: Start,
    sql: Callable[..., Any],
    new_pair: Callable[..., UUID],
    until: Until,
    tmp_path: Path,
) -> None:
    sentinel = start("deployments.sentinel")
    lines = tmp_path / "deployments.sentinel-0.log"
    lease = await dead_run(api, prefect, engine, sql, new_pair())

    async def closed() -> bool:
        return bool(log_of(sql, lease.log_id).status == "interrupted")

    async def noticed() -> bool:
        return "DatabaseUnavailable" in lines.read_text()

    await until(closed)
    name = database.admin_url.split("/")[3].split("?")[0]
    admin = create_engine(
        database.admin_url.replace(name, "postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        await until(noticed)
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    await engine.dispose()
    lease = await dead_run(api, prefect, engine, sql, new_pair())
    await until(closed)
    assert sentinel.poll() is None
    assert database.url not in lines.read_text()


async def test_housekeeping_throws_away_what_is_past_its_time(
    engine: AsyncEngine, sql: Callable[..., Any], new_pair: Callable[..., UUID]
) -> None:
    pair_id = new_pair()
    for days in (10, 1000):
        sql(
            "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status,"
            " initiated_by, started_at, ended_at) SELECT tenant_id, integration_id, id, entity, 'import',"
            " 'success', 'manual', :at, :at FROM sync.pair WHERE id = :id",
            id=pair_id,
            at=datetime.now(UTC) - timedelta(days=days),
        )
    for days, state in ((10, "open"), (40, "open"), (100, "resolved"), (100, "open")):
        sql(
            "INSERT INTO sync.issue (tenant_id, sync_log_id, integration_id, pair_id, entity, direction,"
            " external_id, error_class, fault, payload, key_id, state, created_at)"
            " SELECT l.tenant_id, l.id, l.integration_id, l.pair_id, l.entity, 'import', '1', 'RecordError',"
            " 'data', 'x', 'k', :state, :at FROM sync.sync_log l ORDER BY l.started_at DESC LIMIT 1",
            state=state,
            at=datetime.now(UTC) - timedelta(days=days),
        )
    long_ago = datetime.now(UTC) - timedelta(days=181)
    tenant, integration = sql("SELECT tenant_id, integration_id FROM sync.pair")[0]
    owner = {"tenant": tenant, "integration": integration, "pair": pair_id, "at": long_ago}
    for statement in LEFT_BEHIND:
        sql(statement, **{name: value for name, value in owner.items() if f":{name}" in statement})
    assert await sweep(engine) == Swept(
        payloads=3,
        issues=1,
        logs=1,
        run_days=1,
        run_requests=1,
        overrides=1,
        notices=1,
        scan_pages=1,
        migrations=1,
        legacy_files=1,
    )
    assert await sweep(engine) == Swept()
    assert sql("SELECT count(*) FROM sync.legacy_file_part") == [(1,)]
    left = sql("SELECT payload IS NULL AS empty FROM sync.issue ORDER BY created_at")
    assert [row.empty for row in left] == [True, True, False]
    assert len(sql("SELECT id FROM sync.sync_log")) == 1
