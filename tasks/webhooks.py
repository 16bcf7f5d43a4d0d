"""An integration's webhooks at its external system: registered, looked after, registered again."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core import registering
from core.errors import ConfigurationError, SyncError
from core.webhooks import Webhooks
from db import webhooks
from db.alarms import WEBHOOKS_UNREGISTERED, keep_alarms
from db.settings import Environment
from db.vault import from_environment
from providers.registry import PROVIDERS, get
from tasks.connection import Account, connected

AT_ONCE = 4
REGISTRABLE = tuple(
    one.key for one in PROVIDERS if one.webhooks is not None and one.webhooks.registration is not None
)


async def register(environment: Environment, database: AsyncEngine, account: Account) -> Mapping[str, str]:
    """Bring the topics that the integration imports in line; returns an error by topic, empty where it
    stands. What it came to is on record.

    Raises `ConfigurationError` where nothing can be registered, and what listing the subscriptions raises.
    """
    declared = _declared(account.provider)
    if declared.registration is None:
        raise ConfigurationError(f"Este sistema não registra webhooks por API. {declared.by_hand}")
    ids = account.tenant_id, account.integration_id
    public_id = await webhooks.public_id(database, *ids)
    token = await webhooks.token(database, from_environment(environment), *ids)
    address = webhooks.address(environment.public_url, account.provider, public_id)
    if declared.proof == "address":
        address = webhooks.address(environment.public_url, account.provider, public_id, token)
    mark = webhooks.mark(address, token)
    known = await webhooks.topics(database, *ids, declared)
    async with connected(environment, database, account) as connection:
        outcomes = await registering.keep(
            declared.registration,
            connection.source,
            await webhooks.wanted(database, *ids, declared),
            address,
            token,
            place=f"/{public_id}",
            current=frozenset(topic.name for topic in known if topic.registered_as == mark),
        )
    await webhooks.note_registered(database, *ids, outcomes, mark)
    return outcomes


async def keep_all(environment: Environment, database: AsyncEngine) -> tuple[int, int]:
    """Every active integration whose system allows it: how many stand, how many do not. The latter raise an
    alarm. Nothing is done without a public address. Raises `DatabaseUnavailable`."""
    if not environment.public_url:
        return 0, 0
    gate = asyncio.Semaphore(AT_ONCE)
    failed: dict[UUID, str] = {}

    async def one(found: webhooks.Registrable) -> None:
        account = Account(found.tenant_id, found.integration_id, found.provider, found.settings)
        async with gate:
            if problem := await _problem(environment, database, account):
                failed[found.integration_id] = problem

    found = await webhooks.registrable(database, REGISTRABLE)
    await asyncio.gather(*(one(integration) for integration in found))
    await keep_alarms(database, WEBHOOKS_UNREGISTERED, failed, "integration")
    return len(found) - len(failed), len(failed)


async def _problem(environment: Environment, database: AsyncEngine, account: Account) -> str:
    try:
        outcomes = await register(environment, database, account)
    except SyncError as error:
        return f"os webhooks não puderam ser conferidos. {error.message} {error.advice.remedy}"
    refused = {topic: reason for topic, reason in outcomes.items() if reason}
    if not refused:
        return ""
    topic, reason = next(iter(refused.items()))
    return (
        f"{len(refused)} de {len(outcomes)} tópicos não estão registrados ({topic}: {reason}). Sem eles as "
        "alterações chegam só pela agenda. Confira a permissão da credencial e registre de novo "
        "(cloudtosys integration webhook --register)."
    )


def _declared(provider: str) -> Webhooks:
    declared = get(provider).webhooks
    if declared is None:
        raise ConfigurationError("Este sistema não envia webhooks: as alterações chegam pela agenda.")
    return declared
