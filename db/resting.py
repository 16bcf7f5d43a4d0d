"""Connected accounts whose tokens nobody used for days: the other side forgets a refresh token that rests."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.oauth2 import TOKEN
from db.session import system_transaction

DAYS = 7
"""Refresh tokens that rest are forgotten after 30 days at the shortest we know of."""

_RESTING = text(
    "SELECT i.tenant_id, i.id, i.provider, i.base_url, i.settings FROM sync.integration i"
    " JOIN sync.credential c ON c.integration_id = i.id AND c.name = :name"
    " WHERE i.deleted_at IS NULL AND i.status <> 'disabled' AND i.status_code <> 'reconnect'"
    " AND c.updated_at < now() - make_interval(days => :days) ORDER BY c.updated_at"
)


@dataclass(frozen=True, slots=True)
class Resting:
    tenant_id: UUID
    id: UUID
    provider: str
    settings: dict[str, str]


async def resting(engine: AsyncEngine) -> list[Resting]:
    """Also of paused integrations: they are to go on without a person. Raises `DatabaseUnavailable`."""
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_RESTING, {"name": TOKEN, "days": DAYS})).all()
    return [
        Resting(row.tenant_id, row.id, row.provider, {**row.settings, **_address(row.base_url)})
        for row in rows
    ]


def _address(base_url: str | None) -> dict[str, str]:
    return {"base_url": base_url} if base_url else {}
