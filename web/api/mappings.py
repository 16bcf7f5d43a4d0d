"""Mappings: which record of the ERP is which one outside."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints

from core.entities import Entity
from core.ports import VARIANTS
from db import admin, listings, mappings, resync
from providers.registry import get
from web.access import Wired
from web.api.gate import Calling, Guarded
from web.api.requests import Asked, told
from web.api.shapes import (
    Cursor,
    Done,
    Given,
    Kind,
    Limit,
    OfIntegration,
    Page,
    Reason,
    Shown,
    Text,
    Way,
    paged,
)
from web.running import run_now

router = APIRouter(tags=["Mapeamentos"], route_class=Guarded)

State = Literal["active", "orphan", "conflict"]


class Mapping(Shown):
    id: UUID
    integration_id: UUID
    integration: str
    entity: Kind
    internal_id: UUID
    external_id: str
    parent_external_id: str | None
    state: State
    synced_at: datetime | None
    orphaned_by: str | None
    missing_at: datetime | None = Field(description="Desde quando varreduras não o veem.")
    notes: str | None


class Past(Shown):
    at: datetime
    actor: str
    action: str
    reason: str | None
    details: dict[str, Any]


class WholeMapping(Mapping):
    external_updated_at: datetime | None
    history: list[Past]
    conflicts: list[dict[str, Any]]
    issues: list[dict[str, Any]]


class NewMapping(Given):
    integration_id: UUID
    entity: Kind
    internal_id: UUID = Field(description="Do registro no ERP.")
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    notes: Annotated[str, StringConstraints(max_length=mappings.LONGEST_NOTE)] = ""
    reason: Annotated[str, StringConstraints(max_length=1000)] = ""


class Notes(Given):
    notes: Annotated[str, StringConstraints(max_length=mappings.LONGEST_NOTE)]


class Resync(Reason):
    direction: Way | None = Field(
        None, description="`import` grava o ERP com o que o externo tem; `export`, o contrário."
    )


class Missing(Reason):
    integration_id: UUID
    entity: Kind
    decision: Literal["confirm", "release"] = Field(description="Foram excluídos, ou ainda existem.")
    ids: Annotated[list[UUID], Field(max_length=1000)] | None = Field(None, description="Sem isto, todos.")


@router.get("/mappings", summary="Lista os mapeamentos")
async def listing(
    wired: Wired,
    calling: Calling,
    integration_id: OfIntegration = None,
    entity: Kind | None = None,
    state: State | None = None,
    external_id: Annotated[Text | None, Query(description="Exatamente este ID externo.")] = None,
    search: Annotated[Text | None, Query(description="Uma parte do ID externo.")] = None,
    missing: Annotated[bool | None, Query(description="Só os que esperam decisão, ou só os outros.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Mapping]:
    rows = await listings.mappings(
        wired.engine,
        calling.tenant_id,
        integration_id=integration_id,
        entity=entity,
        state=state,
        external_id=external_id,
        search=search,
        held=missing,
        after=cursor,
        limit=limit + 1,
    )
    return Page[Mapping].model_validate(paged(rows, limit))


@router.post("/mappings", status_code=201, summary="Vincula um registro do ERP a um externo")
async def create(wired: Wired, calling: Calling, body: NewMapping) -> WholeMapping:
    integration = await admin.read_integration(wired.engine, calling.tenant_id, body.integration_id)
    by = calling.by(body.reason)
    made = await mappings.create(
        wired.engine,
        calling.tenant_id,
        integration.id,
        body.entity,
        internal_id=body.internal_id,
        external_id=body.external_id,
        by=by,
        notes=body.notes,
    )
    if _reads_one(integration.provider, body.entity):
        for asked in await resync.read_again(
            wired.engine, calling.tenant_id, integration.id, body.entity, [body.external_id], by
        ):
            await run_now(wired, asked)
    return WholeMapping.model_validate(await mappings.read(wired.engine, calling.tenant_id, made))


@router.get("/mappings/{mapping_id:uuid}", summary="Lê um mapeamento com sua história")
async def read(wired: Wired, calling: Calling, mapping_id: UUID) -> WholeMapping:
    return WholeMapping.model_validate(await mappings.read(wired.engine, calling.tenant_id, mapping_id))


@router.delete("/mappings/{mapping_id:uuid}", status_code=204, summary="Quebra o vínculo; os registros ficam")
async def delete(
    wired: Wired,
    calling: Calling,
    mapping_id: UUID,
    reason: Annotated[str, Query(max_length=1000, description="Fica na auditoria.")] = "",
) -> Response:
    await mappings.delete(wired.engine, calling.tenant_id, mapping_id, calling.by(reason))
    return Response(status_code=204)


@router.put("/mappings/{mapping_id:uuid}/notes", summary="Escreve as notas")
async def annotate(wired: Wired, calling: Calling, mapping_id: UUID, body: Notes) -> WholeMapping:
    await mappings.annotate(wired.engine, calling.tenant_id, mapping_id, body.notes, calling.by())
    return WholeMapping.model_validate(await mappings.read(wired.engine, calling.tenant_id, mapping_id))


@router.post("/mappings/{mapping_id:uuid}/resync", status_code=202, summary="Ressincroniza um registro")
async def resync_one(wired: Wired, calling: Calling, mapping_id: UUID, body: Resync) -> Asked:
    by = calling.by(body.reason)
    asked = await resync.resync(wired.engine, calling.tenant_id, mapping_id, body.direction, by)
    await run_now(wired, asked)
    return (await told(wired, calling, [asked])).data[0]


@router.post("/mappings/missing", summary="Decide sobre o que varreduras completas não viram")
async def decide(wired: Wired, calling: Calling, body: Missing) -> Done:
    await admin.read_integration(wired.engine, calling.tenant_id, body.integration_id)
    settle = mappings.confirm_missing if body.decision == "confirm" else mappings.release_missing
    scope = (body.integration_id, body.entity, calling.by(body.reason))
    return Done(count=await settle(wired.engine, calling.tenant_id, *scope, ids=body.ids))


def _reads_one(provider: str, kind: str) -> bool:
    """Whether a record can be read by its id."""
    resource = get(provider).resources.get(Entity(kind)) if kind != VARIANTS else None
    return resource is not None and resource.read is not None
