"""The newest simulation of each pair and direction of an integration, with what it counted."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, Entity, RunStatus
from db.session import tenant_transaction

_NEWEST = text(
    "SELECT DISTINCT ON (p.id, r.direction) p.entity, r.direction, r.state, l.id AS log_id, l.status,"
    " l.processed, l.created, l.updated, l.skipped, l.errors, l.message"
    " FROM sync.pair p JOIN sync.run_request r ON r.pair_id = p.id AND r.kind = 'simulation'"
    " LEFT JOIN LATERAL (SELECT * FROM sync.sync_log g WHERE g.pair_id = p.id AND g.request_id = r.id"
    " ORDER BY g.started_at DESC LIMIT 1) l ON true"
    " WHERE p.integration_id = :id ORDER BY p.id, r.direction DESC, r.created_at DESC"
)


@dataclass(frozen=True, slots=True)
class Simulation:
    """`state` is the request's; the counts are None before its run began."""

    entity: Entity
    direction: Direction
    state: str
    log_id: UUID | None
    status: RunStatus | None
    processed: int | None
    created: int | None
    updated: int | None
    skipped: int | None
    errors: int | None
    message: str | None

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")


async def newest(engine: AsyncEngine, tenant_id: UUID, integration_id: UUID) -> list[Simulation]:
    """Raises `DatabaseUnavailable`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_NEWEST, {"id": integration_id})).all()
    return [
        Simulation(
            Entity(row.entity),
            Direction(row.direction),
            row.state,
            row.log_id,
            RunStatus(row.status) if row.status else None,
            row.processed,
            row.created,
            row.updated,
            row.skipped,
            row.errors,
            row.message,
        )
        for row in rows
    ]
