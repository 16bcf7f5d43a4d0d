"""What Shopify tells, in the shape of its older REST API.

Docs: https://shopify.dev/docs/apps/build/webhooks
"""

from collections.abc import Sequence

from core.entities import Entity
from core.signing import signed_base64
from core.spec import Raw, Settings, Source
from core.webhooks import Delivery, Records, Registration, Subscription, Webhooks
from providers.shopify.answers import ask, change

_TOPICS = {
    "products/create": (Entity.PRODUCTS,),
    "products/update": (Entity.PRODUCTS,),
    "products/delete": (Entity.PRODUCTS,),
    # They name the inventory item, which is no id of ours.
    "inventory_levels/update": (Entity.STOCK,),
    "inventory_levels/connect": (Entity.STOCK,),
    "inventory_levels/disconnect": (Entity.STOCK,),
    "collections/create": (Entity.CATEGORIES,),
    "collections/update": (Entity.CATEGORIES,),
    "collections/delete": (Entity.CATEGORIES,),
    "customers/create": (Entity.CUSTOMERS,),
    "customers/update": (Entity.CUSTOMERS,),
    "customers/delete": (Entity.CUSTOMERS,),
    "orders/create": (Entity.ORDERS,),
    "orders/updated": (Entity.ORDERS,),
    "orders/cancelled": (Entity.ORDERS,),
    "fulfillments/create": (Entity.ORDERS,),
}
EVERY = """
query ($after: String) { webhookSubscriptions(first: 100, after: $after) {
  nodes { id topic uri } pageInfo { hasNextPage endCursor } } }
"""
CREATE = """
mutation ($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id } userErrors { field message } } }
"""
UPDATE = """
mutation ($id: ID!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $subscription) {
    webhookSubscription { id } userErrors { field message } } }
"""


def signed(delivery: Delivery, settings: Settings) -> bool:
    given = delivery.headers.get("x-shopify-hmac-sha256", "")
    return signed_base64(settings.get("client_secret"), delivery.body, given)


def records(topic: str, data: Raw) -> Records:
    if topic.startswith("inventory_levels/"):
        return {}
    id_ = data["order_id"] if topic.startswith("fulfillments/") else data["id"]
    return {entity: (str(id_),) for entity in _TOPICS.get(topic, ())}


async def every(source: Source) -> Sequence[Subscription]:
    found: list[Subscription] = []
    after: str | None = None
    while True:
        page = (await ask(source, EVERY, after=after))["webhookSubscriptions"]
        found += [Subscription(one["id"], _header(one["topic"]), one["uri"]) for one in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def create(source: Source, topic: str, address: str, _token: str) -> None:
    subscription = {"uri": address, "format": "JSON"}
    await change(source, CREATE, repeatable=False, topic=_ENUM[topic], subscription=subscription)


async def renew(source: Source, known: Subscription, address: str, _token: str) -> None:
    await change(source, UPDATE, id=known.id, subscription={"uri": address})


def _header(topic: str) -> str:
    """The topic as deliveries name it."""
    return _NAMES.get(topic, topic)


_ENUM = {topic: topic.replace("/", "_").upper() for topic in _TOPICS}
_NAMES = {name: topic for topic, name in _ENUM.items()}

WEBHOOKS = Webhooks(
    topics=_TOPICS,
    verify=signed,
    delivery=lambda _, headers: headers.get("x-shopify-webhook-id", ""),
    topic=lambda _, headers: headers.get("x-shopify-topic", ""),
    records=records,
    keys=("client_secret",),
    registration=Registration(every=every, create=create, renew=renew),
)
