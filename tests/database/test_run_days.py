"""Days of runs: counted when a run ends, by whoever ends it, and the same as a count of all logs."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, RunStatus, Trigger
from db import runs, watch
from db.runs import Lease
from db.session import system_transaction, tenant_transaction
from db.watch import Ghost
from tests.conftest import Tenant, new_tenant
from tests.processes import new_pair, sql

__all__ = ["new_pair", "sql"]

Sql = Callable[..., Any]
ALL = "SELECT * FROM sync.run_day ORDER BY pair_id, day"
BACKFILL = import_module("db.migrations.versions.0009_run_days").BACKFILL


@pytest.fixture
def opened(engine: AsyncEngine, new_pair: Callable[..., UUID]) -> Callable[..., Any]:
    """A run of a pair that goes on."""
    pair_id = new_pair()

    async def run(dry_run: bool = False) -> Lease:
        lease = await runs.open_run(
            engine,
            await runs.read_pair(engine, pair_id),
            direction=Direction.IMPORT,
            initiated_by=Trigger.MANUAL,
            flow_run_id=None,
            slot_at=None,
            lease_seconds=60,
            dry_run=dry_run,
        )
        assert lease is not None
        return lease

    return run


async def test_a_run_counts_when_it_ends(engine: AsyncEngine, sql: Sql, opened: Callable[..., Any]) -> None:
    lease = await opened()
    sql("UPDATE sync.sync_log SET processed = 5, success = 4, created = 4, errors = 1")
    assert sql(ALL) == []
    await runs.close_run(engine, lease, RunStatus.PARTIAL, full_scan=False)
    sql("UPDATE sync.sync_log SET resolved_at = now()")
    simulated = await opened(dry_run=True)
    await runs.close_run(engine, simulated, RunStatus.SUCCESS, full_scan=False)
    [day] = sql(ALL)
    assert (day.success_runs, day.partial_runs, day.error_runs, day.other_runs) == (0, 1, 0, 0)
    assert (day.processed, day.errors) == (5, 1)
    assert day.succeeded_at is None
    assert day.synced_at is not None


async def test_what_the_sentinel_ends_counts_too(
    engine: AsyncEngine, sql: Sql, opened: Callable[..., Any]
) -> None:
    lease = await opened()
    sql("UPDATE sync.pair SET lease_expires_at = now() - interval '1 minute'")
    [dead] = await watch.dead_runs(engine, 60)
    assert await watch.bury(engine, dead, RunStatus.INTERRUPTED, "", "", "")
    # On São Paulo's day, three hours behind.
    at = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
    ghost = Ghost(UUID(int=1), lease.pair.id, RunStatus.ERROR, Trigger.SCHEDULE, None, at, at, "")
    await watch.add_ghosts(engine, [ghost])
    past, today = sql(ALL)
    assert (str(past.day), past.error_runs, past.other_runs) == ("2026-03-01", 1, 0)
    assert (today.error_runs, today.other_runs) == (0, 1)


async def test_all_logs_counted_anew_give_the_same(
    engine: AsyncEngine, sql: Sql, new_pair: Callable[..., UUID]
) -> None:
    new_pair(), new_pair()
    sql(
        "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status,"
        " initiated_by, started_at, ended_at, processed, success, created, errors, dry_run)"
        " SELECT p.tenant_id, p.integration_id, p.id, p.entity, 'import',"
        " (ARRAY['success', 'partial', 'error', 'skipped'])[n % 4 + 1], 'schedule', t, t, n, n - n % 2,"
        " n - n % 2, n % 2, n % 9 = 0 FROM sync.pair p, generate_series(1, 60) n,"
        " LATERAL (SELECT now() - make_interval(hours => n)) AS s (t)"
    )
    kept = sql(ALL)
    sql("TRUNCATE sync.run_day")
    sql(BACKFILL)
    assert sql(ALL) == kept
    assert len(kept) >= 6


async def test_days_are_of_one_tenant(
    engine: AsyncEngine, sql: Sql, tenant: Tenant, opened: Callable[..., Any], database: Any
) -> None:
    await runs.close_run(engine, await opened(), RunStatus.SUCCESS, full_scan=False)
    foreign = new_tenant(database, "Alheia")
    counted = text("SELECT count(*) FROM sync.run_day")
    for owner, expected in ((tenant, 1), (foreign, 0)):
        async with tenant_transaction(engine, owner.id) as connection:
            assert (await connection.execute(counted)).scalar_one() == expected
    async with system_transaction(engine) as connection:
        assert (await connection.execute(counted)).scalar_one() == 1
