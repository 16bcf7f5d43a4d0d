"""The provider over HTTP: metadata, keys, the two endpoints of the code flow, and the control surface.

Whoever comes to its authorization endpoint is the person that was steered, and consents. A fault makes it
break one rule of the specification, at the place its name says.
"""

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from sandbox.wire import Headers, Receive, Reply, Scope, Send, answer, read

JSON: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
CODE_SECONDS = 60
TOKEN_SECONDS = 300
FAULTS = (
    "alg_none",
    "hs256_with_the_public_key",
    "hs256_with_the_secret",
    "other_key",
    "changed_payload",
    "wrong_aud",
    "more_aud",
    "wrong_azp",
    "wrong_iss",
    "no_sub",
    "expired",
    "from_the_future",
    "other_nonce",
    "no_nonce",
    "no_token",
    "not_json",
    "metadata_iss",
    "answer_iss",
    "no_answer_iss",
    "denied",
    "500",
)


class App:
    def __init__(self, url: str, client_id: str, client_secret: str, control: str) -> None:
        self._url, self._client, self._control = url, (client_id, client_secret), control
        self._key = RSAKey.generate_key(2048, auto_kid=True)
        self._person: dict[str, Any] = {"sub": "1"}
        self._codes: dict[str, dict[str, Any]] = {}
        self._log: list[str] = []
        self._fault = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw, path, headers = await read(receive), scope["path"], dict(scope["headers"])
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        self._log.append(f"{scope['method']} {path}")
        if path.startswith("/__sandbox__/"):
            reply = self._steer(path.removeprefix("/__sandbox__/"), headers, raw)
        elif self._fault == "500":
            reply = _json(500, {})
        elif path == "/.well-known/openid-configuration":
            reply = _json(200, self._metadata())
        elif path == "/jwks":
            reply = _json(200, {"keys": [self._key.as_dict(private=False, use="sig", alg="RS256")]})
        elif path == "/authorize":
            reply = self._authorize(query)
        elif path == "/token" and scope["method"] == "POST":
            reply = self._redeem(dict(parse_qsl(raw.decode())), headers)
        else:
            reply = _json(404, {})
        await answer(send, reply)

    def _metadata(self) -> dict[str, Any]:
        """Discovery 1.0, section 3."""
        return {
            "issuer": "https://outro.example" if self._fault == "metadata_iss" else self._url,
            "authorization_endpoint": f"{self._url}/authorize",
            "token_endpoint": f"{self._url}/token",
            "jwks_uri": f"{self._url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _authorize(self, asked: dict[str, str]) -> Reply:
        """Core 3.1.2; a request that is not whole is shown to the person, and nobody is sent anywhere."""
        needed = ("redirect_uri", "state", "nonce", "code_challenge")
        whole = asked.get("response_type") == "code" and asked.get("client_id") == self._client[0]
        scopes = asked.get("scope", "").split()
        if not whole or "openid" not in scopes or not all(asked.get(name) for name in needed):
            return _json(400, {"error": "invalid_request"})
        if asked.get("code_challenge_method") != "S256":
            return _json(400, {"error": "invalid_request"})
        given = {"state": asked["state"]}
        if self._fault != "no_answer_iss":
            given["iss"] = "https://outro.example" if self._fault == "answer_iss" else self._url
        if self._fault == "denied":
            given["error"] = "access_denied"
        else:
            given["code"] = secrets.token_urlsafe(24)
            self._codes[given["code"]] = asked | {"at": time.monotonic(), "person": self._person}
        place = f"{asked['redirect_uri']}?{urlencode(given)}"
        return Reply(302, [(b"location", place.encode())], b"")

    def _redeem(self, given: dict[str, str], headers: dict[bytes, bytes]) -> Reply:
        """Core 3.1.3; a code is good once, for who asked for it."""
        scheme, _, told = headers.get(b"authorization", b"").decode().partition(" ")
        name, _, secret = (
            base64.b64decode(told).decode().partition(":") if scheme == "Basic" else ("", "", "")
        )
        if (unquote(name), unquote(secret)) != self._client:
            return _json(401, {"error": "invalid_client"})
        asked = self._codes.pop(given.get("code", ""), None)
        proof = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if (
            asked is None
            or given.get("grant_type") != "authorization_code"
            or given.get("redirect_uri") != asked["redirect_uri"]
            or time.monotonic() - asked["at"] > CODE_SECONDS
            or base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return _json(400, {"error": "invalid_grant"})
        if self._fault == "not_json":
            return Reply(200, [(b"content-type", b"text/html")], b"<p>manutencao</p>")
        found = {"access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "expires_in": 300}
        if self._fault != "no_token":
            found["id_token"] = self._token(self._claims(asked))
        return _json(200, found)

    def _claims(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Core, section 2."""
        now, mine = int(time.time()), self._client[0]
        claims: dict[str, Any] = {
            "iss": self._url,
            "aud": mine,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "nonce": asked["nonce"],
            **asked["person"],
        }
        match self._fault:
            case "wrong_aud":
                claims["aud"] = "outro-programa"
            case "more_aud":
                claims["aud"] = [mine, "outro-programa"]
            case "wrong_azp":
                claims |= {"aud": [mine], "azp": "outro-programa"}
            case "wrong_iss":
                claims["iss"] = "https://outro.example"
            case "no_sub":
                del claims["sub"]
            case "expired":
                claims |= {"iat": now - 7200, "exp": now - 3600}
            case "from_the_future":
                claims |= {"iat": now + 3600, "nbf": now + 3600, "exp": now + 7200}
            case "other_nonce":
                claims["nonce"] = secrets.token_urlsafe(32)
            case "no_nonce":
                del claims["nonce"]
        return claims

    def _token(self, claims: dict[str, Any]) -> str:
        payload, header = json.dumps(claims).encode(), {"alg": "RS256", "kid": self._key.kid}
        match self._fault:
            case "alg_none":
                return f"{_part(json.dumps({'alg': 'none'}).encode())}.{_part(payload)}."
            case "hs256_with_the_public_key":
                key = OctKey.import_key(self._key.as_pem(private=False))
                return jws.serialize_compact({**header, "alg": "HS256"}, payload, key)
            case "hs256_with_the_secret":
                return jws.serialize_compact({"alg": "HS256"}, payload, OctKey.import_key(self._client[1]))
            case "other_key":
                return jws.serialize_compact(header, payload, RSAKey.generate_key(2048))
        signed = jws.serialize_compact(header, payload, self._key)
        if self._fault != "changed_payload":
            return signed
        head, _, signature = signed.split(".")
        return f"{head}.{_part(json.dumps({**claims, 'sub': 'outra-pessoa'}).encode())}.{signature}"

    def _steer(self, action: str, headers: dict[bytes, bytes], raw: bytes) -> Reply:
        if headers.get(b"x-sandbox-token", b"").decode() != self._control:
            return _json(403, {})
        body = json.loads(raw or b"{}")
        match action:
            case "person":
                self._person = body
            case "fault" if body["kind"] in ("", *FAULTS):
                self._fault = body["kind"]
            case "rotate":
                self._key = RSAKey.generate_key(2048, auto_kid=True)
            case "log":
                return _json(200, self._log)
            case _:
                return _json(404, {})
        return _json(200, {})


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(status: int, body: Any) -> Reply:
    return Reply(status, JSON, json.dumps(body).encode())
