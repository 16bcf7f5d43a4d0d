"""The legacy migration through the command line, Prefect and a worker; killed, it goes on by itself."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from openpyxl import load_workbook

from deployments.apply import Prefect
from tests.conftest import Tenant
from tests.processes import ROOT
from tests.providers.legacy import products, workbook

Until = Callable[..., Awaitable[Any]]
ROWS = 9_000


async def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli.main", "migrate-legacy", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_a_file_is_simulated_and_then_written(
    prefect: Prefect,
    environment: dict[str, str],
    tenant: Tenant,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    tmp_path: Path,
) -> None:
    await prefect.apply()
    start("deployments.warm")
    rows = products(30)
    rows[4][2] = "x"
    file = tmp_path / "velho.xls"
    file.write_bytes(workbook(rows))
    shown = await command(environment, str(file), "--entity", "produtos", "--preview")
    assert "Descrição" in shown.stdout
    assert sql("SELECT count(*) FROM sync.migration") == [(0,)]
    tried = await command(environment, str(file), "--entity", "produtos")
    assert (tried.returncode, tried.stderr) == (0, "")
    assert "SIMULAÇÃO, nada foi gravado." in tried.stdout
    assert "29 criados, 0 atualizados, 0 ignorados, 1 linhas rejeitadas" in tried.stdout
    assert sql("SELECT count(*) FROM erp.product") == [(0,)]
    done = await command(environment, str(file), "--entity", "produtos", "--apply", "--json")
    assert msgspec.json.decode(done.stdout)["counts"] == {
        "created": 29,
        "updated": 0,
        "skipped": 0,
        "rejected": 1,
    }
    sheet = load_workbook(tmp_path / "velho-rejeitadas.xlsx").active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]][-2:] == [
        6,
        "Linha 6, coluna Preço venda: o valor não é um número.",
    ]
    assert sql("SELECT count(*) FROM erp.product") == [(29,)]
    assert sql("SELECT count(*) FROM sync.migration") == [(1,)]
    unclear = await command(
        environment, str(file), "--entity", "produtos", "--map", "Descrição=", "--map", "Código=preço"
    )
    assert unclear.returncode == 1
    assert "SKU, Nome" in unclear.stderr


async def test_killed_it_is_taken_up_again_without_doubles(
    prefect: Prefect,
    environment: dict[str, str],
    tenant: Tenant,
    start: Callable[..., subprocess.Popen[bytes]],
    sql: Callable[..., Any],
    until: Until,
    tmp_path: Path,
) -> None:
    await prefect.apply()
    worker = start("deployments.warm")
    file = tmp_path / "velho.xlsx"
    file.write_bytes(workbook(products(ROWS)))
    waiting = asyncio.create_task(
        command(environment, str(file), "--entity", "produtos", "--apply", "--json")
    )
    await until(lambda: some(sql), 60)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    before = sql("SELECT count(*) FROM erp.product")[0][0]
    assert 0 < before < ROWS
    start("deployments.sentinel")
    start("deployments.warm")
    done = msgspec.json.decode((await waiting).stdout)
    assert done["state"] == "done"
    assert sql("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(ROWS, ROWS)]
    assert sql("SELECT count(*) FROM sync.mapping WHERE entity = 'products'") == [(ROWS,)]
    runs = sql("SELECT status, processed FROM sync.sync_log ORDER BY started_at")
    assert [row[0] for row in runs] == ["interrupted", "success"]
    assert runs[1][1] == ROWS - before


async def some(sql: Callable[..., Any]) -> bool:
    return bool(sql("SELECT EXISTS (SELECT FROM erp.product)")[0][0])
