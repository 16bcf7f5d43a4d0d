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

SHARED = {"sync.installation", "sync.rate_bucket", "sync.sign_in_attempt", "sync.sign_in_failure"}
"""Tables that hold nothing of any tenant."""
UNPROTECTED = text(
    """
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('erp', 'sync') AND c.relkind IN ('r', 'p')
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant'
          AND (p.polwithcheck IS NOT NULL OR p.polcmd = 'r')))
    """
)


def connect(database: Database) -> Connection:
    return create_engine(database.admin_url, poolclass=NullPool).connect()


def test_every_table_forces_row_level_security(database: Database) -> None:
    with connect(database) as connection:
        assert set(connection.execute(UNPROTECTED).scalars()) == SHARED
        connection.execute(text("CREATE TABLE erp.forgotten (tenant_id uuid)"))
        assert set(connection.execute(UNPROTECTED).scalars()) == SHARED | {"erp.forgotten"}


def test_migrations_go_down_and_up_again(database: Database) -> None:
    downgrade(database.admin_url, "0001")
    upgrade(database.admin_url)
    downgrade(database.admin_url)
    upgrade(database.admin_url)
    with connect(database) as connection:
        context = MigrationContext.configure(connection, opts={"include_schemas": True})
        differences = [d for d in compare_metadata(context, metadata) if "alembic_version" not in str(d)]
        assert differences == []


def test_the_service_role_owns_nothing_and_bypasses_nothing(database: Database) -> None:
    with connect(database) as connection:
        for table, owner in (("class", "relowner"), ("namespace", "nspowner"), ("proc", "proowner")):
            owned = f"SELECT count(*) FROM pg_{table} WHERE {owner} = 'cloudtosys'::regrole"
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


async def test_a_tenant_sees_its_own_people_without_their_passwords(
    database: Database, engine: AsyncEngine, tenant: Tenant
) -> None:
    other = new_tenant(database, "Outra")
    with connect(database) as connection, connection.begin():
        for place in (tenant, other):
            person = connection.execute(
                text("INSERT INTO sync.\"user\" (email, name) VALUES (:email, 'x') RETURNING id"),
                {"email": f"{place.id}@exemplo.invalid"},
            ).scalar_one()
            connection.execute(
                text("INSERT INTO sync.membership (tenant_id, user_id) VALUES (:tenant, :user)"),
                {"tenant": place.id, "user": person},
            )
    async with tenant_transaction(engine, tenant.id) as connection_:
        seen = await connection_.execute(text('SELECT email FROM sync."user"'))
        assert seen.scalars().all() == [f"{tenant.id}@exemplo.invalid"]
    for forbidden in ('SELECT password_hash FROM sync."user"', 'DELETE FROM sync."user"'):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(engine, tenant.id) as connection_:
                await connection_.execute(text(forbidden))


async def test_the_audit_trail_only_grows(engine: AsyncEngine, tenant: Tenant) -> None:
    insert = text(
        "INSERT INTO sync.audit_log (tenant_id, actor, action, target) VALUES (:tenant, 'a', 'b', 'c')"
    )
    async with tenant_transaction(engine, tenant.id) as connection:
        await connection.execute(insert, {"tenant": tenant.id})
    for forbidden in ("UPDATE sync.audit_log SET actor = 'x'", "DELETE FROM sync.audit_log"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(engine, tenant.id) as connection:
                await connection.execute(text(forbidden))


async def test_snapshots_go_with_their_mappings(
    database: Database, engine: AsyncEngine, tenant: Tenant
) -> None:
    """Also when the whole integration goes, whoever deletes: they hold people's data."""
    integration, counted = uuid.uuid4(), text("SELECT count(*) FROM sync.mapping_snapshot")
    values = {"tenant": tenant.id, "integration": integration}
    async with tenant_transaction(engine, tenant.id) as connection:
        await connection.execute(
            text(
                "INSERT INTO sync.integration (id, tenant_id, provider, name)"
                " VALUES (:integration, :tenant, 'woocommerce', 'L')"
            ),
            values,
        )
        for n in range(3):
            await connection.execute(
                text(
                    "WITH m AS (INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id,"
                    " internal_id) VALUES (:tenant, :integration, 'customers', :n, gen_random_uuid())"
                    " RETURNING id) INSERT INTO sync.mapping_snapshot SELECT id, :tenant, '{}' FROM m"
                ),
                values | {"n": str(n)},
            )
    async with tenant_transaction(engine, tenant.id) as connection:
        await connection.execute(text("DELETE FROM sync.mapping WHERE external_id = '0'"))
        assert (await connection.execute(counted)).scalar_one() == 2
    async with tenant_transaction(engine, tenant.id) as connection:
        await connection.execute(text("DELETE FROM sync.integration WHERE id = :integration"), values)
        assert (await connection.execute(counted)).scalar_one() == 0


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
