"""The API is what its OpenAPI says, whatever it is sent (RELIABILITY T24): no answer is a crash, each is as
declared, none without a key. `FAULTS=long` takes its time."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from db import api_keys
from db.audit import By
from tests.conftest import Database, Tenant
from tests.population import populate
from tests.shared import console, database, orchestrator, wiring
from web.api import gate
from web.api.app import PREFIX
from web.wiring import Wiring

__all__ = ["console", "database", "orchestrator", "wiring"]
LONG = os.environ.get("FAULTS") == "long"
EXTENT = (
    ("--phases=coverage,fuzzing,stateful", "--max-time=600")
    if LONG
    else ("--phases=fuzzing", "--max-examples=3", "--seed=1")
)
PARAMETERS = {
    "integration_id": "integration",
    "pair_id": "pair",
    "mapping_id": "mapping",
    "conflict_id": "conflict",
    "log_id": "log",
    "failure_id": "issue",
    "discovery_id": "discovery",
    "proposal_id": "proposal",
    "request_id": "request",
    "number": "ticket",
}
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
)


@pytest.mark.timeout(900)
async def test_the_api_is_what_it_says_it_is(
    console: str,
    wiring: Wiring,
    database: Database,
    tenant: Tenant,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "CALLS_PER_MINUTE", 1_000_000)
    here = await populate(database, wiring, tenant)
    key = await api_keys.create(wiring.engine, tenant.id, "x", ["ler", "escrever"], None, By("teste"))
    settings = tmp_path / "schemathesis.toml"
    known = [f'"path.{name}" = "{here.ids[kind]}"' for name, kind in PARAMETERS.items()]
    settings.write_text("\n".join(["[parameters]", *known]))
    running = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), f"--config-file={settings}", "run"),
        *(f"{console}{PREFIX}/openapi.json", f"--header=Authorization:Bearer {key}"),
        *(f"--checks={','.join(CHECKS)}", *EXTENT, "--generation-database=none"),
        *("--continue-on-failure", "--no-color"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    said, _ = await running.communicate()
    assert running.returncode == 0, said.decode()[-8000:]
