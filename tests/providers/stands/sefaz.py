"""The tax authority, with documents for the company."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.sefaz.process import CNPJ, start
from tests.providers.stands import Stand


@contextmanager
def stand() -> Iterator[Stand]:
    with start() as service:
        service.steer("add", cnpj=CNPJ, kind="complete", number=1)
        yield Stand(service.settings)
