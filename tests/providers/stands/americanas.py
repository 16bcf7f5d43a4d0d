"""An account of the Americanas Marketplace. The suite's limiter never waits, so nothing is metered here."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.americanas.process import start
from tests.providers.stands import Stand


@contextmanager
def stand(*, classic: bool = False) -> Iterator[Stand]:
    with start(products=30, orders=3, categories=12, classic=int(classic), metered=0) as market:
        yield Stand(
            {
                "base_url": market.url,
                "omnik_url": f"{market.url}/omnik",
                "user_email": market.user_email,
                "api_key": market.api_key,
                "accountmanager_key": market.accountmanager_key,
            }
        )
