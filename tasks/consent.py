"""An account connected by a person's consent: the address to go to, and what the browser brings back."""

from sqlalchemy.ext.asyncio import AsyncEngine

from core.consent import Return, exchange
from core.errors import ConfigurationError
from core.oauth2 import OAuth2
from core.spec import Settings
from db import consent
from db.settings import Environment
from db.vault import from_environment
from providers.registry import get
from tasks.connection import Account, asking, read_settings


async def begin(environment: Environment, database: AsyncEngine, account: Account, redirect_uri: str) -> str:
    """The address at which the person consents. Raises `ConfigurationError`, `WrongKey`."""
    vault = from_environment(environment)
    settings = await read_settings(database, vault, account)
    oauth = _oauth(account, settings)
    pending = await consent.begin(database, vault, account.tenant_id, account.integration_id, redirect_uri)
    return pending.url(oauth, settings)


async def finish(
    environment: Environment, database: AsyncEngine, account: Account, address: str, by: str
) -> None:
    """Exchange what is in the `address` that the browser was sent back to for the account's first token.

    Raises `AuthenticationError` where the person or the system refused, `NotSent` when the system does not
    answer (the consent has to be asked for again), `ConfigurationError` for an address that is not the answer
    to the newest request.
    """
    vault = from_environment(environment)
    settings = await read_settings(database, vault, account)
    oauth, answer = _oauth(account, settings), Return.read(address)
    if answer.integration_id != account.integration_id:
        raise ConfigurationError("Este retorno pertence a outra integração.")
    pending = await consent.take(database, vault, account.tenant_id, answer)
    async with asking(environment, get(account.provider), settings) as http:
        token = await exchange(http, oauth, settings, pending, answer.code)
    ids = account.tenant_id, account.integration_id
    await consent.connect(database, vault, *ids, oauth, token, by)


def _oauth(account: Account, settings: Settings) -> OAuth2:
    """Tokens that need a consent; some systems sign in another way by a setting."""
    provider = get(account.provider)
    signs = provider.auth(settings) if provider.auth else None
    if signs is not None or provider.oauth is None or provider.oauth.authorize_url is None:
        raise ConfigurationError(
            f"{provider.name} não pede autorização no navegador: bastam as credenciais gravadas."
        )
    labels = {setting.name: setting.label for setting in provider.settings}
    missing = [labels[name] for name in ("client_id", "client_secret") if not settings.get(name)]
    if missing:
        raise ConfigurationError(f"Falta preencher, antes de conectar: {', '.join(missing)}.")
    return provider.oauth
