"""`core.discovering.Finder` over PostgreSQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.discovering import Candidate, Rule
from core.entities import Entity
from db.session import tenant_transaction

_LINKED = text(
    "SELECT external_id FROM sync.mapping WHERE integration_id = :integration AND entity = :kind"
    " AND external_id = ANY(:ids)"
)
_CANDIDATES = """
SELECT {value} AS value, t.id, {document} AS document FROM erp.{table} t
WHERE t.deleted_at IS NULL AND {value} = ANY(:values){more} AND NOT EXISTS (SELECT FROM sync.mapping m
  WHERE m.integration_id = :integration AND m.entity = :kind AND m.internal_id = t.id
  AND m.state <> 'orphan')
ORDER BY t.id
"""
_WHERE = {
    Rule.SKU: ("product", "t.sku"),
    Rule.GTIN: ("product", "t.gtin"),
    Rule.DOCUMENT: ("customer", "t.document"),
    Rule.EMAIL: ("customer", "lower(t.email)"),
    Rule.NUMBER: ('"order"', "t.number"),
    Rule.SLUG: ("category", "t.slug"),
    Rule.NAME: ("category", "lower(t.name)"),
}


class PgFinder:
    """`channel` marks the orders of this integration; those of others have numbers of their own."""

    def __init__(
        self, engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, entity: Entity, channel: str
    ) -> None:
        self._engine = engine
        self._tenant_id = tenant_id
        self._values = {"integration": integration_id, "kind": entity.value}
        self._channel = channel

    async def linked(self, external_ids: Sequence[str]) -> set[str]:
        return {row[0] for row in await self._read(_LINKED, ids=list(external_ids))}

    async def candidates(self, rule: Rule, values: Sequence[str]) -> dict[str, list[Candidate]]:
        asked: dict[str, Any] = {"values": list(values)}
        if rule is Rule.NUMBER:
            asked["channel"] = self._channel
        found: dict[str, list[Candidate]] = {}
        for row in await self._read(_statement(rule), **asked):
            found.setdefault(row.value, []).append(Candidate(row.id, row.document))
        return found

    async def _read(self, statement: TextClause, **values: Any) -> Sequence[Any]:
        async with tenant_transaction(self._engine, self._tenant_id) as connection:
            return (await connection.execute(statement, self._values | values)).all()


def _statement(rule: Rule) -> TextClause:
    table, value = _WHERE[rule]
    return text(
        _CANDIDATES.format(
            table=table,
            value=value,
            document="t.document" if table == "customer" else "NULL",
            more=" AND t.channel IN ('', :channel)" if rule is Rule.NUMBER else "",
        )
    )
