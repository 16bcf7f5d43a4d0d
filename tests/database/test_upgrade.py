"""Upgrades as they happen: two at once, by an administrator who is no superuser, and after a restore."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from core.errors import DatabaseUnavailable
from db import embedded
from db.upgrade import upgrade
from tests.conftest import Database, Tenant


def run(url: str, statement: str, **values: object) -> object:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement), values)
        return result.scalar() if result.returns_rows else None


@pytest.fixture
def managed(cluster: embedded.Server) -> Iterator[str]:
    """A database as a managed PostgreSQL gives it: its owner is no superuser."""
    name = f"managed_{uuid.uuid4().hex[:8]}"
    run(cluster.admin_url(), f"CREATE ROLE {name} LOGIN CREATEROLE")
    run(cluster.admin_url(), f"CREATE DATABASE {name} OWNER {name}")
    yield cluster.url(name, name)
    run(cluster.admin_url(), f"DROP DATABASE {name} WITH (FORCE)")
    run(cluster.admin_url(), f"DROP ROLE {name}")


def test_two_upgrades_at_once(template: str, managed: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, (managed, managed)))
    assert run(managed, "SELECT count(*) FROM sync.installation") == 1


def test_a_restored_dump_gives_changes_above_the_restored_ones(template: str, managed: str) -> None:
    upgrade(managed)
    tenant = uuid.uuid4()
    run(managed, "ALTER TABLE erp.tenant NO FORCE ROW LEVEL SECURITY")
    run(managed, "ALTER TABLE erp.branch NO FORCE ROW LEVEL SECURITY")
    add = "INSERT INTO erp.branch (tenant_id, code, name) VALUES (:t, :c, 'x') RETURNING change_seq"
    run(managed, "INSERT INTO erp.tenant (id, name, slug) VALUES (:t, 'x', 'x')", t=tenant)
    run(managed, add, t=tenant, c="1")
    # What a dump from a busier cluster looks like here.
    run(managed, "ALTER TABLE erp.branch DISABLE TRIGGER USER")
    run(managed, "UPDATE erp.branch SET change_seq = 5000000000")
    run(managed, "ALTER TABLE erp.branch ENABLE TRIGGER USER")
    run(managed, "ALTER TABLE erp.branch FORCE ROW LEVEL SECURITY")
    run(managed, "UPDATE sync.installation SET system_identifier = 'elsewhere'")
    upgrade(managed)
    run(managed, "ALTER TABLE erp.branch NO FORCE ROW LEVEL SECURITY")
    assert int(str(run(managed, add, t=tenant, c="2"))) > 5_000_000_000
    visible = "SELECT count(*) FROM erp.branch WHERE change_seq < erp.change_horizon()"
    assert run(managed, visible) == 2
    before = run(managed, "SELECT change_offset FROM sync.installation")
    upgrade(managed)
    assert run(managed, "SELECT change_offset FROM sync.installation") == before


def test_a_dump_restores_with_its_policies(
    cluster: embedded.Server, database: Database, tenant: Tenant
) -> None:
    """pg_dump and pg_restore know nothing of us: functions, triggers and policies come back in order."""
    source, target = make_url(database.admin_url), f"restored_{uuid.uuid4().hex[:8]}"
    bin_ = embedded._binaries()
    if "TEST_POSTGRES_SOCKETS" in os.environ:
        pytest.skip("pg_dump writes for servers of its own version")
    host = str(source.query["host"])
    environment = os.environ | {"PGHOST": host, "PGUSER": "postgres"}
    dump = subprocess.run(
        [str(bin_ / "pg_dump"), "-Fp", str(source.database)], env=environment, capture_output=True, check=True
    )
    run(cluster.admin_url(), f"CREATE DATABASE {target}")
    try:
        subprocess.run(
            [str(bin_ / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", target],
            env=environment,
            input=dump.stdout,
            capture_output=True,
            check=True,
        )
        upgrade(cluster.admin_url(target))
        assert run(cluster.admin_url(target), "SELECT id FROM erp.branch") == tenant.branch_id
    finally:
        run(cluster.admin_url(), f"DROP DATABASE {target} WITH (FORCE)")


def test_a_server_that_does_not_answer_is_told_in_portuguese() -> None:
    with pytest.raises(DatabaseUnavailable, match="não respondeu"):
        upgrade("postgresql+psycopg://postgres@/x?host=/nonexistent")


def test_ids_come_from_the_server_where_it_can(database: Database) -> None:
    native = int(str(run(database.admin_url, "SHOW server_version_num"))) >= 180_000
    body = str(run(database.admin_url, "SELECT prosrc FROM pg_proc WHERE oid = 'erp.uuid7'::regproc"))
    assert ("uuidv7" in body) is native
