"""The channels of a tenant. Their addresses hold tokens and names of people: sealed, and never shown again.

Every function raises `DatabaseUnavailable`.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from core.actor import Actor
from core.address import Guard
from core.channel import Destination, destination
from core.errors import ConfigurationError
from db import audit
from db.audit import By
from db.notices import Notice, announce
from db.session import tenant_transaction
from db.vault import Vault, WrongKey

FIELD = "channel.address"
EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})

_NEW = text(
    "INSERT INTO sync.channel (id, tenant_id, name, address, key_id)"
    " VALUES (:id, :tenant, :name, :address, :key)"
)
_ALL = text("SELECT id, tenant_id, name, address, enabled, created_at FROM sync.channel ORDER BY lower(name)")
_ENABLE = text("UPDATE sync.channel SET enabled = :enabled WHERE id = :id")
_GIVE_UP = text(
    "UPDATE sync.notice_delivery SET state = 'failed', error = 'O canal foi desligado.'"
    " WHERE channel_id = :id AND state = 'pending'"
)
_DELETE = text("DELETE FROM sync.channel WHERE id = :id")


@dataclass(frozen=True, slots=True)
class ChannelRow:
    id: UUID
    tenant_id: UUID
    name: str
    address: bytes
    enabled: bool
    created_at: datetime

    def opened(self, vault: Vault) -> str:
        """The address in clear. Raises `WrongKey`."""
        return vault.open(self.tenant_id, self.id, FIELD, self.address)

    def where(self, vault: Vault) -> str:
        """Where it leads, for people: the kind and the host alone. The guard of today may refuse what was
        accepted: a listing still says where it leads."""
        try:
            return destination(self.opened(vault), Guard(EVERYWHERE, plain_http=True)).label
        except WrongKey:
            return "não abre com as chaves atuais"


async def channels(engine: AsyncEngine, tenant_id: UUID) -> list[ChannelRow]:
    """By name."""
    async with tenant_transaction(engine, tenant_id) as connection:
        rows = (await connection.execute(_ALL)).all()
    return [
        ChannelRow(row.id, row.tenant_id, row.name, bytes(row.address), row.enabled, row.created_at)
        for row in rows
    ]


async def create_channel(
    engine: AsyncEngine, vault: Vault, actor: Actor, tenant_id: UUID, name: str, destination: Destination
) -> UUID:
    """Raises `NotAllowed`, and `ConfigurationError` when the name is taken."""
    actor.require_edit()
    found = uuid7()
    sealed = vault.seal(tenant_id, found, FIELD, destination.address)
    values = {"id": found, "tenant": tenant_id, "name": name}
    try:
        async with tenant_transaction(engine, tenant_id) as connection:
            await connection.execute(_NEW, values | {"address": sealed.ciphertext, "key": sealed.key_id})
            details = {"kind": destination.kind.value}
            await audit.record(connection, tenant_id, By(actor.name), "channel.create", str(found), details)
    except IntegrityError:
        raise ConfigurationError(f"Já existe um canal chamado {name!r}.") from None
    return found


async def enable_channel(engine: AsyncEngine, actor: Actor, channel: ChannelRow, *, enabled: bool) -> None:
    """What waits for a channel that is switched off is given up, not sent late. Raises `NotAllowed`."""
    actor.require_edit()
    async with tenant_transaction(engine, channel.tenant_id) as connection:
        await connection.execute(_ENABLE, {"id": channel.id, "enabled": enabled})
        if not enabled:
            await connection.execute(_GIVE_UP, {"id": channel.id})
        action = "channel.enable" if enabled else "channel.disable"
        await audit.record(connection, channel.tenant_id, By(actor.name), action, str(channel.id))


async def delete_channel(engine: AsyncEngine, actor: Actor, channel: ChannelRow) -> None:
    """With its address and its delivery log; the notices stay. Raises `NotAllowed`."""
    actor.require_edit()
    async with tenant_transaction(engine, channel.tenant_id) as connection:
        await connection.execute(_DELETE, {"id": channel.id})
        await audit.record(connection, channel.tenant_id, By(actor.name), "channel.delete", str(channel.id))


async def try_channel(engine: AsyncEngine, actor: Actor, channel: ChannelRow) -> UUID:
    """Queue the test message, which takes the way of every other one; returns the notice's id.

    Raises `NotAllowed`, and `ConfigurationError` for a channel that is switched off.
    """
    actor.require_edit()
    if not channel.enabled:
        raise ConfigurationError(f"O canal {channel.name} está desligado: ligue-o antes do teste.")
    notice = Notice(
        "test",
        "CloudToSys: mensagem de teste",
        f"Esta é uma mensagem de teste do canal {channel.name}.\n"
        "Ela percorre o mesmo caminho de um aviso real: se chegou, os avisos chegam.",
    )
    async with tenant_transaction(engine, channel.tenant_id) as connection:
        await audit.record(connection, channel.tenant_id, By(actor.name), "channel.test", str(channel.id))
        return await announce(connection, channel.tenant_id, notice, channel_id=channel.id)
