"""The console's pages over a tenant with a million sync logs and a million mappings.

`python -m benchmarks.console` prints one JSON line for each page: milliseconds of the whole answer, in this
process, without a network, and of its CPU alone. `--rows` fills less.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from uuid import UUID

import httpx
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from benchmarks.sitting import sitting
from db import admin, embedded
from db.databases import OURS, create_databases
from db.session import engine
from db.settings import read
from db.upgrade import upgrade
from db.vault import generate_key

PAGES = (
    "/",
    "/mapeamentos",
    "/mapeamentos?estado=orphan",
    "/mapeamentos?busca=12",
    "/conflitos",
    "/logs",
    "/logs?status=error",
    "/logs?abertos=1",
    "/falhas",
    "/registros?busca=12",
)
"""Addresses that are measured; a page of a list is as fast as any other of it."""
WARM_UP, TIMES = 3, 60
FILL = (
    # Ten systems with five pairs each, three months of runs, newest last.
    """
    INSERT INTO sync.integration (tenant_id, provider, name, updated_at)
    SELECT :tenant, 'woocommerce', 'Loja ' || n, now() - interval '90 days' FROM generate_series(1, 10) n
    """,
    """
    INSERT INTO sync.pair (tenant_id, integration_id, entity, direction, cadence, updated_at)
    SELECT i.tenant_id, i.id, e,
      CASE e WHEN 'stock' THEN 'export' WHEN 'products' THEN 'both' ELSE 'import' END, '15min', i.updated_at
    FROM sync.integration i, unnest(ARRAY['products', 'stock', 'orders', 'customers', 'invoices']) e
    """,
    """
    WITH p AS (SELECT row_number() OVER (ORDER BY id) - 1 AS n, * FROM sync.pair)
    INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status, initiated_by,
      started_at, ended_at, processed, success, created, errors, error_class, message)
    SELECT p.tenant_id, p.integration_id, p.id, p.entity,
      CASE WHEN p.direction = 'export' OR p.direction = 'both' AND s.n / 50 % 2 = 1 THEN 'export'
        ELSE 'import' END,
      s.status, CASE s.n % 10 WHEN 0 THEN 'manual' WHEN 1 THEN 'webhook' ELSE 'schedule' END, s.at,
      s.at + interval '20 seconds', s.good + s.bad, s.good, s.good, s.bad,
      CASE WHEN s.status = 'error' THEN 'TransientError' END, ''
    FROM p JOIN (SELECT n, now() - interval '1 minute' - n * (interval '90 days' / :rows) AS at,
      CASE WHEN n % 33 = 0 THEN 'error' WHEN n % 20 = 0 THEN 'partial' WHEN n % 25 = 0 THEN 'skipped'
        ELSE 'success' END AS status, (n % 200)::integer AS good,
      CASE WHEN n % 20 = 0 THEN 3 ELSE 0 END AS bad FROM generate_series(0, :rows - 1) n) s ON p.n = s.n % 50
    """,
    """
    WITH i AS (SELECT row_number() OVER (ORDER BY id) - 1 AS n, * FROM sync.integration)
    INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, state)
    SELECT i.tenant_id, i.id, (ARRAY['products', 'orders', 'customers'])[s.n % 3 + 1], s.n::text,
      gen_random_uuid(),
      CASE WHEN s.n % 200 = 0 THEN 'conflict' WHEN s.n % 500 = 1 THEN 'orphan' ELSE 'active' END
    FROM i JOIN generate_series(0, :rows - 1) AS s (n) ON i.n = s.n % 10
    """,
    """
    INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, erp, external)
    SELECT tenant_id, integration_id, id, '{}', '{}' FROM sync.mapping WHERE state = 'conflict'
    """,
    """
    INSERT INTO sync.issue (tenant_id, sync_log_id, integration_id, pair_id, entity, direction, external_id,
      error_class, field, fault, message, cause, remedy, created_at)
    SELECT l.tenant_id, l.id, l.integration_id, l.pair_id, l.entity, l.direction, l.id || '-' || n,
      (ARRAY['RecordError', 'MappingNotFound', 'ContractError'])[n], (ARRAY['cpf', 'sku', ''])[n],
      (ARRAY['data', 'data', 'external'])[n], '', '', '', l.started_at FROM (SELECT * FROM sync.sync_log
      WHERE status = 'partial' ORDER BY started_at DESC LIMIT :rows / 150) l, generate_series(1, 3) n
    """,
)
COUNTED = import_module("db.migrations.versions.0009_run_days").BACKFILL


@dataclass(frozen=True, slots=True)
class Filled:
    database: AsyncEngine
    tenant: UUID


@contextmanager
def filled(rows: int) -> Iterator[Filled]:
    """A database of its own with so many logs and as many mappings, gone afterwards."""
    root = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path(tempfile.mkdtemp())
    folder = root / f"bench-{os.getpid()}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = embedded.start(folder)
        stack.callback(cluster.stop)
        create_databases(cluster)
        upgrade(cluster.admin_url(OURS))
        os.environ.update(DATABASE_URL=cluster.url(OURS, "cloudtosys"), CLOUDTOSYS_KEYS=generate_key())
        database = engine(read().database_url)
        tenant = asyncio.run(_tenant(database))
        made = create_engine(cluster.admin_url(OURS), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with made.connect() as connection:
            _fill(connection, tenant, rows)
        yield Filled(database, tenant)


async def measure(found: Filled) -> None:
    """One session asks for each page in turn, from the same event loop that answers."""
    async with sitting(found.database, found.tenant) as http:
        for page in PAGES:
            print(json.dumps(await _timed(http, page)), flush=True)
    await found.database.dispose()


async def _timed(http: httpx.AsyncClient, page: str) -> dict[str, object]:
    took, busy = [], []
    for turn in range(WARM_UP + TIMES):
        begun, worked = time.perf_counter(), time.process_time()
        answer = await http.get(page)
        if turn >= WARM_UP:
            took.append((time.perf_counter() - begun) * 1000)
            busy.append((time.process_time() - worked) * 1000)
        answer.raise_for_status()
    cuts = statistics.quantiles(took, n=20)
    return {
        "page": page,
        "p50_ms": round(cuts[9], 1),
        "p95_ms": round(cuts[18], 1),
        "cpu_ms": round(statistics.median(busy), 1),
        "kib": len(answer.content) // 1024,
    }


async def _tenant(database: AsyncEngine) -> UUID:
    found = await admin.create_tenant(database, "Bench", "bench")
    await database.dispose()
    return found


def _fill(connection: Connection, tenant: UUID, rows: int) -> None:
    # Neither triggers nor foreign keys: what they would do to each row is done at the end.
    connection.execute(text("SET session_replication_role = replica"))
    for statement in (*FILL, COUNTED):
        values = {
            name: value for name, value in (("tenant", tenant), ("rows", rows)) if f":{name}" in statement
        }
        connection.execute(text(statement), values)
    connection.execute(text("VACUUM ANALYZE"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console")
    parser.add_argument("--rows", type=int, default=1_000_000)
    with filled(parser.parse_args().rows) as found:
        asyncio.run(measure(found))


if __name__ == "__main__":
    main()
