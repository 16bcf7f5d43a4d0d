"""A console for each test: fixtures of tests.console."""

from tests.console import (
    address,
    browser,
    console,
    keys,
    open_page,
    orchestrator,
    person,
    reader,
    sign_in,
    vault,
    wiring,
)
from tests.processes import sql

__all__ = [
    "address",
    "browser",
    "console",
    "keys",
    "open_page",
    "orchestrator",
    "person",
    "reader",
    "sign_in",
    "sql",
    "vault",
    "wiring",
]
