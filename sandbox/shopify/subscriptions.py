"""Webhook subscriptions: registered and changed here; this shop delivers nothing.

https://shopify.dev/docs/api/admin-graphql/latest/mutations/webhookSubscriptionCreate
"""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.graph import Object
from sandbox.shopify.store import Store

KIND = "WebhookSubscription"


class Subscriptions:
    def __init__(self, store: Store) -> None:
        self._store = store

    def queries(self) -> dict[str, Callable[..., Any]]:
        return {"webhookSubscriptions": lambda: list(self._store.every(KIND))}

    def mutations(self) -> dict[str, Callable[..., Any]]:
        return {"webhookSubscriptionCreate": self._create, "webhookSubscriptionUpdate": self._update}

    def _create(self, topic: str, webhookSubscription: Object) -> Object:  # noqa: N803
        uri = webhookSubscription["uri"]
        if complaint := self._complaint(topic, uri):
            return _refused(complaint)
        made = self._store.add(KIND, __typename=KIND, topic=topic, uri=uri)
        return {"webhookSubscription": made, "userErrors": []}

    def _update(self, id: str, webhookSubscription: Object) -> Object:  # noqa: A002, N803
        found = self._store.kinds[KIND].get(id)
        if found is None:
            return _refused("Webhook subscription does not exist")
        uri = webhookSubscription["uri"]
        if complaint := self._complaint(found["topic"], uri):
            return _refused(complaint)
        found["uri"] = uri
        return {"webhookSubscription": found, "userErrors": []}

    def _complaint(self, topic: str, uri: str) -> str:
        if not uri.startswith("https://"):
            return "Address protocol http:// is not supported"
        taken = any((one["topic"], one["uri"]) == (topic, uri) for one in self._store.every(KIND))
        return "Address for this topic has already been taken" if taken else ""


def _refused(message: str) -> Object:
    errors = [{"field": ["webhookSubscription", "callbackUrl"], "message": message}]
    return {"webhookSubscription": None, "userErrors": errors}
