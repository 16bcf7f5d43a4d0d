"""Items, their variations, and the stock of user products."""

import secrets
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from sandbox.mercado_livre.store import SELLER, Object, RefusedError, Store

MOST_LISTED = 100
MOST_SORTED = 1000
MOST_ITEMS = 20
SETTABLE = {"title", "family_name", "price", "available_quantity", "status", "pictures", "attributes"}
SETTABLE |= {"variations", "seller_custom_field"}


class Items:
    def __init__(self, store: Store, switches: Object) -> None:
        self._store, self._switches = store, switches
        self._scrolls: dict[str, tuple[float, list[str]]] = {}

    def search(self, query: Mapping[str, str]) -> Object:
        limit, offset = int(query.get("limit", 50)), int(query.get("offset", 0))
        ids = self._found(query)
        if limit > MOST_LISTED:
            raise RefusedError(400, "bad_request", "Invalid limit")
        if query.get("search_type") == "scan":
            return self._scan(query, ids, limit)
        if offset + limit > MOST_SORTED:
            raise RefusedError(400, "bad_request", "Invalid limit and offset values: 1000 at most")
        paging = {"total": len(ids), "offset": offset, "limit": limit}
        return {"seller_id": str(SELLER), "results": ids[offset : offset + limit], "paging": paging}

    def _found(self, query: Mapping[str, str]) -> list[str]:
        found = list(self._store.items.values())
        if "sku" in query:
            found = [one for one in found if one.get("seller_custom_field") == query["sku"]]
        if "seller_sku" in query:
            found = [one for one in found if query["seller_sku"] in _skus(one)]
        if query.get("orders") == "last_updated_desc" and not self._switches["unsorted"]:
            found.sort(key=lambda one: one["last_updated"], reverse=True)
        return [one["id"] for one in found]

    def _scan(self, query: Mapping[str, str], ids: list[str], limit: int) -> Object:
        """A scroll lives for five minutes after it was last used; what it lists was fixed at its begin."""
        scroll, total = query.get("scroll_id"), len(ids)
        if scroll is not None:
            ended, ids = self._scrolls.pop(scroll, (0.0, []))
            if ended < time.monotonic():
                raise RefusedError(400, "bad_request", "scroll_id expired")
        page, rest = ids[:limit], ids[limit:]
        if self._switches["short_scan"]:
            page, rest = page[:1], []
        following = secrets.token_urlsafe(12) if page else None
        if following:
            self._scrolls[following] = (time.monotonic() + self._switches["scroll_seconds"], rest)
        paging = {"total": total, "offset": 0, "limit": limit}
        return {"seller_id": str(SELLER), "results": page, "scroll_id": following, "paging": paging}

    def multiget(self, query: Mapping[str, str]) -> list[Object]:
        ids = query["ids"].split(",")
        if len(ids) > MOST_ITEMS:
            raise RefusedError(400, "bad_request", "Too many ids: 20 at most")
        whole = query.get("include_attributes") == "all"
        answers = []
        for id_ in ids:
            code = self._switches["codes"].get(id_, 200 if id_ in self._store.items else 404)
            error = {"message": f"Item with id {id_} not found", "error": "not_found", "status": code}
            body = _shown(self._store.items[id_], whole) if code == 200 else error
            answers.append({"code": code, "body": body})
        return answers

    def get(self, id_: str) -> Object:
        if id_ not in self._store.items:
            raise RefusedError(404, "not_found", f"Item with id {id_} not found")
        return self._store.items[id_]

    def create(self, body: Object) -> Object:
        families = "user_product_seller" in self._store.tags
        if families and ("title" in body or body.get("variations")):
            raise _invalid("item.title.invalid", "Send family_name, without title and variations")
        if not (body.get("family_name") if families else body.get("title")):
            raise _invalid("body.required_fields", "A name is required")
        if not body.get("price") or body["price"] <= 0:
            raise _invalid("item.price.invalid", "The price is not valid")
        if not body.get("available_quantity"):
            raise _invalid("item.available_quantity.invalid", "A new item needs stock")
        for name in ("category_id", "currency_id", "buying_mode", "listing_type_id", "pictures"):
            if not body.get(name):
                raise _invalid("body.required_fields", f"{name} is required")
        return self.add(body)

    def add(self, body: Object) -> Object:
        body = deepcopy(body)
        id_ = f"MLB{self._store.number()}"
        variations = [self._variation(one) for one in body.pop("variations", None) or ()]
        pictures = [
            {"id": f"P{n}", "url": p.get("source", "")} for n, p in enumerate(body.pop("pictures", ()))
        ]
        item = {
            "id": id_,
            "site_id": "MLB",
            "seller_id": SELLER,
            "status": "active",
            "sub_status": [],
            **body,
        }
        item |= {"original_price": None, "sold_quantity": 0, "catalog_listing": False, "tags": []} | body
        item |= {"pictures": pictures, "variations": variations, "user_product_id": None, "family_id": None}
        item |= {"shipping": {"logistic_type": "xd_drop_off"}, "date_created": self._store.now()}
        if "family_name" in item:
            item |= {"title": f"{item['family_name']} (título)", "family_id": self._store.number()}
            item["user_product_id"] = body.get("user_product_id") or f"MLBU{self._store.number()}"
            places = [
                {"type": "seller_warehouse", **where, "quantity": item["available_quantity"]}
                for where in self._places()
            ]
            fresh = {"id": item["user_product_id"], "version": 1, "locations": places}
            self._store.products.setdefault(item["user_product_id"], fresh)
        self._store.items[id_] = item
        self._store.touch("items", f"/items/{id_}", item)
        return item

    def _places(self) -> list[Object]:
        return [
            {"store_id": one["id"], "network_node_id": one["network_node_id"]} for one in self._store.stores
        ]

    def _variation(self, body: Object) -> Object:
        return {"id": self._store.number(), "attributes": [], "seller_custom_field": None, **body}

    def update(self, id_: str, body: Object) -> Object:
        item = self.get(id_)
        if item["status"] == "closed":
            raise _invalid("item.status.invalid", "Item is closed")
        if strange := set(body) - SETTABLE:
            raise _invalid("field_not_updatable", f"Not modifiable: {sorted(strange)}")
        if "price" in body and ("dynamic_standard_price" in item["tags"] or item["variations"]):
            raise _invalid("item.price.not_modifiable", "Price is not modifiable")
        if "title" in body and item["user_product_id"]:
            raise _invalid("item.title.not_modifiable", "Send family_name")
        body = dict(body)
        amount = body.pop("available_quantity", None)
        if "variations" in body:
            # What the list leaves out is removed.
            known = {one["id"]: one for one in item["variations"]}
            body["variations"] = [{**known.get(one.get("id"), {}), **one} for one in body["variations"]]
        item |= body
        if body.get("status") == "paused":
            item["sub_status"] = ["paused_by_seller"]
        elif body.get("status") == "active":
            item["sub_status"] = []
        if amount is not None and "warehouse_management" not in self._store.tags:
            item["available_quantity"] = amount
            _stocked(item)
        self._store.touch("items", f"/items/{id_}", item)
        return item

    def add_variation(self, id_: str, body: Object) -> list[Object]:
        item = self.get(id_)
        if not body.get("attribute_combinations"):
            raise _invalid("item.variations.attribute_combinations.invalid", "Say what makes it another one")
        item["variations"].append(self._variation(body))
        self._store.touch("items", f"/items/{id_}", item)
        return list(item["variations"])

    def update_variation(self, id_: str, number: str, body: Object) -> Object:
        item = self.get(id_)
        found: Object | None = next((one for one in item["variations"] if str(one["id"]) == number), None)
        if found is None:
            raise RefusedError(404, "not_found", "Variation not found")
        found.update(body)
        item["available_quantity"] = sum(one["available_quantity"] for one in item["variations"])
        _stocked(item)
        self._store.touch("items", f"/items/{id_}", item)
        return found

    def stock(self, id_: str) -> tuple[Object, int]:
        if id_ not in self._store.products:
            raise RefusedError(404, "not_found", f"User product {id_} not found")
        found = self._store.products[id_]
        return {"user_id": SELLER, "id": id_, "locations": found["locations"]}, found["version"]

    def read_stock(self, id_: str) -> tuple[Object, int]:
        found = deepcopy(self.stock(id_))
        if self._switches["sale_after_reads"]:
            self._switches["sale_after_reads"] -= 1
            if not self._switches["sale_after_reads"]:
                self.sell(id_)
        return found

    def set_stock(self, id_: str, kind: str, body: Object, version: str | None) -> Object:
        _, current = self.stock(id_)
        if kind == "selling_address":
            raise RefusedError(400, "bad_request", "site is blocked")
        if kind != "seller_warehouse":
            raise RefusedError(403, "forbidden", "This stock is not the seller's to write")
        if version is None:
            raise RefusedError(400, "bad_request", "x-version header is required")
        if self._switches["sale"]:
            # Somebody buys between the caller's reading and writing.
            self._switches["sale"] = False
            self.sell(id_)
            current += 1
        if version != str(current):
            raise RefusedError(409, "conflict", "The stock was modified: read it again")
        product = self._store.products[id_]
        for wanted in body["locations"]:
            self._place(product, wanted)["quantity"] = wanted["quantity"]
        self._changed(product)
        return self.stock(id_)[0]

    def _place(self, product: Object, wanted: Object) -> Object:
        known: list[Object] = [
            one for one in product["locations"] if one.get("store_id") == wanted["store_id"]
        ]
        if known:
            return known[0]
        if wanted["store_id"] not in [one["id"] for one in self._store.stores]:
            raise RefusedError(400, "bad_request", "store not found")
        made = {"type": "seller_warehouse", **wanted}
        product["locations"].append(made)
        return made

    def sell(self, id_: str) -> None:
        product = self._store.products[id_]
        product["locations"][0]["quantity"] -= 1
        self._changed(product)

    def _changed(self, product: Object) -> None:
        product["version"] += 1
        total = sum(one["quantity"] for one in product["locations"])
        for item in self._store.items.values():
            if item["user_product_id"] == product["id"]:
                item["available_quantity"] = total
                _stocked(item)
        self._store.touch("stock-locations", f"/user-products/{product['id']}/stock", {})

    def describe(self, id_: str, body: Object) -> Object:
        self.get(id_)
        self._store.descriptions[id_] = body["plain_text"]
        return {"plain_text": body["plain_text"]}


def _stocked(item: Object) -> None:
    """Without stock an item is paused, and comes back with it, unless the seller paused it."""
    if item["available_quantity"] == 0 and item["status"] == "active":
        item |= {"status": "paused", "sub_status": ["out_of_stock"]}
    elif item["available_quantity"] and "out_of_stock" in item["sub_status"]:
        item |= {"status": "active", "sub_status": []}


def _shown(item: Object, whole: bool) -> Object:
    if whole:
        return item
    bare = [{k: v for k, v in one.items() if k != "attributes"} for one in item["variations"]]
    return {**item, "variations": bare}


def _skus(item: Object) -> set[str]:
    parts: Sequence[Any] = (item, *item["variations"])
    return {
        str(one.get("value_name"))
        for part in parts
        for one in part.get("attributes") or ()
        if one["id"] == "SELLER_SKU"
    }


def _invalid(code: str, message: str) -> RefusedError:
    return RefusedError(400, "validation_error", message, code)
