"""A connection to an integration's external system: secrets opened, calls signed, counted and guarded."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from core.address import Guard
from core.entities import Entity
from core.errors import ConfigurationError
from core.http import client
from core.oauth2 import TokenAuth
from core.source import HttpSource
from core.spec import Provider, RateLimit, Settings
from db.limiter import PgLimiter
from db.runs import read_secrets
from db.settings import Environment
from db.tokens import PgTokens
from db.vault import Vault, from_environment
from providers.registry import get


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account it is. `settings` hold no secret."""

    tenant_id: UUID
    integration_id: UUID
    provider: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Connection:
    """`source` counts its calls against the provider's limit; `http` is for single calls."""

    provider: Provider
    settings: Settings
    http: httpx.AsyncClient
    source: HttpSource
    rate: RateLimit


@asynccontextmanager
async def connected(
    environment: Environment, database: AsyncEngine, account: Account, entity: Entity | None = None
) -> AsyncIterator[Connection]:
    """For calls about `entity`, whose limit may be its own. Raises `ConfigurationError` when a setting is
    missing, `WrongKey`, `AddressRefused`."""
    provider, vault = get(account.provider), from_environment(environment)
    settings = await read_settings(database, vault, account)
    async with AsyncExitStack() as opened:
        auth = await _auth(opened, environment, database, vault, account, provider, settings)
        http = await opened.enter_async_context(_client(environment, provider, settings, auth))
        key, rate = _rate(provider, settings, entity)
        limiter = PgLimiter(database, key, rate)
        source = HttpSource(provider, settings, http, limiter, concurrency=rate.concurrency)
        yield Connection(provider, settings, http, source, rate)


async def read_settings(database: AsyncEngine, vault: Vault, account: Account) -> Settings:
    """Settings and secrets. Raises `ConfigurationError` when one is missing, `WrongKey`."""
    secrets = await read_secrets(database, vault, account.tenant_id, account.integration_id)
    settings = {**account.settings, **secrets}
    wanted = get(account.provider).settings
    missing = [s.label for s in wanted if s.required and not settings.get(s.name)]
    if missing:
        raise ConfigurationError(f"Falta preencher: {', '.join(missing)}.")
    return settings


def _rate(provider: Provider, settings: Settings, entity: Entity | None) -> tuple[str, RateLimit]:
    key = provider.rate_key(settings)
    own = provider.resources[entity].rate if entity else None
    return (f"{key}:{entity}", own(settings)) if own else (key, provider.rate(settings))


@asynccontextmanager
async def asking(
    environment: Environment, provider: Provider, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that signs nothing, for the token endpoint."""
    async with _client(environment, provider, settings, None) as opened:
        yield opened


def tokens(
    database: AsyncEngine, vault: Vault, account: Account, settings: Settings, http: httpx.AsyncClient
) -> PgTokens:
    """Raises `ConfigurationError` for a system whose access is not given by tokens."""
    oauth = get(account.provider).oauth
    if oauth is None:
        raise ConfigurationError("Este sistema não é conectado por autorização: bastam as credenciais.")
    ids = account.tenant_id, account.integration_id
    return PgTokens(database, vault, *ids, oauth=oauth, settings=settings, client=http)


async def _auth(
    opened: AsyncExitStack,
    environment: Environment,
    database: AsyncEngine,
    vault: Vault,
    account: Account,
    provider: Provider,
    settings: Settings,
) -> httpx.Auth:
    auth = provider.auth(settings) if provider.auth else None
    if auth is not None:
        return auth
    assert provider.oauth is not None  # noqa: S101 - one of the two signs
    http = await opened.enter_async_context(asking(environment, provider, settings))
    return TokenAuth(tokens(database, vault, account, settings, http), provider.oauth)


def _client(
    environment: Environment, provider: Provider, settings: Settings, auth: httpx.Auth | None
) -> httpx.AsyncClient:
    guard = Guard(private=environment.private_hosts, plain_http=environment.plain_http)
    made = client(
        provider.base_url(settings),
        auth,
        guard,
        ca_file=environment.ca_file,
        certificate=provider.certificate(settings) if provider.certificate else None,
    )
    made.headers.update(provider.headers(settings) if provider.headers else {})
    return made
