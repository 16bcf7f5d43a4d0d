"""What a complete scan of the external system did not see.

Only a scan that ended, and whose list gave all it said it has, marks what it missed. A few of those are
looked up by id where the provider can; many at once wait for a person, because a filter, a permission or a
broken list looks just like a mass deletion.
"""

from core.batch import Job

MOST = 50
SHARE = 0.1


def gated(missed: int, linked: int) -> bool:
    """Whether a person has to say that so many of the linked records are gone."""
    return missed > 1 and (missed > MOST or missed > SHARE * linked)


async def settle(job: Job) -> None:
    """Decide about what scans missed, also about what a run that died left undecided.

    Raises what the source raises: then the next run decides.
    """
    missed = [] if job.dry_run else await job.store.missed()
    if not missed:
        return
    read = job.resource.read
    there = await read(job.source, missed) if read is not None else {}
    gone = [external_id for external_id in missed if external_id not in there]
    await job.store.settle(gone=gone, found=list(there))
    job.orphaned += len(gone)
