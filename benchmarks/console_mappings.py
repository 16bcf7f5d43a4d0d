"""Mapeamentos with a million mappings: how long a page takes at any place, filtered and searched.

    python -m benchmarks.console_mappings [--rows 1000000] [--seconds 60] [--keep FOLDER]

A database of its own on the embedded server is filled with two shops that sell the same products; whole pages
are asked for in this process, without a network: session, permissions, queries and template. Figures are
milliseconds. `--keep` leaves the database for another round.
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

NEXT = re.compile(r'rel="next" href="[^"]*depois=([0-9a-f-]{36})')
NOWHERE = "http://127.0.0.1:9"
LIMIT_MS = 150.0
FILL = (
    "INSERT INTO erp.tenant (id, name, slug) VALUES (:tenant, 'Loja', 'loja')",
    "INSERT INTO sync.integration (id, tenant_id, provider, name)"
    " VALUES (:one, :tenant, 'woocommerce', 'Loja Um'), (:two, :tenant, 'shopify', 'Loja Dois')",
    "INSERT INTO erp.product (id, tenant_id, sku, name) SELECT erp.uuid7(), :tenant, 'SKU-' || g,"
    " 'Produto ' || g FROM generate_series(1, :half) g",
    "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, state)"
    " SELECT :tenant, CAST(:one AS uuid), 'products', substr(sku, 5), id,"
    " CASE WHEN substr(sku, 5)::int % 1000 = 0 THEN 'conflict' ELSE 'active' END FROM erp.product",
    "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, state,"
    " orphaned_by) SELECT :tenant, CAST(:two AS uuid), 'products', 'gid://shopify/Product/'"
    " || substr(sku, 5), id, CASE WHEN substr(sku, 5)::int % 3 = 0 THEN 'orphan' ELSE 'active' END,"
    " CASE WHEN substr(sku, 5)::int % 3 = 0 THEN 'external' END FROM erp.product",
    "UPDATE sync.mapping SET missing_at = now() WHERE integration_id = :one AND external_id LIKE '%00'",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long pages are asked for")
    parser.add_argument("--keep", type=Path, help="a folder of the server's that stays")
    chosen = parser.parse_args()
    base = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path("/tmp")
    folder = chosen.keep or base / f"mappings-{os.getpid()}"
    server = embedded.start(folder)
    try:
        name = "mappings"
        tenant = _filled(server, name, chosen.rows)
        asyncio.run(_measure(server.url(name, "cloudtosys"), tenant, chosen.seconds))
    finally:
        server.stop()
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _filled(server: embedded.Server, name: str, rows: int) -> UUID:
    cluster = create_engine(server.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with cluster.connect() as connection:
        known = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        if not known.all():
            connection.execute(text(f"CREATE DATABASE {name}"))
            upgrade(server.admin_url(name))
    values = {"tenant": uuid4(), "one": uuid4(), "two": uuid4(), "half": rows // 2}
    inside = create_engine(server.admin_url(name), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with inside.connect() as connection:
        found = connection.execute(text("SELECT id FROM erp.tenant")).scalar_one_or_none()
        if found is not None:
            return UUID(str(found))
        started = time.monotonic()
        for statement in FILL:
            connection.execute(text(statement), values)
        connection.execute(text("VACUUM (ANALYZE) sync.mapping"))
        connection.execute(text("VACUUM (ANALYZE) erp.product"))
        print(f"filled in {time.monotonic() - started:.0f} s")
    return values["tenant"]  # type: ignore[return-value]


async def _measure(url: str, tenant: UUID, seconds: float) -> None:
    os.environ.update(DATABASE_URL=url, CLOUDTOSYS_KEYS=generate_key())
    database = engine(read().database_url)
    person = await people.create(database, f"{uuid4().hex}@exemplo.example", "Bench", None)
    await people.grant(database, tenant, person, can_edit=True, by=By("bench"))
    token = await sessions.open_(database, person, tenant, "bench")
    ids = await _places(database, tenant)
    one, two = [row.id for row in await admin.integrations(database, tenant)]
    walks: dict[str, dict[str, object]] = {
        "no filter": {},
        "integration": {"integracao": two},
        "integration, entity": {"integracao": one, "entidade": "products"},
        "entity": {"entidade": "products"},
        "orphans": {"estado": "orphan"},
        "conflicts": {"estado": "conflict"},
        "held": {"estado": "held"},
        "beginning of an id": {"busca": "gid://shopify/Product/1"},
        "many ids begin so": {"busca": "gid"},
        "orphans, id": {"busca": "gid://shopify/Product/1", "estado": "orphan"},
        "conflicts, id": {"busca": "1", "estado": "conflict"},
        "SKU": {"busca": "sku-4711"},
        "nothing": {"busca": "zzz"},
    }
    everywhere: list[float] = []
    async with Api(NOWHERE) as api:
        transport = httpx.ASGITransport(create(wired(read(), api, "http://bench")))
        headers = {"Cookie": f"{COOKIE}={token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as http:
            await http.get("/mapeamentos")
            for label, asked in walks.items():
                taken = await _walk(http, asked, ids, seconds / len(walks))
                everywhere += taken
                print(_line(label, taken), flush=True)
    p95 = _percentile(everywhere, 95)
    print(f"{_line('all', everywhere)}\np95 {p95:.1f} ms, limit {LIMIT_MS:.0f} ms")
    await database.dispose()


async def _walk(
    http: httpx.AsyncClient, asked: Mapping[str, object], ids: Sequence[UUID], seconds: float
) -> list[float]:
    """Pages one after another, and from places anywhere in the list."""
    taken: list[float] = []
    after: dict[str, object] = {}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        address = f"/mapeamentos?{urlencode({**asked, **after})}"
        started = time.monotonic()
        answer = await http.get(address)
        taken.append((time.monotonic() - started) * 1000)
        answer.raise_for_status()
        onwards = NEXT.search(answer.text)
        after = {"depois": onwards[1] if onwards and len(taken) % 3 else random.choice(ids)}
    return taken


async def _places(database: AsyncEngine, tenant: UUID) -> list[UUID]:
    async with tenant_transaction(database, tenant) as connection:
        rows = await connection.execute(text("SELECT id FROM sync.mapping TABLESAMPLE SYSTEM (0.2)"))
        return list(rows.scalars())


def _line(label: str, taken: list[float]) -> str:
    middle, p95 = statistics.median(taken), _percentile(taken, 95)
    return f"{label:22} {len(taken):6} pages  median {middle:6.1f}  p95 {p95:6.1f}  max {max(taken):6.1f} ms"


def _percentile(taken: list[float], share: int) -> float:
    return sorted(taken)[min(len(taken) - 1, len(taken) * share // 100)]


if __name__ == "__main__":
    main()
