"""A WooCommerce shop."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.process import start
from tests.providers.stands import Stand


@contextmanager
def stand() -> Iterator[Stand]:
    with start(products=130, categories=6, customers=5, orders=5) as shop:
        yield Stand(
            {
                "base_url": shop.url,
                "consumer_key": shop.consumer_key,
                "consumer_secret": shop.consumer_secret,
            }
        )
