"""Requests: what runs were asked to do beyond their own scan."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from core.entities import Direction, Entity, RequestKind
from core.errors import Absent, ConfigurationError
from db import requests
from web.access import Wired
from web.api.gate import Caller, Calling, Guarded
from web.api.shapes import Limit, Shown
from web.wiring import Wiring

router = APIRouter(prefix="/requests", tags=["Pedidos"], route_class=Guarded)


class Asked(Shown):
    id: UUID
    integration_id: UUID
    integration: str
    entity: Entity
    direction: Direction
    kind: RequestKind
    state: str = Field(description="waiting, running, done, failed ou cancelled.")
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    parent_log_id: UUID | None
    log_id: UUID | None
    result: dict[str, Any] | None


class Requests(Shown):
    data: list[Asked]


@router.get("", summary="Lista os pedidos, os mais novos primeiro")
async def listing(
    wired: Wired,
    calling: Calling,
    only_open: Annotated[bool, Query(description="Só os que esperam ou executam.")] = False,
    limit: Limit = 50,
) -> Requests:
    rows = await requests.listing(wired.engine, calling.tenant_id, only_open=only_open, limit=limit)
    return Requests.model_validate({"data": rows})


@router.get("/{request_id:uuid}", summary="Lê um pedido")
async def read(wired: Wired, calling: Calling, request_id: UUID) -> Asked:
    return await _one(wired, calling, request_id)


@router.post("/{request_id:uuid}/cancel", summary="Cancela um pedido que ainda espera")
async def cancel(wired: Wired, calling: Calling, request_id: UUID) -> Asked:
    await _one(wired, calling, request_id)
    if not await requests.cancel(wired.engine, calling.tenant_id, request_id, calling.actor.name):
        raise ConfigurationError("O pedido já executa ou terminou; uma execução se cancela pelo seu log.")
    return await _one(wired, calling, request_id)


async def told(wired: Wiring, calling: Caller, asked: Sequence[requests.Request]) -> Requests:
    """Requests that were just made, as they are shown."""
    return Requests(data=[await _one(wired, calling, one.id) for one in asked])


async def _one(wired: Wiring, calling: Caller, request_id: UUID) -> Asked:
    """Raises `Absent`."""
    rows = await requests.listing(wired.engine, calling.tenant_id, request_id=request_id)
    if not rows:
        raise Absent(f"Não há pedido {request_id}.")
    return Asked.model_validate(rows[0])
