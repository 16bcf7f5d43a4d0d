"""Credentials (keys, tokens, certificates) that end soon or have ended, and that a person has to renew.

`credential.expires_at` is set for those alone: a token that the integration renews by itself has none.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.certificate import Certificate
from core.formats import moment
from core.spec import Provider
from db.admin import IntegrationRow
from db.alarms import CREDENTIAL_EXPIRED, CREDENTIAL_EXPIRING, keep_alarms
from db.runs import read_secrets
from db.session import system_transaction, tenant_transaction
from db.vault import Vault

DAYS = 14

_ENDING = text(
    "SELECT i.id, c.name, c.expires_at, c.expires_at <= now() AS over FROM sync.credential c"
    " JOIN sync.integration i ON i.id = c.integration_id"
    " WHERE c.expires_at < now() + make_interval(days => :days) AND i.deleted_at IS NULL"
    " AND i.status IN ('active', 'error') ORDER BY c.expires_at"
)


_SET = text(
    "UPDATE sync.credential SET expires_at = :at WHERE integration_id = :integration AND name = ANY(:names)"
)


async def set_expiry(
    engine: AsyncEngine, tenant_id: UUID, integration_id: UUID, names: Sequence[str], at: datetime
) -> None:
    """Until when credentials last that a person renews. Raises `DatabaseUnavailable`."""
    async with tenant_transaction(engine, tenant_id) as connection:
        values = {"integration": integration_id, "names": list(names), "at": at}
        await connection.execute(_SET, values)


async def note_certificate(
    engine: AsyncEngine, vault: Vault, provider: Provider, integration: IntegrationRow
) -> Certificate | None:
    """Keep the end of the client certificate beside it, so that an alarm comes in time.

    Raises `ConfigurationError` for one that cannot be used, `WrongKey`, `DatabaseUnavailable`.
    """
    if provider.certificate is None:
        return None
    secrets = await read_secrets(engine, vault, integration.tenant_id, integration.id)
    certificate = provider.certificate({**integration.settings, **secrets})
    if certificate is not None:
        # What need not be given is no part of it: the authorities of the other side, say.
        files = [setting.name for setting in provider.settings if setting.kind == "file" and setting.required]
        await set_expiry(engine, integration.tenant_id, integration.id, files, certificate.expires_at)
    return certificate


async def check_credentials(engine: AsyncEngine) -> int:
    """Open and close the alarms of integrations; returns how many opened. Raises `DatabaseUnavailable`."""
    async with system_transaction(engine) as connection:
        rows = (await connection.execute(_ENDING, {"days": DAYS})).all()
    ends: dict[str, dict[UUID, list[str]]] = {
        CREDENTIAL_EXPIRING: defaultdict(list),
        CREDENTIAL_EXPIRED: defaultdict(list),
    }
    for row in rows:
        kind, verb = (CREDENTIAL_EXPIRED, "venceu") if row.over else (CREDENTIAL_EXPIRING, "vence")
        ends[kind][row.id].append(f"{row.name} {verb} em {moment(row.expires_at)}")
    opened = 0
    for kind, found in ends.items():
        messages = {
            id_: f"{'; '.join(parts)}. Renove no sistema externo e grave a nova credencial"
            " (cloudtosys integration update)."
            for id_, parts in found.items()
        }
        opened += await keep_alarms(engine, kind, messages, "integration")
    return opened
