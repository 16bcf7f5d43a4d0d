"""Single linked records asked for again: written by force one way, or read once more and compared.

The request is a row; a run of the pair serves it. Functions take the tenant and raise `DatabaseUnavailable`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, Entity, RequestKind
from core.errors import ConfigurationError
from core.ports import VARIANTS
from db import audit, mappings, requests
from db.audit import By
from db.session import tenant_transaction

LONGEST_ID = 255
MOST = 1000
"""Records in one request."""

_PAIR = text("SELECT id, direction FROM sync.pair WHERE integration_id = :integration AND entity = :entity")
_CHOSEN = text(
    "SELECT m.id, m.entity, m.state, m.external_id, m.internal_id, p.id AS pair_id, p.direction"
    " FROM sync.mapping m LEFT JOIN sync.pair p ON p.integration_id = m.integration_id"
    " AND p.entity = m.entity WHERE m.id = ANY(:ids) ORDER BY m.id"
)
_STATES = {
    "orphan": "O mapeamento é órfão: uma das pontas não tem mais o registro.",
    "conflict": "O mapeamento está em conflito: resolva-o em Conflitos (`cloudtosys conflict resolve`).",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """`refused` are mappings with the reason why they cannot be asked for."""

    requests: Sequence[requests.Request]
    refused: Mapping[UUID, str]


async def resync(
    engine: AsyncEngine, tenant_id: UUID, mapping_id: UUID, direction: Direction | None, by: By
) -> requests.Request:
    """Ask that the ERP record be written with what is outside (import), or the other way round (export).

    Raises `MappingUnknown`, and `ConfigurationError` for a mapping that is not active, a variant, an entity
    without pair and a direction that its pair does not have or has to be told.
    """
    asked = await resync_many(engine, tenant_id, [mapping_id], direction, by)
    if asked.refused:
        raise ConfigurationError(asked.refused[mapping_id])
    if not asked.requests:
        raise mappings.MappingUnknown(f"Não há mapeamento {mapping_id}.")
    return asked.requests[0]


async def resync_many(
    engine: AsyncEngine, tenant_id: UUID, mapping_ids: Sequence[UUID], direction: Direction | None, by: By
) -> Asked:
    """As `resync`, up to `MOST` of a pair in a request; mappings that are gone are left out."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_CHOSEN, {"ids": list(mapping_ids)})).all()
    groups: dict[tuple[UUID, Direction], list[Any]] = {}
    refused: dict[UUID, str] = {}
    for row in rows:
        try:
            groups.setdefault((row.pair_id, _required(row, direction)), []).append(row)
        except ConfigurationError as error:
            refused[row.id] = error.message
    asked = []
    for (pair_id, way), chosen in groups.items():
        for part in _portions(chosen):
            ids = sorted(row.external_id if way is Direction.IMPORT else str(row.internal_id) for row in part)
            request = await requests.ask(
                engine, tenant_id, pair_id, RequestKind.RESYNC, way, {"ids": ids}, by=by.actor
            )
            async with tenant_transaction(engine, tenant_id) as connection:
                details = {"direction": way.value, "request": str(request.id)}
                targets = [str(row.id) for row in part]
                await audit.record_each(connection, tenant_id, by, "mapping.resync", targets, details)
            asked.append(request)
    return Asked(asked, refused)


async def read_again(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    entity: str,
    external_ids: Sequence[str],
    by: By,
) -> list[requests.Request]:
    """Ask that records be read and compared once more, which a scan of changes may never do. Nothing is
    asked where their pair does not import."""
    pair = await _pair(engine, tenant_id, integration_id, entity)
    if pair is None or pair.direction == Direction.EXPORT:
        return []
    ids = sorted(external_ids)
    return [
        await requests.ask(
            engine,
            tenant_id,
            pair.id,
            RequestKind.REPROCESS,
            Direction.IMPORT,
            {"ids": ids[start : start + MOST]},
            by=by.actor,
        )
        for start in range(0, len(ids), MOST)
    ]


async def fetch(
    engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, entity: Entity, external_id: str, by: By
) -> requests.Request:
    """Ask for one record by its id outside, also of one that was never seen.

    Raises `ConfigurationError` where its pair does not import, and for what cannot be an id.
    """
    external_id = external_id.strip()
    if not external_id or len(external_id) > LONGEST_ID:
        raise ConfigurationError(f"O ID externo é obrigatório e tem até {LONGEST_ID} caracteres.")
    pair = await _pair(engine, tenant_id, integration_id, entity)
    if pair is None or pair.direction == Direction.EXPORT:
        raise ConfigurationError(
            f"A integração não importa {entity.label}: não há de onde buscar o registro."
        )
    asked = await requests.ask(
        engine, tenant_id, pair.id, RequestKind.RESYNC, Direction.IMPORT, {"ids": [external_id]}, by=by.actor
    )
    async with tenant_transaction(engine, tenant_id) as connection:
        details = {"entity": entity, "external_id": external_id, "request": str(asked.id)}
        await audit.record(connection, tenant_id, by, "record.fetch", str(integration_id), details)
    return asked


async def _pair(engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, entity: str) -> Any:
    async with tenant_transaction(engine, tenant_id) as connection:
        values = {"integration": integration_id, "entity": entity}
        return (await connection.execute(_PAIR, values)).one_or_none()


def _portions(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), MOST):
        yield rows[start : start + MOST]


def _required(row: Any, direction: Direction | None) -> Direction:
    """Raises `ConfigurationError` for a mapping that cannot be asked for."""
    if row.state in _STATES:
        raise ConfigurationError(_STATES[row.state])
    if row.entity == VARIANTS:
        raise ConfigurationError("Variações são gravadas com seu produto: ressincronize o produto.")
    if row.pair_id is None:
        raise ConfigurationError(f"A integração não tem par de {Entity(row.entity).label}.")
    return _way(Direction(row.direction), direction)


def _way(offered: Direction, asked: Direction | None) -> Direction:
    if asked is Direction.BOTH or (asked is None and offered is Direction.BOTH):
        raise ConfigurationError("Escolha a direção: importar (grava o ERP) ou exportar (grava o externo).")
    if asked is not None and offered not in (asked, Direction.BOTH):
        raise ConfigurationError(f"O par só permite {offered.label}.")
    return asked or offered
