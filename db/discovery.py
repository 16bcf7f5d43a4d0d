"""A discovery's life: begun, filled with proposals, proposed, applied; ambiguous ones wait for a person.

One runs at a time for an integration × entity: another begins and the one before stops at its next write.
Every function takes the tenant and raises `DatabaseUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from core.discovering import RULES, Findings, Rule
from core.entities import Entity
from core.errors import Absent, Advice, ConfigurationError, SyncError
from db import audit, mappings
from db.audit import By
from db.session import tenant_transaction

BATCH = 1000

_ALONE = text("SELECT pg_advisory_xact_lock(hashtext(:place))")
_SUPERSEDE = text(
    "UPDATE sync.discovery SET state = 'failed', message = 'Outra descoberta começou depois desta.'"
    " WHERE integration_id = :integration AND entity = :entity AND state = 'running'"
)
_BEGIN = text(
    "INSERT INTO sync.discovery (id, tenant_id, integration_id, entity, requested_by)"
    " VALUES (:id, :tenant, :integration, :entity, :by)"
)
_ADOPT = text(
    "UPDATE sync.discovery SET flow_run_id = :flow_run WHERE id = :id AND state = 'running'"
    " AND integration_id = :integration AND entity = :entity"
)
_HOLD = text(
    "UPDATE sync.discovery SET counts = jsonb_build_object("
    "'linked', coalesce(CAST(counts ->> 'linked' AS int), 0) + :linked,"
    "'invalid', coalesce(CAST(counts ->> 'invalid' AS int), 0) + :invalid)"
    " WHERE id = :id AND state = 'running'"
)
_ADD = text(
    "INSERT INTO sync.proposal (tenant_id, discovery_id, external_id, label, rule, internal_id, candidates,"
    " variants, state) SELECT :tenant, :id, r.*"
    " FROM json_to_recordset(CAST(:rows AS json)) AS r (external_id text, label text, rule text,"
    " internal_id uuid, candidates uuid[], variants jsonb, state text)"
    # A page that moved while it was read may show a record again.
    " ON CONFLICT (discovery_id, external_id) DO NOTHING"
)
_CLAIMED_TWICE = text(
    "UPDATE sync.proposal SET state = 'ambiguous', internal_id = NULL"
    " WHERE discovery_id = :id AND state = 'matched' AND internal_id IN ("
    " SELECT c FROM sync.proposal p, unnest(p.candidates) c WHERE p.discovery_id = :id"
    " GROUP BY c HAVING count(*) > 1)"
)
_COUNTS = text(
    "SELECT CASE state WHEN 'matched' THEN rule ELSE state END, count(*) FROM sync.proposal"
    " WHERE discovery_id = :id GROUP BY 1"
)
_PROPOSED = text(
    "UPDATE sync.discovery SET state = 'proposed', counts = counts || CAST(:counts AS jsonb)"
    " WHERE id = :id AND state = 'running' RETURNING counts"
)
_FAILED = text(
    "UPDATE sync.discovery SET state = 'failed', message = :message WHERE id = :id AND state = 'running'"
)
_READ = text(
    "SELECT d.id, d.integration_id, i.name AS integration, d.entity, d.state, d.counts, d.message,"
    " d.requested_by, d.created_at, d.applied_at, d.applied_by, d.flow_run_id FROM sync.discovery d"
    " JOIN sync.integration i ON i.id = d.integration_id WHERE d.id = :id"
)
_LATEST = text(
    "SELECT id FROM sync.discovery WHERE integration_id = :integration AND entity = :entity"
    " ORDER BY created_at DESC, id DESC LIMIT 1"
)
_LIVING = text("SELECT id FROM sync.discovery WHERE id = :id AND state IN ('proposed', 'applied') FOR UPDATE")
_MATCHED = text(
    "SELECT id FROM sync.proposal WHERE discovery_id = :id AND state = 'matched' AND id > :after"
    " AND (CAST(:only AS uuid[]) IS NULL OR id = ANY(CAST(:only AS uuid[]))) ORDER BY id LIMIT :limit"
)
_STATES = text("SELECT state, count(*) FROM sync.proposal WHERE discovery_id = :id GROUP BY state")
# What was linked or deleted since it was proposed is passed over.
_LINK = """
WITH made AS (
  INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, notes, synced_at)
  SELECT p.tenant_id, d.integration_id, d.entity, p.external_id, p.internal_id,
    'Descoberta por ' || (CAST(:rules AS jsonb) ->> p.rule), NULL
  FROM sync.proposal p JOIN sync.discovery d ON d.id = p.discovery_id
  JOIN {table} t ON t.id = p.internal_id AND t.deleted_at IS NULL
  WHERE p.id = ANY(:ids) AND p.state = 'matched' ORDER BY p.id
  ON CONFLICT DO NOTHING RETURNING external_id
)
UPDATE sync.proposal p SET state = 'applied' FROM made
WHERE p.id = ANY(:ids) AND p.external_id = made.external_id RETURNING p.id, p.internal_id,
  (SELECT d.integration_id FROM sync.discovery d WHERE d.id = p.discovery_id) AS integration_id
