"""A person's consent to an account's use (RFC 6749 section 4.1, PKCE of RFC 7636): asked for, and taken up.

The pending consent is kept where the tokens are; its `state` comes back through the person's browser.
"""

import hmac
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import msgspec
from oauthlib.common import generate_token
from oauthlib.oauth2 import WebApplicationClient

from core.errors import AuthenticationError, ConfigurationError
from core.oauth2 import OAuth2, Token, ask, parsed
from core.spec import Settings

VALID = timedelta(minutes=15)
"""For so long a consent may be given; codes last ten minutes at most (RFC 6749 section 4.1.2)."""
VERIFIER_LENGTH = 64


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known again when the browser comes back; `verifier` and `state` are secrets."""

    state: str
    verifier: str
    redirect_uri: str
    expires_at: datetime

    @classmethod
    def pending(cls, integration_id: UUID, redirect_uri: str, now: datetime) -> Self:
        """The integration's id leads the state, so that an answer finds where it belongs."""
        return cls(
            state=f"{integration_id}.{generate_token(43)}",
            verifier=WebApplicationClient("").create_code_verifier(VERIFIER_LENGTH),
            redirect_uri=redirect_uri,
            expires_at=now + VALID,
        )

    def url(self, oauth: OAuth2, settings: Settings) -> str:
        """Where the person goes. Raises `ConfigurationError` for a provider that asks nobody."""
        if oauth.authorize_url is None:
            raise ConfigurationError("Este sistema não pede autorização: bastam as credenciais.")
        client, more = WebApplicationClient(settings["client_id"]), {}
        if oauth.pkce:
            challenge = client.create_code_challenge(self.verifier, "S256")
            more = {"code_challenge": challenge, "code_challenge_method": "S256"}
        found: str = client.prepare_request_uri(
            oauth.authorize_url(settings),
            redirect_uri=self.redirect_uri,
            scope=oauth.scope(settings),
            state=self.state,
            **more,
        )
        # Both mean a space in a form, and not every server reads an address as a form (RFC 3986).
        return found.replace("+", "%20")


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser brought back. `code` is a secret until it is exchanged."""

    state: str
    code: str

    @classmethod
    def read(cls, address: str) -> Self:
        """From the address that the browser was sent to. Raises `AuthenticationError` where the person or the
        external system said no, `ConfigurationError` for an address that is none of these."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address.strip()).query).items()}
        if "error" in query:
            code = query["error"][:60]
            raise AuthenticationError(f"O acesso não foi autorizado ({code}).", provider_code=code)
        if not query.get("code") or not query.get("state"):
            raise ConfigurationError(
                "O endereço não traz a autorização: copie inteiro o endereço a que o navegador voltou,"
                " com code= e state=."
            )
        return cls(state=query["state"], code=query["code"])

    @property
    def integration_id(self) -> UUID:
        """As `integration_of`."""
        return integration_of(self.state)

    def answers(self, consent: Consent | None, now: datetime) -> Consent:
        """The consent that this is the answer to. Raises `ConfigurationError` for none, another or a late
        one."""
        if consent is None or not hmac.compare_digest(consent.state.encode(), self.state.encode()):
            raise ConfigurationError(
                "Este retorno não é do pedido de conexão mais recente: conecte a conta de novo."
            )
        if consent.expires_at <= now:
            raise ConfigurationError("O pedido de conexão venceu: conecte a conta de novo.")
        return consent


def integration_of(state: str) -> UUID:
    """The integration that a state names. Raises `ConfigurationError` for one that is none of ours."""
    try:
        return UUID(state.partition(".")[0])
    except ValueError:
        raise ConfigurationError("Este retorno não pertence a nenhum pedido de conexão.") from None


async def exchange(
    client: httpx.AsyncClient, oauth: OAuth2, settings: Settings, consent: Consent, code: str
) -> Token:
    """The account's first token. Raises `AuthenticationError` when it is refused, `NotSent` when the token
    endpoint does not answer."""
    in_body = oauth.client_auth == "body"
    secret = {"client_secret": settings["client_secret"]} if in_body else {}
    body = WebApplicationClient(settings["client_id"]).prepare_request_body(
        code=code,
        redirect_uri=consent.redirect_uri,
        include_client_id=in_body,
        code_verifier=consent.verifier if oauth.pkce else None,
        **secret,
    )
    return parsed(oauth, await ask(client, oauth, settings, body), None)
