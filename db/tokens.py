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
        self._tenant_id = tenant_id
        self._integration_id = integration_id
        self._oauth = oauth
        self._settings = settings
        self._client = client
        self._token: Token | None = None

    async def access(self, refused: str | None = None) -> str:
        if self._token is None:
            async with tenant_transaction(self._engine, self._tenant_id) as connection:
                self._token = await self._read(connection, _READ)
        if not self._good(self._token, refused):
            self._token = await self._renewed(refused)
        assert self._token is not None  # noqa: S101
        return self._token.access

    def _good(self, token: Token | None, refused: str | None) -> bool:
        if token is not None and token.refused:
            raise AuthenticationError("O acesso expirou e não pôde ser renovado: conecte a conta novamente.")
        return token is not None and token.fresh(datetime.now(UTC)) and token.access != refused

    async def _renewed(self, refused: str | None) -> Token:
        """Whoever holds the lock asks; the others find the new token when they get it.

        The new refresh token is committed with the lock still held. A refusal is put on record too, so that
        the next runs do not ask again.
        """
        async with tenant_transaction(self._engine, self._tenant_id) as connection:
            await connection.execute(_ALONE, {"integration": str(self._integration_id)})
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
                await self._keep(connection, token)
        if failure is not None or token is None:
            raise failure or AuthenticationError("A conta ainda não foi conectada.")
        return token

    def _ends(self, token: Token) -> bool:
        """Whether somebody has to consent again once it is over."""
        return token.refresh is None and self._oauth.authorize_url is not None

    async def _read(self, connection: AsyncConnection, statement: Any) -> Token | None:
        values = {"integration": self._integration_id, "name": TOKEN}
        found = (await connection.execute(statement, values)).scalar_one_or_none()
        if found is None:
            return None
        secret = self._vault.open(self._tenant_id, self._integration_id, TOKEN, bytes(found))
        return msgspec.json.decode(secret, type=Token)

    async def _keep(self, connection: AsyncConnection, token: Token) -> None:
        secret = msgspec.json.encode(token).decode()
        sealed = self._vault.seal(self._tenant_id, self._integration_id, TOKEN, secret)
        await connection.execute(
            _KEEP,
            {
                "tenant": self._tenant_id,
                "integration": self._integration_id,
                "name": TOKEN,
                "secret": sealed.ciphertext,
                "key": sealed.key_id,
                "expires_at": token.expires_at if self._ends(token) else None,
            },
        )
