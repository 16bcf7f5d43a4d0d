"""Chamados: support tickets, each made from a log (web/runs/log.py)."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from core.errors import Absent
from db import tickets
from web.access import Visiting, Wired
from web.pages import page

PAGE = 50
DONE = {
    "aberto": "Ticket aberto e enviado aos canais de aviso do tenant.",
    "aberto-antes": "Já havia este ticket aberto para o log: nada foi enviado de novo.",
    "fechado": "Chamado fechado.",
}

router = APIRouter(prefix="/chamados")


@router.get("")
async def listing(
    request: Request, wired: Wired, person: Visiting, antes: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    rows = await tickets.tickets(wired.engine, person.tenant_id, before=antes or None, limit=PAGE + 1)
    more = f"/chamados?antes={rows[PAGE - 1]['number']}" if len(rows) > PAGE else ""
    return page(request, "tickets.html", rows=rows[:PAGE], more=more)


@router.get("/{number}")
async def read(request: Request, wired: Wired, person: Visiting, number: str) -> Response:
    rows = await tickets.tickets(wired.engine, person.tenant_id, number=number, limit=1)
    if not rows:
        raise Absent(f"Não há chamado com o número {number}.")
    done = DONE.get(request.query_params.get("feito", ""), "")
    return page(request, "ticket.html", ticket=rows[0], done=done)


@router.post("/{number}/fechar")
async def close(wired: Wired, person: Visiting, number: str) -> Response:
    await tickets.close_ticket(wired.engine, person.actor, person.tenant_id, number)
    return RedirectResponse(f"/chamados/{number}?feito=fechado", status_code=303)
