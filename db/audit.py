"""Who did what, and why. Rows are only ever added, in the transaction of what they tell of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_ADD = text(
    "INSERT INTO sync.audit_log (tenant_id, actor, action, target, details, reason)"
    " VALUES (:tenant, :actor, :action, :target, CAST(:details AS jsonb), :reason)"
)


@dataclass(frozen=True, slots=True)
class By:
    """A person, or a program in a person's name, and the reason they gave."""

    actor: str
    reason: str = ""


async def record(
    connection: AsyncConnection,
    tenant_id: UUID,
    by: By,
    action: str,
    target: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """`details` hold no secret and no personal data."""
    await record_each(connection, tenant_id, by, action, [target], details)


async def record_each(
    connection: AsyncConnection,
    tenant_id: UUID,
    by: By,
    action: str,
    targets: Sequence[str],
    details: Mapping[str, Any] | None = None,
) -> None:
    """The same done to many: a row for each."""
    if not targets:
        return
    encoded = msgspec.json.encode(dict(details or {})).decode()
    row = {
        "tenant": tenant_id,
        "actor": by.actor,
        "action": action,
        "details": encoded,
        "reason": by.reason or None,
    }
    await connection.execute(_ADD, [row | {"target": target} for target in targets])
