"""Prefect's slot of a deployment, renewed for as long as a run takes, and never a reason to end it.

Prefect's own renewal asks every 225 s, and when its API is away for 5 s just then it cancels the run. Here it
is asked for more often and what it answers does not matter: our lease keeps a second run of the pair out.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from prefect import flow_engine
from prefect.client.orchestration import PrefectClient
from prefect.context import FlowRunContext

RENEW_SECONDS = 60.0
"""A fifth of what a slot lasts."""


@contextlib.asynccontextmanager
async def held(
    slot_id: UUID, seconds: float, raise_on_lease_renewal_failure: bool = False
) -> AsyncIterator[None]:
    """In the place of `amaintain_concurrency_lease`."""
    renewing = asyncio.create_task(_renew(slot_id, seconds))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def _renew(slot_id: UUID, seconds: float) -> None:
    context = FlowRunContext.get()
    client = context.client if context else None
    while isinstance(client, PrefectClient):
        await asyncio.sleep(RENEW_SECONDS)
        with contextlib.suppress(Exception):
            await client.renew_concurrency_lease(slot_id, seconds)


# The engine has no other door.
flow_engine.amaintain_concurrency_lease = held  # type: ignore[attr-defined,assignment]
