"""Lists of the console over a million rows: whole pages at any place, filtered and searched.

A database of its own on the embedded server is filled; pages are asked for in this process, without a
network: session, permissions, queries and template. Figures are milliseconds.
"""

import argparse
import asyncio
import os
import random
import re
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from benchmarks.sitting import sitting
from db import embedded
from db.session import engine, tenant_transaction
from db.settings import read
from db.upgrade import upgrade
from db.vault import generate_key

LIMIT_MS = 150.0

Walks = Mapping[str, tuple[str, Mapping[str, object]]]
"""What is asked for, by a label: the path and its filters."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`fill` knows :tenant and what `values` makes of the number of rows; it makes a tenant with the slug
    loja. `tables` are filled, pages begin at any row of the first; `cursor` is their parameter for that."""

    name: str
    fill: Sequence[str]
    values: Callable[[int], Mapping[str, object]]
    tables: Sequence[str]
    cursor: str
    walks: Callable[[AsyncEngine, UUID], Awaitable[Walks]]


def main(listing: Listing) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long pages are asked for")
    parser.add_argument("--keep", type=Path, help="a folder of the server's that stays")
    chosen = parser.parse_args()
    base = embedded.SYSTEM_FOLDER if os.geteuid() == 0 else Path("/tmp")
    folder = chosen.keep or base / f"{listing.name}-{os.getpid()}"
    server = embedded.start(folder)
    try:
        tenant = _filled(server, listing, chosen.rows)
        os.environ.update(DATABASE_URL=server.url(listing.name, "cloudtosys"), CLOUDTOSYS_KEYS=generate_key())
        asyncio.run(_measure(listing, tenant, chosen.seconds))
    finally:
        server.stop()
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _filled(server: embedded.Server, listing: Listing, rows: int) -> UUID:
    """The tenant; what a kept folder has already is not made again."""
    cluster = create_engine(server.admin_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with cluster.connect() as connection:
        named = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if not connection.execute(named, {"name": listing.name}).all():
            connection.execute(text(f"CREATE DATABASE {listing.name}"))
            upgrade(server.admin_url(listing.name))
    inside = create_engine(server.admin_url(listing.name), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with inside.connect() as connection:
        found = connection.execute(text("SELECT id FROM erp.tenant WHERE slug = 'loja'")).scalar_one_or_none()
        if found is not None:
            return UUID(str(found))
        started, tenant = time.monotonic(), uuid4()
        values = {"tenant": tenant, **listing.values(rows)}
        for statement in listing.fill:
            connection.execute(text(statement), values)
        for table in listing.tables:
            connection.execute(text(f"VACUUM (ANALYZE) {table}"))
        print(f"filled in {time.monotonic() - started:.0f} s")
    return tenant


async def _measure(listing: Listing, tenant: UUID, seconds: float) -> None:
    database = engine(read().database_url)
    ids = await _places(database, tenant, listing.tables[0])
    walks = await listing.walks(database, tenant)
    everywhere: list[float] = []
    async with sitting(database, tenant) as http:
        await http.get(next(iter(walks.values()))[0])
        for label, (path, asked) in walks.items():
            taken = await _walk(http, path, asked, listing.cursor, ids, seconds / len(walks))
            everywhere += taken
            print(_line(label, taken), flush=True)
    p95 = _percentile(everywhere, 95)
    print(f"{_line('all', everywhere)}\np95 {p95:.1f} ms, limit {LIMIT_MS:.0f} ms")
    await database.dispose()


async def _walk(
    http: httpx.AsyncClient,
    path: str,
    asked: Mapping[str, object],
    cursor: str,
    ids: Sequence[UUID],
    seconds: float,
) -> list[float]:
    """Pages one after another, and from places anywhere in the list."""
    further = re.compile(rf'rel="next" href="[^"]*{cursor}=([0-9a-f-]{{36}})')
    taken: list[float] = []
    place: dict[str, object] = {}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        address = f"{path}?{urlencode({**asked, **place})}"
        started = time.monotonic()
        answer = await http.get(address)
        taken.append((time.monotonic() - started) * 1000)
        answer.raise_for_status()
        onwards = further.search(answer.text)
        place = {cursor: onwards[1] if onwards and len(taken) % 3 else random.choice(ids)}
    return taken


async def _places(database: AsyncEngine, tenant: UUID, table: str) -> list[UUID]:
    async with tenant_transaction(database, tenant) as connection:
        rows = await connection.execute(text(f"SELECT id FROM {table} TABLESAMPLE SYSTEM (0.2)"))
        return list(rows.scalars())


def _line(label: str, taken: list[float]) -> str:
    middle, p95 = statistics.median(taken), _percentile(taken, 95)
    return f"{label:26} {len(taken):6} pages  median {middle:6.1f}  p95 {p95:6.1f}  max {max(taken):6.1f} ms"


def _percentile(taken: list[float], percent: int) -> float:
    return sorted(taken)[min(len(taken) - 1, len(taken) * percent // 100)]
