"""The conciliation of a tenant as a Prefect task: one transaction at a time, so it may be repeated."""

from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE

from db import reconciliation
from db.session import engine
from db.settings import read
from tasks.failures import without_data
from tasks.sync import is_transient


@task(
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def reconcile(tenant_id: UUID) -> None:
    with without_data():
        await reconciliation.reconcile(engine(read().database_url), tenant_id)
