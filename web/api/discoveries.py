"""Discoveries: links proposed between records that are on both sides already."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from core.discovering import Rule
from core.entities import Entity
from core.errors import ConfigurationError, SyncError
from db import admin, discovery, listings
from web.access import Wired
from web.api.gate import Caller, Calling, Guarded
from web.api.shapes import Cursor, Done, Limit, Page, Reason, Shown, paged
from web.wiring import Wiring

router = APIRouter(tags=["Descobertas"], route_class=Guarded)

State = Literal["matched", "ambiguous", "unmatched", "applied", "dismissed"]


class Discovery(Shown):
    id: UUID
    integration_id: UUID
    integration: str
    entity: Entity
    state: Literal["running", "proposed", "applied", "failed"]
    counts: dict[str, int]
    message: str
    requested_by: str
    created_at: datetime
    applied_at: datetime | None
    applied_by: str | None
    flow_run_id: UUID | None


class Candidate(Shown):
    id: UUID
    label: str = Field(description="De pessoas, só uma parte do documento ou do e-mail.")


class Proposal(Shown):
    id: UUID
    external_id: str
    label: str
    rule: Rule | Literal[""]
    state: State
    internal_id: UUID | None
    candidates: list[Candidate]


class NewDiscovery(Reason):
    integration_id: UUID
    entity: Entity
    apply: bool = Field(False, description="Cria logo os vínculos sem ambiguidade.")


class Pick(Reason):
    internal_id: UUID = Field(description="Do candidato.")


class Dismiss(Reason):
    ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)]


class Applied(Shown):
    linked: int
    passed: int = Field(description="Vinculados ou excluídos desde a descoberta.")


@router.post("/discoveries", status_code=202, summary="Procura vínculos, sem gravar nada")
async def begin(wired: Wired, calling: Calling, body: NewDiscovery) -> Discovery:
    integration = await admin.read_integration(wired.engine, calling.tenant_id, body.integration_id)
    rows = await admin.pairs(wired.engine, calling.tenant_id)
    pair = next(
        (row for row in rows if row.integration_id == integration.id and row.entity is body.entity), None
    )
    if pair is None:
        raise ConfigurationError(f"{integration.name} não tem par de {body.entity.label}.")
    by = calling.by(body.reason)
    id_ = await discovery.begin(wired.engine, calling.tenant_id, integration.id, body.entity, by)
    try:
        await wired.orchestrator.discover(pair.id, id_, apply=body.apply)
    except SyncError as error:
        await discovery.fail(wired.engine, calling.tenant_id, id_, error.message)
        raise
    return await _one(wired, calling, id_)


@router.get("/discoveries/{discovery_id:uuid}", summary="Lê uma descoberta")
async def read(wired: Wired, calling: Calling, discovery_id: UUID) -> Discovery:
    return await _one(wired, calling, discovery_id)


@router.get("/discoveries/{discovery_id:uuid}/proposals", summary="Lista o que ela propôs")
async def proposals(
    wired: Wired,
    calling: Calling,
    discovery_id: UUID,
    state: Annotated[State | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Proposal]:
    found = await _one(wired, calling, discovery_id)
    rows = await listings.proposals(
        wired.engine,
        calling.tenant_id,
        discovery_id,
        found.entity,
        state=state,
        after=cursor,
        limit=limit + 1,
    )
    return Page[Proposal].model_validate(paged(rows, limit))


@router.post("/discoveries/{discovery_id:uuid}/apply", summary="Cria os vínculos sem ambiguidade")
async def apply(wired: Wired, calling: Calling, discovery_id: UUID, body: Reason) -> Applied:
    by = calling.by(body.reason)
    return Applied.model_validate(await discovery.apply(wired.engine, calling.tenant_id, discovery_id, by))


@router.post("/proposals/dismiss", summary="Descarta propostas")
async def dismiss(wired: Wired, calling: Calling, body: Dismiss) -> Done:
    by = calling.by(body.reason)
    return Done(count=await discovery.dismiss(wired.engine, calling.tenant_id, body.ids, by))


@router.post("/proposals/{proposal_id:uuid}/pick", status_code=204, summary="Escolhe o candidato e vincula")
async def pick(wired: Wired, calling: Calling, proposal_id: UUID, body: Pick) -> None:
    by = calling.by(body.reason)
    await discovery.pick(wired.engine, calling.tenant_id, proposal_id, body.internal_id, by)


async def _one(wired: Wiring, calling: Caller, discovery_id: UUID) -> Discovery:
    return Discovery.model_validate(await discovery.read(wired.engine, calling.tenant_id, discovery_id))
