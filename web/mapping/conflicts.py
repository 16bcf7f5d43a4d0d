"""Conflitos: records that both sides changed; a person says field by field which side is right.

Nothing is written before what would be was shown: the confirmation carries a digest of it, and where a side
has changed since, what would be written now is shown instead.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from core.entities import Entity, Trigger
from core.errors import SyncError
from core.fields import name
from core.resolving import Choice, Decision
from db import admin, conflicts, resync
from db.admin import read_integration
from db.conflicts import Resolved
from db.mappings import LABELS
from web.access import Visiting, Visitor, Wired
from web.mapping.deciding import Deciding, choices, outcome, settled, undecided
from web.mapping.mappings import back, told
from web.mapping.values import lines
from web.pages import is_htmx, page
from web.refusals import status_of

router = APIRouter()
SIZE = 50
STATES = {"open": "aberto", "resolved": "resolvido"}
SIDES = {"erp": "ERP", "external": "externo", "value": "valor próprio"}
DONE = {
    "resolvido": "Conflito resolvido. O ERP já tem os valores; o externo é gravado pela execução pedida.",
    "guardado": "Conflito resolvido. O ERP já tem os valores; o Prefect não respondeu agora, e a próxima"
    " execução do par grava o externo.",
    "todos": "Conflitos resolvidos: {n}.",
}


@router.get("/conflitos")
async def listing(
    request: Request,
    wired: Wired,
    person: Visiting,
    integracao: str = "",
    entidade: str = "",
    situacao: str = "open",
    depois: UUID | None = None,
) -> Response:
    offered = await admin.integrations(wired.engine, person.tenant_id)
    chosen = next((one for one in offered if str(one.id) == integracao), None)
    entity = entidade if entidade in set(Entity) else ""
    state = situacao if situacao in STATES else "open"
    rows = await conflicts.conflicts(
        wired.engine,
        person.tenant_id,
        integration_id=chosen.id if chosen else None,
        entity=entity or None,
        state=state,
        after=depois,
        limit=SIZE + 1,
        named=True,
    )
    filters = {"integracao": str(chosen.id) if chosen else "", "entidade": entity, "situacao": state}
    more = filters | {"depois": str(rows[SIZE - 1]["id"])} if len(rows) > SIZE else None
    count = 0
    if chosen and state == "open":
        count = await conflicts.count_open(wired.engine, person.tenant_id, chosen.id, entity or None)
    return page(
        request,
        "conflicts.html",
        block="rows" if is_htmx(request) else None,
        rows=[row | {"names": [name(path.split(".")) for path in row["fields"]]} for row in rows[:SIZE]],
        next=f"/conflitos?{urlencode(more)}" if more else "",
        filters=filters,
        integrations=offered,
        chosen=chosen,
        count=count,
        states=STATES,
        kinds=LABELS,
        **told(request, DONE),
    )


@router.post("/conflitos/todos")
async def settle_all(
    wired: Wired,
    person: Visiting,
    integracao: Annotated[UUID, Form()],
    lado: Annotated[Literal["erp", "external"], Form()],
    entidade: Annotated[str, Form()] = "",
    motivo: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Every open conflict of an integration, or of one entity of it, in favour of one side."""
    found = await read_integration(wired.engine, person.tenant_id, integracao)
    done = await conflicts.settle_all(
        wired.engine,
        person.tenant_id,
        found.id,
        lado,
        person.by(motivo),
        entity=entidade if entidade in set(Entity) else None,
    )
    await _follow_up(wired, person, done.resolved)
    more = {"recusados": len(done.failed)} if done.failed else {}
    return back(f"/conflitos?integracao={found.id}", "todos", len(done.resolved), **more)


@router.get("/conflitos/{conflict_id}")
async def show(
    request: Request, wired: Wired, person: Visiting, conflict_id: UUID, todos: bool = False
) -> Response:
    faced = await conflicts.face(wired.engine, person.tenant_id, conflict_id)
    deciding = undecided(faced, person)
    return await _shown(request, wired, person, faced, deciding, every=todos)


@router.get("/conflitos/{conflict_id}/previa")
async def returned(conflict_id: UUID) -> Response:
    """Of who loads the page of a preview once more."""
    return RedirectResponse(f"/conflitos/{conflict_id}", status_code=303)


