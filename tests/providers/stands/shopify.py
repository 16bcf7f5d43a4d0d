"""A Shopify shop, with tokens by client credentials."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.shopify.process import start
from tests.providers.stands import Stand


@contextmanager
def stand() -> Iterator[Stand]:
    with start(products=12, collections=3, customers=4, orders=5, locations=2) as shop:
        yield Stand(
            {
                "base_url": shop.url,
                "client_id": shop.client_id,
                "client_secret": shop.client_secret,
                "location_id": "77",
            }
        )
