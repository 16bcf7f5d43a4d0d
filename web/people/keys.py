"""Acesso · Chaves de API: programs that work in this tenant, and what each may do."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from core.errors import ConfigurationError
from core.formats import ZONE
from db import api_keys
from web.access import Visiting, Visitor, Wired
from web.pages import page
from web.wiring import Wiring

router = APIRouter(prefix="/acesso/chaves")


@router.get("")
async def listing(request: Request, wired: Wired, person: Visiting, feito: str = "") -> Response:
    done = "Chave revogada: ela não entra mais." if feito == "revogada" else ""
    return await _show(request, wired, person, done=done)


@router.post("")
async def create(
    request: Request,
    wired: Wired,
    person: Visiting,
    nome: Annotated[str, Form(max_length=200)] = "",
    pode: Annotated[Literal["ler", "escrever"], Form()] = "ler",
    vence: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """The answer is the only place where the key is shown. Raises `ConfigurationError`."""
    scopes = ["ler"] if pode == "ler" else ["ler", "escrever"]
    key = await api_keys.create(wired.engine, person.tenant_id, nome, scopes, _end(vence), person.by())
    return await _show(request, wired, person, key=key)


@router.post("/{key_id}/revogar")
async def revoke(wired: Wired, person: Visiting, key_id: UUID) -> Response:
    await api_keys.revoke(wired.engine, person.tenant_id, key_id, person.by())
    return RedirectResponse("/acesso/chaves?feito=revogada", status_code=303)


async def _show(
    request: Request, wired: Wiring, person: Visitor, *, done: str = "", key: str = ""
) -> Response:
    rows = await api_keys.listing(wired.engine, person.tenant_id)
    return page(
        request, "keys.html", tab="chaves", rows=rows, done=done, key=key, scope_words=api_keys.SCOPES
    )


def _end(day: str) -> datetime | None:
    """The end of a day in São Paulo. Raises `ConfigurationError`."""
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), ZONE)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"{day!r} não é uma data.") from None
