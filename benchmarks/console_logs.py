"""Logs with a million runs: how long a page takes at any place, with each filter.

    python -m benchmarks.console_logs [--rows 1000000] [--seconds 60] [--keep FOLDER]

A database of its own on the embedded server is filled and asked through the console's own queries. Figures
are milliseconds. `--keep` leaves the database for another round.
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from core.entities import Direction, Entity, RunStatus, Trigger
from db import embedded
from db.log_pages import Filter, read_page
from db.session import engine as open_engine
from db.session import tenant_transaction
from db.upgrade import upgrade

LIMIT_MS = 150.0
FILL = (
    "INSERT INTO erp.tenant (id, name, slug) VALUES (:tenant, 'Loja', 'loja'), (:other, 'Outra', 'outra')",
    "INSERT INTO sync.integration (tenant_id, provider, name) SELECT t.id, 'woocommerce', 'Loja ' || g"
    " FROM erp.tenant t, generate_series(1, CASE t.slug WHEN 'loja' THEN 12 ELSE 1 END) g",
    "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction, cadence) SELECT i.tenant_id, i.id,"
    " e, 'both', '5min' FROM sync.integration i, unnest(ARRAY['products', 'stock', 'orders', 'customers']) e",
    # A run of some pair every two minutes; one in a hundred fails or is rarer still.
    "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status, initiated_by,"
    " started_at, ended_at, processed, success, updated, errors, message) SELECT p.tenant_id,"
    " p.integration_id, p.id, p.entity, CASE WHEN g % 2 = 0 THEN 'import' ELSE 'export' END,"
    " CASE WHEN g % 9973 = 0 THEN 'interrupted' WHEN g % 997 = 0 THEN 'deferred' WHEN g % 101 = 0 THEN"
    " 'error' WHEN g % 53 = 0 THEN 'partial' WHEN g % 29 = 0 THEN 'skipped' ELSE 'success' END,"
    " CASE WHEN g % 4999 = 0 THEN 'manual' WHEN g % 499 = 0 THEN 'reprocess' WHEN g % 7 = 0 THEN 'webhook'"
    " ELSE 'schedule' END, now() - (:rows - g) * interval '1 minute',"
    " now() - (:rows - g) * interval '1 minute' + interval '9 seconds', 20, 20, 20, 0, ''"
    " FROM generate_series(1, :rows) g"
    " JOIN (SELECT *, row_number() OVER () AS n, count(*) OVER () AS all_ FROM sync.pair) p"
    " ON p.n = 1 + g / 2 % p.all_",
    "INSERT INTO sync.issue (tenant_id, sync_log_id, integration_id, pair_id, entity, direction, external_id,"
    " error_class, fault, state, created_at) SELECT l.tenant_id, l.id, l.integration_id, l.pair_id, l.entity,"
    " l.direction, 'R-' || n || '-' || l.id, 'RecordError', 'data', CASE WHEN l.started_at > now()"
    " - interval '30 days' THEN 'open' ELSE 'resolved' END, l.started_at FROM sync.sync_log l,"
    " generate_series(1, 5) n WHERE l.status = 'partial'",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long pages are asked for")
    parser.add_argument("--keep", type=Path, help="a folder of the server's that stays")
    chosen = parser.parse_args()
    base = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path("/tmp")
    folder = chosen.keep or base / f"logs-{os.getpid()}"
    server = embedded.start(folder)
    try:
        tenant = _filled(server, "logs", chosen.rows)
        asyncio.run(_measure(server.url("logs", "cloudtosys"), tenant, chosen.seconds))
    finally:
        server.stop()
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _filled(server: embedded.Server, name: str, rows: int) -> UUID:
    """A tenant with twelve integrations, and another one that has a thirteenth of the rows."""
    admin = create_engine(server.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        known = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        if not known.all():
            connection.execute(text(f"CREATE DATABASE {name}"))
            upgrade(server.admin_url(name))
    values = {"tenant": uuid4(), "other": uuid4(), "rows": rows}
    inside = create_engine(server.admin_url(name), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with inside.connect() as connection:
        found = connection.execute(text("SELECT id FROM erp.tenant WHERE slug = 'loja'")).scalar_one_or_none()
        if found is not None:
            return UUID(str(found))
        started = time.monotonic()
        for statement in FILL:
            connection.execute(text(statement), values)
        for table in ("sync_log", "issue"):
            connection.execute(text(f"VACUUM (ANALYZE) sync.{table}"))
        print(f"filled in {time.monotonic() - started:.0f} s")
    return values["tenant"]  # type: ignore[return-value]


async def _measure(url: str, tenant: UUID, seconds: float) -> None:
    engine = open_engine(url)
    one = (await read_page(engine, tenant, Filter())).integrations[0].id
    now = datetime.now(UTC)
    walks = {
        "no filter": Filter(),
        "integration": Filter(integration_id=one),
        "entity": Filter(entity=Entity.ORDERS),
        "entity without logs": Filter(entity=Entity.INVOICES),
        "direction": Filter(direction=Direction.EXPORT),
        "success": Filter(status=RunStatus.SUCCESS),
        "error": Filter(status=RunStatus.ERROR),
        "interrupted": Filter(status=RunStatus.INTERRUPTED),
        "cancelled (none)": Filter(status=RunStatus.CANCELLED),
        "manual": Filter(trigger=Trigger.MANUAL),
        "webhook": Filter(trigger=Trigger.WEBHOOK),
        "a month": Filter(since=now - timedelta(days=300), until=now - timedelta(days=270)),
        "errors of a day": Filter(status=RunStatus.ERROR, since=now - timedelta(days=1)),
        "rare together": Filter(
            integration_id=one, entity=Entity.STOCK, status=RunStatus.ERROR, trigger=Trigger.REPROCESS
        ),
        "unresolved": Filter(unresolved=True),
        "unresolved, entity": Filter(unresolved=True, entity=Entity.ORDERS),
    }
    everywhere: list[float] = []
    for label, asked in walks.items():
        taken = await _walk(engine, tenant, asked, seconds / len(walks))
        everywhere += taken
        print(_line(label, taken), flush=True)
    p95 = _percentile(everywhere, 95)
    print(f"{_line('all', everywhere)}\np95 {p95:.1f} ms, limit {LIMIT_MS:.0f} ms")
    await engine.dispose()


async def _walk(engine: AsyncEngine, tenant: UUID, asked: Filter, seconds: float) -> list[float]:
    """Pages one after another, and from places anywhere in the list."""
    taken: list[float] = []
    ids = await _places(engine, tenant)
    before: UUID | None = None
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        started = time.monotonic()
        page = await read_page(engine, tenant, asked, before)
        taken.append((time.monotonic() - started) * 1000)
        before = random.choice(ids) if not page.more or len(taken) % 3 == 0 else page.rows[-1]["id"]
    return taken


async def _places(engine: AsyncEngine, tenant: UUID) -> list[UUID]:
    async with tenant_transaction(engine, tenant) as connection:
        rows = await connection.execute(text("SELECT id FROM sync.sync_log TABLESAMPLE SYSTEM (0.2)"))
        return list(rows.scalars())


def _line(label: str, taken: list[float]) -> str:
    middle, p95 = statistics.median(taken), _percentile(taken, 95)
    return f"{label:22} {len(taken):6} pages  median {middle:6.1f}  p95 {p95:6.1f}  max {max(taken):6.1f} ms"


def _percentile(taken: list[float], percent: int) -> float:
    return sorted(taken)[min(len(taken) - 1, len(taken) * percent // 100)]


if __name__ == "__main__":
    main()
