"""Tokens: an access token of six hours, and a refresh token of which only the last one issued works, once."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping

from sandbox.mercado_livre.store import SELLER, Object, RefusedError

LIFETIME = 21_600


class Grants:
    def __init__(self, client_id: str, client_secret: str) -> None:
        self._client = (client_id, client_secret)
        self._access: dict[str, float] = {}
        self._refresh = ""
        self._codes: dict[str, Object] = {}
        self.refreshed = 0

    def live(self, token: str) -> bool:
        return self._access.get(token, 0.0) > time.monotonic()

    def expire(self) -> None:
        self._access.clear()

    def revoke(self) -> None:
        """The seller changed the password, or took the consent back."""
        self.expire()
        self._refresh = ""

    def code(self, challenge: str, redirect_uri: str) -> str:
        """What the consent page gives to the browser."""
        made = f"TG-{secrets.token_hex(8)}-{SELLER}"
        self._codes[made] = {"challenge": challenge, "redirect_uri": redirect_uri}
        return made

    def issue(self) -> Object:
        access, self._refresh = (
            f"APP_USR-{secrets.token_hex(16)}-{SELLER}",
            f"TG-{secrets.token_hex(12)}-{SELLER}",
        )
        self._access[access] = time.monotonic() + LIFETIME
        return {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": LIFETIME,
            "scope": "offline_access read write",
            "user_id": SELLER,
            "refresh_token": self._refresh,
        }

    def grant(self, form: Mapping[str, str]) -> Object:
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            raise RefusedError(400, "invalid_client", "invalid client_id or client_secret.")
        match form.get("grant_type"):
            case "refresh_token":
                shown = form.get("refresh_token", "")
                if not self._refresh or shown != self._refresh:
                    raise RefusedError(400, "invalid_grant", "Error validating grant.")
                self.refreshed += 1
                return self.issue()
            case "authorization_code":
                return self._exchanged(form)
            case _:
                raise RefusedError(400, "unsupported_grant_type", "unsupported grant_type")

    def _exchanged(self, form: Mapping[str, str]) -> Object:
        found = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if found is None or found["redirect_uri"] != form.get("redirect_uri") or found["challenge"] != proof:
            raise RefusedError(400, "invalid_grant", "Error validating grant.")
        return self.issue()
