"""An old ERP's spreadsheet of 100,000 rows × 15 columns into the ERP, through Prefect and a warm worker.

`python -m benchmarks.legacy` prints one JSON line: rows read, validated and written a second, the planted bad
rows that were refused, and what a worker killed in the middle left behind.
"""

import argparse
import asyncio
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from openpyxl import Workbook
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from benchmarks.stack import EMPTY, ROOT, Stack, running
from core.entities import Direction, Entity
from db import admin, legacy, legacy_files
from db.audit import By
from db.databases import OURS
from db.vault import Vault
from deployments.apply import Prefect
from deployments.client import Api
from providers.legacy import preview
from providers.legacy.columns import required
from providers.legacy.sheets import Options

SEED = 20261125
LONGEST_SECONDS = 600.0
LEASE_SECONDS = 3
TITLES = (
    *("Código", "Descrição", "Descrição completa", "Preço venda", "Preço promocional", "Cód. Barras"),
    *("Situação", "Peso bruto", "Comprimento", "Largura", "Altura", "Grupo", "Foto", "NCM", "Fornecedor"),
)


def gtin(number: int) -> str:
    body = f"{789_000_000_000 + number:012d}"
    return body + str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body)) % 10)


def row(n: int) -> list[Any]:
    return [
        *(f"P{n:07d}", f"Produto número {n} açúcar", f"Descrição longa do produto {n}, com detalhes"),
        *(f"{10 + n % 900},{n % 100:02d}", 9 + n % 900 * 0.5, gtin(n), "A" if n % 10 else "I"),
        *(n % 50 * 0.125, 10 + n % 30, 20 + n % 20, 5 + n % 10, f"Grupo {n % 40}"),
        *(f"https://exemplo.invalid/{n}.jpg", "61091000", f"Fornecedor {n % 100}"),
    ]


def spoiled(cells: list[Any], kind: int) -> list[Any]:
    place, value = ((1, ""), (3, "a combinar"), (5, "789"), (6, "talvez"), (7, "pesado"))[kind % 5]
    return [*cells[:place], value, *cells[place + 1 :]]


def sheet(path: Path, rows: int, bad: int) -> set[int]:
    """Write the file; the numbers of its bad rows, as a spreadsheet program shows them."""
    planted = set(random.Random(SEED).sample(range(rows), bad))
    book = Workbook(write_only=True)
    made = book.create_sheet("Produtos")
    made.append(TITLES)
    for n in range(rows):
        made.append(spoiled(row(n), n) if n in planted else row(n))
    book.save(path)
    return {n + 2 for n in planted}


async def prepare(stack: Stack, data: bytes) -> legacy.Migration:
    tenant = await admin.create_tenant(stack.database, "Bench", "bench")
    draft = admin.Draft(
        tenant_id=tenant,
        provider="legacy-excel",
        name="Planilhas",
        base_url=None,
        settings={},
        secrets={},
        direction=Direction.IMPORT,
        pairs={},
    )
    integration = await admin.create_integration(
        stack.database, Vault([os.environ["CLOUDTOSYS_KEYS"]]), draft
    )
    found = preview.of_file(data, Entity.PRODUCTS, {}, {}, Options())
    required(Entity.PRODUCTS, found.columns)
    id_ = await legacy.create(
        stack.database,
        tenant,
        integration,
        Entity.PRODUCTS,
        file_id=await legacy_files.store(stack.database, tenant, "produtos.xlsx", io.BytesIO(data)),
        options=found.options,
        columns=found.stored,
        by=By("bench"),
    )
    return await legacy.read(stack.database, id_)


async def run(stack: Stack, migration: legacy.Migration) -> float:
    """Seconds of the flow run, as Prefect saw it."""
    async with Api(stack.api_url, stack.auth) as api:
        flow_run = await Prefect(api, stack.database).migrate(migration.id, apply=True)
        return await _seconds(api, flow_run)


async def _seconds(api: Api, flow_run: UUID) -> float:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        found = await api.read_run(flow_run)
        if found and found["end_time"]:
            if found["state"]["type"] != "COMPLETED":
                raise RuntimeError(found["state"]["message"])
            return float(found["total_run_time"])
        await asyncio.sleep(0.1)
    raise RuntimeError("the migration did not end")


async def killed(stack: Stack, migration: legacy.Migration, rows: int) -> int:
    """Products there were when the worker was killed in the middle; then the migration is started again."""
    async with Api(stack.api_url, stack.auth) as api:
        await Prefect(api, stack.database).migrate(migration.id, apply=True)
    while (written := counted(stack)[0]) < rows // 3:  # noqa: ASYNC110 - another process writes
        await asyncio.sleep(0.05)
    stack.worker.send_signal(signal.SIGKILL)
    stack.worker.wait()
    await asyncio.sleep(LEASE_SECONDS + 1)
    with another_worker():
        await run(stack, migration)
    return written


@contextmanager
def another_worker() -> Iterator[None]:
    worker = subprocess.Popen([sys.executable, "-m", "deployments.warm"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(30)


def _cpu(stack: Stack) -> float:
    """Seconds of CPU that the worker has used: what a busy machine does not stretch."""
    times = psutil.Process(stack.worker.pid).cpu_times()
    return float(times.user + times.system)


def counted(stack: Stack) -> tuple[int, int, int]:
    """Products, different SKUs, and different products that are linked."""
    statement = (
        "SELECT (SELECT count(*) FROM erp.product), (SELECT count(DISTINCT sku) FROM erp.product),"
        " (SELECT count(DISTINCT internal_id) FROM sync.mapping WHERE entity = 'products')"
    )
    with create_engine(stack.cluster.admin_url(OURS), poolclass=NullPool).connect() as connection:
        one = connection.execute(text(statement)).one()
    return one[0], one[1], one[2]


async def measure(stack: Stack, data: bytes, planted: set[int], rows: int) -> dict[str, Any]:
    migration = await prepare(stack, data)
    begun = _cpu(stack)
    seconds = await run(stack, migration)
    cpu = _cpu(stack) - begun
    megabytes = round(stack.worker_megabytes())
    first, refused = counted(stack), {number async for number in rejected(stack, migration)}
    with create_engine(stack.cluster.admin_url(OURS), poolclass=NullPool).begin() as connection:
        connection.execute(text(EMPTY))
    written = await killed(stack, migration, rows)
    again, refused_again = counted(stack), {number async for number in rejected(stack, migration)}
    await stack.database.dispose()
    good = rows - len(planted)
    return {
        "name": "legacy_xlsx",
        "rows": rows,
        "columns": len(TITLES),
        "seconds": round(seconds, 1),
        "ours": round(rows / seconds),
        "unit": "rows/s",
        "rejected": len(refused),
        "planted_and_rejected": len(refused & planted),
        "worker_mb": megabytes,
        "worker_cpu_us_per_row": round(cpu / rows * 1e6),
        "load": os.getloadavg()[0],
        "written_at_kill": written,
        "ok": first == again == (good, good, good) and refused == refused_again == planted,
    }


async def rejected(stack: Stack, migration: legacy.Migration) -> AsyncIterator[int]:
    async for number, _, reason in legacy.rejected(stack.database, migration):
        if reason:
            yield number


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--bad", type=int, default=1_000)
    options = parser.parse_args()
    os.environ["CLOUDTOSYS_LEASE_SECONDS"] = str(LEASE_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "produtos.xlsx"
        planted = sheet(path, options.rows, options.bad)
        with running(1) as stack:
            print(
                json.dumps(asyncio.run(measure(stack, path.read_bytes(), planted, options.rows))), flush=True
            )


if __name__ == "__main__":
    main()
