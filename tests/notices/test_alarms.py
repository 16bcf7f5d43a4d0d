"""Alarms open once with one notice, close by themselves, and do not cry on a quiet weekend."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Cadence, Entity, IntegrationStatus, RunStatus, Trigger
from db import alarms, runs
from db.arrivals import check_arrivals
from db.expiry import check_credentials
from tests.conftest import Database, Tenant, new_tenant

Sql = Callable[..., Any]
NewPair = Callable[..., UUID]
NOW = datetime.now(UTC)
OPEN = "SELECT kind, message, pair_id, integration_id FROM sync.alarm WHERE closed_at IS NULL"
NOTICES = "SELECT kind, subject, body, integration_id FROM sync.notice ORDER BY created_at, id"


@pytest.fixture
def ran(sql: Sql) -> Callable[..., None]:
    """A log of a run that began so long ago and brought `success` records."""

    def write(pair_id: UUID, ago: timedelta, success: int = 0, **more: Any) -> None:
        values = {"direction": "import", "status": "success", "initiated_by": "schedule"} | more
        sql(
            "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status,"
            " initiated_by, started_at, ended_at, processed, success, created) SELECT tenant_id,"
            " integration_id, id, entity, :direction, :status, :initiated_by, :at, :at, :n, :n, :n"
            " FROM sync.pair WHERE id = :pair",
            pair=pair_id,
            at=NOW - ago,
            n=success,
            **values,
        )

    return write


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


async def test_a_pair_that_stopped_receiving_is_told_once_and_closed_by_an_arrival(
    engine: AsyncEngine, new_pair: NewPair, ran: Callable[..., None], sql: Sql
) -> None:
    pair = new_pair(Entity.ORDERS, Cadence.HOURLY, "Loja Principal")
    for n in range(10):
        ran(pair, hours(26 + n), 3)
    ran(pair, hours(1))
    assert await check_arrivals(engine) == 1
    assert await check_arrivals(engine) == 0
    [alarm] = sql(OPEN)
    assert (alarm.kind, alarm.pair_id) == ("nothing_arrived", pair)
    assert "há 25 h" in alarm.message
    assert "usual é de 1 h" in alarm.message
    [notice] = sql(NOTICES)
    assert notice.subject == "Loja Principal: nada chegou"
    assert "Loja Principal · pedidos · importar" in notice.body
    assert "Testar Conexão" in notice.body
    # A run that succeeds without a record is no arrival.
    lease = await runs.open_run(
        engine,
        await runs.read_pair(engine, pair),
        initiated_by=Trigger.SCHEDULE,
        flow_run_id=None,
        slot_at=None,
        lease_seconds=60,
    )
    assert lease is not None
    await runs.close_run(engine, lease, RunStatus.SUCCESS, full_scan=False)
    assert await check_arrivals(engine) == 0
    assert len(sql(OPEN)) == 1
    ran(pair, hours(0), 1)
    assert await check_arrivals(engine) == 0
    assert sql(OPEN) == []
    assert len(sql(NOTICES)) == 1


@pytest.mark.parametrize(
    "why",
    ["usual", "weekend", "few", "failing", "by hand", "paused", "reprocess", "export", "recent"],
)
async def test_what_is_no_silence(
    engine: AsyncEngine, new_pair: NewPair, ran: Callable[..., None], sql: Sql, why: str
) -> None:
    cadence = Cadence.MANUAL if why == "by hand" else Cadence.HOURLY
    pair = new_pair(Entity.ORDERS, cadence)
    gap = {"usual": 12.0, "recent": 0.5}.get(why, 1.0)
    last = 20.0 if why == "recent" else 50.0
    initiated_by = "reprocess" if why == "reprocess" else "schedule"
    for n in range(3 if why == "few" else 10):
        extra = 72 if why == "weekend" and n > 4 else 0
        direction = "export" if why == "export" else "import"
        ran(pair, hours(last + n * gap + extra), 2, initiated_by=initiated_by, direction=direction)
    ran(pair, hours(1), status="error" if why == "failing" else "success")
    if why == "paused":
        sql("UPDATE sync.integration SET status = :s", s=IntegrationStatus.PAUSED.value)
    assert await check_arrivals(engine) == 0


async def test_the_first_run_after_a_long_pause_decides(
    engine: AsyncEngine, new_pair: NewPair, ran: Callable[..., None]
) -> None:
    """Resumed after a week: nothing is said before a run has looked."""
    pair = new_pair(Entity.ORDERS, Cadence.HOURLY)
    for n in range(10):
        ran(pair, hours(170 + n), 3)
    ran(pair, hours(169))
    assert await check_arrivals(engine) == 0
    ran(pair, hours(0))
    assert await check_arrivals(engine) == 1


async def test_an_alarm_ends_with_the_schedule_it_is_about(
    engine: AsyncEngine, new_pair: NewPair, ran: Callable[..., None], sql: Sql
) -> None:
    pair = new_pair(Entity.ORDERS, Cadence.HOURLY)
    for n in range(10):
        ran(pair, hours(50 + n), 3)
    ran(pair, hours(1))
    assert await check_arrivals(engine) == 1
    sql("UPDATE sync.pair SET enabled = false")
    assert await check_arrivals(engine) == 0
    assert sql(OPEN) == []


async def test_credentials_are_told_before_they_end_and_when_they_did(
    engine: AsyncEngine, new_pair: NewPair, sql: Sql
) -> None:
    new_pair(name="Banco")
    for name, days in (("certificate", 10), ("api_key", 40)):
        sql(
            "INSERT INTO sync.credential (tenant_id, integration_id, name, ciphertext, key_id, expires_at)"
            " SELECT tenant_id, id, :name, 'x', 'k', :at FROM sync.integration",
            name=name,
            at=NOW + timedelta(days=days),
        )
    assert await check_credentials(engine) == 1
    assert await check_credentials(engine) == 0
    [alarm] = sql(OPEN)
    assert alarm.kind == "credential_expiring"
    assert "certificate vence em" in alarm.message
    assert "api_key" not in alarm.message
    sql("UPDATE sync.credential SET expires_at = now() - interval '1 hour' WHERE name = 'certificate'")
    assert await check_credentials(engine) == 1
    assert [row.kind for row in sql(OPEN)] == ["credential_expired"]
    sql("UPDATE sync.credential SET expires_at = now() + interval '1 year'")
    assert await check_credentials(engine) == 0
    assert sql(OPEN) == []
    told = sql(NOTICES)
    assert [row.kind for row in told] == ["credential_expiring", "credential_expired"]
    assert told[0].subject == "Banco: credencial perto de vencer"
    assert told[0].integration_id is not None


async def test_alarms_that_open_together_make_one_notice_for_each_tenant(
    engine: AsyncEngine, new_pair: NewPair, sql: Sql, database: Database, tenant: Tenant
) -> None:
    pairs = [new_pair(name=f"Loja {n}") for n in range(30)]
    other = new_tenant(database, "Outra")
    sql(
        "INSERT INTO sync.integration (id, tenant_id, provider, name)"
        " VALUES (:other, :other, 'woocommerce', 'De outra empresa')",
        other=other.id,
    )
    [(foreign,)] = sql(
        "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction)"
        " VALUES (:other, :other, 'products', 'import') RETURNING id",
        other=other.id,
    )
    messages = dict.fromkeys([*pairs, foreign], "não aconteceu")
    assert await alarms.raise_alarms(engine, alarms.MISSED_SLOT, messages) == 31
    assert await alarms.raise_alarms(engine, alarms.MISSED_SLOT, messages) == 0
    mine = "SELECT * FROM sync.notice WHERE tenant_id = :tenant"
    [notice] = sql(mine, tenant=tenant.id)
    assert notice.subject == "30 integrações: execução prevista não aconteceu"
    assert notice.body.count("não aconteceu") == alarms.MOST_LINES
    assert "mais 10" in notice.body
    assert notice.integration_id is None
    listed = await alarms.alarms(engine, tenant.id)
    assert len(listed) == 30
    assert {row.entity for row in listed} == {"products"}
    [theirs] = sql(mine, tenant=other.id)
    assert theirs.subject == "De outra empresa: execução prevista não aconteceu"
    assert len(await alarms.alarms(engine, other.id)) == 1


async def test_what_stops_everybody_is_told_to_every_tenant_once(
    engine: AsyncEngine, new_pair: NewPair, sql: Sql, tenant: Tenant
) -> None:
    for _ in range(3):
        new_pair()
    assert await alarms.raise_for_all(engine, alarms.PREFECT_DOWN, "O Prefect não responde.") == 1
    assert await alarms.raise_for_all(engine, alarms.PREFECT_DOWN, "O Prefect não responde.") == 0
    assert len(sql(NOTICES)) == 1
    assert await alarms.calm_for_all(engine, alarms.PREFECT_DOWN) == 1
    assert await alarms.alarms(engine, tenant.id) == []
    assert len(await alarms.alarms(engine, tenant.id, closed=True)) == 1
