"""A request's run asked for at once, where Prefect answers."""

import sys

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.installation import orchestrator
from core.errors import SyncError
from db.requests import Request


async def run_now(engine: AsyncEngine, request: Request, *, quiet: bool = False) -> None:
    """Where Prefect does not answer the sentinel does it within a minute of its return."""
    try:
        async with orchestrator(engine) as prefect:
            run = await prefect.trigger(
                request.pair_id,
                initiated_by=request.kind.trigger,
                request_id=request.id,
                idempotency_key=request.key,
            )
    except SyncError as error:
        told = f"Pedido guardado ({error.message}) A sentinela o executa quando puder."
        print(told, file=sys.stderr if quiet else sys.stdout)
        return
    if not quiet:
        print(f"Execução pedida: {run}")
