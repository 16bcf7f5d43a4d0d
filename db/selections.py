"""`core.ports.Chosen` over PostgreSQL: the failed records that a request, or their time, picks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction
from db.session import tenant_transaction
from db.vault import Vault

_CONDITIONS = {
    "issues": " AND i.id = ANY(CAST(:issues AS uuid[]))",
    "log": " AND i.sync_log_id = CAST(:log AS uuid)",
    "error_class": " AND i.error_class = :error_class",
    "field": " AND i.field = :field",
    "fault": " AND i.fault = :fault",
    "due": " AND i.next_attempt_at <= now()",
}
"""What a selection may hold, and what it means of an issue. `ids` names the records themselves."""
_OPEN = (
    " FROM sync.issue i WHERE i.integration_id = :integration AND i.entity = :entity"
    " AND i.direction = :direction AND i.state = 'open'"
)
_FOLLOWING = (
    "SELECT DISTINCT {key} AS id" + _OPEN + " AND {key} > CAST(:after AS {kind}){where}"
    " ORDER BY id LIMIT :limit"
)
_PAYLOADS = (
    "SELECT DISTINCT ON ({key}) {key} AS id, i.payload"  # noqa: S608
    + _OPEN
    + " AND {key} = ANY(CAST(:ids AS {kind}[]))"
    " AND i.payload IS NOT NULL AND NOT EXISTS (SELECT FROM sync.mapping m"
    " WHERE m.integration_id = i.integration_id AND m.entity = i.entity AND {same}"
    " AND m.synced_at > i.created_at) ORDER BY {key}, i.created_at DESC"
)
_FIRST = {"text": "", "uuid": str(UUID(int=0))}


@dataclass(frozen=True, slots=True)
class Selection:
    """Records of a pair. `wanted`: `ids`, or conditions on open issues; all of them where it is empty."""

    engine: AsyncEngine
    vault: Vault
    tenant_id: UUID
    integration_id: UUID
    entity: str
    direction: Direction
    wanted: Mapping[str, Any]

    async def following(self, after: str, limit: int) -> Sequence[str]:
        if "ids" in self.wanted:
            return [id_ for id_ in sorted(self.wanted["ids"]) if id_ > after][:limit]
        values = {"after": after or _FIRST[self._kind], "limit": limit, **self.wanted}
        return [str(row.id) for row in await self._read(_FOLLOWING, values)]

    async def payloads(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        rows = await self._read(_PAYLOADS, {"ids": list(ids)})
        return {str(row.id): self.vault.open_payload(bytes(row.payload)) for row in rows}

    @property
    def _kind(self) -> str:
        return "uuid" if self.direction is Direction.EXPORT else "text"

    async def _read(self, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
        column = "internal_id" if self.direction is Direction.EXPORT else "external_id"
        found = text(
            statement.format(
                key=f"i.{column}",
                kind=self._kind,
                same=f"m.{column} = i.{column}",
                where="".join(words for name, words in _CONDITIONS.items() if name in values),
            )
        )
        scope = {
            "integration": self.integration_id,
            "entity": self.entity,
            "direction": self.direction.value,
        }
        async with tenant_transaction(self.engine, self.tenant_id) as connection:
            given = {name: value for name, value in values.items() if name != "due"}
            return (await connection.execute(found, scope | given)).all()


def known(wanted: Mapping[str, Any]) -> bool:
    """Whether a selection holds only what is understood here."""
    return wanted.keys() <= {"ids", *_CONDITIONS}
