"""A HubSpot account with a private app."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.hubspot.process import start
from tests.providers.stands import Stand


@contextmanager
def stand() -> Iterator[Stand]:
    with start(contacts=230, products=12, orders=5) as account:
        yield Stand(
            {
                "base_url": account.url,
                "access_token": account.token,
                "stages": "stage-paid=paid, stage-shipped=shipped",
            }
        )
