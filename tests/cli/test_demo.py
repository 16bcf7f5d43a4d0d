"""The demonstration as a newcomer runs it: a process of its own, in an empty folder."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from cli.up import _deaf, _signals
from db import embedded

ROOT = Path(__file__).parents[2]
SIZES = {"categorias": 40, "produtos": 300, "clientes": 120, "pedidos": 200}
LONGEST_START_SECONDS = 120


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(embedded.default_folder(tmp_path), ignore_errors=True)


@pytest.fixture(scope="module")
def port_base() -> int:
    """Three free ports in a row, kept for every start: a shop that moves has other picture addresses."""
    for base in range(20_000, 60_000, 10):
        if all(is_free(base + n) for n in range(3)):
            return base
    raise RuntimeError("no three free ports in a row")


def is_free(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) != 0


def command(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def rows(output: str) -> dict[str, list[int]]:
    """Read, created, updated, skipped and errors of each entity in the table of runs."""
    lines = [line.split() for line in output.splitlines() if "importar" in line]
    return {words[0]: [int(word) for word in words[2:7]] for words in lines}


def test_every_pair_runs_through_prefect_and_a_second_start_skips(project: Path, port_base: int) -> None:
    words = ("demo", "--once", "--port-base", str(port_base))
    first = command(project, *words)
    assert first.returncode == 0, first.stdout + first.stderr
    found = rows(first.stdout)
    assert {entity: row[0] for entity, row in found.items() if entity != "estoque"} == SIZES
    assert found["estoque"][0] > SIZES["produtos"], "variations count stock of their own"
    assert all(row[0] == row[1] and row[2:] == [0, 0, 0] for row in found.values())
    second = command(project, *words)
    assert second.returncode == 0, second.stdout + second.stderr
    assert all(row[1:3] == [0, 0] and row[4] == 0 for row in rows(second.stdout).values())
    logs = [path.read_text() for path in (embedded.default_folder(project) / "logs").glob("*.log")]
    assert logs
    assert not [log for log in logs if "cs_" in log]


def test_a_taken_port_is_said_with_its_remedy(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = command(project, "demo", "--once", "--port-base", str(taken.getsockname()[1]))
    assert ended.returncode == 1
    assert "PORT_BASE" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_while_it_runs_commands_find_it_and_a_second_start_says_so(project: Path, port_base: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = [sys.executable, "-m", "cli.main", "demo", "--port-base", str(port_base)]
    running = subprocess.Popen(start, cwd=project, env=environment, stdout=subprocess.DEVNULL)
    try:
        await_runs(project)
        again = command(project, "up", "--port-base", str(port_base + 100))
        assert again.returncode == 1
        assert f"pid {running.pid}" in again.stderr
        listed = command(project, "pair", "list", "--json")
        cadences = {row["entity"]: row["cadence"] for row in msgspec.json.decode(listed.stdout)}
        assert cadences.items() >= {"orders": "5min", "stock": "5min", "customers": "hourly"}.items()
        tested = command(project, "integration", "test", "Loja Demonstração")
        assert tested.returncode == 0, tested.stdout + tested.stderr
        assert "cs_" not in tested.stdout
        ran = command(project, "run", "Loja Demonstração", "pedidos", "--full", "--wait", "--json")
        assert ran.returncode == 0, ran.stderr
        log = msgspec.json.decode(ran.stdout)[0]
        assert log["skipped"] == SIZES["pedidos"]
        assert log["url"].endswith(f"/runs/flow-run/{log['flow_run_id']}")
        paused = command(project, "integration", "pause", "Loja Demonstração")
        assert paused.returncode == 0, paused.stderr
        web = f"http://127.0.0.1:{port_base}"
        assert httpx.get(f"{web}/health", trust_env=False).json()["database"] is True
        assert "cloudtosys_database_up 1.0" in httpx.get(f"{web}/metrics", trust_env=False).text
        children = psutil.Process(running.pid).children(recursive=True)
        assert children
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]


def await_runs(project: Path) -> None:
    deadline = time.monotonic() + LONGEST_START_SECONDS
    while time.monotonic() < deadline:
        listed = command(project, "pair", "list", "--json")
        if listed.returncode == 0:
            found = msgspec.json.decode(listed.stdout)
            if len([row for row in found if row["cadence"] != "manual"]) == 5:
                return
        time.sleep(1)
    raise AssertionError("the demonstration did not finish its runs")


def test_signals_are_afterwards_as_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with _signals():
        _deaf()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
