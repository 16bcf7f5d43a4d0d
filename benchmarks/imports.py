"""Records a second of a product import and of an unchanged full scan, without Prefect around the steps.

`python -m benchmarks.imports --products 50000` starts a PostgreSQL and a shop, and prints one JSON line.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import tempfile
import time
import uuid
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from core import engine as rules
from core.entities import Entity, Trigger
from core.ports import Cursor
from db import embedded
from db.upgrade import upgrade
from db.vault import Vault, generate_key
from sandbox.process import Store, start
from tasks.job import open_run


def prepare(server: embedded.Server, store: Store) -> uuid.UUID:
    """A migrated database with one tenant, one shop and one pair, whose id is returned."""
    admin = create_engine(server.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE bench"))
    upgrade(server.admin_url("bench"))
    key = generate_key()
    os.environ["DATABASE_URL"] = server.url("bench", "cloudtosys")
    os.environ["CLOUDTOSYS_KEYS"] = key
    os.environ["CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS"] = store.url.removeprefix("http://")
    tenant, integration, pair = (uuid.uuid4() for _ in range(3))
    ids = {"tenant": tenant, "integration": integration, "pair": pair}
    with create_engine(server.admin_url("bench"), poolclass=NullPool).begin() as connection:
        for statement in (
            "INSERT INTO erp.tenant (id, name, slug) VALUES (:tenant, 'Bench', 'bench')",
            "INSERT INTO erp.branch (tenant_id, code, name, is_default)"
            " VALUES (:tenant, '1', 'Matriz', true)",
            "INSERT INTO sync.integration (id, tenant_id, provider, name, base_url)"
            " VALUES (:integration, :tenant, 'woocommerce', 'Loja', :url)",
            "INSERT INTO sync.pair (id, tenant_id, integration_id, entity, direction)"
            " VALUES (:pair, :tenant, :integration, 'products', 'import')",
        ):
            connection.execute(text(statement), ids | {"url": store.url})
        for name in ("consumer_key", "consumer_secret"):
            sealed = Vault([key]).seal(tenant, integration, name, getattr(store, name))
            connection.execute(
                text("INSERT INTO sync.credential VALUES (:tenant, :integration, :name, :secret, :key)"),
                ids | {"name": name, "secret": sealed.ciphertext, "key": sealed.key_id},
            )
    return pair


async def run(pair: uuid.UUID) -> tuple[int, float]:
    """Records processed and seconds of one full run; the next batch is fetched while one is written."""
    began = time.perf_counter()
    async with open_run(
        pair, Entity.PRODUCTS, full=True, initiated_by=Trigger.MANUAL, flow_run_id=None, slot_at=None
    ) as opened:
        if opened is None or opened.job is None:
            raise RuntimeError("the run was skipped")
        job = opened.job
        batch = await rules.fetch(job, job.cursor)
        cursor: Cursor | None = job.cursor
        while cursor is not None:
            following = None if batch.last else asyncio.create_task(rules.fetch(job, batch.cursor))
            cursor = await rules.upsert(job, await rules.transform(job, rules.map_records(job, batch)))
            if following is not None:
                batch = await following
    if opened.error is not None:
        raise opened.error
    return job.counts.processed, time.perf_counter() - began


async def measure(pair: uuid.UUID) -> dict[str, float]:
    first, seconds = await run(pair)
    again, unchanged_seconds = await run(pair)
    return {
        "records": first,
        "import_per_second": round(first / seconds),
        "unchanged_per_second": round(again / unchanged_seconds),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--products", type=int, default=50_000)
    options = parser.parse_args()
    root = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path(tempfile.mkdtemp())
    folder = root / f"bench-{os.getpid()}"
    server = embedded.start(folder)
    try:
        with start(products=options.products, variable_every=0) as store:
            figures = asyncio.run(measure(prepare(server, store)))
            print(json.dumps({"name": "import", "unit": "records/s", **figures}))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
