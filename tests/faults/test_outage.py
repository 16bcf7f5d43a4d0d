"""T17: after three hours without anything running one run catches up; doubled runs have one effect."""

import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core.entities import Cadence
from deployments.apply import Prefect
from deployments.client import Api
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.faults.conftest import LONG
from tests.faults.test_kill import Until
from tests.processes import PrefectServer

PRODUCTS, SLOTS = 60, 36


@pytest.mark.timeout(300)
@pytest.mark.parametrize("watched", [True, False] if LONG else [True])
async def test_one_run_catches_up(
    connect: Callable[[Store], Awaitable[UUID]],
    api: Api,
    prefect: Prefect,
    prefect_server: PrefectServer,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Until,
    watched: bool,
) -> None:
    with open_shop(products=PRODUCTS, variable_every=0) as shop:
        pair = await connect(shop)
        sql("UPDATE sync.pair SET cadence = :cadence", cadence=Cadence.EVERY_5_MIN.value)
        await prefect.apply([pair])
        now = datetime.now(UTC)
        slots = [now - timedelta(minutes=5) * number for number in range(SLOTS)]
        runs = await plan(api, prefect_server, sql, slots)
        if watched:
            start("deployments.sentinel")
        start("deployments.warm")
        assert await outcomes(api, sql, until, runs) == {"success": 1, "skipped": SLOTS - 1}
        assert sql("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(PRODUCTS, PRODUCTS)]
        doubled = await plan(api, prefect_server, sql, [datetime.now(UTC)] * 3)
        assert await outcomes(api, sql, until, doubled) == {"success": 1, "skipped": 2}
    print(f"T17 pass slots={SLOTS} runs=1 doubled=3 effects=1 watched={watched} seed=0")


async def plan(api: Api, server: PrefectServer, sql: Callable[..., Any], slots: list[datetime]) -> list[str]:
    """Runs as Prefect's scheduler makes them."""
    deployment = str(sql("SELECT deployment_id FROM sync.pair")[0][0])
    made: list[str] = []
    for slot in slots:
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": slot.isoformat()}}
        run = await api.call("POST", f"/deployments/{deployment}/create_flow_run", {"state": state})
        made.append(run["id"])
    with create_engine(server.admin_url, poolclass=NullPool).begin() as connection:
        statement = "UPDATE flow_run SET auto_scheduled = true WHERE id = ANY(CAST(:ids AS uuid[]))"
        connection.execute(text(statement), {"ids": made})
    return made


async def outcomes(api: Api, sql: Callable[..., Any], until: Until, runs: list[str]) -> dict[str, int]:
    """How they ended; one that Prefect did not let start has left no log yet where no sentinel runs."""
    open_ = {"id": {"any_": runs}, "state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}}

    async def ended() -> bool:
        return not await api.call("POST", "/flow_runs/count", {"flow_runs": open_})

    await until(ended, 120)
    logs = "SELECT status FROM sync.sync_log WHERE flow_run_id = ANY(CAST(:runs AS uuid[]))"
    found = Counter(row.status for row in sql(logs, runs=runs))
    found["skipped"] += len(runs) - found.total()
    return dict(found)
