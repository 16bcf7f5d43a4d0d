"""An integration as it is set up, step by step, and what is chosen for one that is active already.

Every function raises `DatabaseUnavailable`.
"""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Cadence, ConflictPolicy, Direction, Entity, Matching
from core.errors import Absent, ConfigurationError
from core.form import overall
from core.probe import Tested
from db import audit
from db.admin import IntegrationRow, NameTaken
from db.audit import By
from db.session import tenant_transaction

_NEW = text(
    "INSERT INTO sync.integration (id, tenant_id, provider, name, status, draft)"
    " VALUES (:id, :tenant, :provider, :name, 'disabled', true)"
)
# The test of an access that was changed meanwhile says nothing.
_TESTED = text(
    "UPDATE sync.integration SET tested = CAST(:tested AS jsonb) WHERE id = :id AND updated_at = :updated"
)
_KNOWN = text("SELECT id, entity, direction, conflict_policy FROM sync.pair WHERE integration_id = :id")
_OFF = text("UPDATE sync.pair SET enabled = false, updated_at = now() WHERE id = :pair AND enabled")
_DROP = text("DELETE FROM sync.pair WHERE id = :pair")
_ADD = text(
    "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction, cadence, conflict_policy,"
    " simulate_next) VALUES (:tenant, :id, :entity, :direction, :cadence, :policy, :simulate)"
)
# What goes another way than before is simulated first, as what is new is.
_TURN = text(
    "UPDATE sync.pair SET enabled = true, updated_at = now(), conflict_policy = :policy,"
    " simulate_next = CASE WHEN direction = :direction THEN simulate_next ELSE :simulate END,"
    " direction = :direction WHERE id = :pair"
)
_CHOSEN = text(
    "UPDATE sync.integration SET direction = :direction, matching = :matching, updated_at = now()"
    " WHERE id = :id AND deleted_at IS NULL"
)
_RHYTHM = text(
    "UPDATE sync.pair SET cadence = :cadence, updated_at = now()"
    " WHERE integration_id = :id AND entity = :entity AND cadence <> :cadence"
)
_BRANCH_EXISTS = text("SELECT true FROM erp.branch WHERE id = :branch AND deleted_at IS NULL")
_BRANCH = text(
    "UPDATE sync.integration SET branch_id = :branch, updated_at = now()"
    " WHERE id = :id AND deleted_at IS NULL"
)
_ACTIVATE = text(
    "UPDATE sync.integration SET draft = false, status = 'active', status_since = now(), updated_at = now()"
    " WHERE id = :id AND draft AND deleted_at IS NULL AND coalesce(CAST(tested->>'ok' AS boolean), false)"
)


async def begin(engine: AsyncEngine, tenant_id: UUID, provider: str, name: str, by: By) -> UUID:
    """A draft: nothing of it runs. Raises `NameTaken`."""
    found: UUID = uuid7()
    values = {
        "id": found,
        "tenant": tenant_id,
        "provider": provider,
        "name": name,
    }
    try:
        async with tenant_transaction(engine, tenant_id) as connection:
            await connection.execute(_NEW, values)
            details = {"provider": provider, "draft": True}
            await audit.record(connection, tenant_id, by, "integration.create", str(found), details)
    except IntegrityError:
        raise NameTaken(name) from None
    return found


async def keep_test(engine: AsyncEngine, integration: IntegrationRow, tested: Tested, by: By) -> None:
    """What Testar Conexão found, of this state of the integration."""
    values = {
        "id": integration.id,
        "tested": msgspec.json.encode(tested).decode(),
        "updated": integration.updated_at,
    }
    async with tenant_transaction(engine, integration.tenant_id) as connection:
        await connection.execute(_TESTED, values)
        target, details = str(integration.id), {"ok": tested.ok}
        await audit.record(connection, integration.tenant_id, by, "integration.test", target, details)


async def choose(
    engine: AsyncEngine,
    integration: IntegrationRow,
    directions: Mapping[Entity, Direction],
    matching: Matching,
    policy: ConflictPolicy | None,
    simulate: Mapping[Entity, bool],
    cadence: Cadence,
    by: By,
) -> list[UUID]:
    """The entities, each its own way; those left out are switched off, or dropped from a draft. Without
    `policy` each pair keeps its own; `cadence` is that of new ones. Returns the pairs that there are."""
    target, values = str(integration.id), {"id": integration.id, "tenant": integration.tenant_id}
    async with tenant_transaction(engine, integration.tenant_id) as connection:
        known = {Entity(row.entity): row for row in (await connection.execute(_KNOWN, values)).all()}
        for entity, row in known.items():
            if entity not in directions:
                await connection.execute(_DROP if integration.draft else _OFF, {"pair": row.id})
        for entity, direction in directions.items():
            held = known.get(entity)
            kept = held.conflict_policy if held else ConflictPolicy.ASK.value
            wanted = {
                "entity": entity.value,
                "direction": direction.value,
                "policy": policy.value if policy else kept,
                "simulate": simulate[entity],
                "cadence": cadence.value,
            }
            if held is None:
                await connection.execute(_ADD, values | wanted)
            else:
                await connection.execute(_TURN, wanted | {"pair": held.id})
        chosen = {"direction": overall(directions.values()).value, "matching": matching.value}
        await connection.execute(_CHOSEN, values | chosen)
        details = {
            "entities": {entity.value: way.value for entity, way in directions.items()},
            "matching": matching.value,
        }
        await audit.record(connection, integration.tenant_id, by, "integration.entities", target, details)
        return [row.id for row in (await connection.execute(_KNOWN, values)).all()]


async def schedule(
    engine: AsyncEngine,
    integration: IntegrationRow,
    cadences: Mapping[Entity, Cadence],
    branch_id: UUID | None,
    by: By,
) -> None:
    """How often each entity runs, and the branch. Raises `Absent` for a branch that is not the tenant's."""
    async with tenant_transaction(engine, integration.tenant_id) as connection:
        if branch_id is not None:
            found = await connection.execute(_BRANCH_EXISTS, {"branch": branch_id})
            if found.scalar_one_or_none() is None:
                raise Absent("Não há esta filial.")
        await connection.execute(_BRANCH, {"id": integration.id, "branch": branch_id})
        for entity, cadence in cadences.items():
            values = {"id": integration.id, "entity": entity.value, "cadence": cadence.value}
            await connection.execute(_RHYTHM, values)
        details = {
            "cadences": {entity.value: cadence.value for entity, cadence in cadences.items()},
            "branch": str(branch_id) if branch_id else None,
        }
        target = str(integration.id)
        await audit.record(connection, integration.tenant_id, by, "integration.schedule", target, details)


async def activate(engine: AsyncEngine, integration: IntegrationRow, by: By) -> None:
    """Raises `ConfigurationError` without a successful Testar Conexão of what is set now."""
    async with tenant_transaction(engine, integration.tenant_id) as connection:
        if (await connection.execute(_ACTIVATE, {"id": integration.id})).rowcount == 0:
            raise ConfigurationError(
                "A conexão ainda não foi testada com sucesso: teste e ative de novo. Até lá fica o rascunho."
            )
        target = str(integration.id)
        await audit.record(connection, integration.tenant_id, by, "integration.activate", target)
