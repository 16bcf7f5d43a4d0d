"""Tenants, integrations and pairs as an administrator sees and changes them; changes leave an audit row.

Every function raises `DatabaseUnavailable`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Cadence, ConflictPolicy, Direction, Entity, IntegrationStatus, Matching
from core.errors import Absent, ConfigurationError
from core.probe import Tested
from db import audit
from db.audit import By
from db.session import system_transaction, tenant_transaction
from db.vault import Vault

ACTOR = "cli"
CLI = By(ACTOR)

_TENANTS = text("SELECT id, slug, name FROM erp.tenant ORDER BY slug")
_NEW_TENANT = text("INSERT INTO erp.tenant (id, name, slug) VALUES (:id, :name, :slug)")
_NEW_BRANCH = text(
    "INSERT INTO erp.branch (tenant_id, code, name, is_default) VALUES (:tenant, '1', 'Matriz', true)"
)
_BRANCH = text("SELECT id FROM erp.branch WHERE code = :code AND deleted_at IS NULL")
INTEGRATIONS = (
    "SELECT i.id, i.tenant_id, i.provider, i.name, i.base_url, i.settings, i.direction, i.matching,"
    " i.branch_id, b.code AS branch, i.status, i.status_code, i.status_reason,"
    " i.status_since, i.last_success_at, i.created_at, i.updated_at,"
    " i.draft, i.tested, i.webhook_public_id, i.deleted_at,"
    " ARRAY(SELECT c.name FROM sync.credential c WHERE c.integration_id = i.id ORDER BY c.name) AS secrets,"
    " (SELECT min(c.expires_at) FROM sync.credential c WHERE c.integration_id = i.id) AS ends_at"
    " FROM sync.integration i LEFT JOIN erp.branch b ON b.id = i.branch_id"
)
_PRESENT = text(f"{INTEGRATIONS} WHERE i.deleted_at IS NULL ORDER BY lower(i.name)")
_INTEGRATION = text(f"{INTEGRATIONS} WHERE i.id = :id AND i.deleted_at IS NULL")
_NEW_INTEGRATION = text(
    "INSERT INTO sync.integration (id, tenant_id, provider, name, base_url, settings, direction, matching,"
    " branch_id) VALUES (:id, :tenant, :provider, :name, :base_url, CAST(:settings AS jsonb), :direction,"
    " :matching, :branch)"
)
# What was tested is not what is there now.
_ACCESS = text(
    "UPDATE sync.integration SET base_url = :base_url, name = coalesce(CAST(:name AS text), name),"
    " settings = coalesce(CAST(:settings AS jsonb), settings), updated_at = now(),"
    " tested = CASE WHEN CAST(:same AS boolean) THEN tested END"
    " WHERE id = :id AND deleted_at IS NULL"
)
_STATUS = text(
    "UPDATE sync.integration SET status = :status, status_reason = '', status_code = '',"
    " draft = draft AND :status = 'disabled', status_since = now(), updated_at = now()"
    " WHERE id = :id AND deleted_at IS NULL"
)
# Runs that failed before are no longer counted; one that waits for new credentials goes on.
_RENEWED = text(
    "UPDATE sync.integration SET status_since = now(), updated_at = now(),"
    " status = CASE WHEN status_code = 'reconnect' THEN 'active' ELSE status END,"
    " status_reason = CASE WHEN status_code = 'reconnect' THEN '' ELSE status_reason END,"
    " status_code = CASE WHEN status_code = 'reconnect' THEN '' ELSE status_code END WHERE id = :id"
)
_KEEP_SECRET = text(
    "INSERT INTO sync.credential (tenant_id, integration_id, name, ciphertext, key_id)"
    " VALUES (:tenant, :id, :name, :secret, :key) ON CONFLICT (integration_id, name)"
    " DO UPDATE SET ciphertext = :secret, key_id = :key, updated_at = now()"
)
_PAIRS = text(
    "SELECT p.id, p.integration_id, i.name AS integration, i.provider, p.entity, p.direction, p.cadence,"
    " p.enabled, p.conflict_policy AS policy, i.status, p.last_full_at, p.deployment_id,"
    " (SELECT max(l.ended_at) FROM sync.sync_log l WHERE l.pair_id = p.id"
    " AND l.status IN ('success', 'partial')) AS last_success_at"
    " FROM sync.pair p JOIN sync.integration i ON i.id = p.integration_id"
    " WHERE i.deleted_at IS NULL ORDER BY lower(i.name), p.entity, p.direction"
)
_NEW_PAIR = text(
    "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction, cadence, conflict_policy,"
    " simulate_next)"
    " VALUES (:tenant, :id, :entity, :direction, :cadence, :policy, :simulate)"
)
_PAIR = text(
    "UPDATE sync.pair SET enabled = coalesce(CAST(:enabled AS boolean), enabled),"
    " conflict_policy = coalesce(CAST(:policy AS text), conflict_policy),"
    " cadence = coalesce(CAST(:cadence AS text), cadence), updated_at = now() WHERE id = :id"
)


class NameTaken(ConfigurationError):
    """Another integration of the tenant has it."""

    def __init__(self, name: str | None) -> None:
        super().__init__(f"Já existe uma integração chamada {name!r}.")


@dataclass(frozen=True, slots=True)
class TenantRow:
    id: UUID
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """`settings` hold no secret; `secrets` are the names of those that are stored, never their values.
    `ends_at`: when the first of those that end does. A `draft` was never activated; `tested` is what its last
    Testar Conexão found, unless the access changed since."""

    id: UUID
    tenant_id: UUID
    provider: str
    name: str
    base_url: str | None
    settings: dict[str, str]
    direction: Direction
    matching: Matching
    branch_id: UUID | None
    branch: str | None
    status: IntegrationStatus
    status_code: str
    status_reason: str
    status_since: datetime
    last_success_at: datetime | None
    created_at: datetime
    updated_at: datetime
    draft: bool
    tested: Tested | None
    webhook_public_id: UUID
    deleted_at: datetime | None
    secrets: list[str]
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class PairRow:
    id: UUID
    integration_id: UUID
    integration: str
    provider: str
    entity: Entity
    direction: Direction
    cadence: Cadence
    enabled: bool
    policy: ConflictPolicy
    status: IntegrationStatus
    last_full_at: datetime | None
    deployment_id: UUID | None
    last_success_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An integration to be made. `settings` without secrets; `pairs`: entities with their cadence; an entity
    that is not in `directions` goes the integration's way. With `simulate` the first run of a pair
    writes nothing."""

    tenant_id: UUID
    provider: str
    name: str
    base_url: str | None
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    direction: Direction
    pairs: Mapping[Entity, Cadence]
    directions: Mapping[Entity, Direction] = field(default_factory=dict)
    matching: Matching = Matching.SKU
    policy: ConflictPolicy = ConflictPolicy.ASK
    simulate: bool = False
    branch_id: UUID | None = None


