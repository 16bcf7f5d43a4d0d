"""Logs: what ran, how it ended and why; also as a file for a spreadsheet."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from core import spreadsheet
from core.entities import Direction, Entity, RunStatus, Trigger
from core.formats import ZONE, number
from db.log_pages import Filter, read_page, whole
from web.access import Visiting, Wired
from web.pages import page
from web.runs.asked import id_of, one_of, since, until

FIELDS = ("integracao", "entidade", "direcao", "status", "gatilho", "desde", "ate", "abertos")
LINES_AT_ONCE = 500
TITLES = (
    *("Data/Hora (São Paulo)", "Integração", "Entidade", "Direção", "Total processado", "Sucesso", "Criados"),
    *("Atualizados", "Erros", "Ignorados", "Status", "Duração (s)", "Iniciado por", "Erro", "Mensagem"),
    *("Causa", "Solução", "Resolvido por", "Motivo", "Id"),
)

router = APIRouter()


def filters(
    integracao: Annotated[str, Query(max_length=40)] = "",
    entidade: Annotated[str, Query(max_length=40)] = "",
    direcao: Annotated[str, Query(max_length=40)] = "",
    status: Annotated[str, Query(max_length=40)] = "",
    gatilho: Annotated[str, Query(max_length=40)] = "",
    desde: Annotated[str, Query(max_length=40)] = "",
    ate: Annotated[str, Query(max_length=40)] = "",
    abertos: Annotated[str, Query(max_length=1)] = "",
) -> Filter:
    return Filter(
        integration_id=id_of(integracao),
        entity=one_of(Entity, entidade),
        direction=one_of(Direction, direcao),
        status=one_of(RunStatus, status),
        trigger=one_of(Trigger, gatilho),
        since=since(desde),
        until=until(ate),
        unresolved=abertos == "1",
    )


Wanted = Annotated[Filter, Depends(filters)]


@router.get("/logs")
async def listing(
    request: Request, wired: Wired, person: Visiting, wanted: Wanted, antes: UUID | None = None
) -> Response:
    found = await read_page(wired.engine, person.tenant_id, wanted, antes)
    given = request.query_params
    asked = {name: given[name] for name in FIELDS if given.get(name)}
    more = f"/logs?{urlencode(asked | {'antes': found.rows[-1]['id']})}" if found.more else ""
    return page(
        request,
        "logs.html",
        rows=found.rows,
        integrations=found.integrations,
        asked=dict.fromkeys(FIELDS, "") | asked,
        filtered=bool(asked),
        later=antes is not None,
        more=more,
        first=f"/logs?{urlencode(asked)}",
        csv=f"/logs.csv?{urlencode(asked)}",
        entities=list(Entity),
        statuses=list(RunStatus),
        triggers=list(Trigger),
    )


@router.get("/logs.csv")
async def export(wired: Wired, person: Visiting, wanted: Wanted) -> Response:
    """The whole of what is filtered, without details: those are the export of one log."""
    rows = whole(wired.engine, person.tenant_id, wanted)
    headers = {"Content-Disposition": 'attachment; filename="logs.csv"'}
    return StreamingResponse(_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)


async def _csv(rows: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    yield spreadsheet.BOM + spreadsheet.lines([TITLES])
    waiting: list[tuple[str, ...]] = []
    async for row in rows:
        waiting.append(_line(row))
        if len(waiting) == LINES_AT_ONCE:
            yield spreadsheet.lines(waiting)
            waiting = []
    yield spreadsheet.lines(waiting)


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    counts = ("processed", "success", "created", "updated", "errors", "skipped")
    return (
        row["started_at"].astimezone(ZONE).strftime("%d/%m/%Y %H:%M:%S"),
        row["integration"],
        Entity(row["entity"]).label,
        Direction(row["direction"]).label,
        *(str(row[name]) for name in counts),
        RunStatus(row["status"]).label,
        "" if row["seconds"] is None else number(row["seconds"], 3).replace(".", ""),
        Trigger(row["initiated_by"]).label,
        row["error_class"] or "",
        *(row[name] or "" for name in ("message", "cause", "remedy", "resolved_by", "resolved_reason")),
        str(row["id"]),
    )
