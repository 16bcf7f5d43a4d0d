"""An integration of any provider connected to a tenant, and its runs without Prefect."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core.entities import ConflictPolicy, Direction, Entity, Matching, RunStatus, Trigger
from db.vault import Vault, generate_key
from providers.registry import get
from tasks.job import Run, open_run, phases
from tests.conftest import Database, Tenant
from tests.world.erp import Erp
from tests.world.steps import walk


@dataclass(slots=True)
class Account:
    """Pairs by entity. `erp` is another program that writes the tenant's rows."""

    database: Database
    tenant: Tenant
    vault: Vault
    erp: Erp
    integration_id: uuid.UUID = field(default_factory=uuid.uuid4)
    pairs: dict[Entity, uuid.UUID] = field(default_factory=dict)

    def pair(
        self,
        entity: Entity,
        direction: Direction = Direction.IMPORT,
        policy: ConflictPolicy = ConflictPolicy.ASK,
    ) -> None:
        self.pairs[entity] = uuid.uuid4()
        self.query(
            "INSERT INTO sync.pair (id, tenant_id, integration_id, entity, direction, conflict_policy)"
            " VALUES (:id, :tenant, :integration, :entity, :direction, :policy)",
            id=self.pairs[entity],
            tenant=self.tenant.id,
            integration=self.integration_id,
            entity=entity.value,
            direction=direction.value,
            policy=policy.value,
        )

    def seal(self, name: str, secret: str) -> None:
        sealed = self.vault.seal(self.tenant.id, self.integration_id, name, secret)
        self.query(
            "INSERT INTO sync.credential VALUES (:tenant, :id, :name, :secret, :key)"
            " ON CONFLICT (integration_id, name) DO UPDATE SET ciphertext = excluded.ciphertext",
            tenant=self.tenant.id,
            id=self.integration_id,
            name=name,
            secret=sealed.ciphertext,
            key=sealed.key_id,
        )

    async def run(self, entity: Entity, *, full: bool = False, batch_size: int = 1000) -> list[Run]:
        """The phases of a run as the flow does them, each with a log."""
        ended = []
        for direction in await phases(self.pairs[entity]):
            async with open_run(
                self.pairs[entity],
                entity,
                direction=direction,
                full=full,
                initiated_by=Trigger.MANUAL,
                flow_run_id=None,
                slot_at=None,
            ) as run:
                assert run is not None
                if run.job is not None:
                    run.job.batch_size = batch_size
                    await walk(run, direction)
            ended.append(run)
            if run.status not in (RunStatus.SUCCESS, RunStatus.PARTIAL):
                break
        return ended

    async def sync(self, entity: Entity, **options: Any) -> list[Run]:
        """A run that has to succeed."""
        ended = await self.run(entity, **options)
        for run in ended:
            assert run.status is RunStatus.SUCCESS, (entity, run.error, self.issues())
        return ended

    def issues(self) -> list[Any]:
        found: list[Any] = self.query(
            "SELECT direction, error_class, field, message, external_id, state FROM sync.issue ORDER BY id"
        )
        return found

    def external(self, internal_id: uuid.UUID) -> str:
        found = self.query(
            "SELECT external_id FROM sync.mapping WHERE internal_id = :id AND state <> 'orphan'"
            " AND entity <> 'stock'",
            id=internal_id,
        )
        assert len(found) == 1, found
        return str(found[0][0])

    def query(self, sql: str, **values: Any) -> Any:
        with create_engine(self.database.admin_url, poolclass=NullPool).begin() as connection:
            result = connection.execute(text(sql), values)
            return result.all() if result.returns_rows else None


def connect(
    provider: str,
    settings: Mapping[str, str],
    database: Database,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    *,
    matching: Matching = Matching.SKU,
) -> Account:
    """`settings` with the secrets among them; their address is a private host that is allowed."""
    key = generate_key()
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", key)
    monkeypatch.setenv("CLOUDTOSYS_LOOK_AGAIN_SECONDS", "0.2,0.4")
    declared = get(provider)
    host = httpx.URL(declared.base_url(settings)).netloc.decode()
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", host)
    made = Account(database, tenant, Vault([key]), Erp(database.url, tenant.id, tenant.branch_id))
    plain = {name: value for name, value in settings.items() if name not in declared.secret_names}
    made.query(
        "INSERT INTO sync.integration (id, tenant_id, provider, name, base_url, settings, matching)"
        " VALUES (:id, :tenant, :provider, 'Conta', :url, CAST(:settings AS jsonb), :matching)",
        id=made.integration_id,
        tenant=tenant.id,
        provider=provider,
        url=plain.pop("base_url", None),
        settings=json.dumps(plain),
        matching=matching.value,
    )
    for name in declared.secret_names & settings.keys():
        made.seal(name, settings[name])
    return made
