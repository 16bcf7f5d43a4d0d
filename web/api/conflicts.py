"""Conflicts: fields that both sides changed, and which value each is to have."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from core.entities import Trigger
from core.errors import SyncError
from core.merging import Side
from core.resolving import Choice, Decision, Typed
from db import admin, conflicts, resync
from db.conflicts import Resolved
from web.access import Wired
from web.api.gate import ONLY_READS, Caller, Calling, Guarded
from web.api.shapes import Cursor, Kind, Limit, OfIntegration, Page, Reason, Shown, paged
from web.wiring import Wiring

router = APIRouter(prefix="/conflicts", tags=["Conflitos"], route_class=Guarded)

MOST_FIELDS = 200


class Conflict(Shown):
    id: UUID
    mapping_id: UUID
    integration_id: UUID
    integration: str
    entity: Kind
    internal_id: UUID
    external_id: str
    fields: list[str] = Field(description="Os campos que diferem.")
    state: Literal["open", "resolved"]
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


class BothSides(Shown):
    path: str
    base: Any = Field(description="Como os dois lados o tinham por último.")
    erp: Any
    external: Any
    final: Any = Field(description="Como ficará nos dois lados.")
    to_erp: bool
    to_external: bool


class Sides(Shown):
    id: UUID
    fields: list[BothSides]


class Choices(Reason):
    default: Side | None = Field(None, description="O lado certo de todos os campos não citados.")
    sides: dict[str, Side] = Field(
        default_factory=dict, max_length=MOST_FIELDS, description="Campo → lado certo."
    )
    values: dict[str, Any] = Field(
        default_factory=dict, max_length=MOST_FIELDS, description="Campo → outro valor, de nenhum dos lados."
    )


class Outcome(Shown):
    id: UUID
    choices: dict[str, Literal["erp", "external", "value"]]
    run_asked: bool = Field(description="Se a execução que grava o sistema externo já foi pedida.")


class AllOf(Reason):
    integration_id: UUID
    side: Side
    entity: Kind | None = None


class Failed(Shown):
    id: UUID
    problem: str


class Many(Shown):
    resolved: int
    failed: list[Failed]


@router.get("", summary="Lista os conflitos")
async def listing(
    wired: Wired,
    calling: Calling,
    integration_id: OfIntegration = None,
    entity: Kind | None = None,
    state: Literal["open", "resolved", "all"] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Conflict]:
    rows = await conflicts.conflicts(
        wired.engine,
        calling.tenant_id,
        integration_id=integration_id,
        entity=entity,
        state=None if state == "all" else state,
        after=cursor,
        limit=limit + 1,
    )
    return Page[Conflict].model_validate(paged(rows, limit))


@router.get("/{conflict_id:uuid}", summary="Lê os dois lados de um conflito aberto")
async def read(wired: Wired, calling: Calling, conflict_id: UUID) -> Sides:
    found = await conflicts.preview(wired.engine, calling.tenant_id, conflict_id, {}, "erp")
    return _sides(conflict_id, found)


@router.post("/{conflict_id:uuid}/preview", summary="Mostra o que seria gravado", openapi_extra=ONLY_READS)
async def preview(wired: Wired, calling: Calling, conflict_id: UUID, body: Choices) -> Sides:
    found = await conflicts.preview(
        wired.engine, calling.tenant_id, conflict_id, _choices(body), body.default
    )
    return _sides(conflict_id, found)


@router.post(
    "/{conflict_id:uuid}/resolve", summary="Resolve: grava o ERP e pede a execução que grava o externo"
)
async def resolve(wired: Wired, calling: Calling, conflict_id: UUID, body: Choices) -> Outcome:
    done = await conflicts.settle(
        wired.engine, calling.tenant_id, conflict_id, _choices(body), body.default, calling.by(body.reason)
    )
    chosen = {one.path: "value" if isinstance(one.choice, Typed) else one.choice for one in done.decisions}
    asked = await _follow_up(wired, calling, [done])
    return Outcome.model_validate({"id": conflict_id, "choices": chosen, "run_asked": asked})


@router.post("/resolve-all", summary="Resolve todos os de uma integração a favor de um lado")
async def resolve_all(wired: Wired, calling: Calling, body: AllOf) -> Many:
    await admin.read_integration(wired.engine, calling.tenant_id, body.integration_id)
    by = calling.by(body.reason)
    done = await conflicts.settle_all(
        wired.engine, calling.tenant_id, body.integration_id, body.side, by, entity=body.entity
    )
    await _follow_up(wired, calling, done.resolved)
    failed = [Failed(id=id_, problem=why) for id_, why in done.failed.items()]
    return Many(resolved=len(done.resolved), failed=failed)


async def _follow_up(wired: Wiring, calling: Caller, resolved: Sequence[Resolved]) -> bool:
    """Whether the pairs' runs were asked for; else their next ones write the external side."""
    for one in resolved:
        if one.behind:
            scope = (calling.tenant_id, one.integration_id, one.entity, [one.external_id])
            await resync.read_again(wired.engine, *scope, calling.by())
    try:
        for pair_id in {one.pair_id for one in resolved if one.pair_id}:
            await wired.orchestrator.trigger(pair_id, initiated_by=Trigger.MANUAL)
    except SyncError:
        return False
    return True


def _choices(body: Choices) -> dict[str, Choice]:
    typed: dict[str, Choice] = {path: Typed(value) for path, value in body.values.items()}
    return typed | body.sides


def _sides(conflict_id: UUID, found: Sequence[Decision]) -> Sides:
    return Sides.model_validate({"id": conflict_id, "fields": found})
