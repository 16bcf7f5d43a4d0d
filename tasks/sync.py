"""The four steps of a run as Prefect tasks. No rule lives here.

Only reads and writes that may be repeated are retried: `fetch` reads, and `upsert` is one transaction with
its cursor, so a second try either finds nothing done or all of it.
"""

import os
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from core import engine, exporting, isolation, selecting, settling
from core.batch import Batch, Job
from core.errors import RateLimited, SyncError
from core.outgoing import Outbatch
from core.ports import Cursor
from tasks.failures import without_data

RETRY_SECONDS = [float(part) for part in os.environ.get("CLOUDTOSYS_RETRY_SECONDS", "2,10,30").split(",")]


async def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """A rate limit that outlasted the source's own patience is not waited for in a task."""
    try:
        await state.aresult()
    except RateLimited:
        return False
    except SyncError as error:
        return error.retryable
    return False


@task(
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=RETRY_SECONDS,
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def fetch(job: Job, cursor: Cursor) -> Batch:
    with without_data():
        return await engine.fetch(job, cursor)


@task(
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=RETRY_SECONDS,
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def fetch_due(job: Job) -> Batch | None:
    with without_data():
        return await selecting.fetch_due(job)


@task(cache_policy=NO_CACHE, persist_result=False)
async def map_records(job: Job, batch: Batch) -> Batch:
    with without_data():
        return engine.map_records(job, batch)


@task(cache_policy=NO_CACHE, persist_result=False)
async def isolate(job: Job, batch: Batch) -> Cursor | None:
    """The three steps after `fetch` for each record by itself; tried again by the next run only."""
    with without_data():
        return await isolation.isolate(job, batch)


@task(cache_policy=NO_CACHE, persist_result=False)
async def transform(job: Job, batch: Batch) -> Batch:
    with without_data():
        return await engine.transform(job, batch)


@task(
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def upsert(job: Job, batch: Batch) -> Cursor | None:
    with without_data():
        return await engine.upsert(job, batch)


@task(
    name="fetch",
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=RETRY_SECONDS,
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def fetch_changes(job: Job, cursor: Cursor) -> Outbatch:
    with without_data():
        return await exporting.fetch(job, cursor)


@task(name="map_records", cache_policy=NO_CACHE, persist_result=False)
async def map_changes(job: Job, batch: Outbatch) -> Outbatch:
    with without_data():
        return exporting.map_records(job, batch)


@task(name="transform", cache_policy=NO_CACHE, persist_result=False)
async def compare(job: Job, batch: Outbatch) -> Outbatch:
    with without_data():
        return await exporting.transform(job, batch)


@task(name="upsert", cache_policy=NO_CACHE, persist_result=False)
async def send(job: Job, batch: Outbatch) -> Cursor | None:
    """Not retried: a create may be sent once only, and the next run knows how to go on."""
    with without_data():
        return await exporting.upsert(job, batch)


@task(cache_policy=NO_CACHE, persist_result=False)
async def settle(job: Job) -> None:
    with without_data():
        await settling.settle(job)
