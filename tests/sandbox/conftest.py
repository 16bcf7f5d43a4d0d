"""Shops of the size of the recorded one, and callers that sign with a library that is not the shop's own."""

import ssl
from collections.abc import Generator, Iterator
from typing import Any

import httpx
import pytest
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY, Client

from sandbox.process import Store, start
from sandbox.world.process import World
from sandbox.world.process import start as start_world

SIZE: dict[str, Any] = {"products": 300, "categories": 24, "customers": 62, "orders": 152}


class Signed(httpx.Auth):
    def __init__(self, store: Store, **options: Any) -> None:
        options = {
            "client_secret": store.consumer_secret,
            "signature_method": SIGNATURE_HMAC_SHA256,
            "signature_type": SIGNATURE_TYPE_QUERY,
        } | options
        self._client = Client(options.pop("client_key", store.consumer_key), **options)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url, headers, _ = self._client.sign(str(request.url), http_method=request.method)
        request.url = httpx.URL(url)
        request.headers.update(headers)
        yield request


def caller(store: Store, auth: httpx.Auth | tuple[str, str] | None = None) -> httpx.Client:
    """A client of the shop; without `auth` it shows the good keys as the listener wants them."""
    base = f"{store.url}/wp-json/wc/v3"
    if store.ca_file:
        context = ssl.create_default_context(cafile=store.ca_file)
        auth = auth or (store.consumer_key, store.consumer_secret)
        return httpx.Client(base_url=base, auth=auth, verify=context, trust_env=False, timeout=30)
    return httpx.Client(base_url=base, auth=auth or Signed(store), trust_env=False, timeout=30)


def nobody(store: Store) -> httpx.Client:
    client = caller(store)
    client.auth = None  # type: ignore[assignment]
    return client


@pytest.fixture(scope="session")
def plain() -> Iterator[Store]:
    with start(**SIZE) as running:
        yield running


@pytest.fixture(scope="session")
def secure() -> Iterator[Store]:
    with start(tls=True, **SIZE) as running:
        yield running


@pytest.fixture(scope="session")
def reader() -> Iterator[Store]:
    with start(tls=True, permission="read", **SIZE) as running:
        yield running


@pytest.fixture
def shop() -> Iterator[httpx.Client]:
    """A small shop of the test's own, to write to."""
    with start(products=60, orders=20, customers=10, categories=8) as running, caller(running) as client:
        yield client


@pytest.fixture
def steered() -> Iterator[tuple[Store, httpx.Client]]:
    """The same with its control surface."""
    with start(products=60, orders=20, customers=10, categories=8) as running, caller(running) as client:
        yield running, client


@pytest.fixture
def world() -> Iterator[World]:
    with start_world() as running:
        yield running


@pytest.fixture
def calls(world: World) -> Iterator[httpx.Client]:
    """A client of `world` that shows the good token."""
    with client_of(world) as client:
        yield client


def client_of(world: World) -> httpx.Client:
    headers = {"Authorization": f"Bearer {world.token}"}
    return httpx.Client(base_url=world.url, headers=headers, trust_env=False, timeout=30)
