"""Flows of the installation itself, not of a pair."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.system import keep_connected, keep_registered, throw_away


@flow(name="housekeeping", persist_result=False)
async def housekeeping() -> State:
    """Apaga o que passou do prazo de guarda, renova o acesso de contas sem uso e confere os webhooks."""
    swept = await throw_away() | await keep_connected() | await keep_registered()
    return Completed(message=" ".join(f"{name}={count}" for name, count in swept.items()))
