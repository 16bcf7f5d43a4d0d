"""Events of an app, up to a hundred in one message, without the records' values.

Docs: https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide. Signature version 3 covers
method, address, body and time.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import msgspec

from core.entities import Entity
from core.signing import is_recent
from core.spec import Raw, Settings
from core.webhooks import Delivery, Records, Webhooks

SECRET = "webhook_secret"  # noqa: S105 - a name
# Orders are HubSpot's own, or deals; of the former no events are documented.
_OBJECTS = {"contact": Entity.CUSTOMERS, "product": Entity.PRODUCTS, "deal": Entity.ORDERS}
_EVENTS = ("creation", "propertyChange", "deletion", "restore", "merge")
_IDENTITY = ("portalId", "subscriptionId", "eventId", "objectId", "occurredAt")


def signed(delivery: Delivery, settings: Settings) -> bool:
    secret, sent = settings.get(SECRET), delivery.headers.get("x-hubspot-request-timestamp", "")
    if not secret or not is_recent(sent[:-3], datetime.now(UTC)):
        return False
    said = f"{delivery.method}{delivery.url}".encode() + delivery.body + sent.encode()
    wanted = base64.b64encode(hmac.digest(secret.encode(), said, hashlib.sha256))
    return hmac.compare_digest(wanted, delivery.headers.get("x-hubspot-signature-v3", "").encode())


def split(body: bytes) -> Sequence[bytes]:
    found = msgspec.json.decode(body, type=list[msgspec.Raw])
    return [bytes(one) for one in found]


def identity(body: bytes, _headers: httpx.Headers) -> str:
    """An event's own id is not unique by itself; a retry counts its attempts in the body."""
    said = _table(body)
    return ":".join(str(said.get(name, "")) for name in _IDENTITY) if said else ""


def topic(body: bytes, _headers: httpx.Headers) -> str:
    return str(_table(body).get("subscriptionType", ""))


def records(name: str, data: Raw) -> Records:
    return {_OBJECTS[name.partition(".")[0]]: (str(data["objectId"]),)}


def _table(body: bytes) -> Raw:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


WEBHOOKS = Webhooks(
    topics={f"{name}.{event}": (entity,) for name, entity in _OBJECTS.items() for event in _EVENTS},
    verify=signed,
    delivery=identity,
    topic=topic,
    records=records,
    keys=(SECRET,),
    split=split,
    by_hand="No HubSpot, em Configurações › Integrações › Apps privados › app › Webhooks.",
)
