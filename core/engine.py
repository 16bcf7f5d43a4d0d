"""The four steps of an import: fetch, map, transform, upsert. Each takes and gives one opaque batch.

Only `fetch` talks to the external system and only `upsert` writes, so a run can be killed between or inside
any of them: the next one goes on from the cursor that was committed with the last batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from core import matching, selecting
from core.batch import Batch, Job, Mapped
from core.entities import Entity, Matching
from core.errors import ConflictError, MappingNotFound, RecordError, SyncError, TransientError
from core.hashing import canonical, record_hash
from core.matching import NOTHING, Sought
from core.planning import Decision, decide
from core.ports import VARIANTS, Change, Counts, Cursor, Issue, Key, Known, Moved, Scan
from core.reading import Reader
from core.records import Product, Record, StockLevel
from core.references import missing, references
from core.spec import Fold, Raw, Span
from core.two_way import reconcile

MOST_COMPARISONS = 5
"""How often a two-way batch is compared anew because somebody wrote to the same ERP records meanwhile."""
MALFORMED = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError)
"""What a mapping function raises on a record of unexpected shape."""


def start(job: Job, last_full_at: datetime | None, now: datetime) -> Cursor:
    """The cursor this run begins with: the scan under way goes on, else a new one starts.

    A scan is complete when asked for, when the source has no filter or nothing was read yet, and when the
    last complete one is older than the source allows (its filter misses some changes).
    """
    cursor, incremental = job.cursor, job.resource.incremental
    if job.resource.feed:
        return replace(_idle(cursor), scanning=True, place=cursor.place)
    if job.resource.acknowledge is not None:
        # A queue gives what is left in it, wherever the last run stopped; what it does not give is not gone.
        return replace(_idle(cursor), scanning=True)
    if cursor.scanning and (cursor.full or not job.full):
        return cursor
    stale = incremental is None or last_full_at is None or now - last_full_at >= incremental.full_every
    if job.full or stale or incremental is None or cursor.watermark is None:
        whole = replace(_idle(cursor), scanning=True, full=True)
        return replace(whole, scan_id=uuid7(), scan_started_at=now)
    return replace(_idle(cursor), scanning=True, since=cursor.watermark - incremental.overlap)


async def fetch(job: Job, cursor: Cursor) -> Batch:
    """Read pages until the batch is full or the scan ends. Raises what the source raises.

    One portion of a queue is a batch of its own: what it gave has to be acknowledged before it comes again.
    """
    if job.chosen is not None:
        return await selecting.fetch(job, job.chosen, cursor)
    job.reader = job.reader or _reader(job, cursor)
    raw: list[Raw] = []
    place, items = cursor.place, cursor.items
    while True:
        step = await job.reader.step(place)
        items += len(step.items)
        raw.extend(_split(job, step.items))
        place = step.next
        job.total = step.total if step.total is not None else job.total
        portioned = job.resource.feed or job.resource.acknowledge is not None
        if place is None or portioned or len(raw) >= job.batch_size:
            break
    cursor = replace(
        cursor,
        place=place,
        items=items,
        signpost=cursor.signpost or job.reader.clock,
        high=_highest(job, raw, cursor.high),
    )
    if place is not None:
        return _taken(job, Batch(raw, cursor, job.total, last=False))
    resume = step.resume or job.cursor.place if job.resource.feed else None
    return _taken(job, Batch(raw, replace(_finished(cursor), place=resume), job.total, last=True))


def _taken(job: Job, batch: Batch) -> Batch:
    """With what a queue gave; a backfill reads a list beside it."""
    if job.resource.acknowledge is not None and job.window is None:
        batch.taken = batch.raw
    return batch


def map_records(job: Job, batch: Batch) -> Batch:
    """Map raw records to canonical ones; a record that cannot be mapped becomes an issue.

    A record that a page repeats counts once: in its later form, or folded.
    """
    mapped: dict[str, Mapped] = {}
    unwanted: list[str] = []
    wanted = job.resource.wanted
    for raw in batch.raw:
        if wanted is not None and not wanted(raw):
            unwanted.append(job.resource.key(raw))
            continue
        if job.poisoned and job.resource.key(raw) in job.poisoned:
            unwanted.append(job.resource.key(raw))
            continue
        try:
            record = job.resource.map(selecting.corrected(job, batch, raw), job.source.settings)
            if job.window is not None and not job.window.holds(record):
                batch.skipped += 1
                continue
            _require_key(record, job.matching)
            if job.resource.fold is not None and record.external_id in mapped:
                record = job.resource.fold(mapped[record.external_id].record, record)
            data = canonical(record)
        except RecordError as error:
            batch.issues.append(_issue(job, raw, error))
        except MALFORMED as error:
            batch.issues.append(_issue(job, raw, _malformed(error)))
        else:
            payload = msgspec.json.encode(raw)
            hash_ = record_hash(data, job.resource.version)
            mapped[record.external_id] = Mapped(payload, record, data, hash_)
    batch.skipped += len(unwanted)
    if batch.cursor.full:
        batch.seen = [*mapped, *unwanted, *(issue.external_id for issue in batch.issues)]
    batch.mapped = list(mapped.values())
    batch.raw = ()
    return batch


async def transform(job: Job, batch: Batch) -> Batch:
    """Compare with what is known, resolve references and decide what to write."""
    if job.two_way:
        batch.remember()
    known = await job.store.known(job.entity.value, [item.record.external_id for item in batch.mapped])
    if job.resource.fold is not None:
        batch.mapped = await _folded(job, job.resource.fold, batch.mapped)
    batch.returned = [seen.mapping_id for seen in known.values() if seen.missed]
    if any(seen.deleted for seen in known.values()):
        _leave_deleted(batch, known)
    if job.force:
        known = {external_id: replace(seen, external_hash=None) for external_id, seen in known.items()}
    pending = [item for item in batch.mapped if not _unchanged(known.get(item.record.external_id), item.hash)]
    changed = {item.record.external_id for item in pending}
    same = [item.record.external_id for item in batch.mapped if item.record.external_id not in changed]
    batch.unchanged += same
    batch.skipped += len(same)
    batch.mapped = []
    if not pending:
        return batch
    refs = await matching.resolve(job, [item.record for item in pending])
    new = [item.record for item in pending if item.record.external_id not in known]
    sought = await matching.seek(job, new, refs)
    decided = list(_decide(job, batch, pending, known, sought, refs))
    if job.two_way:
        decided = await reconcile(job, batch, decided, refs)
        refs |= await job.store.resolve(
            [k for _, c in decided for k in references(c.record) if k not in refs]
        )
    if job.entity is Entity.CATEGORIES:
        refs |= {(job.entity.value, c.record.external_id): c.internal_id for _, c in decided}
    for item, change in decided:
        _refer(batch, item, change, refs, known)
    return batch


async def upsert(job: Job, batch: Batch) -> Cursor | None:
    """Write rows, mappings, issues, counters and cursor in one transaction; None after the last batch.

    What a queue gave is acknowledged after that. If this fails, a second try acknowledges alone; whatever is
    not acknowledged in the end comes again and is found unchanged.
    """
    if batch.written is None:
        batch.written = await _settled(job, batch)
    if job.resource.acknowledge is not None and batch.taken and not job.dry_run:
        await job.resource.acknowledge(job.source, batch.taken)
    counts = batch.written
    job.counts += counts
    job.refused.update(type(issue.error).__name__ for issue in batch.issues)
    if counts.errors > len(batch.issues):
        job.refused["Database"] += counts.errors - len(batch.issues)
    job.cursor = batch.cursor
    job.done = batch.last
    batch.empty()
    return None if batch.last else batch.cursor


async def _settled(job: Job, batch: Batch) -> Counts:
    """Commit; where somebody wrote to the same ERP records meanwhile, after a new comparison."""
    for _ in range(MOST_COMPARISONS):
        try:
            return await _commit(job, batch)
        except Moved:
            batch.forget()
            await transform(job, batch)
    raise TransientError("O ERP muda estes registros sem parar; a próxima execução os compara de novo.")


async def _commit(job: Job, batch: Batch) -> Counts:
    return await job.store.commit(
        batch.changes,
        batch.issues,
        skipped=batch.skipped,
        cursor=batch.cursor,
        total=batch.total,
        noted=batch.noted,
        scan=_scan(job, batch),
        returned=batch.returned,
        unchanged=batch.unchanged,
        gone=batch.gone,
        lapsed=batch.lapsed,
    )


def _reader(job: Job, cursor: Cursor) -> Reader:
    until = job.window.until if job.window is not None else None
    span = Span(cursor.since, until)
    return Reader(job.source, job.resource, _scan_params(job, cursor), job.concurrency, span)


def _scan_params(job: Job, cursor: Cursor) -> dict[str, str]:
    incremental = job.resource.incremental
    if cursor.since is None or incremental is None:
        return dict(job.resource.params)
    bounds = {incremental.param: incremental.format(cursor.since)}
    if job.window is not None and incremental.until:
        bounds[incremental.until] = incremental.format(job.window.until + selecting.RANGE_MARGIN)
    return {**job.resource.params, **bounds, **incremental.extra}


def _split(job: Job, items: Sequence[Raw]) -> Iterator[Raw]:
    if job.resource.split is None:
        yield from items
        return
    for item in items:
        yield from job.resource.split(item)


def _highest(job: Job, raw: Sequence[Raw], high: datetime | None) -> datetime | None:
    incremental = job.resource.incremental
    if incremental is None:
        return high
    texts = [text for item in raw if isinstance(text := _at(item, incremental.field), str) and text]
    if not texts:
        return high
    newest = incremental.parse(max(texts))
    return newest if high is None else max(high, newest)


def _at(raw: Raw, path: str) -> Any:
    """The value at a dotted path."""
    value: Any = raw
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _finished(cursor: Cursor) -> Cursor:
    """The cursor after a whole scan. The watermark never passes the moment the scan began: what changed
    behind the reader's back while it ran is asked for again."""
    seen = [moment for moment in (cursor.high, cursor.signpost) if moment is not None]
    watermark = min(seen) if cursor.high is not None else None
    if watermark is None or (cursor.watermark is not None and cursor.watermark > watermark):
        watermark = cursor.watermark
    return replace(_idle(cursor), watermark=watermark, full=cursor.full, items=cursor.items)


