"""Transactions when the database is away, and the plans that row-level security leaves intact."""

import asyncio
import os
import uuid
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.errors import ConfigurationError, DatabaseUnavailable
from db import session, settings
from db.deploy import alone
from db.session import engine as shared
from db.session import system_transaction, tenant_transaction
from db.vault import from_environment, generate_key
from tests.conftest import Database, Tenant


async def test_a_database_that_is_away_is_told_in_portuguese() -> None:
    away = create_async_engine("postgresql+psycopg://cloudtosys@/x?host=/nonexistent")
    with pytest.raises(DatabaseUnavailable, match="não respondeu") as raised:
        async with system_transaction(away):
            pass
    assert raised.value.retryable
    await away.dispose()


async def test_connections_that_were_cut_are_replaced(
    database: Database, engine: AsyncEngine, tenant: Tenant
) -> None:
    admin = create_async_engine(database.admin_url)

    async def work() -> None:
        async with tenant_transaction(engine, tenant.id) as connection:
            pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with admin.connect() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            await connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        await work()
    await admin.dispose()
    async with tenant_transaction(engine, tenant.id) as connection:
        assert (await connection.execute(text("SELECT count(*) FROM erp.branch"))).scalar_one() == 1


async def test_a_pool_that_is_exhausted_does_not_answer_either(database: Database) -> None:
    small = create_async_engine(database.url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    async with system_transaction(small):
        with pytest.raises(DatabaseUnavailable):
            async with system_transaction(small):
                pass
    await small.dispose()


async def test_who_stands_still_in_the_middle_of_a_statement_frees_its_rows(
    engine: AsyncEngine, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process stopped while it sends a batch that is larger than the socket's buffer: PostgreSQL waits
    for the rest, and does not hold the session to be idle."""
    monkeypatch.setattr(session, "LONGEST_SECONDS", 1)
    lock = text("SELECT id FROM erp.branch FOR UPDATE")
    parse = b"\0SELECT 1\0\0\0"

    async def stand_still() -> None:
        async with tenant_transaction(engine, tenant.id) as standing:
            version = standing.dialect.server_version_info or ()
            if version < session.FIRST_WITH_TRANSACTION_TIMEOUT:
                pytest.skip("PostgreSQL before 17 has no limit for a transaction")
            await standing.execute(lock)
            driver = (await standing.get_raw_connection()).driver_connection
            assert driver is not None
            os.write(driver.fileno(), b"P" + (len(parse) + 4).to_bytes(4, "big") + parse)
            async with tenant_transaction(engine, tenant.id) as heir:
                assert (await heir.execute(lock)).scalar_one() == tenant.branch_id
            await standing.execute(text("SELECT 1"))

    async with asyncio.timeout(20):
        with pytest.raises(DatabaseUnavailable):
            await stand_still()


async def test_who_brings_deployments_in_line_may_wait_for_prefect(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New pairs by the hundred take longer than a transaction that holds rows may."""
    monkeypatch.setattr(session, "IDLE_SECONDS", 1)
    monkeypatch.setattr(session, "LONGEST_SECONDS", 1)
    async with alone(engine):
        await asyncio.sleep(1.5)


async def test_nothing_stays_on_a_pooled_connection(database: Database, tenant: Tenant) -> None:
    one = create_async_engine(database.url, pool_size=1, max_overflow=0)
    state = text("SELECT current_user, coalesce(current_setting('app.tenant_id', true), '')")
    async with tenant_transaction(one, tenant.id) as connection:
        assert (await connection.execute(state)).one() == ("cloudtosys_app", str(tenant.id))
    async with one.connect() as raw:
        assert (await raw.execute(state)).one() == ("cloudtosys", "")
    await one.dispose()


async def test_tenants_do_not_mix_on_shared_connections(engine: AsyncEngine, tenant: Tenant) -> None:
    """Errors and cancellations in between must not leave a tenant on a pooled connection."""

    async def look(id_: uuid.UUID, seconds: float) -> set[uuid.UUID]:
        async with tenant_transaction(engine, id_) as connection:
            found = (await connection.execute(text("SELECT tenant_id FROM erp.branch"))).scalars().all()
            if seconds:
                await asyncio.sleep(seconds)
                raise ConfigurationError("interrompido")
            return set(found)

    other = uuid.uuid4()
    for _ in range(10):
        broken = [asyncio.create_task(look(tenant.id, 0.01)) for _ in range(3)]
        await asyncio.sleep(0.005)
        broken[0].cancel()
        await asyncio.gather(*broken, return_exceptions=True)
        nothing, own = await asyncio.gather(look(other, 0), look(tenant.id, 0))
        assert nothing == set()
        assert own == {tenant.id}


async def test_a_transaction_that_stands_still_is_ended_by_the_database(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    """It would keep its locks, and with them the run that takes over."""
    patience = text("SHOW idle_in_transaction_session_timeout")
    for transaction in (tenant_transaction(engine, tenant.id), system_transaction(engine)):
        async with transaction as connection:
            assert (await connection.execute(patience)).scalar_one() == "30s"
    async with engine.begin() as connection:
        assert (await connection.execute(patience)).scalar_one() == "0"

    async def stand_still() -> None:
        async with tenant_transaction(engine, tenant.id) as connection:
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
            await asyncio.sleep(0.5)
            await connection.execute(patience)

    with pytest.raises(DatabaseUnavailable):
        await stand_still()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            "SELECT id FROM erp.product WHERE (change_seq, id) > (5, '00000000-0000-0000-0000-000000000000')"
            " AND change_seq < erp.change_horizon() ORDER BY change_seq, id LIMIT 100",
            "ix_product_tenant_id_change_seq_id",
        ),
        (
            "SELECT id FROM sync.sync_log WHERE (started_at, id) < (now(), gen_random_uuid())"
            " ORDER BY started_at DESC, id DESC LIMIT 50",
            "ix_sync_log_listing",
        ),
        (
            "SELECT l.id FROM sync.sync_log l WHERE (l.started_at, l.id) < ((SELECT b.started_at"
            " FROM sync.sync_log b WHERE b.id = '00000000-0000-0000-0000-000000000000'),"
            " CAST('00000000-0000-0000-0000-000000000000' AS uuid))"
            " ORDER BY l.started_at DESC, l.id DESC LIMIT 50",
            "ix_sync_log_listing",
        ),
        (
            "SELECT id FROM sync.mapping WHERE integration_id = '00000000-0000-0000-0000-000000000000'"
            " AND entity = 'products' AND external_id > '5' ORDER BY external_id LIMIT 50",
            "uq_mapping_integration_id_entity_external_id",
        ),
    ],
)
async def test_listings_follow_an_index_through_the_policy(
    engine: AsyncEngine, tenant: Tenant, query: str, index: str
) -> None:
    async with tenant_transaction(engine, tenant.id) as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join((await connection.execute(text(f"EXPLAIN {query}"))).scalars())
    assert index in plan
    assert "InitPlan" in plan, "the tenant is read once, not for every row"
    assert "Sort" not in plan


def test_the_pool_is_one_for_each_address() -> None:
    url = "postgresql+psycopg://cloudtosys@/x?host=/nonexistent"
    assert shared(url) is shared(url)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://cloudtosys@db.exemplo/cloudtosys")
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", "Loja.local, 10.0.0.5:8080,")
    keys = tmp_path / "keys"
    keys.write_text(generate_key())
    keys.chmod(0o640)
    monkeypatch.setenv("CLOUDTOSYS_KEYS_FILE", str(keys))
    found = settings.read()
    assert found.database_url == "postgresql+psycopg://cloudtosys@db.exemplo/cloudtosys"
    assert found.private_hosts == {"loja.local", "10.0.0.5:8080"}
    assert found.lease_seconds == 60
    with pytest.raises(ConfigurationError, match="chmod 600"):
        from_environment(found)
    keys.chmod(0o600)
    assert from_environment(found).key_id


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", ""), ("DATABASE_URL", "mysql://x"), ("CLOUDTOSYS_LEASE_SECONDS", "um minuto")],
)
def test_unusable_settings_name_themselves(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        settings.read()
