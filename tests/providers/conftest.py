"""A shop connected to a tenant: sandbox process, integration, credentials and pairs."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core import engine as rules
from core import orphans, selecting
from core.batch import Batch
from core.entities import Entity, Trigger
from core.ports import Cursor
from db.vault import Vault, generate_key
from sandbox.process import Store, start
from tasks.job import Run, open_run
from tests.conftest import Database, Tenant
from tests.world.fixtures import connect_world, room, world

__all__ = ["connect_world", "room", "world"]

ENTITIES = (Entity.CATEGORIES, Entity.PRODUCTS, Entity.CUSTOMERS, Entity.STOCK, Entity.ORDERS)


@dataclass(frozen=True, slots=True)
class Shop:
    """A connected shop, its pairs by entity, and the database as an administrator sees it."""

    store: Store
    database: Database
    tenant: Tenant
    integration_id: uuid.UUID
    pairs: dict[Entity, uuid.UUID]
    vault: Vault

    def reseal(self, name: str, secret: str) -> None:
        """Store another secret, as an admin would."""
        sealed = self.vault.seal(self.tenant.id, self.integration_id, name, secret)
        self.query(
            "INSERT INTO sync.credential VALUES (:tenant, :integration, :name, :secret, :key)"
            " ON CONFLICT (integration_id, name) DO UPDATE SET ciphertext = excluded.ciphertext",
            tenant=self.tenant.id,
            integration=self.integration_id,
            name=name,
            secret=sealed.ciphertext,
            key=sealed.key_id,
        )

    def connect(self, store: Store) -> None:
        """Point the integration at another shop."""
        self.query("UPDATE sync.integration SET base_url = :url", url=store.url)
        os.environ["CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS"] = store.url.removeprefix("http://")
        for name in ("consumer_key", "consumer_secret"):
            self.reseal(name, getattr(store, name))

    @asynccontextmanager
    async def open(
        self, entity: Entity, *, full: bool = False, request: uuid.UUID | None = None
    ) -> AsyncIterator[Run]:
        async with open_run(
            self.pairs[entity],
            entity,
            full=full,
            initiated_by=Trigger.MANUAL,
            flow_run_id=None,
            slot_at=None,
            request_id=request,
        ) as run:
            assert run is not None
            yield run

    async def run(
        self,
        entity: Entity,
        *,
        full: bool = False,
        batch_size: int = 1000,
        request: uuid.UUID | None = None,
    ) -> Run:
        """One run of a pair through the four steps, as the flow does it."""
        async with self.open(entity, full=full, request=request) as run:
            if run.job is None:
                return run
            run.job.batch_size = batch_size
            cursor: Cursor | None = run.job.cursor
            while cursor is not None:
                await run.check()
                cursor = await write(run, await rules.fetch(run.job, cursor))
            await orphans.settle(run.job)
            if (due := await selecting.fetch_due(run.job)) is not None:
                await write(run, due)
        return run

    def query(self, sql: str, **values: Any) -> Any:
        with create_engine(self.database.admin_url, poolclass=NullPool).begin() as connection:
            result = connection.execute(text(sql), values)
            return result.all() if result.returns_rows else None


async def write(run: Run, batch: Batch) -> Cursor | None:
    """Take a fetched batch through the other three steps."""
    assert run.job is not None
    return await rules.upsert(run.job, await rules.transform(run.job, rules.map_records(run.job, batch)))


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    with start(products=230, categories=20, customers=40, orders=130) as running:
        yield running


@pytest.fixture
def shop(store: Store, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Shop:
    key = generate_key()
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", key)
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", store.url.removeprefix("http://"))
    store.control("faults")
    pairs = {entity: uuid.uuid4() for entity in ENTITIES}
    made = Shop(store, database, tenant, uuid.uuid4(), pairs, Vault([key]))
    made.query(
        "INSERT INTO sync.integration (id, tenant_id, provider, name, base_url)"
        " VALUES (:id, :tenant, 'woocommerce', 'Loja Teste', :url)",
        id=made.integration_id,
        tenant=tenant.id,
        url=store.url,
    )
    made.connect(store)
    for entity, pair in pairs.items():
        made.query(
            "INSERT INTO sync.pair (id, tenant_id, integration_id, entity, direction)"
            " VALUES (:id, :tenant, :integration, :entity, 'import')",
            id=pair,
            tenant=tenant.id,
            integration=made.integration_id,
            entity=entity.value,
        )
    return made
