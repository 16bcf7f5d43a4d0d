"""Tasks of the installation itself."""

from dataclasses import asdict

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.retention import sweep
from db.session import engine
from db.settings import read


@task(retries=2, retry_delay_seconds=30, cache_policy=NO_CACHE, persist_result=False)
async def throw_away() -> dict[str, int]:
    """Rows emptied or deleted, by kind. Repeating it finds less to do, so it may be retried."""
    return asdict(await sweep(engine(read().database_url)))
