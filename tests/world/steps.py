"""The steps of a run without Prefect, in the order of `flows.sync`."""

import asyncio

from core import engine, exporting, isolation, orphans, selecting, settling
from core.batch import Batch, Job
from core.entities import Direction
from core.outgoing import Outbatch
from core.ports import Cursor
from tasks.job import Run

MARGIN = 0.05


async def walk(run: Run, direction: Direction) -> None:
    if run.job is not None:
        await (import_all if direction is Direction.IMPORT else export_all)(run, run.job)


async def import_all(run: Run, job: Job) -> None:
    cursor: Cursor | None = job.cursor
    if job.isolating:
        cursor = await isolation.isolate(job, await engine.fetch(job, job.cursor))
    while cursor is not None:
        await run.check()
        cursor = await write(job, await engine.fetch(job, cursor))
    await orphans.settle(job)
    if (due := await selecting.fetch_due(job)) is not None:
        await write(job, due)


async def write(job: Job, batch: Batch) -> Cursor | None:
    return await engine.upsert(job, await engine.transform(job, engine.map_records(job, batch)))


async def export_all(run: Run, job: Job) -> None:
    await settling.settle(job)
    await changes(run, job)
    for seconds in (*job.look_again, job.look_again[-1]):
        if not job.doubtful:
            return
        await asyncio.sleep(seconds + MARGIN)
        await settling.settle(job)
        if job.due:
            job.selective = True
            await changes(run, job)


async def changes(run: Run, job: Job) -> None:
    """Each batch is sent while the next one is compared."""
    batch: Outbatch | None = await compared(job, job.cursor)
    while batch is not None:
        await run.check()
        following = None if batch.last else asyncio.create_task(compared(job, batch.cursor))
        try:
            await exporting.upsert(job, batch)
            batch = await following if following else None
        except BaseException:
            if following:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            raise


async def compared(job: Job, cursor: Cursor) -> Outbatch:
    return await exporting.transform(job, exporting.map_records(job, await exporting.fetch(job, cursor)))
