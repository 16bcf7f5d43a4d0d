"""Mappings whose record is gone on one side, and what complete scans saw to find them."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.entities import Entity
from core.orphans import MOST, gated
from core.ports import Scan
from db.alarms import DELETION_GATE, raise_within
from db.ledger import Bound

_PAGE = text(
    "INSERT INTO sync.scan_page (tenant_id, pair_id, scan_id, external_ids)"
    " VALUES (:tenant, :pair, :scan, :ids)"
)
# EXCEPT hashes or sorts: an anti-join may be planned as a nested loop while statistics are missing. Made by
# hand, a mapping has no time but the one in its id.
_MARK = text(
    "WITH unseen AS (SELECT external_id FROM sync.mapping WHERE integration_id = :integration"
    " AND entity = :entity AND state <> 'orphan' AND (synced_at < :started"
    " OR synced_at IS NULL AND id < :floor)"
    " EXCEPT SELECT unnest(external_ids) FROM sync.scan_page WHERE pair_id = :pair AND scan_id = :scan)"
    " UPDATE sync.mapping m SET missing_at = now() FROM unseen u WHERE m.integration_id = :integration"
    " AND m.entity = :entity AND m.external_id = u.external_id AND m.missing_at IS NULL"
)
_NAMELESS = text(
    "SELECT EXISTS (SELECT FROM sync.scan_page WHERE pair_id = :pair AND scan_id = :scan"
    " AND '' = ANY(external_ids))"
)
_FORGET = text("DELETE FROM sync.scan_page WHERE pair_id = :pair")
# Not where its ERP record was linked to another external one meanwhile, or two of its old ones return.
_RETURNED = text(
    "UPDATE sync.mapping m SET missing_at = NULL, orphaned_by = NULL,"
    " state = CASE m.state WHEN 'orphan' THEN 'active' ELSE m.state END WHERE m.id = ANY(:ids)"
    " AND NOT EXISTS (SELECT FROM sync.mapping o WHERE o.integration_id = m.integration_id"
    " AND o.entity = m.entity AND o.internal_id = m.internal_id AND o.id <> m.id"
    " AND (o.state <> 'orphan' OR o.id = ANY(:ids) AND o.id > m.id)) RETURNING m.external_id"
)
_RETURNED_VARIANTS = text(
    "UPDATE sync.mapping m SET orphaned_by = NULL, state = 'active' FROM erp.product_variant v"
    " WHERE m.integration_id = :integration AND m.entity = 'variants'"
    " AND m.parent_external_id = ANY(:parents) AND m.state = 'orphan' AND m.orphaned_by = 'external'"
    " AND v.id = m.internal_id AND v.deleted_at IS NULL"
    " AND NOT EXISTS (SELECT FROM sync.mapping o WHERE o.integration_id = m.integration_id"
    " AND o.entity = m.entity AND o.internal_id = m.internal_id AND o.id <> m.id"
    " AND (o.state <> 'orphan' OR o.parent_external_id = ANY(:parents) AND o.id > m.id))"
)
_MISSED = text(
    "SELECT external_id FROM sync.mapping WHERE integration_id = :integration AND entity = :entity"
    " AND missing_at IS NOT NULL AND state <> 'orphan' ORDER BY id LIMIT :limit"
)
_COUNTS = text(
    "SELECT count(missing_at) AS missed, count(*) AS linked FROM sync.mapping"
    " WHERE integration_id = :integration AND entity = :entity AND state <> 'orphan'"
)
_HELD = text(
    "SELECT EXISTS (SELECT FROM sync.alarm WHERE pair_id = :pair AND kind = :kind AND closed_at IS NULL)"
)
_CALM = text(
    "UPDATE sync.alarm a SET closed_at = now() FROM sync.pair p WHERE a.pair_id = p.id AND a.kind = :kind"
    " AND a.closed_at IS NULL AND p.integration_id = :integration AND p.entity = :entity"
    " AND NOT EXISTS (SELECT FROM sync.mapping m WHERE m.integration_id = :integration"
    " AND m.entity = :entity AND m.missing_at IS NOT NULL AND m.state <> 'orphan')"
)
_IDS = text(
    "SELECT id FROM sync.mapping WHERE integration_id = :integration AND entity = :entity"
    " AND external_id = ANY(:externals) AND state <> 'orphan' FOR UPDATE"
)
_FOUND = text(
    "UPDATE sync.mapping SET missing_at = NULL WHERE integration_id = :integration AND entity = :entity"
    " AND external_id = ANY(:externals)"
)
_ORPHAN = text(
    "UPDATE sync.mapping SET state = 'orphan', orphaned_by = :side, missing_at = NULL WHERE id = ANY(:ids)"
)
_ORPHAN_VARIANTS = text(
    "UPDATE sync.mapping v SET state = 'orphan', orphaned_by = :side, missing_at = NULL FROM sync.mapping p"
    " WHERE p.id = ANY(:ids) AND p.entity = 'products' AND v.integration_id = p.integration_id"
    " AND v.entity = 'variants' AND v.parent_external_id = p.external_id AND v.state <> 'orphan'"
)
_CLOSE_CONFLICTS = text(
    "UPDATE sync.conflict SET state = 'resolved', resolved_at = now(), resolved_by = :actor,"
    """ resolution = '{"choice": "orphan"}' WHERE mapping_id = ANY(:ids) AND state = 'open'"""
)


async def note(connection: AsyncConnection, bound: Bound, scan: Scan) -> None:
    """Remember what a batch of a complete scan saw; at its end, mark what none of them did."""
    values = _scope(bound) | {"pair": bound.pair_id, "scan": scan.id}
    if scan.seen:
        page = values | {"tenant": bound.tenant_id, "ids": list(scan.seen)}
        await connection.execute(_PAGE, page)
    if not scan.ended:
        return
    # A record without a name may be any of those that were not seen.
    if scan.whole and not (await connection.execute(_NAMELESS, values)).scalar_one():
        floor = UUID(int=int(scan.started_at.timestamp() * 1000) << 80)
        await connection.execute(_MARK, values | {"started": scan.started_at, "floor": floor})
        if scan.empty:
            await _hold(connection, bound)
    await connection.execute(_FORGET, values)


async def welcome(connection: AsyncConnection, bound: Bound, mapping_ids: Sequence[UUID]) -> None:
    """Records that were missed are seen again; the last one of them closes the gate."""
    if not mapping_ids:
        return
    seen = (await connection.execute(_RETURNED, {"ids": list(mapping_ids)})).scalars().all()
    if bound.entity is Entity.PRODUCTS:
        await connection.execute(_RETURNED_VARIANTS, _scope(bound) | {"parents": list(seen)})
    await calm(connection, bound.integration_id, bound.entity.value)


async def missed(connection: AsyncConnection, bound: Bound) -> Sequence[str]:
    """External ids to decide about. Too many at once open the gate, and none are given while it is open."""
    scope = _scope(bound)
    found = (await connection.execute(_MISSED, scope | {"limit": MOST + 1})).scalars().all()
    if not found:
        return []
    held = {"pair": bound.pair_id, "kind": DELETION_GATE}
    if (await connection.execute(_HELD, held)).scalar_one():
        return []
    counts = (await connection.execute(_COUNTS, scope)).one()
    if gated(counts.missed, counts.linked):
        await _hold(connection, bound)
        return []
    return found


async def settle(
    connection: AsyncConnection, bound: Bound, *, gone: Sequence[str], found: Sequence[str]
) -> None:
    scope = _scope(bound)
    if found:
        await connection.execute(_FOUND, scope | {"externals": list(found)})
    if gone:
        ids = (await connection.execute(_IDS, scope | {"externals": list(gone)})).scalars().all()
        await orphan(connection, ids, side="external", actor="sync")
    await calm(connection, bound.integration_id, bound.entity.value)


async def orphan(
    connection: AsyncConnection, ids: Sequence[UUID], *, side: Literal["erp", "external"], actor: str
) -> None:
    """These mappings lost the record on one `side`: the other one's stays. A product's variants go with it,
    and an open conflict has nothing left to decide."""
    values = {"ids": list(ids), "side": side, "actor": actor}
    for statement in (_ORPHAN, _ORPHAN_VARIANTS, _CLOSE_CONFLICTS):
        await connection.execute(statement, values)


async def calm(connection: AsyncConnection, integration_id: UUID, kind: str) -> None:
    """Close the gate where it has nothing left to hold."""
    values = {"integration": integration_id, "entity": kind, "kind": DELETION_GATE}
    await connection.execute(_CALM, values)


async def _hold(connection: AsyncConnection, bound: Bound) -> None:
    """The alarm keeps missed mappings as they are until a person has decided, or all are seen again."""
    counts = (await connection.execute(_COUNTS, _scope(bound))).one()
    if not counts.missed:
        return
    message = (
        f"A varredura completa não encontrou {counts.missed} de {counts.linked} registros vinculados. Nada "
        "foi alterado. Se foram mesmo excluídos no sistema externo, confirme; se não, verifique filtros e "
        "permissões da chave e libere-os em Mapeamentos."
    )
    await raise_within(connection, DELETION_GATE, bound.pair_id, message)


def _scope(bound: Bound) -> dict[str, Any]:
    return {"integration": bound.integration_id, "entity": bound.entity.value}
