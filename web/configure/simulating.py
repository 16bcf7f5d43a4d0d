"""Simulations asked for: what a run would do, counted and not written."""

from collections.abc import Iterable

from core import form
from core.entities import Direction, RequestKind
from core.errors import ConfigurationError, SyncError
from db import requests
from db.admin import IntegrationRow
from db.configured import Pair
from providers.registry import get
from web.access import Visitor
from web.wiring import Wiring


async def simulate(wired: Wiring, person: Visitor, row: IntegrationRow, pairs: Iterable[Pair]) -> None:
    """Each pair in each of its directions. Raises `ConfigurationError` for what a simulation would lose."""
    kind = get(row.provider)
    for pair in pairs:
        if not form.may_simulate(kind, pair.entity):
            raise ConfigurationError(
                f"{kind.name} entrega {pair.entity.label} uma vez só: uma simulação os perderia."
            )
        for way in (Direction.IMPORT, Direction.EXPORT):
            if pair.direction in (way, Direction.BOTH):
                await _ask(wired, person, pair, way)


async def _ask(wired: Wiring, person: Visitor, pair: Pair, way: Direction) -> None:
    """Where Prefect does not answer the request waits, and the sentinel serves it."""
    kind = RequestKind.SIMULATION
    asked = await requests.ask(wired.engine, person.tenant_id, pair.id, kind, way, {}, by=person.email)
    try:
        await wired.orchestrator.trigger(
            pair.id, initiated_by=kind.trigger, request_id=asked.id, idempotency_key=asked.key
        )
    except SyncError:
        return
