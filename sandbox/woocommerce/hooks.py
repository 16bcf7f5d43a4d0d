"""Webhooks of the shop: `/webhooks`, and the deliveries it makes by itself.

As observed on a running WooCommerce 10.5: the ping is a form without signature, whose outcome is ignored; a
payload is built when it is sent, so several edits are one delivery; what fails is not sent again, and the
seventh failure in a row disables the webhook; the delivery's id is made of the webhook's and the second;
DELETE with `force` tells nobody.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from sandbox.woocommerce.dates import local, text
from sandbox.woocommerce.links import links
from sandbox.woocommerce.messages import Answer, RefusedError, Request
from sandbox.woocommerce.pages import bodies
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.store import Store

KINDS = {"products": "product", "variations": "product", "orders": "order", "customers": "customer"}
EVENTS = ("created", "updated", "deleted", "restored")
HOOKS = {
    "product.updated": (
        "woocommerce_process_product_meta",
        "woocommerce_update_product",
        "woocommerce_update_product_variation",
    ),
    "product.deleted": ("wp_trash_post",),
}
MOST_FAILURES = 5
DELAY_SECONDS = 0.05
TIMEOUT_SECONDS = 60
AGENT = "WooCommerce/10.5.0 Hookshot (WordPress/6.9.1)"


@dataclass(slots=True)
class Hook:
    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    status: str
    created: int
    modified: int | None = None
    failures: int = 0


@dataclass(slots=True)
class Hooks:
    store: Store
    _hooks: dict[int, Hook] = field(default_factory=dict)
    _waiting: dict[tuple[int, str, int], None] = field(default_factory=dict)
    _sending: "set[asyncio.Task[None]]" = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store.listener = self.tell

    def listing(self, request: Request) -> Answer:
        size, page = int(request.one("per_page") or 10), int(request.one("page") or 1)
        found = sorted(self._hooks.values(), key=lambda hook: hook.id)
        if (request.one("order") or "desc") == "desc":
            found.reverse()
        shown = [self._shown(hook) for hook in found[(page - 1) * size : page * size]]
        totals = [("X-WP-Total", str(len(found))), ("X-WP-TotalPages", str(-(-len(found) // size)))]
        return Answer(200, encode(shown), totals)

    def create(self, body: Record) -> Record:
        topic = str(body.get("topic", ""))
        _check(topic, str(body.get("delivery_url", "")))
        id_ = max(self._hooks, default=0) + 1
        hook = Hook(
            id=id_,
            name=str(body.get("name") or f"Webhook created on {text(self.store.clock.now())}"),
            topic=topic,
            delivery_url=body["delivery_url"],
            secret=str(body.get("secret", "")),
            status=str(body.get("status", "active")),
            created=self.store.clock.now(),
        )
        self._hooks[id_] = hook
        self._ping(hook)
        return self._shown(hook)

    def read(self, id_: int) -> Record:
        return self._shown(self._known(id_))

    def update(self, id_: int, body: Record) -> Record:
        hook = self._known(id_)
        _check(str(body.get("topic", hook.topic)), str(body.get("delivery_url", hook.delivery_url)))
        was = hook.status
        for name in ("name", "topic", "delivery_url", "secret", "status"):
            setattr(hook, name, str(body.get(name, getattr(hook, name))))
        hook.modified = self.store.clock.now()
        if hook.status == "active" and was != "active":
            hook.failures = 0
            self._ping(hook)
        return self._shown(hook)

    def delete(self, id_: int, *, force: bool) -> Record:
        if not force:
            words = "Webhooks do not support trashing."
            raise RefusedError(501, "woocommerce_rest_trash_not_supported", words)
        return self._shown(self._hooks.pop(self._known(id_).id))

    def tell(self, kind: str, event: str, id_: int) -> None:
        """Something happened to a record."""
        topic = f"{KINDS.get(kind, kind)}.{event}"
        for hook in self._hooks.values():
            if hook.topic == topic and hook.status == "active":
                self._later(hook, kind, id_)

    def _later(self, hook: Hook, kind: str, id_: int) -> None:
        key = hook.id, kind, id_
        if key not in self._waiting:
            self._waiting[key] = None
            self._start(self._deliver(hook, kind, id_))

    def _ping(self, hook: Hook) -> None:
        if hook.status == "active":
            self._start(self._post(hook, f"webhook_id={hook.id}".encode(), {}))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _deliver(self, hook: Hook, kind: str, id_: int) -> None:
        await asyncio.sleep(DELAY_SECONDS)
        del self._waiting[hook.id, kind, id_]
        if hook.topic.endswith(".deleted"):
            body = json.dumps({"id": id_}, separators=(",", ":")).encode()
        elif id_ in self.store.shelves[kind]:
            body = bodies(self.store, "products" if kind == "variations" else kind)(id_).encode()
        else:
            return
        resource, _, event = hook.topic.partition(".")
        moment = f"{hook.id}{self.store.clock.now()}".encode()
        headers = {
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self.store.base}/",
            "X-WC-Webhook-Topic": hook.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": _signature(hook.secret, body),
            "X-WC-Webhook-ID": str(hook.id),
            "X-WC-Webhook-Delivery-ID": hashlib.md5(moment, usedforsecurity=False).hexdigest(),
        }
        status = await self._post(hook, body, headers)
        if 200 <= status <= 302:
            hook.failures = 0
        elif hook.failures > MOST_FAILURES:
            hook.status, hook.modified = "disabled", self.store.clock.now()
        else:
            hook.failures += 1

    async def _post(self, hook: Hook, body: bytes, headers: dict[str, str]) -> int:
        """Status of the answer, 0 for none."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        said = {"User-Agent": AGENT, "Connection": "close", **(headers or form)}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as client:
                return (await client.post(hook.delivery_url, content=body, headers=said)).status_code
        except httpx.HTTPError:
            return 0

    def _known(self, id_: int) -> Hook:
        if id_ not in self._hooks:
            raise RefusedError(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        return self._hooks[id_]

    def _shown(self, hook: Hook) -> Record:
        """The secret does not come back."""
        resource, _, event = hook.topic.partition(".")
        return {
            "id": hook.id,
            "name": hook.name,
            "status": hook.status,
            "topic": hook.topic,
            "resource": resource,
            "event": event,
            "hooks": list(HOOKS.get(hook.topic, (f"woocommerce_{event}_{resource}",))),
            "delivery_url": hook.delivery_url,
            "date_created": local(hook.created),
            "date_created_gmt": text(hook.created),
            "date_modified": local(hook.modified) if hook.modified is not None else None,
            "date_modified_gmt": text(hook.modified) if hook.modified is not None else None,
            "_links": links(self.store.base, "webhooks", hook.id),
        }


def _check(topic: str, url: str) -> None:
    resource, _, event = topic.partition(".")
    if resource not in {*KINDS.values(), "coupon", "action"} or (
        resource != "action" and event not in EVENTS
    ):
        words = "Webhook topic is required and must be valid."
        raise RefusedError(400, "woocommerce_rest_shop_webhook_invalid_topic", words)
    if urlsplit(url).scheme not in {"http", "https"}:
        words = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise RefusedError(400, "woocommerce_rest_shop_webhook_invalid_delivery_url", words)


def _signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
