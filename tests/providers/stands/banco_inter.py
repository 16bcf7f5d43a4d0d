"""An account at Banco Inter, over mutual TLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sandbox.banco_inter.process import start
from tests.providers.stands import Stand

BEGIN = datetime.now(UTC) - timedelta(days=200)


@contextmanager
def stand() -> Iterator[Stand]:
    with start(transactions=70, charges=5) as bank:
        yield Stand({**bank.settings, "start_on": f"{BEGIN:%d/%m/%Y}"}, ca_file=bank.ca_file)
