"""Webhooks of WooCommerce, signed with a secret that we choose.

Docs: https://developer.woocommerce.com/docs/apis/rest-api/v1/webhooks. A delivery that fails is not repeated,
and after more than five failures in a row the webhook is disabled without a word.
"""

import hashlib
from collections.abc import Sequence

import httpx

from core.entities import Entity
from core.errors import ContractError
from core.signing import signed_base64
from core.spec import Raw, Settings, Source
from core.webhooks import TOKEN, Delivery, Records, Registration, Subscription, Webhooks
from providers.woocommerce.reading import every as whole

PATH = "webhooks"
_ENTITIES = {
    "product": (Entity.PRODUCTS, Entity.STOCK),
    "customer": (Entity.CUSTOMERS,),
    "order": (Entity.ORDERS,),
}
_EVENTS = ("created", "updated", "deleted")
_FORM = "application/x-www-form-urlencoded"


def signed(delivery: Delivery, settings: Settings) -> bool:
    given = delivery.headers.get("x-wc-webhook-signature", "")
    return signed_base64(settings.get(TOKEN), delivery.body, given)


def pinged(delivery: Delivery) -> bool:
    """What a shop sends when a webhook is made or activated: a form, unsigned, that names no topic."""
    form = delivery.headers.get("content-type", "").startswith(_FORM)
    topic = "x-wc-webhook-topic" in delivery.headers
    return form and not topic and delivery.body.startswith(b"webhook_id=")


def message(body: bytes, headers: httpx.Headers) -> str:
    """The delivery's id is made of the webhook's and the second: two products that change in one second share
    it."""
    said = headers.get("x-wc-webhook-delivery-id", "")
    return hashlib.sha256(f"{said}\n{_topic(body, headers)}\n".encode() + body).hexdigest()


def records(topic: str, data: Raw) -> Records:
    """A variation comes under its product's topic. Stock is counted by the product or by its variations."""
    kind, id_ = topic.partition(".")[0], str(data["id"])
    if kind != "product":
        return dict.fromkeys(_ENTITIES[kind], (id_,))
    product = str(data["parent_id"]) if data.get("type") == "variation" else id_
    return {Entity.PRODUCTS: (product,), Entity.STOCK: (id_, *map(str, data.get("variations") or ()))}


async def every(source: Source) -> Sequence[Subscription]:
    return [
        Subscription(str(raw["id"]), raw["topic"], raw["delivery_url"], raw["status"] == "active")
        for raw in await whole(source, PATH, {})
    ]


async def create(source: Source, topic: str, address: str, token: str) -> None:
    """A lost answer leaves one that the next look finds by its address."""
    body = {"name": f"CloudToSys {topic}", "topic": topic, **_fields(address, token)}
    _check((await source.send("POST", PATH, body)).data)


async def renew(source: Source, known: Subscription, address: str, token: str) -> None:
    answer = await source.send("PUT", f"{PATH}/{known.id}", _fields(address, token), repeatable=True)
    _check(answer.data)


def _fields(address: str, token: str) -> Raw:
    return {"delivery_url": address, "secret": token, "status": "active"}


def _check(raw: object) -> None:
    """Plugins that forbid webhooks answer 200 and keep it paused."""
    if not isinstance(raw, dict) or raw.get("status") != "active":
        raise ContractError("A loja não ativou o webhook.")


def _topic(_body: bytes, headers: httpx.Headers) -> str:
    return str(headers.get("x-wc-webhook-topic", ""))


WEBHOOKS = Webhooks(
    topics={f"{kind}.{event}": entities for kind, entities in _ENTITIES.items() for event in _EVENTS},
    verify=signed,
    delivery=message,
    topic=_topic,
    records=records,
    proof="ours",
    ping=pinged,
    registration=Registration(every=every, create=create, renew=renew),
)
