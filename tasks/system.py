"""Tasks of the installation itself."""

from dataclasses import asdict

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import SyncError
from db.resting import resting
from db.retention import sweep
from db.session import engine
from db.settings import read
from db.vault import from_environment
from providers.registry import get
from tasks.connection import Account, asking, read_settings, tokens
from tasks.webhooks import keep_all


@task(retries=2, retry_delay_seconds=30, cache_policy=NO_CACHE, persist_result=False)
async def throw_away() -> dict[str, int]:
    """Rows emptied or deleted, by kind. Repeating it finds less to do, so it may be retried."""
    return asdict(await sweep(engine(read().database_url)))


@task(cache_policy=NO_CACHE, persist_result=False)
async def keep_connected() -> dict[str, int]:
    """Accounts whose tokens were renewed although nothing uses them, and those that refused. Not retried: the
    next day does."""
    renewed, refused = await renew_resting(engine(read().database_url))
    return {"renewed": renewed, "refused": refused}


@task(cache_policy=NO_CACHE, persist_result=False)
async def keep_registered() -> dict[str, int]:
    """Integrations whose webhooks are registered, and those that refused. Not retried: the next day does."""
    environment = read()
    registered, unregistered = await keep_all(environment, engine(environment.database_url))
    return {"webhooks": registered, "webhooks_refused": unregistered}


async def renew_resting(database: AsyncEngine) -> tuple[int, int]:
    """How many were renewed, how many could not be. Raises `DatabaseUnavailable`."""
    renewed = refused = 0
    for account in await resting(database):
        whose = Account(account.tenant_id, account.id, account.provider, account.settings)
        try:
            renewed += await _renewed(database, whose)
        except SyncError:
            # A refusal is on record with the token; the next run of a pair says so to people.
            refused += 1
    return renewed, refused


async def _renewed(database: AsyncEngine, account: Account) -> bool:
    environment, provider = read(), get(account.provider)
    if provider.oauth is None or provider.oauth.authorize_url is None:
        return False
    vault = from_environment(environment)
    settings = await read_settings(database, vault, account)
    async with asking(environment, provider, settings) as http:
        return await tokens(database, vault, account, settings, http).renew()
