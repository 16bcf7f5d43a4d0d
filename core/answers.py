"""What became of the records that were written."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from core import merging
from core.batch import Job
from core.comparing import revision, sides, variants, without_news
from core.engine import MALFORMED
from core.erp import Done
from core.errors import NotFoundError, RecordError, SyncError, TransientError, UnknownOutcome
from core.hashing import canonical, record_hash
from core.outgoing import Item, issue
from core.ports import Issue
from core.records import Record
from core.sides import Linked, Synced
from core.spec import Raw, Written
from core.trees import Tree, encoded, rebuilt, tree, tree_hash


async def record(job: Job, items: Sequence[Item], answers: Sequence[Written]) -> Sequence[Item]:
    """Put on record, in one transaction, what the external system answered for each. Gives the created ones
    that are not finished, linked."""
    done, issues, failed, begun = Done(), list[Issue](), list[UUID](), list[Item]()
    many_gone = _too_many_gone(answers)
    for item, answer in zip(items, answers, strict=True):
        written = _written(job, item, answer) if answer.error is None else None
        if written is not None:
            done.synced.append(written)
            if answer.unfinished and item.link is None:
                item.link = Linked.new(written.mapping_id, item.row.internal_id, written.external_id)
                begun.append(item)
            continue
        error = answer.error or UnknownOutcome("O sistema externo não disse qual registro criou.")
        if isinstance(error, NotFoundError) and item.link and not many_gone:
            done.orphans.append((item.link.mapping_id, "external"))
            continue
        issues.append(issue(item, error))
        partly = _partly(job, item, answer.raw)
        if partly is not None:
            done.synced.append(partly)
        elif item.intent and not isinstance(error, UnknownOutcome):
            failed.append(item.intent)
    if failed:
        await job.erp_side.withdraw(failed)
    done.issues = issues
    counts = await job.erp_side.commit(done)
    job.counts += counts
    for item in begun:
        item.external_id, item.intent = item.link.external_id if item.link else None, None
    return begun


async def doubt(job: Job, items: Sequence[Item], error: UnknownOutcome) -> None:
    """The answer was lost: creates are looked for later, updates are simply due again."""
    creates = [item for item in items if item.intent]
    if creates:
        await job.erp_side.doubt([item.intent for item in creates if item.intent], job.look_again[0])
        job.doubtful |= {item.row.internal_id for item in creates}
    lost: SyncError = error if creates else TransientError(error.message, status=error.status)
    counts = await job.erp_side.commit(Done(issues=[issue(item, lost) for item in items]))
    job.counts += counts


def linked(job: Job, item: Item, found: Record, version: str | None, sent: bytes | None = None) -> Synced:
    """A record that was made, though not all of it may be as it was sent. What was sent is the base of both
    sides, where it is known; else the external side's own state is, and what it lacks the ERP's change."""
    base = tree(found, job.writing.fields) if sent is None else msgspec.json.decode(sent)
    return Synced(
        mapping_id=item.link.mapping_id if item.link else uuid7(),
        internal_id=item.row.internal_id,
        external_id=found.external_id,
        external=canonical(rebuilt(without_news(job, item, found), base)),
        external_hash=None,
        erp=encoded(base),
        internal_hash=tree_hash(base, job.writing.version),
        version=version,
        updated_at=found.updated_at,
        incomplete=True,
        variants=variants(item, found),
        counted="created",
    )


def _partly(job: Job, item: Item, raw: Raw | None) -> Synced | None:
    """A create that failed in part (a variant was refused): linked at once, counted as the error it is."""
    if item.intent is None or raw is None:
        return None
    found, given = _mapped(job, item, raw)
    return replace(linked(job, item, found, revision(job, raw)), counted="failed") if given else None


def _too_many_gone(answers: Sequence[Written]) -> bool:
    """Many at once are no deleted records, but an address that changed or a fault outside."""
    gone = sum(isinstance(answer.error, NotFoundError) for answer in answers)
    return gone > 1 and gone * 10 > len(answers)


def _written(job: Job, item: Item, answer: Written) -> Synced | None:
    """What the external side holds now; None for a create that does not say what it made."""
    raw = answer.raw
    found, given = _mapped(job, item, raw, answer.external_id)
    if not found.external_id:
        return None
    seen = found if item.link else without_news(job, item, found)
    base, external = _bases(job, item, found)
    known = given and external == tree(found, job.writing.fields) and seen == found
    return Synced(
        mapping_id=item.link.mapping_id if item.link else uuid7(),
        internal_id=item.row.internal_id,
        external_id=found.external_id,
        external=canonical(rebuilt(seen, external)),
        external_hash=record_hash(canonical(found), job.resource.version) if known else None,
        erp=encoded(base),
        internal_hash=tree_hash(base, job.writing.version),
        version=revision(job, raw) if raw is not None else None,
        updated_at=found.updated_at,
        incomplete=item.row.missing or base != item.tree or answer.unfinished,
        variants=variants(item, found),
        counted=_counted(item, answer),
    )


def _counted(item: Item, answer: Written) -> Literal["created", "updated", "skipped"]:
    if item.link is None:
        return "created"
    return "skipped" if answer.unfinished else "updated"


def _mapped(job: Job, item: Item, raw: Raw | None, told: str = "") -> tuple[Record, bool]:
    """The record as it was given back, or else as it was sent; and which of the two."""
    assert item.target is not None  # noqa: S101
    known = told or item.external_id or ""
    if raw is not None:
        try:
            return job.resource.map(raw, job.source.settings), True
        except (*MALFORMED, RecordError):
            known = known or job.resource.key(raw)
    return msgspec.structs.replace(item.target, external_id=known), False


def _bases(job: Job, item: Item, found: Record) -> tuple[Tree, Tree]:
    """Of the ERP and of the external side. In a two-way pair somebody may have edited the record outside
    since it was seen: what is not as it was meant to be is no base."""
    fields, link = job.writing.fields, item.link
    after = tree(found, fields)
    if link is None or item.seen is None or item.target is None or not job.two_way:
        return item.tree, after
    return merging.rebased(sides(item, link, fields, tree(item.target, fields), after))
