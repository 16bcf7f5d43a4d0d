"""A world connected to a tenant: integration, credential, pairs; runs, edits on both sides, and a judge."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core.entities import ConflictPolicy, Direction, Entity, Matching, RunStatus, Trigger
from db.vault import Vault
from sandbox.world.process import World
from tasks.job import Run, open_run, phases
from tests.conftest import Database, Tenant
from tests.faults.checker import Violation
from tests.world.erp import Erp
from tests.world.judge import judge
from tests.world.steps import walk


@dataclass(slots=True)
class Room:
    """Both sides of one integration. `pairs` by entity, `directions` by the entity's name."""

    world: World
    database: Database
    tenant: Tenant
    vault: Vault
    erp: Erp
    integration_id: uuid.UUID = field(default_factory=uuid.uuid4)
    pairs: dict[Entity, uuid.UUID] = field(default_factory=dict)
    directions: dict[str, str] = field(default_factory=dict)
    limit: tuple[int, float] | None = None
    seen: int = 0

    def connect(self, provider: str, *, matching: Matching = Matching.SKU, **settings: Any) -> None:
        self.query(
            "INSERT INTO sync.integration (id, tenant_id, provider, name, base_url, settings, matching)"
            " VALUES (:id, :tenant, :provider, 'Mundo', :url, CAST(:settings AS jsonb), :matching)",
            id=self.integration_id,
            tenant=self.tenant.id,
            provider=provider,
            url=self.world.url,
            settings=json.dumps({name: str(value) for name, value in settings.items()}),
            matching=matching.value,
        )
        sealed = self.vault.seal(self.tenant.id, self.integration_id, "token", self.world.token)
        self.query(
            "INSERT INTO sync.credential VALUES (:tenant, :id, 'token', :secret, :key)",
            tenant=self.tenant.id,
            id=self.integration_id,
            secret=sealed.ciphertext,
            key=sealed.key_id,
        )

    def pair(
        self,
        entity: Entity = Entity.PRODUCTS,
        direction: Direction = Direction.BOTH,
        policy: ConflictPolicy = ConflictPolicy.ASK,
    ) -> uuid.UUID:
        made = self.pairs[entity] = uuid.uuid4()
        self.directions[entity.value] = direction.value
        self.query(
            "INSERT INTO sync.pair (id, tenant_id, integration_id, entity, direction, conflict_policy)"
            " VALUES (:id, :tenant, :integration, :entity, :direction, :policy)",
            id=made,
            tenant=self.tenant.id,
            integration=self.integration_id,
            entity=entity.value,
            direction=direction.value,
            policy=policy.value,
        )
        return made

    @asynccontextmanager
    async def open(
        self, entity: Entity, direction: Direction, *, full: bool = False, request: uuid.UUID | None = None
    ) -> AsyncIterator[Run]:
        async with open_run(
            self.pairs[entity],
            entity,
            direction=direction,
            full=full,
            initiated_by=Trigger.MANUAL,
            flow_run_id=None,
            slot_at=None,
            request_id=request,
        ) as run:
            assert run is not None
            yield run

    async def phase(
        self, entity: Entity, direction: Direction, *, full: bool = False, batch_size: int = 1000
    ) -> Run:
        """One run in one direction."""
        async with self.open(entity, direction, full=full) as run:
            if run.job is not None:
                run.job.batch_size = batch_size
                await walk(run, direction)
        return run

    async def run(
        self, entity: Entity = Entity.PRODUCTS, *, full: bool = False, batch_size: int = 1000
    ) -> list[Run]:
        """One run of a pair as the flow does it: its phases, each with a log."""
        ended = []
        for direction in await phases(self.pairs[entity]):
            ended.append(await self.phase(entity, direction, full=full, batch_size=batch_size))
            if ended[-1].status not in (RunStatus.SUCCESS, RunStatus.PARTIAL):
                break
        return ended

    async def sync(self, entity: Entity = Entity.PRODUCTS, **options: Any) -> list[Run]:
        """A run that has to succeed."""
        ended = await self.run(entity, **options)
        for run in ended:
            assert run.status is RunStatus.SUCCESS, (run.error, issues(self))
        return ended

    async def export(self, entity: Entity = Entity.PRODUCTS, **options: Any) -> Run:
        """The export of a pair, or of its one direction."""
        return (await self.run(entity, **options))[-1]

    def query(self, sql: str, **values: Any) -> Any:
        with create_engine(self.database.admin_url, poolclass=NullPool).begin() as connection:
            result = connection.execute(text(sql), values)
            return result.all() if result.returns_rows else None

    def product(self, sku: str, **columns: Any) -> uuid.UUID:
        row = {"sku": sku, "name": f"Produto {sku}", "price": "10.00", **columns}
        return self.erp.add("product", **row)

    def external(self, internal_id: uuid.UUID) -> dict[str, Any]:
        """The world's object of an ERP record."""
        found = self.query(
            "SELECT entity, external_id FROM sync.mapping WHERE internal_id = :id AND state <> 'orphan'"
            " AND entity <> 'variants' AND integration_id = :integration",
            id=internal_id,
            integration=self.integration_id,
        )
        assert len(found) == 1, found
        return self.object(*found[0])

    def object(self, kind: str, id_: str) -> dict[str, Any]:
        return next(line["object"] for line in self.world.truth(kind) if line["object"]["id"] == id_)

    def internal(self, external_id: str, kind: str = "products") -> uuid.UUID:
        found = self.query(
            "SELECT internal_id FROM sync.mapping WHERE external_id = :id AND entity = :kind"
            " AND integration_id = :integration",
            id=external_id,
            integration=self.integration_id,
            kind=kind,
        )
        assert len(found) == 1, found
        return uuid.UUID(str(found[0][0]))

    def calls(self) -> list[dict[str, Any]]:
        """Calls since the last `forget`."""
        return self.world.history(after=self.seen)

    def writes(self) -> list[dict[str, Any]]:
        """Versions that came through the API since the last `forget`: kind, id, version."""
        return [change for call in self.calls() for change in call["changes"]]

    def expire(self) -> None:
        """Runs that died hold no pair any more."""
        self.query(
            "UPDATE sync.pair SET lease_expires_at = now() - interval '1 s'"
            " WHERE lease_log_id IS NOT NULL AND integration_id = :integration",
            integration=self.integration_id,
        )

    def forget(self) -> None:
        """What was done until now does not count."""
        self.seen = max((call["seq"] for call in self.calls()), default=self.seen)

    def judge(self) -> list[Violation]:
        return judge(self.world, self.erp, self.query, self.integration_id, self.directions, limit=self.limit)


def issues(room: Room) -> Sequence[Any]:
    found: Sequence[Any] = room.query(
        "SELECT direction, error_class, field, message, external_id, internal_id::text, state, attempt"
        " FROM sync.issue ORDER BY id"
    )
    return found
