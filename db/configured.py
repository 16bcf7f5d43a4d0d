"""Integrations as the console lists and shows them. Every function raises `DatabaseUnavailable`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Cadence, ConflictPolicy, Direction, Entity, RunStatus
from core.errors import Absent
from db.admin import INTEGRATIONS, IntegrationRow, integration_of
from db.consent import NAME as PENDING
from db.session import tenant_transaction

PAGE = 50
DRAFT = "draft"
"""Beside the statuses: disabled, and never activated."""

_ACCENTS = "NFD), '[\u0300-\u036f]', '', 'g')"
_LISTING = text(
    f"{INTEGRATIONS} WHERE i.deleted_at IS NULL"  # noqa: S608 - our own words alone
    " AND (CAST(:status AS text) = '' OR i.draft = (:status = 'draft')"
    " AND (i.draft OR i.status = :status))"
    " AND (CAST(:providers AS text[]) IS NULL OR i.provider = ANY(:providers))"
    f" AND (:search = '' OR strpos(regexp_replace(normalize(lower(i.name), {_ACCENTS},"
    f" regexp_replace(normalize(lower(:search), {_ACCENTS}) > 0"
    " OR strpos(lower(coalesce(i.base_url, '')), lower(:search)) > 0 OR i.provider = ANY(:named))"
    " AND (CAST(:after AS uuid) IS NULL OR (lower(i.name), i.id) >"
    " (SELECT lower(a.name), a.id FROM sync.integration a WHERE a.id = :after))"
    " ORDER BY lower(i.name), i.id LIMIT :limit"
)
_BRIEFLY = text(
    "SELECT integration_id, entity, direction, cadence FROM sync.pair"
    " WHERE integration_id = ANY(:ids) AND enabled ORDER BY id"
)
_ONE = text(f"{INTEGRATIONS} WHERE i.id = :id AND i.deleted_at IS NULL")
_CREDENTIALS = text(
    "SELECT c.name, c.updated_at, c.expires_at, (SELECT a.actor FROM sync.audit_log a"
    " WHERE a.tenant_id = c.tenant_id AND a.target = CAST(:id AS text) AND a.details->'secrets' ? c.name"
    " ORDER BY a.at DESC LIMIT 1) AS actor FROM sync.credential c"
    " WHERE c.integration_id = :id AND c.name <> :pending ORDER BY c.name"
)
_PAIRS = text(
    "SELECT p.id, p.entity, p.direction, p.cadence, p.enabled, p.conflict_policy AS policy,"
    " p.simulate_next, p.lease_log_id IS NOT NULL AND p.lease_expires_at >= now() AS running,"
    " l.id AS log_id, l.status, l.started_at, l.dry_run, l.message, s.at AS last_success_at"
    " FROM sync.pair p"
    " LEFT JOIN LATERAL (SELECT id, status, started_at, dry_run, message FROM sync.sync_log"
    " WHERE pair_id = p.id ORDER BY started_at DESC LIMIT 1) l ON true"
    " LEFT JOIN LATERAL (SELECT ended_at AS at FROM sync.sync_log WHERE pair_id = p.id"
    " AND status IN ('success', 'partial') AND NOT dry_run ORDER BY started_at DESC LIMIT 1) s ON true"
    " WHERE p.integration_id = :id ORDER BY p.id"
)
_BRANCHES = text("SELECT id, code, name, is_default FROM erp.branch WHERE deleted_at IS NULL ORDER BY code")


@dataclass(frozen=True, slots=True)
class Brief:
    """An enabled pair in the list."""

    entity: Entity
    direction: Direction
    cadence: Cadence


@dataclass(frozen=True, slots=True)
class Listed:
    integration: IntegrationRow
    pairs: list[Brief]


@dataclass(frozen=True, slots=True)
class Credential:
    """`actor` is who gave it last, where that is on record."""

    name: str
    updated_at: datetime
    expires_at: datetime | None
    actor: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """With its newest run, if there was one. `simulate_next`: its next run writes nothing."""

    id: UUID
    entity: Entity
    direction: Direction
    cadence: Cadence
    enabled: bool
    policy: ConflictPolicy
    simulate_next: bool
    running: bool
    log_id: UUID | None
    status: RunStatus | None
    started_at: datetime | None
    dry_run: bool | None
    message: str | None
    last_success_at: datetime | None


@dataclass(frozen=True, slots=True)
class Detail:
    integration: IntegrationRow
    credentials: list[Credential]
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class Branch:
    id: UUID
    code: str
    name: str
    is_default: bool


async def listing(
    engine: AsyncEngine,
    tenant_id: UUID,
    *,
    search: str = "",
    status: str = "",
    providers: Sequence[str] | None = None,
    named: Sequence[str] = (),
    after: UUID | None = None,
) -> list[Listed]:
    """By name, up to `PAGE` + 1. `providers` limits; `named` are those whose own name the search found."""
    values = {
        "search": search.strip(),
        "status": status,
        "providers": None if providers is None else list(providers),
        "named": list(named),
        "after": after,
        "limit": PAGE + 1,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = [integration_of(row._mapping) for row in (await connection.execute(_LISTING, values)).all()]
        pairs = (await connection.execute(_BRIEFLY, {"ids": [row.id for row in rows]})).all()
    found: dict[UUID, list[Brief]] = {row.id: [] for row in rows}
    for pair in pairs:
        brief = Brief(Entity(pair.entity), Direction(pair.direction), Cadence(pair.cadence))
        found[pair.integration_id].append(brief)
    return [Listed(row, found[row.id]) for row in rows]


async def read(engine: AsyncEngine, tenant_id: UUID, id_: UUID) -> Detail:
    """Raises `Absent` for one that the tenant does not have, or has deleted."""
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_ONE, {"id": id_})).one_or_none()
        if row is None:
            raise Absent("Não há esta integração.")
        kept = (await connection.execute(_CREDENTIALS, {"id": id_, "pending": PENDING})).all()
        pairs = (await connection.execute(_PAIRS, {"id": id_})).all()
    return Detail(
        integration_of(row._mapping),
        [Credential(*found) for found in kept],
        [
            Pair(
                **dict(pair._mapping)
                | {
                    "entity": Entity(pair.entity),
                    "direction": Direction(pair.direction),
                    "cadence": Cadence(pair.cadence),
                    "policy": ConflictPolicy(pair.policy),
                    "status": RunStatus(pair.status) if pair.status else None,
                }
            )
            for pair in pairs
        ],
    )


async def branches(engine: AsyncEngine, tenant_id: UUID) -> list[Branch]:
    async with tenant_transaction(engine, tenant_id) as connection:
        return [Branch(*row) for row in await connection.execute(_BRANCHES)]
