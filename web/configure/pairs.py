"""What can be done with one pair: switched on and off, its frequency and policy, run, simulated."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Response

from core import form
from core.entities import Cadence, ConflictPolicy, IntegrationStatus, Trigger
from core.errors import Absent, ConfigurationError
from db import admin, asking, configured
from db.admin import IntegrationRow
from db.configured import Pair
from providers.registry import get
from web.access import Visiting, Visitor, Wired
from web.configure.simulating import simulate
from web.following import follow, to
from web.wiring import Wiring

router = APIRouter(prefix="/integracoes/{id_}/pares/{pair_id}")


@router.post("")
async def change(
    wired: Wired,
    person: Visiting,
    id_: UUID,
    pair_id: UUID,
    cadencia: Annotated[Cadence, Form()],
    politica: Annotated[ConflictPolicy | None, Form()] = None,
    ligado: Annotated[str, Form()] = "",
) -> Response:
    row, pair = await _find(wired, person, id_, pair_id)
    if cadencia is not pair.cadence:
        form.check_cadence(get(row.provider), cadencia)
    await admin.change_pair(
        wired.engine,
        person.tenant_id,
        pair.id,
        enabled=bool(ligado),
        cadence=cadencia,
        policy=politica,
        by=person.by(),
    )
    return to(f"/integracoes/{id_}", "par", followed=await follow(wired, [pair.id]))


@router.post("/executar")
async def run(
    wired: Wired, person: Visiting, id_: UUID, pair_id: UUID, completa: Annotated[str, Form()] = ""
) -> Response:
    row, pair = await _find(wired, person, id_, pair_id)
    _require_running(row)
    await wired.orchestrator.trigger(pair.id, initiated_by=Trigger.MANUAL, full=bool(completa))
    details = {"full": bool(completa)}
    await asking.note_run(wired.engine, person.tenant_id, pair.id, person.by(), details)
    return to(f"/integracoes/{id_}", "completa" if completa else "execucao")


@router.post("/simular")
async def simulation(wired: Wired, person: Visiting, id_: UUID, pair_id: UUID) -> Response:
    row, pair = await _find(wired, person, id_, pair_id)
    _require_running(row)
    await simulate(wired, person, row, [pair])
    return to(f"/integracoes/{id_}", "simulacao")


async def _find(wired: Wiring, person: Visitor, id_: UUID, pair_id: UUID) -> tuple[IntegrationRow, Pair]:
    """Raises `Absent` also for a pair of another integration."""
    found = await configured.read(wired.engine, person.tenant_id, id_)
    pair = next((pair for pair in found.pairs if pair.id == pair_id), None)
    if pair is None:
        raise Absent("Não há este par.")
    return found.integration, pair


def _require_running(row: IntegrationRow) -> None:
    """Raises `ConfigurationError` where a run would only be skipped."""
    if row.status in (IntegrationStatus.PAUSED, IntegrationStatus.DISABLED):
        raise ConfigurationError(f"A integração está {row.status.label}: retome-a antes de executar.")
