"""A record that ends the process each time it is handled must not keep the others from arriving.

After deaths at one place a run takes the records there one by one and notes each before it touches it. The
one noted when the process died again becomes an issue, and runs leave it out until somebody reprocesses it.
"""

import msgspec

from core import engine
from core.batch import Batch, Job
from core.errors import PoisonError
from core.ports import Cursor, Issue
from core.spec import Raw

DEATHS = 3
"""So many runs in a row ended at one place, with no commit in between."""


def needed(deaths: int, suspect: str | None) -> bool:
    return deaths >= DEATHS or suspect is not None


async def isolate(job: Job, batch: Batch) -> Cursor | None:
    """A fetched batch through the other steps, record by record; None after the last batch.

    The cursor stays where it is until the whole batch is through. Raises what those steps raise.
    """
    seen: list[str] = []
    for number, raw in enumerate(batch.raw, 1):
        await job.store.suspect(job.resource.key(raw))
        through = number == len(batch.raw)
        one = Batch([raw], batch.cursor if through else job.cursor, batch.total, last=batch.last and through)
        one.taken = [raw] if batch.taken else ()
        _leave_out(job, one, raw)
        one = engine.map_records(job, one)
        seen += one.seen
        one.seen = seen if through else []
        await engine.upsert(job, await engine.transform(job, one))
    job.isolating, job.suspect = False, None
    if not batch.raw:
        return await engine.upsert(job, engine.map_records(job, batch))
    return None if batch.last else batch.cursor


def _leave_out(job: Job, one: Batch, raw: Raw) -> None:
    if job.resource.key(raw) != job.suspect:
        return
    error = PoisonError("O processo foi encerrado ao tratar este registro.")
    one.issues.append(Issue(job.resource.key(raw), error, msgspec.json.encode(raw)))
    one.raw = ()
