"""OAuth tokens of an integration: kept encrypted, renewed by one process at a time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.errors import AuthenticationError
from core.oauth2 import TOKEN, OAuth2, Token, renew
from core.spec import Settings
from db.session import tenant_transaction
from db.vault import Vault

_READ = text("SELECT ciphertext FROM sync.credential WHERE integration_id = :integration AND name = :name")
_LOCK = text(
    "SELECT ciphertext FROM sync.credential WHERE integration_id = :integration AND name = :name FOR UPDATE"
)
_KEEP = text(
    "INSERT INTO sync.credential (tenant_id, integration_id, name, ciphertext, key_id, expires_at)"
    " VALUES (:tenant, :integration, :name, :secret, :key, :expires_at)"
    " ON CONFLICT (integration_id, name) DO UPDATE SET ciphertext = excluded.ciphertext,"
    " key_id = excluded.key_id, expires_at = excluded.expires_at, updated_at = now()"
)
# The first token of a client that needs no consent has no row yet to lock.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:integration, 0))")


async def keep(
    connection: AsyncConnection, vault: Vault, account: tuple[UUID, UUID], oauth: OAuth2, token: Token
) -> None:
    """Put an integration's token on record; `account` is (tenant, integration)."""
    tenant_id, integration_id = account
    sealed = vault.seal(tenant_id, integration_id, TOKEN, msgspec.json.encode(token).decode())
    # Without a refresh token somebody has to consent again once it is over.
    ends = token.refresh is None and oauth.authorize_url is not None
    await connection.execute(
        _KEEP,
        {
            "tenant": tenant_id,
            "integration": integration_id,
            "name": TOKEN,
            "secret": sealed.ciphertext,
            "key": sealed.key_id,
            "expires_at": token.expires_at if ends else None,
        },
    )


class PgTokens:
    """`core.oauth2.Tokens` of one integration. `client` reaches the token endpoint."""

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        tenant_id: UUID,
        integration_id: UUID,
        *,
        oauth: OAuth2,
        settings: Settings,
        client: httpx.AsyncClient,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._account = tenant_id, integration_id
        self._oauth = oauth
        self._settings = settings
        self._client = client
        self._token: Token | None = None

    async def access(self, refused: str | None = None) -> str:
        if self._token is None:
            async with tenant_transaction(self._engine, self._account[0]) as connection:
                self._token = await self._read(connection, _READ)
        if not self._good(self._token, refused):
            self._token = await self._renewed(refused)
        assert self._token is not None  # noqa: S101
        return self._token.access

    async def renew(self) -> bool:
        """A new token although the old one lasts; False where there is none to renew. Raises as `access`."""
        async with tenant_transaction(self._engine, self._account[0]) as connection:
            token = await self._read(connection, _READ)
        if token is None or token.refused or token.refresh is None:
            return False
        self._token = await self._renewed(token.access)
        return True

    def _good(self, token: Token | None, refused: str | None) -> bool:
        if token is not None and token.refused:
            raise AuthenticationError("O acesso expirou e não pôde ser renovado: conecte a conta novamente.")
        return token is not None and token.fresh(datetime.now(UTC)) and token.access != refused

    async def _renewed(self, refused: str | None) -> Token:
        """Whoever holds the lock asks; the others find the new token when they get it.

        The new refresh token is committed with the lock still held. A refusal is put on record too, so that
        the next runs do not ask again.
        """
        async with tenant_transaction(self._engine, self._account[0]) as connection:
            await connection.execute(_ALONE, {"integration": str(self._account[1])})
            token = await self._read(connection, _LOCK)
            if self._good(token, refused):
                assert token is not None  # noqa: S101
                return token
            failure: AuthenticationError | None = None
            try:
                token = await renew(self._client, self._oauth, self._settings, token)
            except AuthenticationError as error:
                failure = error
                if token is not None and self._oauth.authorize_url is not None:
                    token = msgspec.structs.replace(token, refused=True)
            if token is not None:
                await keep(connection, self._vault, self._account, self._oauth, token)
        if failure is not None or token is None:
            raise failure or AuthenticationError("A conta ainda não foi conectada.")
        return token

    async def _read(self, connection: AsyncConnection, statement: Any) -> Token | None:
        values = {"integration": self._account[1], "name": TOKEN}
        found = (await connection.execute(statement, values)).scalar_one_or_none()
        if found is None:
            return None
        secret = self._vault.open(*self._account, TOKEN, bytes(found))
        return msgspec.json.decode(secret, type=Token)