"""
_LINK_VARIANTS = text(
    "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, parent_external_id,"
    " internal_id, synced_at) SELECT p.tenant_id, d.integration_id, 'variants', v.key, p.external_id, t.id,"
    " NULL FROM sync.proposal p JOIN sync.discovery d ON d.id = p.discovery_id"
    " CROSS JOIN LATERAL jsonb_each_text(p.variants) v"
    " JOIN erp.product_variant t ON t.product_id = p.internal_id AND t.sku = v.value"
    " AND t.deleted_at IS NULL WHERE p.id = ANY(:ids) ON CONFLICT DO NOTHING"
)
_FORGET_INTENTS = text(
    "DELETE FROM sync.outbox o USING sync.discovery d WHERE d.id = :id"
    " AND o.integration_id = d.integration_id AND o.entity = d.entity AND o.internal_id = ANY(:internal)"
)
_APPLIED = text(
    "UPDATE sync.discovery SET state = 'applied', applied_at = now(), applied_by = :by WHERE id = :id"
)
_READ_ALL_AGAIN = text(
    "UPDATE sync.pair p SET last_full_at = NULL FROM sync.discovery d WHERE d.id = :id"
    " AND p.integration_id = d.integration_id AND p.entity = d.entity"
)
_PROPOSAL = text(
    "SELECT p.id, p.discovery_id, p.external_id, p.candidates, p.state, d.integration_id, d.entity"
    " FROM sync.proposal p JOIN sync.discovery d ON d.id = p.discovery_id WHERE p.id = :id FOR UPDATE OF p"
)
_PICK = text("UPDATE sync.proposal SET state = 'matched', internal_id = :internal WHERE id = :id")
_DISMISS = text(
    "UPDATE sync.proposal SET state = 'dismissed' WHERE id = ANY(:ids)"
    " AND state IN ('matched', 'ambiguous', 'unmatched') RETURNING id"
)

Row = dict[str, Any]
_FIRST = UUID(int=0)


class Superseded(SyncError):
    advice = Advice(
        "Descoberta substituída",
        "Outra descoberta da mesma integração e entidade começou depois, ou esta foi encerrada.",
        "Nada a fazer: use as propostas da mais nova.",
    )


class ProposalUnknown(Absent):
    advice = Advice(
        "Proposta não encontrada",
        "O id não é de uma descoberta ou proposta deste tenant, ou ela já foi decidida.",
        "Confira em Descobertas (`cloudtosys mapping proposals`), ou comece outra.",
    )


@dataclass(frozen=True, slots=True)
class Applied:
    """`linked` mappings were made; `passed` proposals were not: linked or deleted in the meantime."""

    linked: int = 0
    passed: int = 0


async def begin(engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, entity: Entity, by: By) -> UUID:
    """A new discovery. Raises `ConfigurationError` for an entity that has no rule."""
    if entity not in RULES:
        raise ConfigurationError(f"Não há descoberta de {entity.label}: o vínculo vem com outra entidade.")
    id_ = uuid7()
    scope = {"integration": integration_id, "entity": entity.value}
    values = scope | {"id": id_, "tenant": tenant_id, "by": by.actor}
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_ALONE, {"place": f"{integration_id} {entity}"})
        await connection.execute(_SUPERSEDE, values)
        await connection.execute(_BEGIN, values)
        details = {"entity": entity.value, "integration_id": str(integration_id)}
        await audit.record(connection, tenant_id, by, "discovery.begin", str(id_), details)
    return UUID(str(id_))


async def adopt(
    engine: AsyncEngine,
    tenant_id: UUID,
    discovery_id: UUID,
    integration_id: UUID,
    entity: Entity,
    flow_run_id: UUID | None,
) -> None:
    """A flow run works on it from now. Raises `Superseded`."""
    values = {
        "id": discovery_id,
        "integration": integration_id,
        "entity": entity.value,
        "flow_run": flow_run_id,
    }
    async with tenant_transaction(engine, tenant_id) as connection:
        if (await connection.execute(_ADOPT, values)).rowcount != 1:
            raise Superseded("Esta descoberta já terminou ou foi substituída.")


async def add(engine: AsyncEngine, tenant_id: UUID, discovery_id: UUID, findings: Findings) -> None:
    """Raises `Superseded` when another one has begun; nothing is written then."""
    rows = [
        {
            "external_id": proposal.external_id,
            "label": proposal.label,
            "rule": proposal.rule or "",
            "internal_id": proposal.candidates[0] if proposal.state == "matched" else None,
            "candidates": proposal.candidates,
            "variants": proposal.variants,
            "state": proposal.state,
        }
        for proposal in findings.proposals
    ]
    values = {"id": discovery_id, "tenant": tenant_id}
    counts = {"linked": findings.linked, "invalid": findings.invalid}
    async with tenant_transaction(engine, tenant_id) as connection:
        if (await connection.execute(_HOLD, values | counts)).rowcount != 1:
            raise Superseded("Outra descoberta começou; esta parou.")
        if rows:
            await connection.execute(_ADD, values | {"rows": msgspec.json.encode(rows).decode()})


async def conclude(engine: AsyncEngine, tenant_id: UUID, discovery_id: UUID) -> dict[str, int]:
    """The whole list was read: what two external records claim is ambiguous for both. Returns the counts."""
    values = {"id": discovery_id}
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_CLAIMED_TWICE, values)
        found = {row[0]: row[1] for row in await connection.execute(_COUNTS, values)}
        encoded = msgspec.json.encode(found).decode()
        counts = (await connection.execute(_PROPOSED, {**values, "counts": encoded})).scalar_one_or_none()
        if counts is None:
            raise Superseded("Outra descoberta começou; esta parou.")
    return dict(counts)


async def fail(engine: AsyncEngine, tenant_id: UUID, discovery_id: UUID, message: str) -> None:
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_FAILED, {"id": discovery_id, "message": message})


async def read(engine: AsyncEngine, tenant_id: UUID, discovery_id: UUID) -> Row:
    """Raises `ProposalUnknown`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_READ, {"id": discovery_id})).one_or_none()
    if row is None:
        raise ProposalUnknown(f"Não há descoberta {discovery_id}.")
    return dict(row._mapping)


