"""An account of B2W's time."""

from contextlib import AbstractContextManager

from tests.providers.stands import Stand, americanas


def stand() -> AbstractContextManager[Stand]:
    return americanas.stand(classic=True)
