"""The demonstration as a newcomer runs it: a process of its own, in an empty folder."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import embedded

ROOT = Path(__file__).parents[2]
SIZES = {"categorias": 40, "produtos": 300, "clientes": 120, "pedidos": 200}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(embedded.default_folder(tmp_path), ignore_errors=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def demo(project: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "demo", "--once", "--port-base", str(port - 1)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


def test_every_pair_runs_through_prefect_and_a_second_start_skips(project: Path) -> None:
    first = demo(project, free_port())
    assert first.returncode == 0, first.stdout + first.stderr
    rows = {line.split()[0]: line.split()[1:7] for line in first.stdout.splitlines() if "importar" in line}
    read = {entity: int(row[1]) for entity, row in rows.items()}
    assert read | {"estoque": 0} == SIZES | {"estoque": 0}
    assert read["estoque"] > SIZES["produtos"], "variations count stock of their own"
    assert all(row[1] == row[2] and row[3:] == ["0", "0", "0"] for row in rows.values())
    second = demo(project, free_port())
    assert second.returncode == 0, second.stdout + second.stderr
    rows = {line.split()[0]: line.split()[3:5] for line in second.stdout.splitlines() if "importar" in line}
    assert set(map(tuple, rows.values())) == {("0", "0")}
    logs = [path.read_text() for path in (embedded.default_folder(project) / "logs").glob("*.log")]
    assert not [log for log in logs if "cs_" in log]


def test_a_taken_port_is_said_with_its_remedy(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = demo(project, taken.getsockname()[1])
    assert ended.returncode == 1
    assert "PORT_BASE" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
