"""Runs over chosen records instead of a scan: read again by id, else taken from what their issue kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import msgspec

from core.batch import Batch, Job, Window
from core.errors import ConfigurationError, NotFoundError, RecordError
from core.orphans import MOST
from core.ports import Chosen, Cursor, Issue
from core.spec import Raw

MOST_DUE = 1000
"""Records a normal run tries again at its end; more are left to the next one."""
ONLY_ONCE = (
    "O sistema externo entrega cada documento uma só vez: não há simulação, carga retroativa nem nova "
    "leitura de tudo. Reprocesse ou ressincronize registros escolhidos."
)
RANGE_MARGIN = timedelta(seconds=1)
"""Filters may or may not include their bound: ask for more, and keep what is within the range."""


def start_over(job: Job, window: Window | None, saved: Cursor | None) -> Cursor:
    """The cursor of a run that reads everything, or a range of time, beside the pair's own scan. Raises
    `ConfigurationError` for a feed, which has neither."""
    if job.resource.feed:
        raise ConfigurationError(ONLY_ONCE)
    job.window = window
    incremental = job.resource.incremental
    if saved is not None:
        return saved
    if window is None or incremental is None:
        return Cursor(scanning=True)
    return Cursor(scanning=True, since=window.since - RANGE_MARGIN)


async def fetch(job: Job, chosen: Chosen, cursor: Cursor) -> Batch:
    """The next records of a selection. Raises what the source raises."""
    size = _size(job, job.batch_size)
    ids = await chosen.following(cursor.place or "", size)
    last = len(ids) < size
    place = Cursor() if last else replace(cursor, scanning=True, place=ids[-1])
    return await _batch(job, chosen, ids, place, last=last)


async def fetch_due(job: Job) -> Batch | None:
    """Failed records whose time to be tried again has come; the pair's cursor stays where it is."""
    if job.failed is None:
        return None
    ids = await job.failed.following("", _size(job, MOST_DUE))
    return await _batch(job, job.failed, ids, job.cursor, last=True) if ids else None


def corrected(job: Job, batch: Batch, raw: Raw) -> Raw:
    """The record with what a person corrected, for as long as its source says the same."""
    override = job.overrides.get(job.resource.key(raw)) if job.overrides else None
    if override is None:
        return raw
    if not override.fits(raw):
        batch.lapsed.append(override.id)
        return raw
    return override.apply(raw)


def _size(job: Job, most: int) -> int:
    return min(most, job.resource.read_size or most) if job.resource.read else most


async def _batch(job: Job, chosen: Chosen, ids: Sequence[str], cursor: Cursor, *, last: bool) -> Batch:
    read = job.resource.read
    if read is None:
        payloads = await chosen.payloads(ids)
        raw = {id_: payload for id_ in ids if (payload := _decoded(payloads.get(id_)))}
        batch = Batch(list(raw.values()), cursor, None, last=last)
        batch.issues = [_unreadable(id_) for id_ in ids if id_ not in raw]
        return batch
    found = await read(job.source, ids) if ids else {}
    batch = Batch([found[id_] for id_ in ids if id_ in found], cursor, None, last=last)
    await _miss(job, batch, ids, found)
    return batch


async def _miss(job: Job, batch: Batch, ids: Sequence[str], found: Mapping[str, Raw]) -> None:
    """What the external system does not have any more: a linked record becomes an orphan. Many at once are no
    deleted records, but an address that changed or a fault outside."""
    missing = [id_ for id_ in ids if id_ not in found]
    if job.hinted:
        await _miss_hinted(job, batch, missing)
        return
    few = len(missing) == 1 or len(missing) * 10 <= len(ids)
    known = await job.store.known(job.entity.value, missing) if missing and few else {}
    batch.gone = [id_ for id_ in missing if id_ in known]
    batch.skipped += len(batch.gone)
    batch.issues = [_gone(id_) for id_ in missing if id_ not in known]


async def _miss_hinted(job: Job, batch: Batch, missing: Sequence[str]) -> None:
    """What was never linked is nobody's failure. More than a person deletes at a time is left to the next
    complete scan and its gate."""
    known = await job.store.known(job.entity.value, missing) if missing else {}
    batch.gone = [id_ for id_ in missing if id_ in known] if len(known) <= MOST else []
    batch.skipped += len(missing)


def _gone(external_id: str) -> Issue:
    error = NotFoundError("O registro não existe mais no sistema externo.", status=404)
    return Issue(external_id, error, msgspec.json.encode({"id": external_id}))


def _unreadable(external_id: str) -> Issue:
    message = "O conteúdo guardado deste registro expirou: execute uma varredura completa do par."
    return Issue(external_id, RecordError(message, field=""), msgspec.json.encode({"id": external_id}))


def _decoded(payload: bytes | None) -> Raw | None:
    found = msgspec.json.decode(payload) if payload else None
    return found if isinstance(found, dict) else None
