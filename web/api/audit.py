"""The audit trail and the alarms."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from db import alarms
from db.trail import Filters, trail
from web.access import Wired
from web.api.gate import Calling, Guarded
from web.api.shapes import Cursor, Limit, Page, Shown, Text, paged

router = APIRouter(tags=["Auditoria e alarmes"], route_class=Guarded)


class Entry(Shown):
    id: UUID
    at: datetime
    actor: str = Field(description="E-mail de uma pessoa, `chave:<nome>` ou `cli`.")
    action: str
    target: str
    kind: str = Field(description="De que o alvo é o id; vazio onde ele não existe mais.")
    name: str
    details: dict[str, Any]
    reason: str


class Alarm(Shown):
    id: UUID
    kind: str
    message: str
    opened_at: datetime
    closed_at: datetime | None
    integration_id: UUID | None
    integration: str | None
    pair_id: UUID | None
    entity: str | None
    direction: str | None


class Alarms(Shown):
    data: list[Alarm]


@router.get("/audit", summary="Lista a auditoria, o mais novo primeiro")
async def audited(
    wired: Wired,
    calling: Calling,
    actor: Annotated[Text | None, Query()] = None,
    action: Annotated[Text | None, Query(description="Como `mapping.create`.")] = None,
    target: Annotated[Text | None, Query(description="Id do que foi alterado.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Inclusive.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Exclusive.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Entry]:
    filters = Filters(actor, action, target, since, until)
    rows = await trail(wired.engine, calling.tenant_id, filters, before=cursor, limit=limit + 1)
    return Page[Entry].model_validate(paged(rows, limit))


@router.get("/alarms", summary="Lista os alarmes, os mais novos primeiro")
async def alarmed(
    wired: Wired,
    calling: Calling,
    closed: Annotated[bool, Query(description="Também os que já passaram.")] = False,
    limit: Limit = 50,
) -> Alarms:
    rows = await alarms.alarms(wired.engine, calling.tenant_id, closed=closed, limit=limit)
    return Alarms.model_validate({"data": rows})
