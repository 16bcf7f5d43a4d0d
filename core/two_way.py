"""The import half of a two-way pair: what changed outside meets what changed in the ERP."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import msgspec

from core.batch import Batch, Job, Mapped
from core.comparing import base_of
from core.hashing import canonical
from core.merging import Merged, chooser, merge
from core.ports import Action, Change, Key
from core.records import Product, Record, StockLevel
from core.references import without
from core.sides import Clash, Linked, Projected, Synced
from core.trees import OUTSIDE, Tree, encoded, part_key, rebuilt, tree, tree_hash

Decided = tuple[Mapped, Change]


async def reconcile(
    job: Job, batch: Batch, decided: Sequence[Decided], refs: Mapping[Key, UUID]
) -> list[Decided]:
    """The changes that are left for the ERP. Records that both sides agree on, conflicts and records that
    the ERP deleted are noted in the batch."""
    sent = await _sent(job, decided)
    decided = [(item, _ours(change, sent)) for item, change in decided]
    old = {change.internal_id: b"" for _, change in decided if change.action is not Action.CREATE}
    rows = {row.internal_id: row for row in await job.erp_side.select(list(old))} if old else {}
    links = await job.erp_side.linked(old) if old else {}
    left: list[Decided] = []
    for item, change in decided:
        if change.action is Action.CREATE:
            left.append((item, _created(job, change, refs)))
            continue
        row, link = rows.get(change.internal_id), links.get(change.internal_id)
        if row is None or row.deleted:
            _deleted(batch, link)
            continue
        kept = _meet(job, batch, change, row, link or _new(change, sent), refs)
        if kept is not None:
            left.append((item, kept))
    return left


async def _sent(job: Job, decided: Sequence[Decided]) -> Mapping[UUID, bytes]:
    """What was sent of creates whose outcome is not known, by internal id."""
    if all(change.action is Action.UPDATE for _, change in decided):
        return {}
    return {doubt.internal_id: doubt.sent for doubt in await job.erp_side.doubts() if doubt.sent}


def _ours(change: Change, sent: Mapping[UUID, bytes]) -> Change:
    """A record outside that names one of ours as its own is the create that was in doubt."""
    if change.action is not Action.CREATE or change.record.reference is None:
        return change
    found = next((id_ for id_ in sent if str(id_) == change.record.reference), None)
    return change if found is None else replace(change, action=Action.LINK, internal_id=found)


def _new(change: Change, sent: Mapping[UUID, bytes]) -> Linked:
    """A link about to be made; both sides were last in step where what we sent is what arrived."""
    link = Linked.new(change.mapping_id, change.internal_id, change.record.external_id)
    base = sent.get(change.internal_id)
    if base is None:
        return link
    external = canonical(rebuilt(change.record, msgspec.json.decode(base)))
    return replace(link, external=external, erp=base)


def _deleted(batch: Batch, link: Linked | None) -> None:
    """The ERP deleted it: it is not made anew there."""
    if link is not None and link.state != "orphan":
        batch.noted.orphans.append((link.mapping_id, "erp"))
    else:
        batch.skipped += 1


def _created(job: Job, change: Change, refs: Mapping[Key, UUID]) -> Change:
    base = tree(without(change.record, refs), job.writing.fields)
    return replace(change, base=encoded(base), base_hash=tree_hash(base, job.writing.version))


def _meet(
    job: Job, batch: Batch, change: Change, row: Projected, link: Linked, refs: Mapping[Key, UUID]
) -> Change | None:
    fields = job.writing.fields
    record, there = change.record, tree(change.record, fields)
    before = _before(link, record)
    if not job.force and _is_past(record, before):
        batch.skipped += 1
        return None
    here = tree(row.record, fields)
    base = base_of(row.record, link, fields)
    choose = chooser(job.policy, row.updated_at, record.updated_at)
    if job.force:  # whatever changed in the ERP: the external side is what was asked for
        base, before, choose = None, None, lambda _path: "external"
    merged = merge(base, tree(before, fields) if before else None, here, there, choose)
    if merged.conflicts:
        clash = _clash(link, base, tree(before, fields) if before else None, here, there, merged)
        batch.noted.clashes.append(clash)
        return None
    known = _resolved(merged.base, there, tree(without(record, refs), fields))
    # A reference that the external side lacks still: no change of the ERP's row will bring it there.
    behind = row.missing or (link.incomplete and known != here)
    # What was begun outside may have further steps to go.
    behind = behind or (job.writing.resumes and (link.incomplete or link.state == "new"))
    known_there = job.resource.fields or frozenset(record.__struct_fields__)
    target = {**_read_only(record, before, row.record, known_there - fields - OUTSIDE), **merged.erp}
    if target == tree(row.record, frozenset(target)):
        batch.noted.synced.append(_agreed(job, change, link, known, behind=behind))
        return None
    return replace(
        change,
        record=_for_erp(rebuilt(record, target), row),
        base=encoded(known),
        base_hash=tree_hash(known, job.writing.version),
        incomplete=behind,
        kept=_only_here(row, record),
        seen=row,
    )


def _before(link: Linked, record: Record) -> Record | None:
    return msgspec.json.decode(link.external, type=type(record)) if link.external is not None else None


def _is_past(record: Record, known: Record | None) -> bool:
    """A list from a cache, or a message that was overtaken: what is known already came later."""
    if known is None or known.updated_at is None or record.updated_at is None:
        return False
    return record.updated_at < known.updated_at


def _read_only(record: Record, before: Record | None, here: Record, names: frozenset[str]) -> Tree:
    """Fields that cannot be written outside follow the external system wherever it changed them. On the first
    time what it leaves empty takes nothing from the ERP."""
    there, ours = tree(record, names), tree(here, names)
    if before is None:
        return {name: there[name] or ours[name] for name in there}
    was = tree(before, names)
    return {name: there[name] if there[name] != was[name] else ours[name] for name in there}


def _resolved(base: Tree, there: Tree, resolved: Tree) -> Tree:
    """A base holds what the ERP will hold: references to records that it does not have are not in it."""
    return {
        name: resolved[name] if name in there and value == there[name] else value
        for name, value in base.items()
    }


def _for_erp(record: Record, row: Projected) -> Record:
    """As the ERP's tables hold it: stock on hand includes what is not for sale, and variants that only the
    ERP has are left alone."""
    if isinstance(record, StockLevel):
        return msgspec.structs.replace(record, on_hand=record.on_hand + (row.held or 0))
    if isinstance(record, Product):
        return msgspec.structs.replace(record, variants=tuple([v for v in record.variants if v.external_id]))
    return record


def _only_here(row: Projected, record: Record) -> tuple[UUID, ...]:
    if not isinstance(record, Product):
        return ()
    there = {part_key(msgspec.to_builtins(variant)) for variant in record.variants}
    return tuple([id_ for key, id_ in row.variants.items() if key not in there])


def _agreed(job: Job, change: Change, link: Linked, base: Tree, *, behind: bool) -> Synced:
    """Nothing to write into the ERP: an echo of what was exported, or the same change on both sides."""
    return Synced(
        mapping_id=link.mapping_id,
        internal_id=link.internal_id,
        external_id=change.record.external_id,
        external=change.canonical,
        external_hash=change.hash,
        erp=encoded(base),
        internal_hash=tree_hash(base, job.writing.version),
        version=link.version,
        updated_at=change.record.updated_at,
        incomplete=behind,
        counted="skipped",
    )


def _clash(
    link: Linked, base: Tree | None, before: Tree | None, here: Tree, there: Tree, merged: Merged
) -> Clash:
    return Clash(
        mapping_id=link.mapping_id,
        internal_id=link.internal_id,
        external_id=link.external_id,
        base_erp=encoded(base) if base is not None else None,
        base_external=encoded(before) if before is not None else None,
        erp=encoded(here),
        external=encoded(there),
        paths=merged.conflicts,
        new=link.state == "new",
    )
