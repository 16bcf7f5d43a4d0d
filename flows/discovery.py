"""Discovery: links proposed between records that were never linked, for one integration × entity."""

from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from pydantic import Field

from core.errors import SyncError
from flows.sync import PairId
from tasks.discovery import conclude, open_discovery, propose, read_portion

Apply = Annotated[
    bool, Field(title="Aplicar", description="Cria os vínculos sem ambiguidade; sem isto, só propõe.")
]
DiscoveryId = Annotated[
    UUID | None, Field(title="Descoberta", description="Preenchido pelo CloudToSys: deixe vazio.")
]


@flow(name="discover", persist_result=False)
async def discover(pair_id: PairId, apply: Apply = False, discovery_id: DiscoveryId = None) -> State:
    """Descoberta de vínculos."""
    context = FlowRunContext.get()
    flow_run_id = context.flow_run.id if context and context.flow_run else None
    place: str | None = None
    try:
        async with open_discovery(pair_id, discovery_id, flow_run_id) as opened:
            while True:
                portion = await read_portion(opened, place)
                await propose(opened, portion)
                place = portion.place
                if place is None:
                    break
            said = await conclude(opened, apply=apply)
    except SyncError as error:
        return Failed(message=f"{error.advice.title}: {error.message} {error.advice.remedy}")
    await acreate_markdown_artifact(markdown=f"**Descoberta de vínculos**: {said}.")
    return Completed(message=f"{said}.")
