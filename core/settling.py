"""Creates whose outcome is unknown: looked for outside before anything is sent again."""

from collections.abc import Sequence

from core.answers import linked
from core.batch import Job
from core.comparing import revision
from core.engine import MALFORMED
from core.erp import Done, Doubt
from core.errors import ConflictError, RecordError
from core.exporting import find, link_to
from core.outgoing import Item, issue
from core.ports import Issue
from core.trees import tree, tree_hash

FOR_A_PERSON = 100 * 365 * 86_400.0
"""Seconds: this create is looked for by nobody but a person."""


async def settle(job: Job) -> None:
    """Look for the creates that are due for a look; `job.doubtful` are those still unknown.

    A record that is found is linked. One that is not found after the last look was not made, and becomes
    due for a new create. Where the external system knows our idempotency keys the create is sent again with
    its old one; where it can neither be asked nor knows them, a person has to look.
    """
    doubts = [] if job.dry_run else await job.erp_side.doubts()
    job.doubtful = {doubt.internal_id for doubt in doubts}
    due = [doubt for doubt in doubts if doubt.due]
    if not due:
        return
    if job.writing.find is None:
        if job.writing.repeatable_creates:
            job.intents = {doubt.internal_id: doubt for doubt in due}
            _make_due(job, due)
        else:
            await job.erp_side.doubt([doubt.id for doubt in due], FOR_A_PERSON)
        return
    for start in range(0, len(due), job.batch_size):
        await _look(job, due[start : start + job.batch_size])


async def _look(job: Job, doubts: Sequence[Doubt]) -> None:
    fields = job.writing.fields
    rows = {row.internal_id: row for row in await job.erp_side.select([d.internal_id for d in doubts])}
    items = {
        id_: Item(row, there := tree(row.record, fields), tree_hash(there, job.writing.version))
        for id_, row in rows.items()
    }
    found = await find(job, list(items.values()))
    taken = await job.erp_side.taken([job.resource.key(raw) for raws in found.values() for raw in raws])
    done, issues = Done(), list[Issue]()
    unseen: list[Doubt] = []
    for doubt in doubts:
        item = items.get(doubt.internal_id)
        raws = found.get(str(doubt.internal_id), ())
        if item is None or not raws:
            unseen.append(doubt)
            continue
        try:
            raw = link_to(job, item, raws, taken)
            record = job.resource.map(raw, job.source.settings)
            done.synced.append(linked(job, item, record, revision(job, raw), doubt.sent))
        except (RecordError, ConflictError, *MALFORMED) as error:
            issues.append(issue(item, error))
    done.issues = issues
    counts = await job.erp_side.commit(done)
    job.counts += counts
    job.doubtful -= {record.internal_id for record in done.synced}
    await _not_found(job, unseen)


async def _not_found(job: Job, doubts: Sequence[Doubt]) -> None:
    again = [doubt for doubt in doubts if doubt.looks < len(job.look_again)]
    for doubt in again:
        await job.erp_side.doubt([doubt.id], job.look_again[doubt.looks])
    never = [doubt for doubt in doubts if doubt.looks >= len(job.look_again)]
    if never:
        await job.erp_side.withdraw([doubt.id for doubt in never])
        _make_due(job, never)


def _make_due(job: Job, doubts: Sequence[Doubt]) -> None:
    ids = [doubt.internal_id for doubt in doubts]
    job.due = [*job.due, *ids]
    job.doubtful -= set(ids)
