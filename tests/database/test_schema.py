"""The schema: migrations both ways, tenant isolation in the database itself, nothing owned by the service."""

import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from db.models import metadata
from db.session import system_transaction, tenant_transaction
from db.upgrade import downgrade, upgrade
from tests.conftest import Database, Tenant, new_tenant

UNPROTECTED = text(
    """
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('erp', 'sync') AND c.relkind IN ('r', 'p')
      AND (EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
           OR c.oid = 'erp.tenant'::regclass)
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polwithcheck IS NOT NULL
          AND p.polname = 'tenant'))
    """
)


def connect(database: Database) -> Connection:
    return create_engine(database.admin_url, poolclass=NullPool).connect()


def test_every_tenant_table_forces_row_level_security(database: Database) -> None:
    with connect(database) as connection:
        assert connection.execute(UNPROTECTED).scalars().all() == []
        connection.execute(text("CREATE TABLE erp.forgotten (tenant_id uuid)"))
        assert connection.execute(UNPROTECTED).scalars().all() == ["erp.forgotten"]


def test_migrations_go_down_and_up_again(database: Database) -> None:
    downgrade(database.admin_url)
    upgrade(database.admin_url)
    with connect(database) as connection:
        context = MigrationContext.configure(connection, opts={"include_schemas": True})
        differences = [d for d in compare_metadata(context, metadata) if "alembic_version" not in str(d)]
        assert differences == []


def test_the_service_role_owns_nothing_and_bypasses_nothing(database: Database) -> None:
    with connect(database) as connection:
        owned = "SELECT count(*) FROM pg_class WHERE relowner = 'cloudtosys'::regrole"
        assert connection.execute(text(owned)).scalar_one() == 0
        role = "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = 'cloudtosys'"
        assert connection.execute(text(role)).scalar_one() is False


async def test_a_connection_without_tenant_sees_nothing(engine: AsyncEngine, tenant: Tenant) -> None:
    async with engine.connect() as connection:
        with pytest.raises(ProgrammingError):
            await connection.execute(text("SELECT count(*) FROM erp.branch"))
    async with engine.begin() as connection:
        await connection.execute(text("SELECT set_config('role', 'cloudtosys_app', true)"))
        assert (await connection.execute(text("SELECT count(*) FROM erp.branch"))).scalar_one() == 0


async def test_a_tenant_neither_reads_nor_writes_another(
    database: Database, engine: AsyncEngine, tenant: Tenant
) -> None:
    other = new_tenant(database, "Outra")
    async with tenant_transaction(engine, tenant.id) as connection:
        found = await connection.execute(text("SELECT id FROM erp.branch"))
        assert found.scalars().all() == [tenant.branch_id]
    insert = "INSERT INTO erp.product (tenant_id, name) VALUES (:tenant, 'x')"
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with tenant_transaction(engine, tenant.id) as connection:
            await connection.execute(text(insert), {"tenant": other.id})
    async with tenant_transaction(engine, tenant.id) as connection:
        stolen = await connection.execute(
            text("UPDATE erp.branch SET name = 'x' WHERE id = :id"), {"id": other.branch_id}
        )
        assert stolen.rowcount == 0


async def test_the_role_ends_with_its_transaction(engine: AsyncEngine, tenant: Tenant) -> None:
    async with tenant_transaction(engine, tenant.id):
        pass
    async with system_transaction(engine) as connection:
        with pytest.raises(ProgrammingError):
            await connection.execute(text("SELECT count(*) FROM erp.product"))


async def test_ids_are_version_7_and_ascend(engine: AsyncEngine, tenant: Tenant) -> None:
    async with tenant_transaction(engine, tenant.id) as connection:
        ids = [
            (await connection.execute(text("SELECT erp.uuid7(), pg_sleep(0.002)"))).scalar_one()
            for _ in range(5)
        ]
    assert ids == sorted(ids)
    assert all(isinstance(id_, uuid.UUID) and id_.version == 7 for id_ in ids)
