"""One flow for each entity; each pair has a deployment of its own. Parameters are ids and flags only."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar
from uuid import UUID

from prefect import Flow, flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field

from core import orphans
from core.batch import Batch, Job
from core.entities import Direction, Entity, RunStatus, Trigger
from core.errors import SyncError
from core.outgoing import Outbatch
from core.ports import Cursor
from tasks.job import Run, open_run, phases
from tasks.reconciling import reconcile
from tasks.sync import (
    compare,
    fetch,
    fetch_changes,
    fetch_due,
    isolate,
    map_changes,
    map_records,
    send,
    settle,
    transform,
    upsert,
)

SETTLE_MARGIN = 0.5
"""Seconds after a look is due before it is made: clocks of the process and the database differ."""
MAX_BATCHES = 2000
"""A longer backlog goes on in the next run, from the saved cursor."""

RECONCILED = (Entity.BANK_TRANSACTIONS, Entity.RECEIVABLES)
"""Money that came in is paired with what was to come after either was read."""

Made = TypeVar("Made")
PairId = Annotated[UUID, Field(title="Par", description="Integração × entidade × direção.")]
Full = Annotated[bool, Field(title="Varredura completa", description="Ignora o filtro de alterações.")]
RequestId = Annotated[UUID | None, Field(title="Pedido", description="Uso interno do CloudToSys.")]
StartedBy = Annotated[Trigger, Field(title="Iniciado por")]


async def run(
    pair_id: UUID, entity: Entity, full: bool, initiated_by: Trigger, request_id: UUID | None = None
) -> State:
    """Run a pair to the end of its scan. Every way to end is in the sync log; Prefect shows the summary."""
    try:
        ended: Run | None = None
        for direction in await phases(pair_id, request_id):
            ended = await _phase(pair_id, entity, direction, full, initiated_by, request_id)
            if ended is None or ended.status not in (RunStatus.SUCCESS, RunStatus.PARTIAL):
                break
    except SyncError as error:  # before there was a log to write it to
        return Failed(message=f"{error.advice.title}: {error.message} {error.advice.remedy}")
    return _state(ended)


async def _phase(
    pair_id: UUID,
    entity: Entity,
    direction: Direction,
    full: bool,
    initiated_by: Trigger,
    request_id: UUID | None,
) -> Run | None:
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    by_schedule = flow_run is not None and flow_run.auto_scheduled
    async with open_run(
        pair_id,
        entity,
        direction=direction,
        full=full,
        initiated_by=Trigger.SCHEDULE if by_schedule else initiated_by,
        flow_run_id=flow_run.id if flow_run else None,
        slot_at=flow_run.expected_start_time if flow_run and by_schedule else None,
        request_id=request_id,
    ) as ended:
        if ended is not None and ended.job is not None:
            await (_import if direction is Direction.IMPORT else _export)(ended, ended.job)
    return ended


def _state(ended: Run | None) -> State:
    if ended is None:
        return Completed(message="Ignorada: o par está em execução ou a integração não está ativa.")
    if ended.status is RunStatus.ERROR and ended.error is not None:
        return Failed(message=f"{ended.error.advice.title}: {ended.error.message} {ended.summary}")
    if ended.status is RunStatus.CANCELLED:
        return Cancelled(message=f"Execução cancelada a pedido: {ended.summary}")
    return Completed(message=f"{ended.status}: {ended.summary}")


async def _import(run: Run, job: Job) -> None:
    """Write each batch while the next one is fetched, of a feed before; at the end what is due to be tried
    again."""
    batch: Batch | None = await fetch(job, job.cursor)
    if batch is not None and job.isolating:
        cursor = await isolate(job, batch)
        batch = await fetch(job, cursor) if cursor else None
    for _ in range(MAX_BATCHES):
        if batch is None:
            await orphans.settle(job)
            break
        await run.check()
        if job.resource.feed and not batch.last:
            await _write(job, batch)
            batch = await fetch(job, batch.cursor)
        else:
            following = None if batch.last else asyncio.create_task(fetch(job, batch.cursor))
            batch = await _beside(following, _write(job, batch))
        if batch is not None and run.gives_way:
            return
    if (due := await fetch_due(job)) is not None:
        await _write(job, due)
    if job.entity in RECONCILED and not job.dry_run:
        await reconcile(run.lease.pair.tenant_id)


async def _write(job: Job, batch: Batch) -> None:
    await upsert(job, await transform(job, await map_records(job, batch)))


async def _beside(following: "asyncio.Task[Made] | None", work: Coroutine[Any, Any, Any]) -> Made | None:
    """Work on one batch while the following one is made; where the work fails, that one is dropped."""
    try:
        await work
        return await following if following else None
    except BaseException:
        if following:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        raise


async def _export(run: Run, job: Job) -> None:
    """Write what changed; then stay for the creates whose answer was lost, until they are settled."""
    await settle(job)
    await _changes(run, job)
    for seconds in (*job.look_again, job.look_again[-1]):
        if not job.doubtful:
            return
        await asyncio.sleep(seconds + SETTLE_MARGIN)
        await settle(job)
        if job.due:
            job.selective = True
            await _changes(run, job)


async def _changes(run: Run, job: Job) -> None:
    """Send each batch while the next one is compared."""
    batch: Outbatch | None = await _compared(job, job.cursor)
    for _ in range(MAX_BATCHES):
        if batch is None:
            return
        await run.check()
        following = None if batch.last else asyncio.create_task(_compared(job, batch.cursor))
        batch = await _beside(following, send(job, batch))
        if batch is not None and run.gives_way:
            return


async def _compared(job: Job, cursor: Cursor) -> Outbatch:
    return await compare(job, await map_changes(job, await fetch_changes(job, cursor)))


def _flow(entity: Entity, description: str) -> Flow[..., Any]:
    @flow(name=f"sync-{entity}", description=description, persist_result=False)
    async def sync(
        pair_id: PairId,
        full: Full = False,
        initiated_by: StartedBy = Trigger.MANUAL,
        request_id: RequestId = None,
    ) -> State:
        return await run(pair_id, entity, full, initiated_by, request_id)

    return sync


sync_products = _flow(Entity.PRODUCTS, "Produtos com variações.")
sync_stock = _flow(Entity.STOCK, "Estoque por filial.")
sync_categories = _flow(Entity.CATEGORIES, "Categorias.")
sync_customers = _flow(Entity.CUSTOMERS, "Clientes.")
sync_orders = _flow(Entity.ORDERS, "Pedidos com itens.")
sync_invoices = _flow(Entity.INVOICES, "NFs.")
sync_shipments = _flow(Entity.SHIPMENTS, "Envios: cotação, etiqueta e rastreio.")
sync_bank_transactions = _flow(Entity.BANK_TRANSACTIONS, "Extrato bancário.")
sync_receivables = _flow(Entity.RECEIVABLES, "Cobranças: boletos e Pix.")
