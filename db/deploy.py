"""Pairs as the deployments need them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Cadence, Direction, Entity, IntegrationStatus
from db.session import system_transaction

LONGEST_SECONDS = 1800
"""A thousand new pairs take Prefect some minutes."""

_PAIRS = text(
    "SELECT p.id, p.tenant_id, t.slug, p.integration_id, i.provider, i.name, p.entity, p.direction,"
    " p.cadence, p.enabled, i.status, p.deployment_id, greatest(p.updated_at, i.updated_at) AS changed_at"
    " FROM sync.pair p JOIN sync.integration i ON i.id = p.integration_id"
    " JOIN erp.tenant t ON t.id = p.tenant_id WHERE i.deleted_at IS NULL ORDER BY p.id"
)
_DEPLOYMENT = text("SELECT deployment_id FROM sync.pair WHERE id = :pair")
_KEEP = text(
    "UPDATE sync.pair SET deployment_id = :deployment WHERE id = :pair"
    " AND deployment_id IS DISTINCT FROM :deployment"
)
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('cloudtosys.deployments'))")


@dataclass(frozen=True, slots=True)
class PairState:
    """A pair of an integration that was not deleted. `changed_at` is when either was last edited."""

    id: UUID
    tenant_id: UUID
    tenant: str
    integration_id: UUID
    provider: str
    integration: str
    entity: Entity
    direction: Direction
    cadence: Cadence
    enabled: bool
    status: IntegrationStatus
    deployment_id: UUID | None
    changed_at: datetime

    @property
    def scheduled(self) -> bool:
        """Whether its schedule has to be active."""
        return self.enabled and self.status is IntegrationStatus.ACTIVE and self.cadence is not Cadence.MANUAL


async def read_pairs(engine: AsyncEngine) -> list[PairState]:
    """Every pair of every tenant, oldest first. Raises `DatabaseUnavailable`."""
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_PAIRS)).all()
    return [
        PairState(
            id=row.id,
            tenant_id=row.tenant_id,
            tenant=row.slug,
            integration_id=row.integration_id,
            provider=row.provider,
            integration=row.name,
            entity=Entity(row.entity),
            direction=Direction(row.direction),
            cadence=Cadence(row.cadence),
            enabled=row.enabled,
            status=IntegrationStatus(row.status),
            deployment_id=row.deployment_id,
            changed_at=row.changed_at,
        )
        for row in rows
    ]


async def read_deployment(engine: AsyncEngine, pair_id: UUID) -> UUID | None:
    """The deployment that stands for a pair, if one was made."""
    async with system_transaction(engine) as connection:
        found = (await connection.execute(_DEPLOYMENT, {"pair": pair_id})).scalar_one_or_none()
    return UUID(str(found)) if found else None


async def keep_deployments(engine: AsyncEngine, found: Mapping[UUID, UUID]) -> None:
    """Remember which deployment stands for which pair."""
    if not found:
        return
    async with system_transaction(engine) as connection:
        await connection.execute(
            _KEEP, [{"pair": pair, "deployment": deployment} for pair, deployment in found.items()]
        )


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """One process at a time brings deployments in line; the others wait their turn."""
    async with system_transaction(engine, longest=LONGEST_SECONDS) as connection:
        await connection.execute(_ALONE)
        yield
