"""Rotation of stored secrets: nothing becomes unreadable on the way, and the wrong order is refused."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from db import keys
from db.session import system_transaction
from db.upgrade import check_keys
from db.vault import Vault, WrongKey, generate_key
from tests.conftest import Database, Tenant

SECRETS = 1_203
PAYLOADS = 20


def run(database: Database, statement: str, values: Any = None) -> Any:
    engine = create_engine(database.admin_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement), values or {})
        return result.all() if result.returns_rows else None


@pytest.fixture
def integration(database: Database, tenant: Tenant) -> uuid.UUID:
    id_ = uuid.uuid4()
    run(
        database,
        "INSERT INTO sync.integration (id, tenant_id, provider, name) VALUES (:id, :t, 'woocommerce', 'L')",
        {"id": id_, "t": tenant.id},
    )
    return id_


def fill(database: Database, tenant: Tenant, integration: uuid.UUID, vault: Vault) -> None:
    rows = []
    for n in range(SECRETS):
        sealed = vault.seal(tenant.id, integration, f"f{n}", f"segredo {n}")
        rows.append(
            {"t": tenant.id, "i": integration, "n": f"f{n}", "c": sealed.ciphertext, "k": sealed.key_id}
        )
    run(database, "INSERT INTO sync.credential VALUES (:t, :i, :n, :c, :k)", rows)
    log = uuid.uuid4()
    values = {"t": tenant.id, "i": integration, "l": log, "k": vault.key_id}
    run(
        database,
        "INSERT INTO sync.sync_log (id, tenant_id, integration_id, entity, direction, initiated_by)"
        " VALUES (:l, :t, :i, 'products', 'import', 'manual')",
        values,
    )
    run(
        database,
        "INSERT INTO sync.issue (tenant_id, sync_log_id, integration_id, entity, direction, error_class,"
        " fault, payload, key_id) VALUES (:t, :l, :i, 'products', 'import', 'RecordError', 'data', :p, :k)",
        [values | {"p": vault.seal_payload(b"{}").ciphertext} for _ in range(PAYLOADS)],
    )


def readable(database: Database, tenant: Tenant, integration: uuid.UUID, vault: Vault) -> int:
    found = run(database, "SELECT name, ciphertext FROM sync.credential")
    return sum(vault.open(tenant.id, integration, n, c) == f"segredo {n[1:]}" for n, c in found)


async def test_after_rotation_the_old_key_can_go(
    database: Database, engine: AsyncEngine, tenant: Tenant, integration: uuid.UUID
) -> None:
    old, new = generate_key(), generate_key()
    await keys.verify(engine, Vault([old]))
    fill(database, tenant, integration, Vault([old]))
    both = Vault([new, old])
    rounds = await asyncio.gather(keys.rotate(engine, both), keys.rotate(engine, both))
    assert sum(done.moved for done in rounds) == SECRETS + PAYLOADS
    assert await keys.rotate(engine, both) == keys.Rotated(0, 0)
    assert readable(database, tenant, integration, Vault([new])) == SECRETS
    payloads = run(database, "SELECT payload FROM sync.issue")
    assert {Vault([new]).open_payload(payload) for (payload,) in payloads} == {b"{}"}
    await keys.verify(engine, Vault([new]))
    check_keys(database.admin_url, Vault([new]))
    with pytest.raises(WrongKey):
        await keys.verify(engine, Vault([old]))


async def test_a_rotation_cut_short_goes_on_and_refuses_the_old_key_to_be_dropped(
    database: Database, engine: AsyncEngine, tenant: Tenant, integration: uuid.UUID
) -> None:
    old, new = generate_key(), generate_key()
    await keys.verify(engine, Vault([old]))
    fill(database, tenant, integration, Vault([old]))
    both = Vault([new, old])
    cut = asyncio.create_task(keys.rotate(engine, both))
    counted = text("SELECT count(*) FROM sync.credential WHERE key_id = :key")
    for _ in range(1000):
        async with system_transaction(engine) as connection:
            moved = (await connection.execute(counted, {"key": both.key_id})).scalar_one()
        if moved:
            break
        await asyncio.sleep(0.005)
    cut.cancel()
    await asyncio.wait([cut])
    assert 0 < moved < SECRETS
    assert readable(database, tenant, integration, both) == SECRETS
    with pytest.raises(WrongKey, match="não abrem"):
        await keys.verify(engine, Vault([new]))
    assert (await keys.rotate(engine, both)).left == 0
    await keys.verify(engine, Vault([new]))


async def test_a_secret_no_key_opens_neither_blocks_nor_passes(
    database: Database, engine: AsyncEngine, tenant: Tenant, integration: uuid.UUID
) -> None:
    old, new = generate_key(), generate_key()
    await keys.verify(engine, Vault([old]))
    fill(database, tenant, integration, Vault([old]))
    run(database, "UPDATE sync.credential SET ciphertext = 'x' WHERE name = 'f1'")
    assert await keys.rotate(engine, Vault([new, old])) == keys.Rotated(SECRETS + PAYLOADS - 1, 1)
    with pytest.raises(WrongKey):
        await keys.verify(engine, Vault([new]))
