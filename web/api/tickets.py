"""Support tickets; one is opened on its log."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path

from core.errors import Absent
from db import tickets
from web.access import Wired
from web.api.gate import Caller, Calling, Guarded
from web.api.shapes import Limit, Shown
from web.wiring import Wiring

router = APIRouter(prefix="/tickets", tags=["Tickets"], route_class=Guarded)

Number = Annotated[str, Path(max_length=20, description="Como T-2026-000123.")]


class Ticket(Shown):
    id: UUID
    number: str
    state: Literal["open", "closed"]
    subject: str
    opened_by: str
    created_at: datetime
    sync_log_id: UUID | None
    integration: str | None
    body: str


class Tickets(Shown):
    data: list[Ticket]


@router.get("", summary="Lista os tickets, os mais novos primeiro")
async def listing(wired: Wired, calling: Calling, limit: Limit = 50) -> Tickets:
    rows = await tickets.tickets(wired.engine, calling.tenant_id, limit=limit)
    return Tickets.model_validate({"data": rows})


@router.get("/{number}", summary="Lê um ticket")
async def read(wired: Wired, calling: Calling, number: Number) -> Ticket:
    return await _one(wired, calling, number)


@router.post("/{number}/close", summary="Fecha um ticket")
async def close(wired: Wired, calling: Calling, number: Number) -> Ticket:
    await tickets.close_ticket(wired.engine, calling.actor, calling.tenant_id, number)
    return await _one(wired, calling, number)


async def _one(wired: Wiring, calling: Caller, number: str) -> Ticket:
    """Raises `Absent`."""
    found = await tickets.tickets(wired.engine, calling.tenant_id, number=number, limit=1)
    if not found:
        raise Absent(f"Não há ticket {number}.")
    return Ticket.model_validate(found[0])
