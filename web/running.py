"""A request's run asked for at once, where Prefect answers; else the sentinel does it within a minute."""

from core.errors import SyncError
from db.requests import Request
from web.wiring import Wiring


async def run_now(wired: Wiring, request: Request) -> bool:
    """Whether Prefect took it."""
    try:
        await wired.orchestrator.trigger(
            request.pair_id,
            initiated_by=request.kind.trigger,
            request_id=request.id,
            idempotency_key=request.key,
        )
    except SyncError:
        return False
    return True
