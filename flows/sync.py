"""One flow for each entity; each pair has a deployment of its own. Parameters are ids and flags only."""

import asyncio
from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from pydantic import Field

from core.batch import Batch, Job
from core.entities import Entity, RunStatus, Trigger
from core.errors import SyncError
from tasks.job import Run, open_run
from tasks.sync import fetch, map_records, transform, upsert

MAX_BATCHES = 2000
"""A longer backlog goes on in the next run, from the saved cursor."""

PairId = Annotated[UUID, Field(title="Par", description="Integração × entidade × direção.")]
Full = Annotated[bool, Field(title="Varredura completa", description="Ignora o filtro de alterações.")]
StartedBy = Annotated[Trigger, Field(title="Iniciado por")]


async def run(pair_id: UUID, entity: Entity, full: bool, initiated_by: Trigger) -> State:
    """Run a pair to the end of its scan. Every way to end is in the sync log; Prefect shows the summary."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    by_schedule = flow_run is not None and flow_run.auto_scheduled
    try:
        async with open_run(
            pair_id,
            entity,
            full=full,
            initiated_by=Trigger.SCHEDULE if by_schedule else initiated_by,
            flow_run_id=flow_run.id if flow_run else None,
            slot_at=flow_run.expected_start_time if flow_run and by_schedule else None,
        ) as ended:
            if ended is not None and ended.job is not None:
                await _batches(ended.job)
    except SyncError as error:  # before there was a log to write it to
        return Failed(message=f"{error.advice.title}: {error.message} {error.advice.remedy}")
    return _state(ended)


def _state(ended: Run | None) -> State:
    if ended is None:
        return Completed(message="Ignorada: o par está em execução ou a integração não está ativa.")
    if ended.status is RunStatus.ERROR and ended.error is not None:
        return Failed(message=f"{ended.error.advice.title}: {ended.error.message} {ended.summary}")
    return Completed(message=f"{ended.status}: {ended.summary}")


async def _batches(job: Job) -> None:
    """Write each batch while the next one is fetched."""
    batch: Batch | None = await fetch(job, job.cursor)
    for _ in range(MAX_BATCHES):
        if batch is None:
            return
        following = None if batch.last else asyncio.create_task(fetch(job, batch.cursor))
        try:
            await upsert(job, await transform(job, await map_records(job, batch)))
            batch = await following if following else None
        except BaseException:
            if following:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            raise


@flow(name="sync-products", persist_result=False)
async def sync_products(
    pair_id: PairId, full: Full = False, initiated_by: StartedBy = Trigger.MANUAL
) -> State:
    """Produtos com variações."""
    return await run(pair_id, Entity.PRODUCTS, full, initiated_by)


@flow(name="sync-stock", persist_result=False)
async def sync_stock(pair_id: PairId, full: Full = False, initiated_by: StartedBy = Trigger.MANUAL) -> State:
    """Estoque por filial."""
    return await run(pair_id, Entity.STOCK, full, initiated_by)


@flow(name="sync-categories", persist_result=False)
async def sync_categories(
    pair_id: PairId, full: Full = False, initiated_by: StartedBy = Trigger.MANUAL
) -> State:
    """Categorias."""
    return await run(pair_id, Entity.CATEGORIES, full, initiated_by)


@flow(name="sync-customers", persist_result=False)
async def sync_customers(
    pair_id: PairId, full: Full = False, initiated_by: StartedBy = Trigger.MANUAL
) -> State:
    """Clientes."""
    return await run(pair_id, Entity.CUSTOMERS, full, initiated_by)


@flow(name="sync-orders", persist_result=False)
async def sync_orders(pair_id: PairId, full: Full = False, initiated_by: StartedBy = Trigger.MANUAL) -> State:
    """Pedidos com itens."""
    return await run(pair_id, Entity.ORDERS, full, initiated_by)