def _idle(cursor: Cursor) -> Cursor:
    """Without the scan; what the export remembers stays."""
    return Cursor(watermark=cursor.watermark, change_seq=cursor.change_seq, change_id=cursor.change_id)


def _scan(job: Job, batch: Batch) -> Scan | None:
    before, after = job.cursor, batch.cursor
    if before.scan_id is None or before.scan_started_at is None:
        return None
    return Scan(
        before.scan_id,
        before.scan_started_at,
        batch.seen,
        ended=not after.scanning,
        whole=batch.total is None or after.items >= batch.total,
        empty=not after.items,
    )


async def _folded(job: Job, fold: Fold, items: Sequence[Mapped]) -> list[Mapped]:
    """Each with what was told of its record before."""
    before = await job.store.recorded(job.entity.value, [item.record.external_id for item in items])
    return [_onto(job, fold, item, before.get(item.record.external_id)) for item in items]


def _onto(job: Job, fold: Fold, item: Mapped, before: bytes | None) -> Mapped:
    if before is None:
        return item
    record = fold(msgspec.json.decode(before, type=type(item.record)), item.record)
    data = canonical(record)
    return Mapped(item.payload, record, data, record_hash(data, job.resource.version))


def _leave_deleted(batch: Batch, known: Mapping[str, Known]) -> None:
    """What the ERP deleted is not made again."""
    deleted = {external_id for external_id, seen in known.items() if seen.deleted}
    kept = [item for item in batch.mapped if item.record.external_id not in deleted]
    batch.skipped += len(batch.mapped) - len(kept)
    batch.unchanged += deleted
    batch.mapped = kept


