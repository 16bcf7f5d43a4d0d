"""Flows of the installation itself, not of a pair."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.system import throw_away


@flow(name="housekeeping", persist_result=False)
async def housekeeping() -> State:
    """Apaga o que passou do prazo de guarda."""
    swept = await throw_away()
    return Completed(message=" ".join(f"{name}={count}" for name, count in swept.items()))
