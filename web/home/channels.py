"""Avisos: where they go, what was sent to whom, and a test that takes the way of every other message."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from core.address import Guard
from core.channel import destination
from core.errors import Absent, ConfigurationError, SyncError
from db import channels, deliveries, notices
from db.channels import ChannelRow
from web.access import Visiting, Visitor, Wired
from web.pages import is_htmx, page
from web.refusals import status_of
from web.wiring import Wiring

LIMIT = 50
LONGEST_NAME = 80
STATES = {"sent": "enviados", "pending": "na fila", "failed": "desistidos", deliveries.NOBODY: "sem canal"}
DONE = {
    "criado": "Canal criado. Envie um teste para confirmar que os avisos chegam.",
    "ligado": "Canal ligado.",
    "desligado": "Canal desligado: o que ainda esperava por ele não será enviado.",
    "excluido": "Canal excluído e endereço destruído; os avisos ficam.",
}

router = APIRouter(prefix="/avisos")


@router.get("")
async def listing(
    request: Request,
    wired: Wired,
    person: Visiting,
    situacao: str = "",
    antes: UUID | None = None,
    teste: UUID | None = None,
    feito: str = "",
) -> Response:
    """`teste` is the notice of a test that was just sent."""
    if teste and is_htmx(request):
        trial = await _trial(wired, person, teste)
        return page(request, "channels.html", block="trial", trial=trial)
    return await _show(request, wired, person, situacao, antes, teste, DONE.get(feito, ""))


@router.post("/canais")
async def create(
    request: Request,
    wired: Wired,
    person: Visiting,
    nome: Annotated[str, Form(max_length=200)] = "",
    destino: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    environment = wired.environment
    try:
        name = _named(nome)
        target = destination(destino, Guard(environment.private_hosts, environment.plain_http))
        await channels.create_channel(wired.engine, wired.vault, person.actor, person.tenant_id, name, target)
    except ConfigurationError as error:
        # The address is a secret: it is typed again, not sent back.
        return await _show(request, wired, person, named=nome, refused=error)
    return _to("criado")


@router.post("/canais/{channel_id}/testar")
async def try_(wired: Wired, person: Visiting, channel_id: UUID) -> Response:
    found = await _channel(wired, person, channel_id)
    notice = await channels.try_channel(wired.engine, person.actor, found)
    return RedirectResponse(f"/avisos?{urlencode({'teste': str(notice)})}", status_code=303)


@router.post("/canais/{channel_id}/ligar")
async def enable(wired: Wired, person: Visiting, channel_id: UUID) -> Response:
    found = await _channel(wired, person, channel_id)
    await channels.enable_channel(wired.engine, person.actor, found, enabled=True)
    return _to("ligado")


@router.post("/canais/{channel_id}/desligar")
async def disable(wired: Wired, person: Visiting, channel_id: UUID) -> Response:
    found = await _channel(wired, person, channel_id)
    await channels.enable_channel(wired.engine, person.actor, found, enabled=False)
    return _to("desligado")


@router.post("/canais/{channel_id}/excluir")
async def delete(wired: Wired, person: Visiting, channel_id: UUID) -> Response:
    await channels.delete_channel(wired.engine, person.actor, await _channel(wired, person, channel_id))
    return _to("excluido")


async def _show(
    request: Request,
    wired: Wiring,
    person: Visitor,
    state: str = "",
    before: UUID | None = None,
    trial: UUID | None = None,
    done: str = "",
    named: str = "",
    refused: SyncError | None = None,
) -> Response:
    state = state if state in STATES else ""
    rows = await deliveries.page(
        wired.engine, person.tenant_id, state=state or None, before=before, limit=LIMIT + 1
    )
    fares = await deliveries.by_channel(wired.engine, person.tenant_id)
    found = await channels.channels(wired.engine, person.tenant_id)
    query = {"situacao": state} if state else {}
    more = f"/avisos?{urlencode(query | {'antes': str(rows[LIMIT - 1]['id'])})}" if len(rows) > LIMIT else ""
    return page(
        request,
        "channels.html",
        status=status_of(refused) if refused else 200,
        channels=[(row, row.where(wired.vault), fares.get(row.id)) for row in found],
        rows=rows[:LIMIT],
        next=more,
        state=state,
        states=STATES,
        labels=notices.STATES,
        trial=await _trial(wired, person, trial) if trial else None,
        done=done,
        named=named,
        refused=refused,
    )


async def _trial(wired: Wiring, person: Visitor, notice_id: UUID) -> notices.Row:
    """How a test fares. Raises `Absent`."""
    rows = await notices.notices(wired.engine, person.tenant_id, notice_id=notice_id)
    if not rows:
        raise Absent("Não há este aviso.")
    return rows[0] | {"label": notices.STATES[rows[0]["state"]]}


async def _channel(wired: Wiring, person: Visitor, channel_id: UUID) -> ChannelRow:
    found = await channels.channels(wired.engine, person.tenant_id)
    channel = next((row for row in found if row.id == channel_id), None)
    if channel is None:
        raise Absent("Não há este canal.")
    return channel


def _named(typed: str) -> str:
    name = " ".join(typed.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise ConfigurationError(f"Dê ao canal um nome de até {LONGEST_NAME} caracteres.")
    return name


def _to(done: str) -> Response:
    return RedirectResponse(f"/avisos?{urlencode({'feito': done})}", status_code=303)
