"""Auditoria: who changed what, when and why; also as a file for a spreadsheet."""

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from core import spreadsheet
from core.auditing import ACTIONS, action_label, detail_label
from core.entities import Cadence, ConflictPolicy, Direction, Entity, IntegrationStatus
from core.formats import ZONE
from db import people
from db.trail import Entry, Filters, trail, whole_trail
from web.access import Visiting, Wired
from web.pages import page

PAGE = 50
FIELDS = ("quem", "acao", "alvo", "de", "ate")
LINES_AT_ONCE = 200
TITLES = ("Data/Hora (São Paulo)", "Quem", "Ação", "Alvo", "Id do alvo", "Motivo", "Detalhes")
ADDRESSES = {
    "integration": "/integracoes/{}",
    "mapping": "/mapeamentos/{}",
    "log": "/logs/{}",
    "person": "/acesso",
    "api_key": "/acesso/chaves",
}
"""Of targets that have a page."""
_WORDS: Mapping[str, Any] = {
    "entity": Entity,
    "direction": Direction,
    "cadence": Cadence,
    "policy": ConflictPolicy,
    "status": IntegrationStatus,
}

router = APIRouter()


def filters(
    quem: Annotated[str, Query(max_length=320)] = "",
    acao: Annotated[str, Query(max_length=64)] = "",
    alvo: Annotated[str, Query(max_length=255)] = "",
    de: Annotated[str, Query(max_length=10)] = "",
    ate: Annotated[str, Query(max_length=10)] = "",
) -> Filters:
    """Whole days of São Paulo; a day that is none is left out."""
    until = _day(ate)
    return Filters(
        actor=quem.strip() or None,
        action=acao or None,
        target=alvo.strip() or None,
        since=_day(de),
        until=until + timedelta(days=1) if until else None,
    )


Wanted = Annotated[Filters, Depends(filters)]


@router.get("/auditoria")
async def listing(
    request: Request, wired: Wired, person: Visiting, wanted: Wanted, antes: UUID | None = None
) -> Response:
    rows = await trail(wired.engine, person.tenant_id, wanted, before=antes, limit=PAGE + 1)
    members = await people.members(wired.engine, person.tenant_id)
    given = request.query_params
    asked = {name: given[name] for name in FIELDS if given.get(name)}
    more = f"/auditoria?{urlencode(asked | {'antes': rows[PAGE - 1].id})}" if len(rows) > PAGE else ""
    return page(
        request,
        "audit.html",
        rows=rows[:PAGE],
        more=more,
        asked=dict.fromkeys(FIELDS, "") | asked,
        filtered=bool(asked),
        actions=sorted(ACTIONS.items(), key=lambda item: item[1]),
        actors=sorted({member.email for member in members} | {"cli"}),
        csv=f"/auditoria.csv?{urlencode(asked)}",
        address_of=_address,
        label_of=_label,
        told=_told,
    )


@router.get("/auditoria.csv")
async def export(wired: Wired, person: Visiting, wanted: Wanted) -> Response:
    entries = whole_trail(wired.engine, person.tenant_id, wanted)
    headers = {"Content-Disposition": 'attachment; filename="auditoria.csv"'}
    return StreamingResponse(_csv(entries), media_type="text/csv; charset=utf-8", headers=headers)


async def _csv(entries: AsyncIterator[Entry]) -> AsyncIterator[str]:
    yield spreadsheet.BOM + spreadsheet.lines([TITLES])
    waiting: list[tuple[str, ...]] = []
    async for entry in entries:
        waiting.append(_line(entry))
        if len(waiting) == LINES_AT_ONCE:
            yield spreadsheet.lines(waiting)
            waiting = []
    yield spreadsheet.lines(waiting)


def _line(entry: Entry) -> tuple[str, ...]:
    details = "; ".join(f"{name}: {value}" for name, value in _told(entry))
    at = entry.at.astimezone(ZONE).strftime("%d/%m/%Y %H:%M:%S")
    return (at, entry.actor, _label(entry), entry.name, entry.target, entry.reason, details)


def _label(entry: Entry) -> str:
    words = action_label(entry.action)
    return words[:1].upper() + words[1:]


def _told(entry: Entry) -> list[tuple[str, str]]:
    """Details in words, in their order."""
    return [(detail_label(name), _shown(name, value)) for name, value in entry.details.items()]


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "sim" if value else "não"
    if value is None:
        return "—"
    if isinstance(value, list):
        return ", ".join(_shown("entity" if name == "entities" else name, item) for item in value)
    if name in _WORDS and isinstance(value, str) and value in set(_WORDS[name]):
        return str(_WORDS[name](value).label)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _address(entry: Entry) -> str:
    return ADDRESSES[entry.kind].format(entry.target) if entry.kind in ADDRESSES else ""


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), ZONE)
    except ValueError:
        return None
