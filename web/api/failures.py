"""Failures: records that could not be synchronised, with cause and remedy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field, StringConstraints, model_validator

from core.entities import Direction, Entity
from core.errors import Fault
from db import asking, issues, resolution
from web.access import Wired
from web.api.gate import Calling, Guarded
from web.api.requests import Asked, Requests, told
from web.api.shapes import Cursor, Done, Given, Limit, OfIntegration, Page, ReasonNeeded, Shown, Text, paged
from web.running import run_first

router = APIRouter(prefix="/failures", tags=["Falhas"], route_class=Guarded)

Ids = Annotated[list[UUID], Field(min_length=1, max_length=200)]


class Attempt(Shown):
    id: UUID
    sync_log_id: UUID
    attempt: int
    error_class: str
    field: str | None
    message: str
    state: str
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


class Failure(Shown):
    id: UUID
    sync_log_id: UUID
    integration_id: UUID
    integration: str
    pair_id: UUID | None
    entity: Entity
    direction: Direction
    external_id: str
    internal_id: UUID | None
    attempt: int
    error_class: str
    field: str | None
    message: str
    cause: str
    remedy: str
    fault: Fault = Field(description="Quem tem de agir.")
    provider_code: str | None
    provider_message: str | None
    state: Literal["open", "resolved"]
    next_attempt_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolved_reason: str | None
    created_at: datetime
    has_payload: bool = Field(description="Se o registro ainda está guardado e pode ser corrigido.")


class WholeFailure(Failure):
    attempts: list[Attempt]


class Cause(Shown):
    error_class: str
    field: str | None
    entity: Entity
    direction: Direction
    fault: Fault
    cause: str
    remedy: str
    example: str
    records: int
    last_at: datetime


class Causes(Shown):
    data: list[Cause]


class Reprocess(Given):
    ids: Ids | None = Field(None, description="Estas falhas; ou as dos filtros abaixo.")
    log_id: UUID | None = None
    integration_id: UUID | None = None
    entity: Entity | None = None
    error_class: Text | None = None

    @model_validator(mode="after")
    def _something(self) -> "Reprocess":
        filters = (self.log_id, self.integration_id, self.entity, self.error_class)
        if (self.ids is None) == all(value is None for value in filters):
            raise ValueError("ids, or at least one filter")
        return self


class Resolve(ReasonNeeded):
    ids: Ids


class Correct(ReasonNeeded):
    fields: dict[Annotated[str, StringConstraints(min_length=1, max_length=255)], Any] = Field(
        min_length=1, max_length=100, description="Campo, como `billing.cpf`, → valor certo."
    )


def wanted(
    integration_id: OfIntegration = None,
    entity: Entity | None = None,
    error_class: Annotated[Text | None, Query(description="Como `RecordError`.")] = None,
    state: Literal["open", "resolved", "all"] = "open",
    log_id: Annotated[UUID | None, Query(description="Todas as tentativas deste log.")] = None,
) -> Mapping[str, Any]:
    return issues.filters(
        integration_id=integration_id,
        entity=entity,
        error_class=error_class,
        state=None if state == "all" else state,
        log_id=log_id,
    )


Wanted = Annotated[Mapping[str, Any], Depends(wanted)]


@router.get("", summary="Lista as falhas, as mais novas primeiro")
async def listing(
    wired: Wired, calling: Calling, filters: Wanted, cursor: Cursor = None, limit: Limit = 50
) -> Page[Failure]:
    rows = await issues.listing(wired.engine, calling.tenant_id, filters, before=cursor, limit=limit + 1)
    return Page[Failure].model_validate(paged(rows, limit))


@router.get("/causes", summary="Agrupa as falhas por causa")
async def causes(wired: Wired, calling: Calling, filters: Wanted) -> Causes:
    rows = await issues.causes(wired.engine, calling.tenant_id, filters)
    return Causes.model_validate({"data": rows})


@router.post("/reprocess", status_code=202, summary="Tenta de novo: estas, ou as de um filtro")
async def reprocess(wired: Wired, calling: Calling, body: Reprocess) -> Requests:
    if body.ids is not None:
        asked = await asking.reprocess_some(wired.engine, calling.tenant_id, body.ids, calling.by())
    else:
        filters = issues.filters(
            integration_id=body.integration_id,
            entity=body.entity,
            error_class=body.error_class,
            log_id=body.log_id,
        )
        asked = await asking.reprocess(wired.engine, calling.tenant_id, filters, calling.by())
    await run_first(wired, asked)
    return await told(wired, calling, asked)


@router.post("/resolve", summary="Marca como resolvidas: nada mais é tentado")
async def resolve(wired: Wired, calling: Calling, body: Resolve) -> Done:
    scope = (calling.actor, calling.tenant_id, body.ids, body.reason)
    return Done(count=await resolution.resolve_issues(wired.engine, *scope))


@router.get("/{failure_id:uuid}", summary="Lê uma falha com as tentativas do registro")
async def read(wired: Wired, calling: Calling, failure_id: UUID) -> WholeFailure:
    return WholeFailure.model_validate(await issues.read(wired.engine, calling.tenant_id, failure_id))


@router.post(
    "/{failure_id:uuid}/override",
    status_code=202,
    summary="Corrige campos do registro e o reprocessa",
    description="A correção vale enquanto a origem disser o mesmo nesses campos.",
)
async def override(wired: Wired, calling: Calling, failure_id: UUID, body: Correct) -> Asked:
    scope = (calling.tenant_id, failure_id, body.fields, calling.by(body.reason))
    asked = await asking.correct(wired.engine, wired.vault, *scope)
    await run_first(wired, [asked])
    return (await told(wired, calling, [asked])).data[0]
