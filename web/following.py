"""After a change: the schedules brought in line, and the page to go on with."""

from collections.abc import Iterable
from urllib.parse import urlencode
from uuid import UUID

from fastapi.responses import RedirectResponse

from core.errors import SyncError
from db import admin
from web.wiring import Wiring


async def follow(wired: Wiring, pair_ids: Iterable[UUID]) -> bool:
    """Whether Prefect has it already; where it does not answer the sentinel does it within a minute of its
    return."""
    try:
        await wired.orchestrator.apply(list(pair_ids))
    except SyncError:
        return False
    return True


async def pairs_of(wired: Wiring, tenant_id: UUID, integration_id: UUID) -> list[UUID]:
    rows = await admin.pairs(wired.engine, tenant_id)
    return [row.id for row in rows if row.integration_id == integration_id]


def to(path: str, done: str = "", *, followed: bool = True) -> RedirectResponse:
    """Where a form leads; `done` names what the page there says first (web/configure/integration.py)."""
    query = {"aviso": done} if done else {}
    if not followed:
        query["agenda"] = "depois"
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, status_code=303)
