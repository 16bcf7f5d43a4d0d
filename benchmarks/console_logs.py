"""Logs with a million runs: how long a page takes at any place, with each filter.

    python -m benchmarks.console_logs [--rows 1000000] [--seconds 60] [--keep FOLDER]

A database of its own on the embedded server is filled, and whole pages (session, permissions, queries,
template) are asked for in one process. Figures are milliseconds. `--keep` leaves the database for another
round.
"""

import argparse
import asyncio
import os
import random
import re
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from cli.web import wired
from db import admin, embedded, people, sessions
from db.audit import By
from db.session import engine, tenant_transaction
from db.settings import read
from db.upgrade import upgrade
from db.vault import generate_key
from deployments.client import Api
from web.access import COOKIE
from web.app import create

NOWHERE = "http://127.0.0.1:9"
NEXT = re.compile(r'rel="next" href="[^"]*antes=([0-9a-f-]{36})')
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
    os.environ.update(DATABASE_URL=url, CLOUDTOSYS_KEYS=generate_key())
    database = engine(read().database_url)
    person = await people.create(database, f"{uuid4().hex}@exemplo.example", "Bench", None)
    await people.grant(database, tenant, person, can_edit=True, by=By("bench"))
    token = await sessions.open_(database, person, tenant, "bench")
    ids = await _places(database, tenant)
    one = (await admin.integrations(database, tenant))[0].id
    now = datetime.now(UTC)
    month: dict[str, object] = {
        "desde": f"{now - timedelta(days=300):%Y-%m-%d}",
        "ate": f"{now - timedelta(days=270):%Y-%m-%d}",
    }
    walks: dict[str, tuple[str, dict[str, object]]] = {
        "no filter": ("/logs", {}),
        "integration": ("/logs", {"integracao": one}),
        "entity": ("/logs", {"entidade": "orders"}),
        "entity without logs": ("/logs", {"entidade": "invoices"}),
        "direction": ("/logs", {"direcao": "export"}),
        "success": ("/logs", {"status": "success"}),
        "error": ("/logs", {"status": "error"}),
        "interrupted (1 in 10,000)": ("/logs", {"status": "interrupted"}),
        "cancelled (none)": ("/logs", {"status": "cancelled"}),
        "manual (1 in 5,000)": ("/logs", {"gatilho": "manual"}),
        "webhook": ("/logs", {"gatilho": "webhook"}),
        "a month": ("/logs", month),
        "errors of a month": ("/logs", {"status": "error", **month}),
        "rare together": (
            "/logs",
            {"integracao": one, "entidade": "stock", "status": "error", "gatilho": "reprocess"},
        ),
        "unresolved": ("/logs", {"abertos": 1}),
        "unresolved, entity": ("/logs", {"abertos": 1, "entidade": "orders"}),
        "failures": ("/falhas", {}),
        "failures of a cause": ("/falhas", {"erro": "RecordError", "entidade": "orders"}),
    }
    everywhere: list[float] = []
    async with Api(NOWHERE) as api:
        transport = httpx.ASGITransport(create(wired(read(), api, "http://bench")))
        headers = {"Cookie": f"{COOKIE}={token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as http:
            await http.get("/logs")
            for label, (path, asked) in walks.items():
                taken = await _walk(http, path, asked, ids, seconds / len(walks))
                everywhere += taken
                print(_line(label, taken), flush=True)
    p95 = _percentile(everywhere, 95)
    print(f"{_line('all', everywhere)}\np95 {p95:.1f} ms, limit {LIMIT_MS:.0f} ms")
    await database.dispose()


async def _walk(
    http: httpx.AsyncClient, path: str, asked: Mapping[str, object], ids: Sequence[UUID], seconds: float
) -> list[float]:
    """Pages one after another, and from places anywhere in the list."""
    taken: list[float] = []
    before: dict[str, object] = {}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        address = f"{path}?{urlencode({**asked, **before})}"
        started = time.monotonic()
        answer = await http.get(address)
        taken.append((time.monotonic() - started) * 1000)
        answer.raise_for_status()
        onwards = NEXT.search(answer.text)
        before = {"antes": onwards[1] if onwards and len(taken) % 3 else random.choice(ids)}
    return taken


async def _places(database: AsyncEngine, tenant: UUID) -> list[UUID]:
    async with tenant_transaction(database, tenant) as connection:
        rows = await connection.execute(text("SELECT id FROM sync.sync_log TABLESAMPLE SYSTEM (0.2)"))
        return list(rows.scalars())


def _line(label: str, taken: list[float]) -> str:
    middle, p95 = statistics.median(taken), _percentile(taken, 95)
    return f"{label:26} {len(taken):6} pages  median {middle:6.1f}  p95 {p95:6.1f}  max {max(taken):6.1f} ms"


def _percentile(taken: list[float], percent: int) -> float:
    return sorted(taken)[min(len(taken) - 1, len(taken) * percent // 100)]


if __name__ == "__main__":
    main()
