"""Deleted integrations: for a while they can be restored, then housekeeping destroys their secrets.

Every function raises `DatabaseUnavailable`.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import Absent, ConfigurationError
from db import audit
from db.admin import INTEGRATIONS, IntegrationRow, integration_of
from db.audit import By
from db.session import tenant_transaction

GRACE_DAYS = 30

_DELETE = text(
    "UPDATE sync.integration SET deleted_at = now(), updated_at = now(), status = 'disabled'"
    " WHERE id = :id AND deleted_at IS NULL"
)
# A person resumes it; what was never activated is a draft again.
_RESTORE = text(
    "UPDATE sync.integration SET deleted_at = NULL, updated_at = now(), status_since = now(),"
    " status_reason = '', status_code = '', status = CASE WHEN draft THEN 'disabled' ELSE 'paused' END"
    " WHERE id = :id AND deleted_at > now() - make_interval(days => :days)"
)
_LISTING = text(
    f"{INTEGRATIONS} WHERE i.deleted_at > now() - make_interval(days => :days) ORDER BY i.deleted_at DESC"
)


async def delete(engine: AsyncEngine, integration: IntegrationRow, by: By) -> None:
    """Records of the ERP, mappings and logs stay for good."""
    async with tenant_transaction(engine, integration.tenant_id) as connection:
        if (await connection.execute(_DELETE, {"id": integration.id})).rowcount == 1:
            target, details = str(integration.id), {"name": integration.name}
            await audit.record(connection, integration.tenant_id, by, "integration.delete", target, details)


async def listing(engine: AsyncEngine, tenant_id: UUID) -> list[IntegrationRow]:
    """Those that can be restored, the last deleted first."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_LISTING, {"days": GRACE_DAYS})).all()
    return [integration_of(row._mapping) for row in rows]


async def restore(engine: AsyncEngine, tenant_id: UUID, id_: UUID, by: By) -> None:
    """Paused, as it was otherwise. Raises `Absent` after its time, `ConfigurationError` when another has its
    name now."""
    try:
        async with tenant_transaction(engine, tenant_id) as connection:
            done = await connection.execute(_RESTORE, {"id": id_, "days": GRACE_DAYS})
            if done.rowcount == 0:
                raise Absent(f"Não há esta integração entre as excluídas dos últimos {GRACE_DAYS} dias.")
            await audit.record(connection, tenant_id, by, "integration.restore", str(id_))
    except IntegrityError:
        raise ConfigurationError(
            "Outra integração tem agora o nome desta: mude o nome da outra e restaure de novo."
        ) from None