@router.post("/conflitos/{conflict_id}/previa")
async def preview(request: Request, wired: Wired, person: Visiting, conflict_id: UUID) -> Response:
    """What the choices would write; nothing is written."""
    faced = await conflicts.face(wired.engine, person.tenant_id, conflict_id)
    deciding = choices(faced, person, await request.form())
    if deciding.complete:
        await _foresee(wired, person, conflict_id, deciding)
    return await _shown(request, wired, person, faced, deciding, block="preview")


@router.post("/conflitos/{conflict_id}/resolver")
async def settle(request: Request, wired: Wired, person: Visiting, conflict_id: UUID) -> Response:
    faced = await conflicts.face(wired.engine, person.tenant_id, conflict_id)
    form = await request.form()
    deciding = choices(faced, person, form)
    if deciding.complete:
        found = await _foresee(wired, person, conflict_id, deciding)
        if str(form.get("conferido", "")) != deciding.digest:
            deciding.moved = True
            return await _shown(request, wired, person, faced, deciding, status=409)
        chosen = {one.path: one.choice for one in found}
        return await _settle(request, wired, person, faced, deciding, chosen)
    return await _shown(request, wired, person, faced, deciding, status=422)


async def _settle(
    request: Request,
    wired: Wired,
    person: Visitor,
    faced: conflicts.Faced,
    deciding: Deciding,
    chosen: dict[str, Choice],
) -> Response:
    id_ = faced.row.id
    try:
        by = person.by(deciding.reason)
        done = await conflicts.settle(wired.engine, person.tenant_id, id_, chosen, None, by)
    except SyncError as error:
        if error.retryable or isinstance(error, conflicts.ConflictUnknown):
            raise
        deciding.error = error
        return await _shown(request, wired, person, faced, deciding, status=status_of(error))
    taken = await _follow_up(wired, person, [done])
    return back(f"/conflitos/{id_}", "resolvido" if taken else "guardado", 1)


async def _foresee(
    wired: Wired, person: Visitor, conflict_id: UUID, deciding: Deciding
) -> Sequence[Decision]:
    """Put what would be written on each side, and its digest, into `deciding`."""
    found = await conflicts.preview(wired.engine, person.tenant_id, conflict_id, deciding.choices, None)
    writes = [(one.path, one.erp, one.external, one.final) for one in found]
    deciding.digest = hashlib.sha256(msgspec.json.encode(writes)).hexdigest()[:32]
    deciding.outcome = outcome(deciding.entity, found)
    return found


async def _shown(
    request: Request,
    wired: Wired,
    person: Visitor,
    faced: conflicts.Faced,
    deciding: Deciding,
    *,
    every: bool = False,
    block: str | None = None,
    status: int = 200,
) -> Response:
    row, entity = faced.row, deciding.entity
    in_conflict = {one.steps for one in deciding.fields}
    sides = (faced.erp, faced.base, faced.external)
    others = lines(entity, sides, whole=person.can_edit) if every else []
    return page(
        request,
        "conflict.html",
        status=status,
        block=block if is_htmx(request) else None,
        conflict=row,
        faced=faced,
        deciding=deciding,
        others=[one for one in others if one.steps not in in_conflict],
        every=every,
        kind=LABELS[row.entity],
        settled=settled(faced, person) if row.state != "open" else [],
        following=await conflicts.next_open(wired.engine, person.tenant_id, row.id),
        open_here=await conflicts.count_open(wired.engine, person.tenant_id, row.integration_id, row.entity),
        sides=SIDES,
        states=STATES,
        **told(request, DONE),
    )


async def _follow_up(wired: Wired, person: Visitor, resolved: Sequence[Resolved]) -> bool:
    """Run the pairs, and read again what changed outside beyond the conflict. Whether Prefect answered."""
    behind: dict[tuple[UUID, str], list[str]] = {}
    for one in resolved:
        if one.behind:
            behind.setdefault((one.integration_id, one.entity), []).append(one.external_id)
    for (integration_id, entity), ids in behind.items():
        await resync.read_again(wired.engine, person.tenant_id, integration_id, entity, ids, person.by())
    try:
        for pair_id in {one.pair_id for one in resolved if one.pair_id}:
            await wired.orchestrator.trigger(pair_id, initiated_by=Trigger.MANUAL)
    except SyncError:
        return False
    return True
