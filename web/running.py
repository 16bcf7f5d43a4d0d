"""A request's run asked for at once, where Prefect answers; else the sentinel does it within a minute."""

from collections.abc import Iterable

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


async def run_first(wired: Wiring, asked: Iterable[Request]) -> None:
    """The first request of each pair: a second run of a pair that is under way would be cancelled, and the
    sentinel starts it afterwards."""
    for request in {one.pair_id: one for one in reversed(list(asked))}.values():
        await run_now(wired, request)
