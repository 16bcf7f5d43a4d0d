"""Sign-in by OpenID Connect: discovery, code with PKCE, an ID token that is believed when all of it fits.

https://openid.net/specs/openid-connect-core-1_0.html, https://www.rfc-editor.org/rfc/rfc7636 (PKCE),
https://www.rfc-editor.org/rfc/rfc9207 (the issuer in the answer, against mix-ups),
https://www.rfc-editor.org/rfc/rfc9700 (best current practice)
"""

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core.errors import Advice, ConfigurationError, TransientError
from core.registration import Client

SCOPE = "openid email profile"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that the provider alone has: never `none`, never a shared secret."""
KEPT_SECONDS = 3600
AGAIN_SECONDS = 60
LEEWAY_SECONDS = 60
LONGEST_SUBJECT = 255


class SignInRefused(ConfigurationError):
    advice = Advice(
        "Entrada recusada",
        "A resposta do provedor de identidade não confere com o que foi pedido, ou passou do prazo.",
        "Volte a Entrar e tente de novo. Se persistir, avise quem opera a instalação.",
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a sign-in under way must come back with."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for; `email` is empty where it does not vouch for that."""

    issuer: str
    subject: str
    email: str
    name: str


class Provider:
    """One provider, its metadata and keys kept for an hour. Raises `SignInRefused`, `TransientError`."""

    def __init__(self, client: Client, http: httpx.AsyncClient) -> None:
        self.client = client
        self._http = http
        self._metadata: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = float("-inf")
        self._keys_at = float("-inf")

    async def begin(self, redirect_uri: str) -> Attempt:
        metadata = await self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        url = str(add_params_to_uri(metadata["authorization_endpoint"], list(asked.items())))
        return Attempt(url, state, nonce, verifier)

    async def finish(
        self, answer: Mapping[str, str], *, nonce: str, verifier: str, redirect_uri: str
    ) -> Identity:
        """`answer` is the query that the browser came back with; its state was checked."""
        metadata = await self._discover()
        self._same_issuer(answer, metadata)
        if "error" in answer or not answer.get("code"):
            raise SignInRefused("O provedor de identidade não autorizou a entrada.")
        token = await self._redeem(metadata, answer["code"], verifier, redirect_uri)
        return self._identity(await self._claims(metadata, token), nonce)

    async def _discover(self) -> Mapping[str, Any]:
        if time.monotonic() - self._read_at > KEPT_SECONDS:
            found = await self._json(get_well_known_url(self.client.issuer, external=True))
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if found.get("issuer") != self.client.issuer or not all(found.get(name) for name in needed):
                raise SignInRefused("O provedor de identidade se apresenta com outro nome, ou incompleto.")
            secure = urlsplit(self.client.issuer).scheme
            if any(urlsplit(str(found[name])).scheme != secure for name in needed):
                raise SignInRefused("O provedor de identidade tem um endereço sem a segurança do emissor.")
            self._metadata, self._read_at = found, time.monotonic()
        return self._metadata

    def _same_issuer(self, answer: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
        said = answer.get("iss")
        told = metadata.get("authorization_response_iss_parameter_supported") is True
        if (said is None and told) or (said is not None and said != self.client.issuer):
            raise SignInRefused("A resposta veio de outro provedor de identidade.")

    async def _redeem(self, metadata: Mapping[str, Any], code: str, verifier: str, redirect_uri: str) -> str:
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        ours = (self.client.client_id, self.client.client_secret)
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        auth = httpx.BasicAuth(*ours) if "client_secret_basic" in methods else None
        if auth is None:
            body |= {"client_id": ours[0], "client_secret": ours[1]}
        answer = await self._ask("POST", str(metadata["token_endpoint"]), data=body, auth=auth)
        if answer.status_code != 200:
            raise SignInRefused(f"O provedor de identidade recusou o código (HTTP {answer.status_code}).")
        token = _object(answer).get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("O provedor de identidade não deu um ID token.")
        return token

    async def _claims(self, metadata: Mapping[str, Any], token: str) -> CodeIDToken:
        """Signed by the provider; nothing of what is in it has been looked at."""
        for again in (False, True):
            keys = await self._key_set(metadata, again=again)
            try:
                found = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError):
                continue  # its keys may have changed since
            options = {
                "iss": {"essential": True, "value": self.client.issuer},
                "aud": {"essential": True, "value": self.client.client_id},
            }
            return CodeIDToken(found.claims, found.header, options, {"client_id": self.client.client_id})
        raise SignInRefused("A assinatura do ID token não confere.")

    def _identity(self, claims: CodeIDToken, nonce: str) -> Identity:
        try:
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise SignInRefused(f"O ID token não é para esta entrada ({type(error).__name__}).") from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.client.client_id:
            raise SignInRefused("O ID token foi dado a outro programa.")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SignInRefused("O ID token é de outra entrada.")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or "\0" in subject:
            raise SignInRefused("O ID token não diz de quem é.")
        verified = claims.get("email_verified") is True and isinstance(claims.get("email"), str)
        return Identity(
            issuer=self.client.issuer,
            subject=subject,
            email=claims["email"] if verified else "",
            name=str(claims.get("name") or ""),
        )

    async def _key_set(self, metadata: Mapping[str, Any], *, again: bool) -> KeySet:
        """Read once more at most once a minute: a token with a wrong key costs the provider nothing."""
        age = time.monotonic() - self._keys_at
        if self._keys is None or age > KEPT_SECONDS or (again and age > AGAIN_SECONDS):
            found = await self._json(str(metadata["jwks_uri"]))
            try:
                public = [key for key in found.get("keys", []) if key.get("kty") != "oct"]
                self._keys = KeySet.import_key_set({"keys": public})
            except (JoseError, ValueError, TypeError, AttributeError):
                raise SignInRefused("As chaves do provedor de identidade não podem ser lidas.") from None
            self._keys_at = time.monotonic()
        return self._keys

    async def _json(self, url: str) -> Mapping[str, Any]:
        answer = await self._ask("GET", url)
        if answer.status_code != 200:
            raise TransientError(f"O provedor de identidade respondeu HTTP {answer.status_code}.")
        return _object(answer)

    async def _ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise TransientError(
                f"O provedor de identidade não respondeu ({type(error).__name__})."
            ) from None


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SignInRefused("O provedor de identidade respondeu o que não é JSON.")
    return found
