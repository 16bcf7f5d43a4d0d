"""The four steps of an export: fetch the ERP's changes, map, transform, upsert outside. The first three may
run for the next batch while the last one does for this.

What was written is committed call by call, and the cursor after the whole batch: a run that dies in between
finds the written ones unchanged when it reads the batch again. A create is put on record before it is sent,
so one whose answer is lost is looked for and never sent twice (`core.settling`).
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import msgspec
from uuid_utils.compat import uuid7

from core import answers
from core.batch import Job
from core.comparing import decide, newest, revision, snapshot
from core.engine import MALFORMED
from core.erp import Done, Doubt, Intent
from core.errors import (
    ConflictError,
    NotSent,
    RateLimited,
    RecordError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from core.outgoing import Item, Outbatch, issue, outgoing
from core.ports import Counts, Cursor, Issue
from core.sides import Linked, Projected
from core.spec import Raw, Writing, Written
from core.trees import Tree, encoded, rebuilt, tree, tree_hash


async def start(job: Job) -> None:
    """Records to be tried again come first; a full run compares every record of the ERP."""
    job.due = await job.erp_side.due()
    if job.full:
        job.cursor = replace(job.cursor, change_seq=0, change_id=None)


async def fetch(job: Job, cursor: Cursor) -> Outbatch:
    """What is due for another attempt first, then what changed since the cursor."""
    if job.due:
        rows = await job.erp_side.select(job.due[: job.batch_size])
        job.due = job.due[job.batch_size :]
        return Outbatch(rows, cursor, last=job.selective and not job.due)
    if job.selective:
        return Outbatch([], cursor, last=True)
    rows, place = await job.erp_side.changed(cursor, job.batch_size)
    return Outbatch(rows, place, last=place == cursor)


def map_records(job: Job, batch: Outbatch) -> Outbatch:
    """The ERP's side of each record: its tree of writable fields, and the tree's hash."""
    fields, version = job.writing.fields, job.writing.version
    for row in batch.rows:
        try:
            corrected = _corrected(job, batch, row)
        except msgspec.ValidationError as error:
            batch.issues.append(_malformed(row, error))
            continue
        found = tree(corrected.record, fields)
        item = Item(corrected, found, tree_hash(found, version))
        item.source = row.record if corrected is not row else None
        batch.items.append(item)
    batch.rows = ()
    return batch


async def transform(job: Job, batch: Outbatch) -> Outbatch:
    """Decide what is written: nothing, the fields that changed, or a whole new record.

    The batch before may still be on its way: what is in that one too is decided once it has arrived.
    """
    items, batch.items = batch.items, []
    before, job.in_hand = job.in_hand, {item.row.internal_id for item in items}
    batch.waiting = [item for item in items if item.row.internal_id in before]
    await _decide(job, batch, [item for item in items if item.row.internal_id not in before])
    return batch


async def upsert(job: Job, batch: Outbatch) -> Cursor | None:
    """Write outside, call by call; None after the last batch. Not to be repeated as it stands."""
    await _decide(job, batch, batch.waiting)
    gate = asyncio.Semaphore(job.concurrency)
    groups = [] if job.dry_run else _calls(job.writing, batch.items)
    calls = [_call(job, gate, items) for items in groups]
    ended = await asyncio.gather(*calls, return_exceptions=True)
    # What was written is on record already; the cursor stays, so that the rest is read again.
    for error in ended:
        if error is not None:
            raise error
    done = Done(
        synced=batch.synced,
        clashes=batch.clashes,
        orphans=batch.orphans,
        issues=batch.issues,
        skipped=batch.skipped,
        cursor=batch.cursor,
        unchanged=batch.unchanged,
        lapsed=batch.lapsed,
    )
    if job.dry_run:
        creates = sum(item.intent is not None for item in batch.items)
        done.unsent = Counts(created=creates, updated=len(batch.items) - creates)
    counts = await job.erp_side.commit(done)
    job.counts += counts
    job.refused.update(type(issue.error).__name__ for issue in batch.issues)
    job.cursor = batch.cursor
    job.done = batch.last
    return None if batch.last else batch.cursor


async def find(job: Job, items: Sequence[Item]) -> Mapping[str, Sequence[Raw]]:
    """External records that creating these would double, by our id; empty where nobody can say."""
    if job.writing.find is None or not items:
        return {}
    return await job.writing.find(job.source, [outgoing(_new(job, item)) for item in items], job.matching)


def link_to(job: Job, item: Item, raws: Sequence[Raw], taken: set[str]) -> Raw:
    """Link an item to the one external record that was found for it. Raises `ConflictError` where only a
    person can say which."""
    if len(raws) > 1:
        raise ConflictError("Mais de um registro externo corresponde a este: crie o vínculo à mão.")
    external_id = job.resource.map(raws[0], job.source.settings).external_id
    if external_id in taken:
        raise ConflictError("O registro externo correspondente já está vinculado a outro registro do ERP.")
    item.intent = None
    item.link = Linked.new(uuid7(), item.row.internal_id, external_id)
    return raws[0]


def _corrected(job: Job, batch: Outbatch, row: Projected) -> Projected:
    """The record with what a person corrected, for as long as the ERP says the same."""
    override = job.overrides.get(str(row.internal_id))
    if override is None:
        return row
    data = msgspec.to_builtins(row.record)
    if not override.fits(data):
        batch.lapsed.append(override.id)
        return row
    return replace(row, record=msgspec.convert(override.apply(data), type(row.record)))


def _malformed(row: Projected, error: msgspec.ValidationError) -> Issue:
    wrong = RecordError(f"A correção deste registro não serve: {error}"[:200], field="")
    return Issue("", wrong, msgspec.json.encode(row.record), row.internal_id)


async def _decide(job: Job, batch: Outbatch, items: Sequence[Item]) -> None:
    links = await job.erp_side.linked({item.row.internal_id: item.hash for item in items}) if items else {}
    wanted = [item for item in items if _wanted(job, batch, item, links.get(item.row.internal_id))]
    await _compare(job, batch, [item for item in wanted if item.link is not None])
    await _create(job, batch, [item for item in wanted if item.link is None])


def _wanted(job: Job, batch: Outbatch, item: Item, link: Linked | None) -> bool:
    """Whether there may be something to write; what has to be noted otherwise is noted."""
    item.link, row = link, item.row
    if row.deleted and link is not None and link.state != "orphan":
        batch.orphans.append((link.mapping_id, "erp"))
        batch.unchanged.append(row.internal_id)
        return False
    if row.deleted:
        wanted = False
    elif link is None:
        wanted = _creates(job, row) and row.placed and row.internal_id not in job.doubtful
    elif link.state == "orphan":
        # Deleted in the ERP and there again; what the external system deleted stays deleted.
        wanted = link.orphaned_by == "erp"
    else:
        moved = job.force or link.internal_hash != item.hash or link.incomplete != row.missing
        wanted = link.state == "active" and moved
    batch.skipped += not wanted
    if row.deleted or (link is not None and link.state == "active" and not wanted):
        batch.unchanged.append(row.internal_id)
    return wanted


def _creates(job: Job, row: Projected) -> bool:
    writing = job.writing
    return writing.creates and (writing.wanted is None or writing.wanted(row.record))


async def _compare(job: Job, batch: Outbatch, items: Sequence[Item]) -> None:
    """Linked records whose ERP side moved. Two-way pairs look at the external side first."""
    for item in items:
        if _resumed(job, item):
            decide(job, batch, item, None, None)
    items = [item for item in items if not _resumed(job, item)]
    unread = [item.link.external_id for item in items if item.link and _must_read(job, item.link)]
    now: Mapping[str, Raw] = {}
    if unread and job.resource.read is not None:
        now = await job.resource.read(job.source, unread)
    gone = {id_ for id_ in unread if id_ not in now} if job.resource.read else set()
    too_many = len(gone) > 1 and len(gone) * 10 > len(unread)
    for item in items:
        link = item.link
        assert link is not None  # noqa: S101
        if link.external_id in gone and not too_many:
            batch.orphans.append((link.mapping_id, "external"))
            continue
        with _issues(batch, item):
            raw = now.get(link.external_id)
            if raw is not None:
                seen = None if job.force else newest(item, job.resource.map(raw, job.source.settings))
                decide(job, batch, item, seen, revision(job, raw))
            else:
                # The ERP rules here: that somebody else edited the record outside keeps nothing from it.
                seen = snapshot(item) if link.external and not job.force else None
                decide(job, batch, item, seen, None)


def _resumed(job: Job, item: Item) -> bool:
    return job.writing.resumes and item.link is not None and item.link.incomplete


def _must_read(job: Job, link: Linked) -> bool:
    return job.two_way or job.force or link.external is None


async def _create(job: Job, batch: Outbatch, items: Sequence[Item]) -> None:
    """Records without mapping: the ones that exist outside already are linked, the rest is created."""
    found = await find(job, items)
    taken = await job.erp_side.taken([job.resource.key(raw) for raws in found.values() for raw in raws])
    for item in items:
        raws = found.get(str(item.row.internal_id), ())
        if not raws:
            batch.items.append(_new(job, item))
            continue
        with _issues(batch, item):
            raw = link_to(job, item, raws, taken)
            seen = None if job.writing.resumes else job.resource.map(raw, job.source.settings)
            decide(job, batch, item, seen, revision(job, raw))


def _new(job: Job, item: Item) -> Item:
    item.target, item.fields = item.row.record, job.writing.fields
    doubt = job.intents.get(item.row.internal_id)
    if doubt is not None:
        _again(job, item, doubt)
    item.intent = item.intent or uuid7()
    return item


def _again(job: Job, item: Item, doubt: Doubt) -> None:
    """The same under the same key; what the ERP changed since is written when this is in step."""
    item.intent = doubt.id
    if doubt.sent is not None:
        sent: Tree = msgspec.json.decode(doubt.sent)
        item.row = replace(item.row, missing=item.row.missing or sent != item.tree)
        item.tree, item.hash = sent, tree_hash(sent, job.writing.version)
        item.target = rebuilt(item.row.record, sent)


@contextmanager
def _issues(batch: Outbatch, item: Item) -> Iterator[None]:
    """What is wrong with one record becomes an issue of its own."""
    try:
        yield
    except (RecordError, ConflictError, *MALFORMED) as error:
        batch.issues.append(issue(item, error))


def _calls(writing: Writing, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Creates and updates apart: only the latter may be repeated."""
    for group in ([i for i in items if i.intent], [i for i in items if not i.intent]):
        for start in range(0, len(group), writing.size):
            yield group[start : start + writing.size]


async def _call(job: Job, gate: asyncio.Semaphore, items: Sequence[Item]) -> None:
    begun = await _written(job, gate, items)
    if begun:
        await _written(job, gate, begun)


async def _written(job: Job, gate: asyncio.Semaphore, items: Sequence[Item]) -> Sequence[Item]:
    """The ones that are created and not finished."""
    async with gate:
        creates = [
            Intent(item.intent, item.row.internal_id, encoded(item.tree)) for item in items if item.intent
        ]
        if creates:
            await job.erp_side.intend(creates)
        try:
            written = await job.writing.write(job.source, [outgoing(item) for item in items])
        except UnknownOutcome as error:
            await answers.doubt(job, items, error)
            return ()
        except (RecordError, ConflictError) as error:
            written = [Written(error=error) for _ in items]
        except SyncError as error:
            if not creates:
                raise
            if not job.writing.repeatable_creates:
                await job.erp_side.withdraw([intent.id for intent in creates])
                raise
            # An attempt before the last one may have been done: only the old key may be sent again.
            await answers.doubt(job, items, UnknownOutcome(error.message, status=error.status))
            if not isinstance(error, TransientError) or isinstance(error, RateLimited | NotSent):
                raise
            return ()
        return await answers.record(job, items, written)