def _require_key(record: Record, matching: Matching) -> None:
    if matching is Matching.SKU and isinstance(record, Product) and not record.sku and not record.variants:
        raise RecordError("Produto sem SKU: preencha o SKU na origem ou pareie por ID.", field="sku")


def _malformed(error: BaseException) -> RecordError:
    name = str(error.args[0])[:60] if isinstance(error, KeyError) and error.args else ""
    if isinstance(error, ValueError) and error.args:
        return RecordError(str(error.args[0])[:200], field=getattr(error, "field", ""))
    return RecordError("O registro tem um campo ausente ou de tipo inesperado.", field=name)


def _issue(job: Job, raw: Raw, error: SyncError) -> Issue:
    return Issue(job.resource.key(raw), error, msgspec.json.encode(raw))


def _unchanged(known: Known | None, record_hash_: bytes) -> bool:
    return known is not None and known.external_hash == record_hash_ and not known.incomplete


def _decide(
    job: Job,
    batch: Batch,
    pending: Sequence[Mapped],
    known: Mapping[str, Known],
    sought: Mapping[str, Sought],
    refs: Mapping[Key, UUID],
) -> Iterator[tuple[Mapped, Change]]:
    taken: set[str] = set()
    for item in pending:
        seen, by = known.get(item.record.external_id), sought.get(item.record.external_id, NOTHING)
        try:
            if isinstance(item.record, StockLevel) and not matching.is_placed(item.record, refs):
                raise MappingNotFound("O produto deste estoque não tem vínculo no ERP.", field="id")
            if by.value in taken:
                raise ConflictError(f"Dois registros externos têm o mesmo {by.label}.")
            decision = decide(seen, item.hash, by.matches, by.matching, by.label)
        except (RecordError, ConflictError) as error:
            batch.issues.append(Issue(item.record.external_id, error, item.payload))
            continue
        if by.value:
            taken.add(by.value)
        yield item, _change(item, decision, seen)


def _change(item: Mapped, decision: Decision, seen: Known | None) -> Change:
    return Change(
        action=decision.action,
        record=item.record,
        canonical=item.canonical,
        hash=item.hash,
        internal_id=decision.internal_id or uuid7(),
        mapping_id=seen.mapping_id if seen else uuid7(),
        payload=item.payload,
    )


def _refer(
    batch: Batch, item: Mapped, change: Change, refs: Mapping[Key, UUID], known: Mapping[str, Known]
) -> None:
    """Give the change its references; one whose hash stands and still misses some is left as it is."""
    seen = known.get(change.record.external_id)
    change.refs = {key: refs[key] for key in references(change.record) if key in refs}
    if isinstance(change.record, Product):
        variants = [(VARIANTS, variant.external_id) for variant in change.record.variants]
        change.refs = {**change.refs, **{key: uuid7() for key in variants if key not in refs}}
    lacking = bool(missing(change.record, refs))
    if lacking and seen is not None and seen.external_hash == item.hash:
        batch.skipped += 1
        batch.unchanged.append(change.record.external_id)
        return
    change.incomplete = change.incomplete or lacking
    batch.changes.append(change)
