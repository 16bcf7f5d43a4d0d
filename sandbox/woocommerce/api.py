"""The routes of wp-json/wc/v3: what is asked of whom, and in which order the shop looks at it.

A running shop says 401 to a bad key first of all, then 404 for a route, then 400 for parameters that do not
fit, and only then asks whether the caller may: so it does here.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox.woocommerce import settings
from sandbox.woocommerce.account_writes import (
    CategoryWrites,
    CustomerWrites,
    invalid_category,
    invalid_customer,
)
from sandbox.woocommerce.batches import Below, Writes, batch
from sandbox.woocommerce.fields import cut
from sandbox.woocommerce.hooks import Hooks
from sandbox.woocommerce.keys import Keys, stranger
from sandbox.woocommerce.links import API
from sandbox.woocommerce.lists import COLLECTIONS, Collection, check, listing
from sandbox.woocommerce.messages import Answer, RefusedError, Request, no_route
from sandbox.woocommerce.order_writes import OrderWrites
from sandbox.woocommerce.order_writes import invalid_id as invalid_order
from sandbox.woocommerce.pages import bodies
from sandbox.woocommerce.php import encode
from sandbox.woocommerce.product_writes import ProductWrites
from sandbox.woocommerce.product_writes import invalid_id as invalid_product
from sandbox.woocommerce.store import Store

SINGLE, MANY, BATCH = "GET, POST, PUT, PATCH, DELETE", "GET, POST", "POST, PUT, PATCH"
EDITS = {"POST", "PUT", "PATCH"}


@dataclass(frozen=True, slots=True)
class Target:
    """A route that was found: its methods, and what it does."""

    allow: str
    run: Callable[[Request], Answer]
    collection: Collection | None = None
    single: bool = False
    batch: bool = False
    public: bool = False
    # The customers' routes look the user up before they tell what is allowed.
    quiet: bool = False


@dataclass(slots=True)
class Api:
    store: Store
    keys: Keys
    _writes: dict[str, Writes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        products = ProductWrites(self.store)
        self._products = products
        self._hooks = Hooks(self.store)
        self._writes = {
            "products": products,
            "orders": OrderWrites(self.store, products),
            "customers": CustomerWrites(self.store),
            "categories": CategoryWrites(self.store),
        }

    _products: ProductWrites = field(init=False)
    _hooks: Hooks = field(init=False)

    def answer(self, request: Request) -> tuple[Answer, bool]:
        """The answer, and whether the caller is known to the shop."""
        known, allow = False, ""
        try:
            known = self.keys.admit(request)
            if known:
                self.keys.permit(request.method)
            target = self._find(request)
            if target is None or request.method not in target.allow.split(", "):
                raise no_route()
            allow = target.allow if (known or target.public) and not target.quiet else ""
            _read_body(request)
            if target.collection is not None and request.method == "GET":
                check(request, target.collection)
            if not known and not target.public:
                raise stranger(request.method, single=target.single, batch=target.batch)
            found = target.run(request)
            found.allow = target.allow
        except RefusedError as error:
            found = error.answer()
            found.allow = allow if error.status != 500 else ""
        return found, known

    def _find(self, request: Request) -> Target | None:
        path = request.path.strip("/")
        if not path:
            return Target("GET", lambda _: settings.index(self.store), public=True)
        if path in COLLECTIONS:
            return self._collection(COLLECTIONS[path], path)
        for pattern, build in ROUTES:
            found = pattern.fullmatch(path)
            if found:
                return build(self, *found.groups())
        fixed = settings.find(self.store, path)
        return Target("GET", lambda _: Answer(200, encode(fixed)), single=True) if fixed is not None else None

    def _collection(self, collection: Collection, path: str) -> Target:
        def run(request: Request) -> Answer:
            if request.method == "GET":
                return listing(self.store, request, collection)
            return self._created(path, self._writes[collection.kind].create(request.body))

        return Target(collection.allow, run, collection)

    def _batch(self, path: str) -> Target:
        writes = self._writes[COLLECTIONS[path].kind]
        return Target(BATCH, lambda request: Answer(200, encode(batch(writes, request.body))), batch=True)

    def _single(self, path: str, id_text: str) -> Target:
        kind, id_ = COLLECTIONS[path].kind, int(id_text)
        writes, show = self._writes[kind], bodies(self.store, kind)

        def run(request: Request) -> Answer:
            if request.method == "GET":
                if id_ not in self.store.shelves[kind] and not (
                    kind == "products" and self.store.kind_of(id_)
                ):
                    raise UNKNOWN[kind]()
                return _shown(request, show(id_))
            if request.method == "DELETE":
                return Answer(200, encode(writes.delete(id_, force=request.yes("force"))))
            return _shown(request, encode(writes.update(id_, request.body)))

        quiet = kind == "customers" and id_ not in self.store.customers
        return Target(SINGLE, run, single=True, quiet=quiet)

    def _variations(self, parent_text: str) -> Target:
        parent = int(parent_text)
        collection = COLLECTIONS["variations"]

        def run(request: Request) -> Answer:
            if request.method == "GET":
                if parent not in self.store.products:
                    raise invalid_product(404)
                return listing(self.store, request, collection, parent)
            record = self._products.create_variation(parent, request.body)
            return self._created(f"products/{parent}/variations", record)

        return Target(MANY, run, collection)

    def _variation_batch(self, parent_text: str) -> Target:
        below = Below(self._products, int(parent_text))
        return Target(BATCH, lambda request: Answer(200, encode(batch(below, request.body))), batch=True)

    def _variation(self, parent_text: str, id_text: str) -> Target:
        parent, id_ = int(parent_text), int(id_text)
        below = Below(self._products, parent)

        def run(request: Request) -> Answer:
            if request.method == "GET":
                record = self.store.variations.get(id_)
                if record is None or record["parent_id"] != parent:
                    raise RefusedError(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
                return _shown(request, encode(record))
            if request.method == "DELETE":
                return Answer(200, encode(below.delete(id_, force=request.yes("force"))))
            return _shown(request, encode(below.update(id_, request.body)))

        return Target(SINGLE, run, single=True)

    def _webhooks(self) -> Target:
        def run(request: Request) -> Answer:
            if request.method == "GET":
                return self._hooks.listing(request)
            return self._created("webhooks", self._hooks.create(request.body))

        return Target(MANY, run)

    def _webhook(self, id_text: str) -> Target:
        id_ = int(id_text)

        def run(request: Request) -> Answer:
            if request.method == "GET":
                return _shown(request, encode(self._hooks.read(id_)))
            if request.method == "DELETE":
                return Answer(200, encode(self._hooks.delete(id_, force=request.yes("force"))))
            return _shown(request, encode(self._hooks.update(id_, request.body)))

        return Target(SINGLE, run, single=True)

    def _created(self, path: str, record: dict[str, Any]) -> Answer:
        place = f"{self.store.base}{API}/{path}/{record['id']}"
        return Answer(201, encode(record), [("Location", place)])


UNKNOWN: dict[str, Callable[[], RefusedError]] = {
    "products": lambda: invalid_product(404),
    "orders": lambda: invalid_order(404),
    "customers": lambda: invalid_customer(404),
    "categories": invalid_category,
}
ROUTES: tuple[tuple[re.Pattern[str], Callable[..., Target]], ...] = (
    (re.compile(r"(products|orders|customers|products/categories)/batch"), Api._batch),
    (re.compile(r"(products|orders|customers|products/categories)/(\d+)"), Api._single),
    (re.compile(r"products/(\d+)/variations"), Api._variations),
    (re.compile(r"products/(\d+)/variations/batch"), Api._variation_batch),
    (re.compile(r"products/(\d+)/variations/(\d+)"), Api._variation),
    (re.compile(r"webhooks"), Api._webhooks),
    (re.compile(r"webhooks/(\d+)"), Api._webhook),
)


def _shown(request: Request, body: str) -> Answer:
    fields = request.many("_fields")
    return Answer(200, cut(body, fields) if fields else body)


def _read_body(request: Request) -> None:
    """JSON, or form fields where the type of the body says nothing of JSON. Raises RefusedError."""
    if "json" not in request.content_type:
        request.body = dict(parse_qsl(request.raw_body.decode("utf-8", "replace")))
        return
    try:
        request.body = json.loads(request.raw_body) if request.raw_body.strip() else {}
    except ValueError:
        data = {"json_error_code": 4, "json_error_message": "Syntax error"}
        raise RefusedError(400, "rest_invalid_json", "Invalid JSON body passed.", **data) from None