async def tenants(engine: AsyncEngine) -> list[TenantRow]:
    async with system_transaction(engine) as connection:
        return [TenantRow(**row._mapping) for row in await connection.execute(_TENANTS)]


async def create_tenant(engine: AsyncEngine, name: str, slug: str) -> UUID:
    """A tenant with its default branch. Raises `ConfigurationError` when the slug is taken."""
    tenant_id = uuid7()
    try:
        async with system_transaction(engine) as connection:
            await connection.execute(_NEW_TENANT, {"id": tenant_id, "name": name, "slug": slug})
    except IntegrityError:
        raise ConfigurationError(f"Já existe um tenant {slug!r}.") from None
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_NEW_BRANCH, {"tenant": tenant_id})
        await _audit(connection, tenant_id, "tenant.create", slug)
    return tenant_id


async def find_branch(engine: AsyncEngine, tenant_id: UUID, code: str) -> UUID:
    """Raises `ConfigurationError` for a code that the tenant does not have."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_BRANCH, {"code": code})).scalar_one_or_none()
    if found is None:
        raise ConfigurationError(f"O tenant não tem a filial {code!r}.")
    return UUID(str(found))


async def integrations(engine: AsyncEngine, tenant_id: UUID) -> list[IntegrationRow]:
    """Integrations of a tenant that were not deleted, by name."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_PRESENT)).all()
    return [integration_of(row._mapping) for row in rows]


async def read_integration(engine: AsyncEngine, tenant_id: UUID, id_: UUID) -> IntegrationRow:
    """Raises `Absent` for one that the tenant does not have, or has deleted."""
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_INTEGRATION, {"id": id_})).one_or_none()
    if row is None:
        raise Absent("Não há esta integração.")
    return integration_of(row._mapping)


async def create_integration(engine: AsyncEngine, vault: Vault, draft: Draft, *, by: By = CLI) -> UUID:
    """The integration with its secrets and pairs. Raises `NameTaken`."""
    found: UUID = uuid7()
    values = {
        "id": found,
        "tenant": draft.tenant_id,
        "provider": draft.provider,
        "name": draft.name,
        "base_url": draft.base_url,
        "settings": msgspec.json.encode(dict(draft.settings)).decode(),
        "direction": draft.direction.value,
        "matching": draft.matching.value,
        "branch": draft.branch_id,
    }
    try:
        async with tenant_transaction(engine, draft.tenant_id) as connection:
            await connection.execute(_NEW_INTEGRATION, values)
            await _keep_secrets(connection, vault, draft.tenant_id, found, draft.secrets)
            for entity, cadence in draft.pairs.items():
                pair = {
                    "entity": entity.value,
                    "direction": draft.directions.get(entity, draft.direction).value,
                    "cadence": cadence.value,
                    "policy": draft.policy.value,
                    "simulate": draft.simulate,
                }
                await connection.execute(_NEW_PAIR, values | pair)
            details = {
                "provider": draft.provider,
                "entities": [entity.value for entity in draft.pairs],
                "secrets": sorted(draft.secrets),
            }
            await _audit(connection, draft.tenant_id, "integration.create", str(found), details, by)
    except IntegrityError:
        raise NameTaken(draft.name) from None
    return found


