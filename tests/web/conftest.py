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
from tests.processes import new_pair, sql
from tests.web.runs import new_issue, new_log, shop

__all__ = [
    "address",
    "browser",
    "console",
    "keys",
    "new_issue",
    "new_log",
    "new_pair",
    "open_page",
    "orchestrator",
    "person",
    "reader",
    "shop",
    "sign_in",
    "sql",
    "vault",
    "wiring",
]
