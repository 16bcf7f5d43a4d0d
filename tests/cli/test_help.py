"""Help, errors and output: in Portuguese, quick, and never with a credential as an argument."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli import output
from cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
ENGLISH = ("Usage", "Options", "Commands", "Arguments", "Show this message", "Error:", "Missing", "[default")


def cloudtosys(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_in_portuguese(name: str) -> None:
    ended = cloudtosys(*filter(None, [name]), "--help")
    assert ended.returncode == 0
    assert "Uso:" in ended.stdout
    assert not [word for word in ENGLISH if word in ended.stdout]


@pytest.mark.parametrize(
    "words", [["nada"], ["run"], ["run", "Loja", "planetas"], ["logs", "--limit", "x"], ["logs", "--nada"]]
)
def test_wrong_words_are_explained_in_portuguese(words: list[str]) -> None:
    ended = cloudtosys(*words)
    assert ended.returncode == 2
    assert "Erro:" in ended.stderr
    assert not [word for word in ENGLISH if word in ended.stderr]


def test_help_is_quick_and_without_prefect() -> None:
    fastest = 10.0
    for _ in range(3):
        began = time.perf_counter()
        assert cloudtosys("--help").returncode == 0
        fastest = min(fastest, time.perf_counter() - began)
    assert fastest < 2.0
    code = "import sys, cli.main; print('prefect' in sys.modules or 'sqlalchemy' in sys.modules)"
    imported = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert imported.stdout.strip() == "False"


def test_no_option_takes_a_credential() -> None:
    shown = cloudtosys("integration", "create", "--help").stdout
    assert "--credentials-file" in shown
    assert not [word for word in ("--secret", "--password", "--token", "--consumer-key") if word in shown]
    refused = cloudtosys("integration", "create", "--help", "--consumer-secret", "cs_x")
    assert "cs_x" not in refused.stdout


def test_numbers_and_times_are_brazilian() -> None:
    assert output.cell(1234567) == "1.234.567"
    assert output.cell(1234.5) == "1.234,5"
    assert output.cell(datetime(2026, 11, 24, 17, 5, tzinfo=UTC)) == "24/11/2026 14:05"
