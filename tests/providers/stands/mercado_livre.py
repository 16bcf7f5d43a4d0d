"""A seller's account at Mercado Livre that has consented."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from core.entities import Entity
from core.oauth2 import Token
from sandbox.mercado_livre.process import start
from tests.providers.stands import Stand


@contextmanager
def stand() -> Iterator[Stand]:
    with start(items=130, orders=60) as account:
        granted = account.steer("consent")
        yield Stand(
            {
                "base_url": account.url,
                "client_id": account.client_id,
                "client_secret": account.client_secret,
            },
            token=Token(
                access=granted["access_token"],
                refresh=granted["refresh_token"],
                expires_at=datetime.now(UTC) + timedelta(hours=6),
            ),
            unlisted=frozenset({Entity.INVOICES}),
        )
