"""Signatures of webhooks, compared in constant time. Without a secret nothing is signed."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from core.webhooks import Delivery

TOLERANCE = timedelta(minutes=5)
"""A signature that names its time is good for so long."""
_PREFIX = "whsec_"


def signed_base64(secret: str | None, body: bytes, given: str) -> bool:
    """HMAC-SHA256 of the raw body, as base64: Shopify, WooCommerce, Melhor Envio and many more."""
    if not secret:
        return False
    wanted = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))
    return hmac.compare_digest(wanted, given.encode())


def signed_hex(secret: str | None, body: bytes, given: str) -> bool:
    """The same in hexadecimal."""
    if not secret:
        return False
    wanted = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return hmac.compare_digest(wanted.encode(), given.lower().encode())


def signed_standard(secret: str | None, delivery: Delivery, now: datetime) -> bool:
    """Standard Webhooks 1.0.0, symmetric: https://github.com/standard-webhooks/standard-webhooks.

    One of several signatures is enough: the sender rotates its secret.
    """
    id_, sent = delivery.headers.get("webhook-id", ""), delivery.headers.get("webhook-timestamp", "")
    try:
        key = base64.b64decode((secret or "").removeprefix(_PREFIX), validate=True)
    except ValueError:
        return False
    if not key or not id_ or not is_recent(sent, now):
        return False
    message = f"{id_}.{sent}.".encode() + delivery.body
    wanted = b"v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256))
    given = delivery.headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(wanted, one) for one in given)


def is_recent(seconds: str, now: datetime) -> bool:
    """Whether a time in whole seconds since 1970, as text, is near `now`."""
    if len(seconds) > 12 or not (seconds.isascii() and seconds.isdecimal()):
        return False
    return abs(now.timestamp() - int(seconds)) <= TOLERANCE.total_seconds()
