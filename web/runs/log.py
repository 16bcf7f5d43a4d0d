"""One log: what happened and why, its attempts, and what may be done about it (manual 5.3)."""

import contextlib
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from core.entities import RunStatus
from core.errors import SyncError, title_of
from core.versions import versions
from db import asking, issues, listings, requests, runs
from db.attempts import family
from db.dossier import LogUnknown, Setting, export_log
from db.progress import progress
from db.resolution import FAILED, resolve_log
from db.tickets import open_ticket, tickets
from providers.registry import get
from web.access import Visiting, Visitor, Wired
from web.pages import page
from web.running import run_first
from web.runs.progress import shown
from web.wiring import Wiring

DONE = {
    "reprocessar": "Reprocessamento pedido: a execução aparece abaixo, em Tentativas.",
    "nada": "Nenhum registro em aberto para reprocessar.",
    "cancelar": "Cancelamento pedido: a execução para antes do próximo lote. O que já foi gravado fica.",
    "resolvido": "Log marcado como resolvido; seus registros não são mais tentados.",
}

router = APIRouter(prefix="/logs/{log_id}")


@router.get("")
async def read(request: Request, wired: Wired, person: Visiting, log_id: UUID) -> Response:
    log = await listings.log(wired.engine, person.tenant_id, log_id)
    failed = issues.filters(log_id=log_id, state=None)
    return page(
        request,
        "log.html",
        log=log,
        causes=await issues.causes(wired.engine, person.tenant_id, failed),
        attempts=await family(wired.engine, person.tenant_id, log_id),
        asked=await requests.listing(wired.engine, person.tenant_id, parent_log_id=log_id, only_open=True),
        tickets=await tickets(wired.engine, person.tenant_id, log_id=log_id),
        can_resolve=log["status"] in FAILED and log["resolved_at"] is None,
        prefect=_address(wired, log["flow_run_id"]),
        run=await _run(wired, person, log),
        pair_id=log["pair_id"],
        done=DONE.get(request.query_params.get("feito", ""), ""),
    )


@router.post("/cancelar")
async def cancel(wired: Wired, person: Visiting, log_id: UUID) -> Response:
    """What is written stays; without Prefect's answer the run still stops by itself."""
    await listings.log(wired.engine, person.tenant_id, log_id)
    flow_run = await runs.ask_to_stop(wired.engine, person.tenant_id, log_id, person.email)
    if flow_run is not None:
        with contextlib.suppress(SyncError):
            await wired.orchestrator.cancel(flow_run)
    return _to(log_id, "cancelar")


@router.post("/reprocessar")
async def reprocess(wired: Wired, person: Visiting, log_id: UUID) -> Response:
    await listings.log(wired.engine, person.tenant_id, log_id)
    wanted = issues.filters(log_id=log_id)
    asked = await asking.reprocess(wired.engine, person.tenant_id, wanted, person.by())
    await run_first(wired, asked)
    return _to(log_id, "reprocessar" if asked else "nada")


@router.post("/resolver")
async def resolve(
    wired: Wired, person: Visiting, log_id: UUID, motivo: Annotated[str, Form(max_length=500)] = ""
) -> Response:
    await resolve_log(wired.engine, person.actor, person.tenant_id, log_id, motivo)
    return _to(log_id, "resolvido")


@router.post("/exportar")
async def export(wired: Wired, person: Visiting, log_id: UUID) -> Response:
    """Exportar payload; a form, since it leaves an audit row."""
    setting = await _setting(wired, person, log_id)
    pieces = await export_log(wired.engine, wired.vault, person.actor, person.tenant_id, log_id, setting)
    headers = {"Content-Disposition": f'attachment; filename="log-{log_id}.json"'}
    return StreamingResponse(pieces, media_type="application/json", headers=headers)


@router.get("/chamado")
async def draft(
    request: Request, wired: Wired, person: Visiting, log_id: UUID, falha: UUID | None = None
) -> Response:
    """With `falha`, one of its failed records is told of."""
    log = await listings.log(wired.engine, person.tenant_id, log_id)
    told = ""
    if falha is not None:
        issue = await issues.read(wired.engine, person.tenant_id, falha)
        record = issue["external_id"] or issue["internal_id"]
        told = f"Falha no registro {record}: {title_of(issue['error_class'])}. {issue['message']}"
    known = await tickets(wired.engine, person.tenant_id, log_id=log_id)
    return page(request, "ticket_new.html", log=log, tickets=known, told=told)


@router.post("/chamado")
async def ticket(
    wired: Wired,
    person: Visiting,
    log_id: UUID,
    assunto: Annotated[str, Form(max_length=200)] = "",
    texto: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    setting = await _setting(wired, person, log_id)
    made = await open_ticket(
        wired.engine,
        wired.vault,
        person.actor,
        person.tenant_id,
        log_id,
        setting,
        subject=assunto,
        note=texto,
    )
    said = "aberto" if made.is_new else "aberto-antes"
    return RedirectResponse(f"/chamados/{made.number}?feito={said}", status_code=303)


async def _run(wired: Wiring, person: Visitor, log: listings.Row) -> listings.Row | None:
    if log["status"] != RunStatus.RUNNING:
        return None
    found = await progress(wired.engine, person.tenant_id, [log["id"]])
    return shown(found[log["id"]])


async def _setting(wired: Wiring, person: Visitor, log_id: UUID) -> Setting:
    found = await listings.provider_of(wired.engine, person.tenant_id, log_id)
    if found is None:
        raise LogUnknown("O log não foi encontrado.")
    provider, flow_run_id = found
    return Setting(versions(get(provider)), _address(wired, flow_run_id))


def _address(wired: Wiring, flow_run_id: UUID | None) -> str:
    """Of a run in Prefect's interface; empty where none is known."""
    url = wired.environment.prefect_ui_url
    return f"{url}/runs/flow-run/{flow_run_id}" if url and flow_run_id else ""


def _to(log_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/logs/{log_id}?{urlencode({'feito': done})}", status_code=303)
