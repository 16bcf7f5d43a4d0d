"""Channels and notices from the command line, delivered by a real sentinel."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.vault import Vault
from tests.conftest import Database, Tenant
from tests.notices.conftest import Hook, Mailbox, hook, mailbox, sql, vault

__all__ = ["hook", "mailbox", "sql", "vault"]
ROOT = Path(__file__).parents[2]


def cloudtosys(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def sentinel(vault: Vault, tmp_path: Path) -> Any:
    """Without a Prefect: notices go out all the same."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "CLOUDTOSYS_WATCH_SECONDS": "0.5",
    }
    log = (tmp_path / "sentinel.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "deployments.sentinel"], env=environment, stdout=log, stderr=log, cwd=ROOT
    )
    yield tmp_path / "sentinel.log"
    process.terminate()
    process.wait(20)


def test_a_channel_is_made_tested_and_listed(
    database: Database,
    tenant: Tenant,
    hook: Hook,
    mailbox: Mailbox,
    sentinel: Path,
    sql: Callable[..., Any],
    tmp_path: Path,
) -> None:
    file = tmp_path / "webhook"
    file.write_text(f"{hook.address}\n")
    made = cloudtosys("channel", "create", "Equipe", "--address-file", str(file))
    assert made.returncode == 0, made.stderr
    assert "segredo-da-url" not in made.stdout
    assert cloudtosys("channel", "create", "Chefia", "--email", "chefia@loja.exemplo.test").returncode == 0
    listed = json.loads(cloudtosys("channel", "list", "--json").stdout)
    assert [(row["name"], row["where"]) for row in listed] == [
        ("Chefia", "e-mail · loja.exemplo.test"),
        ("Equipe", "webhook · 127.0.0.1"),
    ]
    sent = cloudtosys("notice", "test", "equipe")
    assert (sent.returncode, sent.stdout.strip()) == (0, "enviado (Equipe)"), sent.stderr
    assert [body["kind"] for body in hook.bodies] == ["test"]
    mailbox.refusal = "550 nobody here"
    refused = cloudtosys("notice", "test", "Chefia")
    assert refused.returncode == 1
    assert "Erro: O servidor de e-mail" in refused.stdout
    notices = json.loads(cloudtosys("notice", "list", "--json").stdout)
    assert [(row["channel"], row["state"]) for row in notices] == [("Chefia", "pending"), ("Equipe", "sent")]
    shown = sentinel.read_text()
    assert "segredo-da-url" not in shown
    assert "chefia@" not in shown


def test_a_refused_address_says_what_is_accepted(database: Database, tenant: Tenant, vault: Vault) -> None:
    refused = cloudtosys("channel", "create", "Equipe", "--email", "json://exemplo.test/x")
    assert refused.returncode == 1
    assert "slack://" in refused.stderr
    assert cloudtosys("notice", "test", "Nenhum").returncode == 1
