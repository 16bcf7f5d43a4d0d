"""A failing integration stops by itself, tells why, and goes on after one step."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Cadence, Entity, IntegrationStatus, RunStatus, Trigger
from core.errors import AuthenticationError, InstallationError, RateLimited, SyncError, TransientError
from db import admin, runs
from db.deploy import read_pairs
from db.vault import Vault
from tests.conftest import Tenant

Sql = Callable[..., Any]
NewPair = Callable[..., UUID]
Fail = Callable[..., Awaitable[str]]
DOWN = TransientError("loja respondeu 500.", status=500)
DENIED = AuthenticationError("loja respondeu 401 (nao_autorizado).", status=401)


@pytest.fixture
def run(engine: AsyncEngine, sql: Sql) -> Fail:
    """A run of a pair that began `minutes` ago and ends now; returns the integration's status."""

    async def one(
        pair_id: UUID, error: SyncError | None, *, minutes: float = 0, status: RunStatus | None = None
    ) -> str:
        pair = await runs.read_pair(engine, pair_id)
        lease = await runs.open_run(
            engine, pair, initiated_by=Trigger.SCHEDULE, flow_run_id=None, slot_at=None, lease_seconds=60
        )
        assert lease is not None
        begun = datetime.now(UTC) - timedelta(minutes=minutes)
        sql("UPDATE sync.sync_log SET started_at = :at WHERE id = :id", at=begun, id=lease.log_id)
        ended = status or (RunStatus.ERROR if error else RunStatus.SUCCESS)
        await runs.close_run(engine, lease, ended, full_scan=False, error=error)
        found = sql("SELECT status FROM sync.integration WHERE id = :id", id=pair.integration_id)
        return str(found[0][0])

    return one


@pytest.fixture
def old_pair(new_pair: NewPair, sql: Sql) -> UUID:
    """Of an integration that has been active for a day."""
    pair_id = new_pair(Entity.ORDERS, Cadence.EVERY_5_MIN, "Loja Principal")
    sql("UPDATE sync.integration SET status_since = now() - interval '1 day'")
    return pair_id


def notices(sql: Sql) -> list[Any]:
    found: list[Any] = sql("SELECT kind, subject, body FROM sync.notice ORDER BY created_at, id")
    return found


async def test_five_failures_that_span_half_an_hour_stop_the_integration(
    engine: AsyncEngine, old_pair: UUID, run: Fail, sql: Sql, tenant: Tenant
) -> None:
    for minutes in (31, 25, 20, 15):
        assert await run(old_pair, DOWN, minutes=minutes) == "active"
    assert await run(old_pair, DOWN) == "error"
    [integration] = await admin.integrations(engine, tenant.id)
    assert integration.status_code == "failures"
    assert "5 execuções seguidas de pedidos" in integration.status_reason
    assert "Tente novamente mais tarde" in integration.status_reason
    [notice] = notices(sql)
    assert notice.kind == "integration_failures"
    assert "Loja Principal" in notice.subject
    for word in ("pedidos", DOWN.advice.title, DOWN.advice.cause, DOWN.advice.remedy, "resume"):
        assert word in notice.body
    assert not [pair for pair in await read_pairs(engine) if pair.scheduled]
    # By hand it still runs, and fails without another notice.
    assert await run(old_pair, DOWN) == "error"
    assert len(notices(sql)) == 1


async def test_many_failures_in_a_short_time_do_not_stop_it(old_pair: UUID, run: Fail) -> None:
    for _ in range(8):
        assert await run(old_pair, DOWN, minutes=20) == "active"


@pytest.mark.parametrize("between", [RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.DEFERRED])
async def test_a_run_that_got_through_breaks_the_row(old_pair: UUID, run: Fail, between: RunStatus) -> None:
    for minutes in (60, 55, 50):
        await run(old_pair, DOWN, minutes=minutes)
    limited = RateLimited("devagar", retry_at=datetime.now(UTC))
    await run(old_pair, limited if between is RunStatus.DEFERRED else None, minutes=45, status=between)
    for minutes in (40, 30, 20, 10):
        assert await run(old_pair, DOWN, minutes=minutes) == "active"
    assert await run(old_pair, DOWN) == "error"


@pytest.mark.parametrize("between", [RunStatus.SKIPPED, RunStatus.CANCELLED, RunStatus.INTERRUPTED])
async def test_a_run_that_says_nothing_does_not_break_the_row(
    old_pair: UUID, run: Fail, between: RunStatus
) -> None:
    for minutes in (60, 50, 40, 30):
        await run(old_pair, DOWN, minutes=minutes)
        await run(old_pair, None, minutes=minutes - 5, status=between)
    assert await run(old_pair, DOWN) == "error"


async def test_a_broken_installation_stops_no_integration(old_pair: UUID, run: Fail) -> None:
    ours = InstallationError("O arquivo de chaves não pôde ser lido.")
    for minutes in (60, 50, 40, 30, 20, 10):
        assert await run(old_pair, ours, minutes=minutes) == "active"
    assert await run(old_pair, DOWN) == "active"


async def test_pairs_are_counted_each_by_itself(new_pair: NewPair, old_pair: UUID, run: Fail) -> None:
    other = new_pair(Entity.STOCK, Cadence.EVERY_5_MIN, "Loja Principal")
    for minutes in (60, 50, 40):
        await run(old_pair, DOWN, minutes=minutes)
        assert await run(other, DOWN, minutes=minutes) == "active"


