"""The console before a real Prefect and a real worker: fixtures of tests.console and tests.processes."""

import pytest

from deployments.apply import Prefect
from tests.conftest import Database
from tests.console import (
    address,
    browser,
    console,
    keys,
    open_page,
    person,
    reader,
    sign_in,
    vault,
    wiring,
)
from tests.processes import PrefectServer, api, environment_of, prefect, prefect_server, sql, start, until

__all__ = [
    "address",
    "api",
    "browser",
    "console",
    "keys",
    "open_page",
    "person",
    "prefect",
    "prefect_server",
    "reader",
    "sign_in",
    "sql",
    "start",
    "until",
    "vault",
    "wiring",
]


@pytest.fixture
def orchestrator(prefect: Prefect) -> Prefect:
    return prefect


@pytest.fixture
def environment(prefect_server: PrefectServer, database: Database, keys: str) -> dict[str, str]:
    return environment_of(prefect_server, database, keys) | {"CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
