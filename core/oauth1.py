"""OAuth 1.0a one-legged signing (RFC 5849), which WooCommerce asks for on plain HTTP."""

from collections.abc import Generator

import httpx
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY, Client


class OAuth1(httpx.Auth):
    """Signs in the query string: some web servers drop the Authorization header."""

    def __init__(self, consumer_key: str, consumer_secret: str) -> None:
        self._client = Client(
            consumer_key,
            client_secret=consumer_secret,
            signature_method=SIGNATURE_HMAC_SHA256,
            signature_type=SIGNATURE_TYPE_QUERY,
        )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url, _, _ = self._client.sign(str(request.url), http_method=request.method)
        request.url = httpx.URL(url)
        yield request
