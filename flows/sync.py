"""One flow for each entity; each pair has a deployment of its own. Parameters are ids and flags only."""

from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from core.entities import Entity, Trigger

PairId = Annotated[UUID, Field(title="Par", description="Integração × entidade × direção.")]
Full = Annotated[bool, Field(title="Varredura completa", description="Ignora o filtro de alterações.")]
StartedBy = Annotated[Trigger, Field(title="Iniciado por")]


async def run(pair_id: UUID, entity: Entity, full: bool, initiated_by: Trigger) -> State:
    return Completed(message=f"{entity} {pair_id} {full} {initiated_by}")


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