async def latest(engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, entity: Entity) -> UUID:
    """The newest discovery of an integration × entity. Raises `ProposalUnknown` when there is none."""
    values = {"integration": integration_id, "entity": entity.value}
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_LATEST, values)).scalar_one_or_none()
    if found is None:
        raise ProposalUnknown(f"Ainda não houve descoberta de {entity.label} nesta integração.")
    return UUID(str(found))


async def states(engine: AsyncEngine, tenant_id: UUID, discovery_id: UUID) -> dict[str, int]:
    """How many proposals are in each state now."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = await connection.execute(_STATES, {"id": discovery_id})
        return {row[0]: row[1] for row in rows}


async def apply(
    engine: AsyncEngine,
    tenant_id: UUID,
    discovery_id: UUID,
    by: By,
    only: Sequence[UUID] | None = None,
) -> Applied:
    """Make the mappings of the unambiguous proposals, all or `only` these, a batch a transaction; a second
    time does the rest.

    The next run of the pair reads everything, so that the new links are compared. Raises `ProposalUnknown`
    for a discovery that has not come to its end.
    """
    entity = (await read(engine, tenant_id, discovery_id))["entity"]
    linked, passed, after = 0, 0, _FIRST
    chosen = None if only is None else list(only)
    while True:
        async with tenant_transaction(engine, tenant_id) as connection:
            if (await connection.execute(_LIVING, {"id": discovery_id})).one_or_none() is None:
                raise ProposalUnknown("Esta descoberta não chegou ao fim: não há o que aplicar.")
            asked = {"id": discovery_id, "after": after, "only": chosen, "limit": BATCH}
            ids = (await connection.execute(_MATCHED, asked)).scalars().all()
            if not ids:
                break
            done = await _link(connection, entity, discovery_id, ids)
        linked, passed, after = linked + done, passed + len(ids) - done, ids[-1]
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_APPLIED, {"id": discovery_id, "by": by.actor})
        await connection.execute(_READ_ALL_AGAIN, {"id": discovery_id})
        details = {"linked": linked, "passed": passed}
        await audit.record(connection, tenant_id, by, "discovery.apply", str(discovery_id), details)
    return Applied(linked, passed)


async def pick(engine: AsyncEngine, tenant_id: UUID, proposal_id: UUID, internal_id: UUID, by: By) -> None:
    """A person says which candidate it is: the mapping is made.

    Raises `ProposalUnknown`, `ConfigurationError` for an id that is no candidate, and `MappingExists` and
    `RecordUnknown` of `db.mappings`.
    """
    async with tenant_transaction(engine, tenant_id) as connection:
        row = (await connection.execute(_PROPOSAL, {"id": proposal_id})).one_or_none()
        if row is None or row.state not in ("matched", "ambiguous"):
            raise ProposalUnknown(f"Não há proposta {proposal_id} à espera de decisão.")
        if internal_id not in row.candidates:
            raise ConfigurationError(
                "Este registro do ERP não é candidato desta proposta; para outro, crie o mapeamento à mão."
            )
        await mappings.require_free(
            connection, row.integration_id, row.entity, internal_id=internal_id, external_id=row.external_id
        )
        await connection.execute(_PICK, {"id": proposal_id, "internal": internal_id})
        if await _link(connection, row.entity, row.discovery_id, [proposal_id]) != 1:
            raise ProposalUnknown("Um dos dois registros acaba de ser vinculado por outra pessoa.")
        details = {"internal_id": str(internal_id), "external_id": row.external_id}
        await audit.record(connection, tenant_id, by, "proposal.pick", str(proposal_id), details)


async def dismiss(engine: AsyncEngine, tenant_id: UUID, proposal_ids: Sequence[UUID], by: By) -> int:
    """They are not to be linked; a later discovery may propose them again. Returns how many were open."""
    async with tenant_transaction(engine, tenant_id) as connection:
        found = await connection.execute(_DISMISS, {"ids": list(proposal_ids)})
        ids = [str(id_) for id_ in found.scalars()]
        await audit.record_each(connection, tenant_id, by, "proposal.dismiss", ids)
    return len(ids)


async def _link(connection: AsyncConnection, entity: str, discovery_id: UUID, ids: Sequence[UUID]) -> int:
    statement = text(_LINK.format(table=mappings.TABLES[entity]))
    rules = msgspec.json.encode({rule.value: rule.label for rule in Rule}).decode()
    made = (await connection.execute(statement, {"ids": list(ids), "rules": rules})).all()
    if made and entity == Entity.PRODUCTS.value:
        await connection.execute(_LINK_VARIANTS, {"ids": [row.id for row in made]})
    if made:
        values: Row = {"id": discovery_id, "internal": [row.internal_id for row in made]}
        await connection.execute(_FORGET_INTENTS, values)
        await mappings.touch(connection, made[0].integration_id, entity, values["internal"])
    return len(made)
