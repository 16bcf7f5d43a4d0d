"""OAuth 2.0 tokens (RFC 6749) with refresh tokens that may work once only.

The token lives in the database, not in a process: `Tokens` refreshes it under a lock there, so that many
runs that meet an expired one together ask once.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

import httpx
import msgspec
from oauthlib.oauth2 import BackendApplicationClient, MissingTokenError, OAuth2Error, WebApplicationClient

from core.errors import AuthenticationError, NotSent

MARGIN = timedelta(minutes=5)
"""An access token is renewed so long before it ends."""
TOKEN = "oauth_token"  # noqa: S105 - the credential's name
"""Name of the credential that holds the token."""
REFUSALS = (400, 401)
"""Statuses of a token endpoint that says no (RFC 6749 section 5.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """How a provider gives out tokens. Settings `client_id` and `client_secret` are expected.

    Without `authorize_url` nobody has to consent: the client's own credentials are enough. `lifetime` is for
    a token endpoint that does not say how long a token lasts. The token travels in `header`, after `scheme`.
    """

    token_url: Callable[[Mapping[str, str]], str]
    authorize_url: Callable[[Mapping[str, str]], str] | None = None
    scopes: tuple[str, ...] | Callable[[Mapping[str, str]], tuple[str, ...]] = ()
    pkce: bool = True
    client_auth: Literal["body", "basic"] = "body"
    lifetime: timedelta = timedelta(hours=1)
    header: str = "Authorization"
    scheme: str = "Bearer "

    def scope(self, settings: Mapping[str, str]) -> str | None:
        """As it travels (RFC 6749 section 3.3)."""
        return " ".join(self.scopes(settings) if callable(self.scopes) else self.scopes) or None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """`refused`: the refresh token does not work any more and a person has to connect again."""

    access: str
    refresh: str | None = None
    expires_at: datetime
    refused: bool = False

    def fresh(self, now: datetime) -> bool:
        return now + MARGIN < self.expires_at


class Tokens(Protocol):
    async def access(self, refused: str | None = None) -> str:
        """An access token that lasts a while, and is not the one that was `refused`.

        Raises `AuthenticationError` when somebody has to connect again, `NotSent` when the token endpoint
        does not answer.
        """
        ...


class TokenAuth(httpx.Auth):
    """The token in its header; a 401 is answered with a new token once."""

    def __init__(self, tokens: Tokens, oauth: OAuth2) -> None:
        self._tokens = tokens
        self._header, self._scheme = oauth.header, oauth.scheme

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._tokens.access()
        request.headers[self._header] = f"{self._scheme}{token}"
        response = yield request
        if response.status_code == 401:
            request.headers[self._header] = f"{self._scheme}{await self._tokens.access(token)}"
            yield request


async def renew(
    client: httpx.AsyncClient, oauth: OAuth2, settings: Mapping[str, str], token: Token | None
) -> Token:
    """A new token for `token`, or by the client's own credentials. Raises as `Tokens.access` does."""
    response = await ask(client, oauth, settings, _body(oauth, settings, token))
    return parsed(oauth, response, token)


def _body(oauth: OAuth2, settings: Mapping[str, str], token: Token | None) -> str:
    scope = oauth.scope(settings)
    own = {"client_id": settings["client_id"], "client_secret": settings["client_secret"]}
    secrets = own if oauth.client_auth == "body" else {}
    if oauth.authorize_url is None:
        body: str = BackendApplicationClient(settings["client_id"]).prepare_request_body(
            scope=scope, include_client_id=oauth.client_auth == "body", **secrets
        )
        return body
    if token is None or token.refresh is None:
        raise AuthenticationError("A conta ainda não foi conectada, ou o acesso não pode ser renovado.")
    web = WebApplicationClient(settings["client_id"])
    renewed: str = web.prepare_refresh_body(refresh_token=token.refresh, **secrets)
    return renewed


async def ask(
    client: httpx.AsyncClient, oauth: OAuth2, settings: Mapping[str, str], body: str
) -> httpx.Response:
    """The token endpoint's answer. Raises `NotSent` when there is none."""
    basic = oauth.client_auth == "basic"
    auth = httpx.BasicAuth(settings["client_id"], settings["client_secret"]) if basic else httpx.Auth()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    url = oauth.token_url(settings)
    try:
        response = await client.post(url, content=body, headers=headers, auth=auth)
    except httpx.HTTPError:
        raise NotSent("O sistema externo não respondeu à renovação do acesso.") from None
    if response.status_code >= 500 or response.status_code == 429:
        raise NotSent("O sistema externo não pôde renovar o acesso agora.", status=response.status_code)
    return response


def parsed(oauth: OAuth2, response: httpx.Response, old: Token | None) -> Token:
    """The token of an answer, after `old`. Raises `AuthenticationError` for a refusal, `NotSent` for what is
    no answer of a token endpoint."""
    now = datetime.now(UTC)
    try:
        found = WebApplicationClient("").parse_request_body_response(response.text)
    except MissingTokenError:
        if response.status_code not in REFUSALS:
            # A maintenance page is no refusal: the account stays connected.
            text = "O sistema externo respondeu à renovação do acesso sem um token."
            raise NotSent(text, status=response.status_code) from None
        raise _refused(response, "") from None
    except OAuth2Error as error:
        raise _refused(response, str(error.error)) from None
    seconds = found.get("expires_in")
    lasts = timedelta(seconds=float(seconds)) if seconds else oauth.lifetime
    # A server that gives no new refresh token lets the old one live (RFC 6749 section 6).
    refresh = found.get("refresh_token") or (old.refresh if old else None)
    return Token(access=str(found["access_token"]), refresh=refresh, expires_at=now + lasts)


def _refused(response: httpx.Response, code: str) -> AuthenticationError:
    return AuthenticationError(
        "O sistema externo recusou a renovação do acesso: conecte a conta novamente.",
        status=response.status_code,
        provider_code=code[:60],
    )