async def change_access(
    engine: AsyncEngine,
    vault: Vault,
    integration: IntegrationRow,
    *,
    base_url: str | None,
    secrets: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
    name: str | None = None,
    by: By = CLI,
) -> None:
    """Another address, other secrets; secrets that are not named stay as they are, and so do settings and
    name where they are None. Raises `NameTaken`.

    New secrets make an integration active that was waiting to be reconnected.
    """
    values = {
        "id": integration.id,
        "base_url": base_url,
        "name": name,
        "settings": None if settings is None else msgspec.json.encode(dict(settings)).decode(),
        "same": not secrets and base_url == integration.base_url and settings in (None, integration.settings),
    }
    details = {"secrets": sorted(secrets)} | _changes(integration, base_url, settings, name)
    try:
        async with tenant_transaction(engine, integration.tenant_id) as connection:
            await connection.execute(_ACCESS, values)
            await _keep_secrets(connection, vault, integration.tenant_id, integration.id, secrets)
            if secrets:
                await reconnect(connection, integration.id)
            target = str(integration.id)
            await _audit(connection, integration.tenant_id, "integration.access", target, details, by)
    except IntegrityError:
        raise NameTaken(name) from None


async def reconnect(connection: AsyncConnection, integration_id: UUID) -> None:
    """With new credentials it works again, where it waited for them."""
    await connection.execute(_RENEWED, {"id": integration_id})


async def set_status(
    engine: AsyncEngine, integration: IntegrationRow, status: IntegrationStatus, *, by: By = CLI
) -> None:
    async with tenant_transaction(engine, integration.tenant_id) as connection:
        await connection.execute(_STATUS, {"id": integration.id, "status": status.value})
        details = {"status": status.value}
        target = str(integration.id)
        await _audit(connection, integration.tenant_id, "integration.status", target, details, by)


async def pairs(engine: AsyncEngine, tenant_id: UUID) -> list[PairRow]:
    """Pairs of the tenant's integrations, by name, entity and direction."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_PAIRS)).all()
    return [_pair(row._mapping) for row in rows]


async def change_pair(
    engine: AsyncEngine,
    tenant_id: UUID,
    pair_id: UUID,
    *,
    enabled: bool | None = None,
    cadence: Cadence | None = None,
    policy: ConflictPolicy | None = None,
    by: By = CLI,
) -> None:
    """What is None stays as it is. Raises `Absent` for a pair that the tenant does not have."""
    values = {
        "id": pair_id,
        "enabled": enabled,
        "cadence": cadence.value if cadence else None,
        "policy": policy.value if policy else None,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        if (await connection.execute(_PAIR, values)).rowcount == 0:
            raise Absent("Não há este par.")
        details = {name: value for name, value in values.items() if name != "id" and value is not None}
        await _audit(connection, tenant_id, "pair.change", str(pair_id), details, by)


async def _keep_secrets(
    connection: AsyncConnection,
    vault: Vault,
    tenant_id: UUID,
    integration_id: UUID,
    secrets: Mapping[str, str],
) -> None:
    for name, secret in secrets.items():
        sealed = vault.seal(tenant_id, integration_id, name, secret)
        values = {"tenant": tenant_id, "id": integration_id, "name": name}
        await connection.execute(_KEEP_SECRET, values | {"secret": sealed.ciphertext, "key": sealed.key_id})


async def _audit(
    connection: AsyncConnection,
    tenant_id: UUID,
    action: str,
    target: str,
    details: Mapping[str, Any] | None = None,
    by: By = CLI,
) -> None:
    await audit.record(connection, tenant_id, by, action, target, details)


def _changes(
    integration: IntegrationRow, base_url: str | None, settings: Mapping[str, str] | None, name: str | None
) -> dict[str, Any]:
    """Settings that changed, by name: what they are stays out of the trail."""
    before = integration.settings | {"base_url": integration.base_url or "", "name": integration.name}
    after = before if settings is None else dict(settings) | {"name": integration.name}
    after = after | {"base_url": base_url or ""} | ({"name": name} if name else {})
    changed = sorted(key for key in before | after if before.get(key) != after.get(key))
    return {"settings": changed} if changed else {}


def integration_of(row: Mapping[Any, Any]) -> IntegrationRow:
    values = dict(row)
    values["direction"] = Direction(values["direction"])
    values["matching"] = Matching(values["matching"])
    values["status"] = IntegrationStatus(values["status"])
    values["tested"] = msgspec.convert(values["tested"], Tested) if values["tested"] else None
    return IntegrationRow(**values)


def _pair(row: Mapping[Any, Any]) -> PairRow:
    values = dict(row)
    values["entity"] = Entity(values["entity"])
    values["direction"] = Direction(values["direction"])
    values["cadence"] = Cadence(values["cadence"])
    values["policy"] = ConflictPolicy(values["policy"])
    values["status"] = IntegrationStatus(values["status"])
    return PairRow(**values)
