"""What was sent to whom, as a page of notices with the deliveries of each; and how each channel fares.

Rows are plain dictionaries with stable keys. Functions raise `DatabaseUnavailable`.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.session import tenant_transaction

NOBODY = "nobody"
"""Of notices that no channel took: there was none, or it was deleted since."""

_COLUMNS = "n.id, n.kind, n.subject, n.body, n.created_at, n.integration_id, i.name AS integration"
_LIST = text(
    f"SELECT {_COLUMNS} FROM sync.notice n LEFT JOIN sync.integration i ON i.id = n.integration_id"  # noqa: S608
    " WHERE (CAST(:state AS text) IS NULL OR (:state = 'nobody' AND NOT EXISTS (SELECT"
    " FROM sync.notice_delivery d WHERE d.notice_id = n.id)) OR EXISTS (SELECT FROM sync.notice_delivery d"
    " WHERE d.notice_id = n.id AND d.state = :state))"
    " AND (CAST(:before AS uuid) IS NULL OR (n.created_at, n.id) <"
    " ((SELECT b.created_at FROM sync.notice b WHERE b.id = :before), CAST(:before AS uuid)))"
    " ORDER BY n.created_at DESC, n.id DESC LIMIT :limit"
)
_DELIVERIES = text(
    "SELECT d.notice_id, c.name AS channel, d.state, d.attempts, d.next_attempt_at, d.sent_at, d.error"
    " FROM sync.notice_delivery d JOIN sync.channel c ON c.id = d.channel_id WHERE d.notice_id = ANY(:ids)"
    " ORDER BY lower(c.name)"
)
_BY_CHANNEL = text(
    "SELECT channel_id, max(sent_at) AS sent_at, count(*) FILTER (WHERE state = 'pending') AS pending,"
    " count(*) FILTER (WHERE state = 'failed') AS failed FROM sync.notice_delivery GROUP BY 1"
)

Row = dict[str, Any]


async def page(
    engine: AsyncEngine,
    tenant_id: UUID,
    *,
    state: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Row]:
    """The newest first, each with its `deliveries`; `before` is the last id of the page before. `state` is
    that of a delivery, or `NOBODY`."""
    values = {"state": state, "before": before, "limit": limit}
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = [dict(row._mapping) for row in await connection.execute(_LIST, values)]
        found = await connection.execute(_DELIVERIES, {"ids": [row["id"] for row in rows]})
        deliveries: dict[UUID, list[Row]] = {}
        for row in found:
            deliveries.setdefault(row.notice_id, []).append(dict(row._mapping))
    return [row | {"deliveries": deliveries.get(row["id"], [])} for row in rows]


async def by_channel(engine: AsyncEngine, tenant_id: UUID) -> dict[UUID, Row]:
    """Of channels that were ever used: when something last got through, what waits and what was given up."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows: Sequence[Any] = (await connection.execute(_BY_CHANNEL)).all()
    return {row.channel_id: dict(row._mapping) for row in rows}
