"""A discovery's steps as Prefect tasks, and what it needs around them. No rule lives here."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy.ext.asyncio import AsyncEngine

from core import discovering
from core.discovering import Findings, Portion, Search
from core.entities import IntegrationStatus
from core.errors import ConfigurationError, SyncError
from db import discovery, runs
from db.audit import By
from db.finder import PgFinder
from db.session import engine
from db.settings import Environment, read
from providers.registry import get
from tasks.connection import Account, connected
from tasks.failures import without_data
from tasks.sync import RETRY_SECONDS, is_transient

ACTOR = "prefect"
"""Who asks for a discovery that was started in Prefect's own interface."""


class Discovery:
    """A discovery and what its steps work on."""

    __slots__ = ("database", "search", "tenant_id")

    def __init__(self, database: AsyncEngine, tenant_id: UUID, search: Search) -> None:
        self.database = database
        self.tenant_id = tenant_id
        self.search = search


@asynccontextmanager
async def open_discovery(
    pair_id: UUID, discovery_id: UUID | None, flow_run_id: UUID | None
) -> AsyncIterator[Discovery]:
    """The discovery asked for, or a new one. What ends the body early is on record before it is raised."""
    environment = read()
    database = engine(environment.database_url)
    pair = await runs.read_pair(database, pair_id)
    scope = pair.integration_id, pair.entity
    id_ = discovery_id or await discovery.begin(database, pair.tenant_id, *scope, By(ACTOR))
    await discovery.adopt(database, pair.tenant_id, id_, *scope, flow_run_id)
    message = "A descoberta foi interrompida."
    try:
        with without_data():
            async with _opened(environment, database, pair, id_) as opened:
                yield opened
    except SyncError as error:
        message = f"{error.advice.title}: {error.message} {error.advice.remedy}"
        raise
    finally:
        with contextlib.suppress(SyncError):
            await asyncio.shield(discovery.fail(database, pair.tenant_id, id_, message))


@asynccontextmanager
async def _opened(
    environment: Environment, database: AsyncEngine, pair: runs.PairRow, id_: UUID
) -> AsyncIterator[Discovery]:
    provider = get(pair.provider)
    if pair.entity not in provider.resources:
        raise ConfigurationError(f"{provider.name} não oferece {pair.entity.label}.")
    if pair.status in (IntegrationStatus.PAUSED, IntegrationStatus.DISABLED):
        raise ConfigurationError("A integração está pausada ou desativada.")
    account = Account(pair.tenant_id, pair.integration_id, pair.provider, pair.settings)
    channel = f"{pair.provider}:{pair.integration_id}"
    async with connected(environment, database, account) as connection:
        search = Search(
            id_,
            pair.entity,
            provider.resources[pair.entity],
            connection.source,
            PgFinder(database, pair.tenant_id, pair.integration_id, pair.entity, channel),
            connection.rate.concurrency,
        )
        try:
            yield Discovery(database, pair.tenant_id, search)
        finally:
            await search.reader.close()


@task(
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=RETRY_SECONDS,
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def read_portion(opened: Discovery, place: str | None) -> Portion:
    with without_data():
        return await discovering.read(opened.search, place)


@task(
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def propose(opened: Discovery, portion: Portion) -> None:
    with without_data():
        findings: Findings = await discovering.propose(opened.search, portion)
        await discovery.add(opened.database, opened.tenant_id, opened.search.id, findings)


@task(cache_policy=NO_CACHE, persist_result=False)
async def conclude(opened: Discovery, *, apply: bool) -> str:
    """The counts in words; with `apply` the unambiguous proposals become mappings."""
    with without_data():
        id_, scope = opened.search.id, (opened.database, opened.tenant_id)
        said = discovering.words(await discovery.conclude(*scope, id_))
        if not apply:
            return said
        row = await discovery.read(*scope, id_)
        done = await discovery.apply(*scope, id_, By(row["requested_by"]))
        return f"{said}; {done.linked} vínculos criados"
