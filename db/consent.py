"""Pending consents of OAuth accounts, kept as the credentials are, and what becomes of them."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.consent import Consent, Return
from core.errors import ConfigurationError
from core.oauth2 import OAuth2, Token
from db import admin, audit, tokens
from db.session import tenant_transaction
from db.vault import Vault

NAME = "oauth_consent"
"""Name of the credential that holds a pending consent."""

_OWNER = text("SELECT 1 FROM sync.integration WHERE id = :integration AND deleted_at IS NULL")
_KEEP = text(
    "INSERT INTO sync.credential (tenant_id, integration_id, name, ciphertext, key_id)"
    " VALUES (:tenant, :integration, :name, :secret, :key) ON CONFLICT (integration_id, name)"
    " DO UPDATE SET ciphertext = excluded.ciphertext, key_id = excluded.key_id, updated_at = now()"
)
_READ = text(
    "SELECT ciphertext FROM sync.credential WHERE integration_id = :integration AND name = :name FOR UPDATE"
)
_FORGET = text("DELETE FROM sync.credential WHERE integration_id = :integration AND name = :name")


async def begin(engine: AsyncEngine, vault: Vault, tenant_id: UUID, id_: UUID, redirect_uri: str) -> Consent:
    """A new pending consent; it takes the place of an earlier one. Raises `ConfigurationError` for an
    integration that the tenant does not have."""
    consent = Consent.pending(id_, redirect_uri, datetime.now(UTC))
    sealed = vault.seal(tenant_id, id_, NAME, msgspec.json.encode(consent).decode())
    values = {"tenant": tenant_id, "integration": id_, "name": NAME}
    async with tenant_transaction(engine, tenant_id) as connection:
        if (await connection.execute(_OWNER, {"integration": id_})).first() is None:
            raise ConfigurationError("A integração não existe mais.")
        await connection.execute(_KEEP, values | {"secret": sealed.ciphertext, "key": sealed.key_id})
    return consent


async def take(engine: AsyncEngine, vault: Vault, tenant_id: UUID, answer: Return) -> Consent:
    """The consent that was answered, which works once only. Raises `ConfigurationError` as
    `Return.answers` does."""
    id_ = answer.integration_id
    where = {"integration": id_, "name": NAME}
    async with tenant_transaction(engine, tenant_id) as connection:
        found = (await connection.execute(_READ, where)).scalar_one_or_none()
        secret = vault.open(tenant_id, id_, NAME, bytes(found)) if found is not None else None
        pending = msgspec.json.decode(secret, type=Consent) if secret is not None else None
        consent = answer.answers(pending, datetime.now(UTC))
        await connection.execute(_FORGET, where)
    return consent


async def connect(
    engine: AsyncEngine, vault: Vault, tenant_id: UUID, id_: UUID, oauth: OAuth2, token: Token, by: str
) -> None:
    """The account's token on record: the integration works again where it waited for one."""
    async with tenant_transaction(engine, tenant_id) as connection:
        await tokens.keep(connection, vault, (tenant_id, id_), oauth, token)
        await admin.reconnect(connection, id_)
        await audit.record(connection, tenant_id, audit.By(by), "integration.connect", str(id_), None)
