"""Who is asking: HTTP Basic and keys in the query on TLS, OAuth 1.0a one-legged anywhere.

Over plain HTTP Basic and query keys are as good as nothing. The signature is worked out as
class-wc-rest-authentication.php does it, not by the library our client signs with.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections import deque
from hmac import compare_digest
from urllib.parse import quote, unquote

from sandbox.woocommerce.messages import RefusedError, Request

WINDOW_SECONDS = 900
PARAMETERS = (
    "oauth_consumer_key",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
)
METHODS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_HEADER = re.compile(r'(oauth_\w+)="([^"]*)"')


class Keys:
    """The one key pair of the shop. `permission`: `read`, `write` or `read_write`."""

    def __init__(self, key: str, secret: str, permission: str = "read_write") -> None:
        self.key, self.secret, self.permission = key, secret, permission
        self._nonces: set[str] = set()
        self._used: deque[tuple[float, str]] = deque()

    def admit(self, request: Request) -> bool:
        """Whether the caller is known. Raises RefusedError for a key that is known and shown wrongly."""
        return (request.secure and self._by_password(request)) or self._by_signature(request)

    def _by_password(self, request: Request) -> bool:
        key, secret = request.one("consumer_key"), request.one("consumer_secret")
        if not (key and secret):
            key, secret = _basic(request.authorization)
        if not key or not compare_digest(key.encode(), self.key.encode()):
            return False
        if not compare_digest((secret or "").encode(), self.secret.encode()):
            raise refused("Consumer secret is invalid.")
        return True

    def _by_signature(self, request: Request) -> bool:
        sent = dict(request.pairs)
        if request.authorization[:6].lower() == "oauth ":
            header = {name: unquote(value) for name, value in _HEADER.findall(request.authorization)}
            sent = {**sent, **header}
        if not any(name in sent for name in PARAMETERS):
            return False
        missing = [name for name in PARAMETERS if name not in sent]
        if missing:
            words = f"Missing OAuth parameter{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
            raise RefusedError(401, "woocommerce_rest_authentication_missing_parameter", words)
        if not compare_digest(sent["oauth_consumer_key"].encode(), self.key.encode()):
            return False
        self._check_signature(request, sent)
        self._check_age(sent["oauth_timestamp"], sent["oauth_nonce"])
        return True

    def _check_signature(self, request: Request, sent: dict[str, str]) -> None:
        method = METHODS.get(sent["oauth_signature_method"])
        if method is None:
            raise refused("Invalid signature - signature method is invalid.")
        # PHP has turned `include[]` into a list by now, and signs it under a name of its own.
        pairs = (
            (name.replace("[]", "[0]"), value) for name, value in sent.items() if name != "oauth_signature"
        )
        text = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(pairs))
        base = f"{request.method}&{quote(request.url, safe='~')}&{quote(text, safe='~')}"
        digest = hmac.digest(f"{self.secret}&".encode(), base.encode(), method)
        if not compare_digest(base64.b64encode(digest), sent["oauth_signature"].replace(" ", "+").encode()):
            raise refused("Invalid signature - provided signature does not match.")

    def _check_age(self, stamp: str, nonce: str) -> None:
        now = time.time()
        if not stamp.isdecimal() or abs(now - int(stamp)) > WINDOW_SECONDS:
            raise refused("Invalid timestamp.")
        while self._used and self._used[0][0] < now - 2 * WINDOW_SECONDS:
            self._nonces.discard(self._used.popleft()[1])
        if nonce in self._nonces:
            raise refused("Invalid nonce - nonce has already been used.")
        self._nonces.add(nonce)
        self._used.append((now, nonce))

    def permit(self, method: str) -> None:
        """Raises RefusedError for a key that may not do that: with 401, not 403."""
        wanted = "read" if method in {"GET", "HEAD", "OPTIONS"} else "write"
        if wanted not in self.permission:
            raise refused(f"The API key provided does not have {wanted} permissions.")


def refused(message: str) -> RefusedError:
    return RefusedError(401, "woocommerce_rest_authentication_error", message)


def stranger(method: str, *, single: bool, batch: bool) -> RefusedError:
    """What somebody without (good) keys is told, by what they wanted."""
    if batch:
        words = "Sorry, you are not allowed to batch manipulate this resource."
        return RefusedError(401, "woocommerce_rest_cannot_batch", words)
    if method == "GET":
        words = "Sorry, you cannot view this resource." if single else "Sorry, you cannot list resources."
        return RefusedError(401, "woocommerce_rest_cannot_view", words)
    verb = "delete" if method == "DELETE" else "edit" if single else "create"
    what = "resources" if verb == "create" else "this resource"
    return RefusedError(
        401, f"woocommerce_rest_cannot_{verb}", f"Sorry, you are not allowed to {verb} {what}."
    )


def without_secrets(query: str) -> str:
    """The query for the log: neither keys nor anything of a signature."""
    if "consumer_" not in query and "oauth_" not in query:
        return query
    return "&".join(part for part in query.split("&") if not part.startswith(("consumer_", "oauth_")))


def _basic(authorization: str) -> tuple[str | None, str | None]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return (name, password) if colon else (None, None)
