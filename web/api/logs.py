"""Logs: what ran, how it ended, and what a person does about it."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field, StringConstraints

from core.entities import Direction, Entity, RunStatus, Trigger
from core.errors import SyncError
from core.versions import versions
from db import listings
from db.dossier import LogUnknown, Setting, export_log
from db.resolution import resolve_log
from db.runs import ask_to_stop
from db.tickets import LONGEST_NOTE, open_ticket
from providers.registry import get
from web.access import Wired
from web.api.gate import Caller, Calling, Guarded
from web.api.shapes import Cursor, Done, Given, Limit, OfIntegration, Page, ReasonNeeded, Shown, paged
from web.wiring import Wiring

router = APIRouter(prefix="/logs", tags=["Logs"], route_class=Guarded)


class Log(Shown):
    id: UUID
    integration_id: UUID
    integration: str
    entity: Entity
    direction: Direction
    status: RunStatus
    initiated_by: Trigger
    dry_run: bool = Field(description="Uma simulação: nada foi gravado.")
    full_scan: bool
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    total: int | None = Field(description="Quantos registros há, onde o sistema externo diz.")
    processed: int
    success: int
    created: int
    updated: int
    skipped: int
    errors: int
    error_class: str | None
    message: str | None
    cause: str | None
    remedy: str | None
    flow_run_id: UUID | None
    request_id: UUID | None
    parent_id: UUID | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolved_reason: str | None
    details: dict[str, Any] | None


class NewTicket(Given):
    note: Annotated[str, StringConstraints(max_length=LONGEST_NOTE)] = Field(
        "", description="O que o suporte precisa saber além do log."
    )


class Opened(Shown):
    id: UUID
    number: str
    is_new: bool = Field(description="false: o log já tinha um ticket aberto.")


class Stopping(Shown):
    flow_run_id: UUID | None


@router.get("", summary="Lista os logs, os mais novos primeiro")
async def listing(
    wired: Wired,
    calling: Calling,
    integration_id: OfIntegration = None,
    entity: Entity | None = None,
    status: RunStatus | None = None,
    since: Annotated[AwareDatetime | None, Query(description="Terminados (ou iniciados) depois.")] = None,
    unresolved: Annotated[bool, Query(description="Só os que falharam e que nada resolveu ainda.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Log]:
    rows = await listings.logs(
        wired.engine,
        calling.tenant_id,
        integration_id=integration_id,
        entity=entity,
        status=status,
        after=since,
        before=cursor,
        unresolved=unresolved,
        limit=limit + 1,
    )
    return Page[Log].model_validate(paged(rows, limit))


@router.get("/{log_id:uuid}", summary="Lê um log")
async def read(wired: Wired, calling: Calling, log_id: UUID) -> Log:
    return Log.model_validate(await listings.log(wired.engine, calling.tenant_id, log_id))


@router.post("/{log_id:uuid}/resolve", summary="Marca como resolvido, com suas falhas")
async def resolve(wired: Wired, calling: Calling, log_id: UUID, body: ReasonNeeded) -> Done:
    scope = (calling.actor, calling.tenant_id, log_id, body.reason)
    return Done(count=await resolve_log(wired.engine, *scope))


@router.post(
    "/{log_id:uuid}/export",
    summary="Exporta o JSON completo, com os registros como vieram",
    description="Traz dados de pessoas, por isso pede a permissão `escrever` e fica na auditoria.",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def export(wired: Wired, calling: Calling, log_id: UUID) -> StreamingResponse:
    setting = await _setting(wired, calling, log_id)
    scope = (calling.actor, calling.tenant_id, log_id, setting)
    pieces: AsyncIterator[bytes] = await export_log(wired.engine, wired.vault, *scope)
    return StreamingResponse(pieces, media_type="application/json")


@router.post("/{log_id:uuid}/ticket", status_code=201, summary="Abre um ticket de suporte")
async def ticket(wired: Wired, calling: Calling, log_id: UUID, body: NewTicket) -> Opened:
    setting = await _setting(wired, calling, log_id)
    scope = (calling.actor, calling.tenant_id, log_id, setting)
    return Opened.model_validate(await open_ticket(wired.engine, wired.vault, *scope, note=body.note))


@router.post("/{log_id:uuid}/cancel", status_code=202, summary="Cancela a execução; o já gravado fica")
async def cancel(wired: Wired, calling: Calling, log_id: UUID) -> Stopping:
    await listings.log(wired.engine, calling.tenant_id, log_id)
    run = await ask_to_stop(wired.engine, calling.tenant_id, log_id, calling.actor.name)
    if run is not None:
        with suppress(SyncError):  # it still stops by itself
            await wired.orchestrator.cancel(run)
    return Stopping(flow_run_id=run)


async def _setting(wired: Wiring, calling: Caller, log_id: UUID) -> Setting:
    """Raises `LogUnknown`."""
    found = await listings.provider_of(wired.engine, calling.tenant_id, log_id)
    if found is None:
        raise LogUnknown("O log não foi encontrado.")
    provider, run = found
    ui = wired.environment.prefect_ui_url
    return Setting(versions(get(provider)), f"{ui}/runs/flow-run/{run}" if ui and run else "")
