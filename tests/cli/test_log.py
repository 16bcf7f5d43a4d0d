"""A failed log from the command line: resolved, exported, made a ticket."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.notices.conftest import SECRET, failed, new_pair, pair, sql, vault

__all__ = ["failed", "new_pair", "pair", "sql", "vault"]
ROOT = Path(__file__).parents[2]


def cloudtosys(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def unresolved() -> list[str]:
    return [row["id"] for row in json.loads(cloudtosys("logs", "--unresolved", "--json").stdout)]


def test_a_failed_log_is_exported_ticketed_and_resolved(
    failed: Callable[..., UUID], sql: Callable[..., Any], tmp_path: Path
) -> None:
    log = str(failed())
    assert unresolved() == [log]
    file = tmp_path / "log.json"
    exported = cloudtosys("log", "export", log, "--output", str(file))
    assert exported.returncode == 0, exported.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(json.loads(file.read_text())["issues"]) == 2
    assert SECRET not in file.read_text()
    assert cloudtosys("log", "export", log, "--output", str(file)).returncode == 1
    assert json.loads(cloudtosys("log", "export", log).stdout)["log"]["id"] == log

    made = json.loads(cloudtosys("log", "ticket", log, "--json").stdout)
    assert made["is_new"]
    assert "já estava aberto" in cloudtosys("log", "ticket", log).stdout
    assert made["number"] in cloudtosys("ticket", "list").stdout
    assert "Corrija o campo." in cloudtosys("ticket", "show", made["number"]).stdout
    assert cloudtosys("ticket", "close", made["number"]).returncode == 0

    assert cloudtosys("log", "resolve", log).returncode == 2
    resolved = cloudtosys("log", "resolve", log, "--reason", "Corrigido na loja.")
    assert (resolved.returncode, resolved.stderr) == (0, "")
    assert unresolved() == []
    actions = [row[0] for row in sql("SELECT action FROM sync.audit_log ORDER BY id")]
    assert actions == ["log.export", "log.export", "log.ticket", "ticket.close", "log.resolve"]


def test_an_unknown_log_says_how_to_find_one(failed: Callable[..., UUID]) -> None:
    failed()
    unknown = cloudtosys("log", "export", "019ac3f0-5e3c-7c2a-9a52-0f4d2f3c1a11")
    assert unknown.returncode == 1
    assert "cloudtosys logs" in unknown.stderr
    assert cloudtosys("log", "export", "nada").returncode == 2
