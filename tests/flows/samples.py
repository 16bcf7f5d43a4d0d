"""Flows for the tests, with the parameters of a sync flow. The worker loads them by their entrypoint."""

import asyncio
import os
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.context import FlowRunContext

from core.entities import RunStatus, Trigger
from db import runs
from db.session import engine
from db.settings import read

NAP = 4.0
LONG = 60.0


@flow(name="sample-nap", persist_result=False)
async def nap(pair_id: UUID, full: bool = False, initiated_by: Trigger = Trigger.MANUAL) -> None:
    get_run_logger().info("nap of %s", pair_id)
    await asyncio.sleep(NAP)


@flow(name="sample-long", persist_result=False)
async def long(pair_id: UUID, full: bool = False, initiated_by: Trigger = Trigger.MANUAL) -> None:
    await asyncio.sleep(LONG)


@flow(name="sample-fail", persist_result=False)
async def fail(pair_id: UUID, full: bool = False, initiated_by: Trigger = Trigger.MANUAL) -> None:
    raise RuntimeError("broken on purpose")


@flow(name="sample-suicide", persist_result=False)
async def suicide(pair_id: UUID, full: bool = False, initiated_by: Trigger = Trigger.MANUAL) -> None:
    raise SystemExit(3)


@flow(name="sample-hold", persist_result=False)
async def hold(pair_id: UUID, full: bool = False, initiated_by: Trigger = Trigger.MANUAL) -> None:
    """Opens a real log with a real lease and keeps it, for a minute."""
    environment = read()
    database = engine(environment.database_url)
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    lease = await runs.open_run(
        database,
        await runs.read_pair(database, pair_id),
        initiated_by=initiated_by,
        flow_run_id=context.flow_run.id,
        slot_at=None,
        lease_seconds=environment.lease_seconds,
    )
    if lease is None:
        return
    for _ in range(int(LONG / environment.lease_seconds * 3)):
        if os.path.exists(os.environ.get("SAMPLE_FINISH", "/nonexistent")):  # noqa: ASYNC240
            break
        await asyncio.sleep(environment.lease_seconds / 3)
        await runs.renew(database, lease)
    await runs.close_run(database, lease, RunStatus.SUCCESS, full_scan=False)