async def test_the_directions_of_a_pair_are_counted_each_by_itself(
    old_pair: UUID, run: Fail, sql: Sql
) -> None:
    """An import that works does not hide an export that never does."""
    for minutes in (60, 50, 40, 30):
        await run(old_pair, DOWN, minutes=minutes)
        sql("UPDATE sync.sync_log SET direction = 'export' WHERE direction = 'import'")
    sql(
        "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status,"
        " initiated_by, ended_at) SELECT tenant_id, integration_id, pair_id, entity, 'import', 'success',"
        " 'schedule', now() FROM sync.sync_log LIMIT 1"
    )
    assert await run(old_pair, DOWN) == "active"
    sql("UPDATE sync.sync_log SET direction = 'import' WHERE status = 'error'")
    sql("UPDATE sync.sync_log SET direction = 'export' WHERE status = 'success'")
    assert await run(old_pair, DOWN) == "error"


async def test_failures_of_both_directions_are_not_added_up(old_pair: UUID, run: Fail, sql: Sql) -> None:
    for minutes in (60, 50, 40):
        await run(old_pair, DOWN, minutes=minutes)
    sql("UPDATE sync.sync_log SET direction = 'export'")
    for minutes in (45, 35, 25, 0):
        assert await run(old_pair, DOWN, minutes=minutes) == "active"


async def test_resume_is_one_step_and_the_count_begins_anew(
    engine: AsyncEngine, old_pair: UUID, run: Fail, sql: Sql, tenant: Tenant
) -> None:
    for minutes in (60, 50, 40, 30, 0):
        await run(old_pair, DOWN, minutes=minutes)
    [integration] = await admin.integrations(engine, tenant.id)
    assert integration.status is IntegrationStatus.ERROR
    await admin.set_status(engine, integration, IntegrationStatus.ACTIVE)
    [integration] = await admin.integrations(engine, tenant.id)
    assert (integration.status_code, integration.status_reason) == ("", "")
    assert [pair for pair in await read_pairs(engine) if pair.scheduled]
    assert await run(old_pair, DOWN) == "active"
    assert len(notices(sql)) == 1


async def test_refused_credentials_stop_it_at_once_and_new_ones_start_it(
    engine: AsyncEngine, vault: Vault, new_pair: NewPair, old_pair: UUID, run: Fail, sql: Sql, tenant: Tenant
) -> None:
    other = new_pair(Entity.STOCK, Cadence.EVERY_5_MIN, "Loja Principal")
    assert await run(old_pair, DENIED) == "error"
    assert await run(other, DENIED) == "error"
    [integration] = await admin.integrations(engine, tenant.id)
    assert integration.status_code == "reconnect"
    [notice] = notices(sql)
    assert notice.kind == "integration_reconnect"
    assert "401" in notice.subject
    assert "Renove" in notice.body
    await admin.change_access(engine, vault, integration, base_url="https://nova.exemplo.test", secrets={})
    assert (await admin.integrations(engine, tenant.id))[0].status is IntegrationStatus.ERROR
    await admin.change_access(engine, vault, integration, base_url=None, secrets={"consumer_key": "ck_1"})
    [integration] = await admin.integrations(engine, tenant.id)
    assert (integration.status, integration.status_code) == (IntegrationStatus.ACTIVE, "")
    # A run that began with the old credentials says nothing of the new ones.
    assert await run(other, DENIED, minutes=5) == "active"
    assert await run(other, DENIED) == "error"


async def test_a_stop_by_failures_becomes_a_reconnect_and_not_the_other_way(
    engine: AsyncEngine, old_pair: UUID, run: Fail, sql: Sql, tenant: Tenant
) -> None:
    for minutes in (60, 50, 40, 30, 0):
        await run(old_pair, DOWN, minutes=minutes)
    assert await run(old_pair, DENIED) == "error"
    assert (await admin.integrations(engine, tenant.id))[0].status_code == "reconnect"
    for _ in range(6):
        await run(old_pair, DOWN, minutes=40)
    assert (await admin.integrations(engine, tenant.id))[0].status_code == "reconnect"
    assert [notice.kind for notice in notices(sql)] == ["integration_failures", "integration_reconnect"]


async def test_what_a_person_paused_stays_paused(
    engine: AsyncEngine, vault: Vault, old_pair: UUID, run: Fail, sql: Sql, tenant: Tenant
) -> None:
    pair = await runs.read_pair(engine, old_pair)
    lease = await runs.open_run(
        engine, pair, initiated_by=Trigger.SCHEDULE, flow_run_id=None, slot_at=None, lease_seconds=60
    )
    assert lease is not None
    sql("UPDATE sync.integration SET status = 'paused'")
    await runs.close_run(engine, lease, RunStatus.ERROR, full_scan=False, error=DENIED)
    [integration] = await admin.integrations(engine, tenant.id)
    assert integration.status is IntegrationStatus.PAUSED
    await admin.change_access(engine, vault, integration, base_url=None, secrets={"consumer_key": "ck_1"})
    assert (await admin.integrations(engine, tenant.id))[0].status is IntegrationStatus.PAUSED
    assert notices(sql) == []
