"""One database and one console for a whole file: each test has a tenant of its own in it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from db import embedded
from db.vault import generate_key
from tests.conftest import Database, new_database
from tests.console import Asked, free_address, serving, wire
from web.wiring import Wiring

_ASKED = Asked()


@pytest.fixture(scope="module")
def database(cluster: embedded.Server, template: str) -> Iterator[Database]:
    with new_database(cluster, template) as made:
        yield made


@pytest.fixture(scope="module")
def wiring(database: Database) -> Wiring:
    return wire(database, generate_key(), _ASKED, free_address())


@pytest.fixture(scope="module")
async def console(wiring: Wiring) -> AsyncIterator[str]:
    async with serving(wiring, wiring.public_url):
        yield wiring.public_url


@pytest.fixture
def orchestrator() -> Asked:
    """What this test asks of Prefect."""
    _ASKED.calls.clear()
    return _ASKED


__all__ = ["console", "database", "orchestrator", "wiring"]
