"""Criar mapeamento: a record of the ERP is found, the external id looked at, and the two are linked."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response

from core.errors import SyncError
from core.ports import VARIANTS
from db import admin, listings, mappings, resync
from db.admin import read_integration
from db.finding import Findings, find
from providers.registry import reads_one
from web.access import Visiting, Visitor, Wired
from web.mapping.mappings import KINDS, back
from web.pages import is_htmx, page
from web.refusals import status_of
from web.running import run_now

router = APIRouter()


@router.get("/mapeamentos/novo")
async def form(
    request: Request,
    wired: Wired,
    person: Visiting,
    integracao: UUID | None = None,
    entidade: str = "products",
    busca: Annotated[str, Query(max_length=255)] = "",
    externo: Annotated[str, Query(max_length=255)] = "",
) -> Response:
    """Nothing is written: what fits is shown, and whether the external id is free."""
    values = {"entidade": entidade, "busca": busca, "externo": externo, "notas": "", "motivo": ""}
    return await _shown(request, wired, person, integracao, values)


@router.post("/mapeamentos/novo")
async def create(
    request: Request,
    wired: Wired,
    person: Visiting,
    integracao: Annotated[UUID, Form()],
    entidade: Annotated[str, Form()],
    interno: Annotated[UUID, Form()],
    externo: Annotated[str, Form(max_length=1000)] = "",
    notas: Annotated[str, Form(max_length=4000)] = "",
    motivo: Annotated[str, Form(max_length=500)] = "",
    busca: Annotated[str, Form(max_length=255)] = "",
) -> Response:
    found = await read_integration(wired.engine, person.tenant_id, integracao)
    kind = entidade if entidade in KINDS else "products"
    by = person.by(motivo)
    try:
        made = await mappings.create(
            wired.engine,
            person.tenant_id,
            found.id,
            kind,
            internal_id=interno,
            external_id=externo,
            by=by,
            notes=notas,
        )
    except SyncError as error:
        if error.retryable:
            raise
        values = {"entidade": kind, "busca": busca, "externo": externo, "notas": notas, "motivo": motivo}
        return await _shown(request, wired, person, found.id, values, interno, error)
    if reads_one(found.provider, kind):
        for asked in await resync.read_again(
            wired.engine, person.tenant_id, found.id, kind, [externo.strip()], by
        ):
            await run_now(wired, asked)
    return back(f"/mapeamentos/{made}", "criado", 1)


async def _shown(
    request: Request,
    wired: Wired,
    person: Visitor,
    integration_id: UUID | None,
    values: dict[str, str],
    chosen: UUID | None = None,
    error: SyncError | None = None,
) -> Response:
    offered = await admin.integrations(wired.engine, person.tenant_id)
    one = next(iter(offered), None) if integration_id is None else None
    if integration_id is not None:
        one = await read_integration(wired.engine, person.tenant_id, integration_id)
    kind = values["entidade"] if values["entidade"] in KINDS else "products"
    found, taken = Findings([], more=False), None
    if one is not None:
        found = await find(
            wired.engine, person.tenant_id, one.id, kind, values["busca"], whole=person.can_edit
        )
        taken = await _taken(wired, person, one.id, kind, values["externo"].strip())
    return page(
        request,
        "linking.html",
        status=status_of(error) if error else 200,
        block="found" if is_htmx(request) else None,
        integrations=offered,
        integration=one,
        kinds=KINDS,
        values=values | {"entidade": kind},
        found=found,
        taken=taken,
        chosen=chosen,
        error=error,
        reads=one is not None and reads_one(one.provider, kind),
        variants=kind == VARIANTS,
    )


async def _taken(
    wired: Wired, person: Visitor, integration_id: UUID, kind: str, external_id: str
) -> dict[str, Any] | None:
    """The mapping that has the external id already."""
    if not external_id:
        return None
    rows = await listings.mappings(
        wired.engine,
        person.tenant_id,
        integration_id=integration_id,
        entity=kind,
        external_id=external_id,
        limit=1,
    )
    return rows[0] if rows else None
