"""The legacy migration: one file or table of an old ERP read once, simulated first."""

from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Failed
from pydantic import Field

from core.entities import Trigger
from core.errors import SyncError
from flows.sync import run
from tasks.migration import begin

MigrationId = Annotated[
    UUID, Field(title="Migração", description="O id que `cloudtosys migrate-legacy` ou o console mostra.")
]
Apply = Annotated[bool, Field(title="Gravar", description="Grava no ERP; sem isto, só simula e conta.")]


@flow(name="legacy-migration", persist_result=False)
async def legacy_migration(migration_id: MigrationId, apply: Apply = False) -> State:
    """Migração de legado."""
    context = FlowRunContext.get()
    flow_run_id = context.flow_run.id if context and context.flow_run else None
    try:
        pair_id, entity = await begin(migration_id, apply=apply, flow_run_id=flow_run_id)
    except SyncError as error:
        return Failed(message=f"{error.advice.title}: {error.message} {error.advice.remedy}")
    state = await run(pair_id, entity, False, Trigger.MANUAL)
    await acreate_markdown_artifact(markdown=f"**Migração de legado**: {state.message}")
    return state
