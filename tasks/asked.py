"""What a run reads, as it was asked: its own scan, chosen records, or a range of time."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core import selecting
from core.batch import Job, Window
from core.entities import Direction, RequestKind
from core.errors import ConfigurationError
from core.ports import Chosen, Cursor
from db import overrides
from db.requests import Request
from db.runs import Lease
from db.selections import Selection, known
from db.vault import Vault

PAGE = 1000


async def prepare(job: Job, lease: Lease, database: AsyncEngine, vault: Vault) -> None:
    """Give the job what its request names; a normal import gets the records that are due to be tried again.

    Raises `ConfigurationError` for a request that this direction or this version does not know.
    """
    pair, request = lease.pair, lease.request
    place = (pair.tenant_id, pair.integration_id, pair.entity.value, lease.direction)
    job.overrides = await overrides.live(database, vault, *place)
    own = request is None or request.is_scan
    wanted = {"due": True} if request is None or own else dict(request.selection)
    selection = Selection(database, vault, *place, wanted)
    if request is not None and not own and request.kind is not RequestKind.SIMULATION:
        job.force = request.kind is RequestKind.RESYNC
        await (_export if lease.direction is Direction.EXPORT else _import)(job, request, selection)
    elif lease.direction is Direction.IMPORT and not lease.dry_run:
        job.failed = selection


async def _import(job: Job, request: Request, selection: Selection) -> None:
    if request.kind is RequestKind.BACKFILL:
        window = Window(*(datetime.fromisoformat(request.selection[name]) for name in ("from", "until")))
        job.cursor = selecting.start_over(job, window, request.cursor)
        return
    _check(request)
    if job.force and not request.selection:
        job.cursor = selecting.start_over(job, None, request.cursor)
        return
    job.chosen, job.hinted = selection, request.kind is RequestKind.REFRESH
    if not job.hinted:
        job.poisoned = frozenset()
    job.cursor = request.cursor or Cursor(scanning=True)


async def _export(job: Job, request: Request, selection: Selection) -> None:
    if request.kind is RequestKind.BACKFILL:
        raise ConfigurationError("Só importações têm carga retroativa: a exportação conhece cada mudança.")
    _check(request)
    if job.force and not request.selection:
        job.due = ()
        job.cursor = request.cursor or replace(job.cursor, change_seq=0, change_id=None)
        return
    job.due = [UUID(id_) for id_ in await _all(selection)]
    job.selective = True


async def _all(chosen: Chosen) -> list[str]:
    found: list[str] = []
    while True:
        page = await chosen.following(found[-1] if found else "", PAGE)
        found += page
        if len(page) < PAGE:
            return found


def _check(request: Request) -> None:
    if not known(request.selection):
        raise ConfigurationError("O pedido desta execução não é conhecido por esta versão.")
