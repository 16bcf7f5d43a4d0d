"""Writes to products and their variants."""

import re
import unicodedata
from typing import Any

from sandbox.shopify import views
from sandbox.shopify.graph import Object
from sandbox.shopify.store import Record, Store

OWN = ("title", "descriptionHtml", "status", "handle")


def error(code: str, message: str, *field: str) -> Object:
    return {"code": code, "message": message, "field": list(field)}


class Products:
    def __init__(self, store: Store) -> None:
        self._store = store

    def set(self, input: Object, identifier: Object | None = None, synchronous: Any = True) -> Object:  # noqa: A002
        """An upsert; lists that are given take the place of those there are."""
        record, custom = None, (identifier or {}).get("customId")
        if custom is not None:
            place = (custom["namespace"], custom["key"])
            if ("PRODUCT", *place) not in self._store.definitions:
                return _refused(
                    "METAFIELD_MISMATCH", "There is no definition of this custom id", "identifier"
                )
            every = self._store.kinds["Product"].values()
            record = next((one for one in every if one["metafields"].get(place) == custom["value"]), None)
        elif identifier and "id" in identifier:
            record = self._store.kinds["Product"].get(identifier["id"])
            if record is None:
                return _refused("PRODUCT_DOES_NOT_EXIST", "Product does not exist", "identifier")
        if "variants" in input and "productOptions" not in input and record is None:
            return _refused("PRODUCT_OPTIONS_INPUT_MISSING", "Product options are missing", "input")
        wrong = self._wrong(input.get("variants") or ())
        if wrong is not None:
            return {"product": None, "userErrors": [wrong]}
        if record is None:
            if not input.get("title"):
                return _refused("INVALID_PRODUCT", "Title can't be blank", "input", "title")
            title = input["title"]
            fields = {"title": title, "descriptionHtml": "", "status": "ACTIVE"}
            record = self._store.add(
                "Product",
                handle=self.handle(title, "Product"),
                variants=[],
                collections=[],
                media=[],
                **fields,
            )
        self._write(record, input)
        if custom is not None:
            record["metafields"][(custom["namespace"], custom["key"])] = custom["value"]
        return {"product": {"id": record["id"]}, "userErrors": []}

    def update(self, product: Object) -> Object:
        record = self._store.kinds["Product"].get(product["id"])
        if record is None:
            return {"userErrors": [{"field": ["id"], "message": "Product does not exist"}]}
        joined = [*record["collections"], *product.get("collectionsToJoin", ())]
        groups = self._store.kinds["Collection"]
        if any(groups[id_]["smart"] for id_ in product.get("collectionsToJoin", ())):
            return {
                "userErrors": [{"field": ["collectionsToJoin"], "message": "Can't add to a smart collection"}]
            }
        record["collections"] = [id_ for id_ in joined if id_ not in product.get("collectionsToLeave", ())]
        self._write(record, {name: product[name] for name in OWN if name in product})
        return {"userErrors": []}

    def update_variants(self, productId: str, variants: list[Object]) -> Object:  # noqa: N803 - the schema's name
        record = self._store.kinds["Product"][productId]
        known = {one["id"]: one for one in record["variants"]}
        missing = [place for place, one in enumerate(variants) if one["id"] not in known]
        if missing:
            text = "Product variant does not exist"
            return {
                "userErrors": [error("PRODUCT_VARIANT_DOES_NOT_EXIST", text, "variants", str(missing[0]))]
            }
        if (wrong := self._wrong(variants)) is not None:
            return {"userErrors": [wrong]}
        for one in variants:
            self._fill(known[one["id"]], one)
        self._store.touch(record)
        return {"userErrors": []}

    def create_variants(self, productId: str, variants: list[Object]) -> Object:  # noqa: N803
        record = self._store.kinds["Product"][productId]
        names = list(record["variants"][0]["options"])
        for place, one in enumerate(variants):
            chosen = _chosen(one)
            if list(chosen) != names:
                return {
                    "userErrors": [error("INVALID_INPUT", "Option does not exist", "variants", str(place))]
                }
            if any(other["options"] == chosen for other in record["variants"]):
                text = "The variant already exists"
                return {"userErrors": [error("VARIANT_ALREADY_EXISTS", text, "variants", str(place))]}
        if (wrong := self._wrong(variants)) is not None:
            return {"userErrors": [wrong]}
        for one in variants:
            made = self._store.new_variant(len(record["variants"]) + 1, _chosen(one))
            self._fill(made, one)
            record["variants"].append(made)
        self._store.touch(record)
        return {"userErrors": []}

    def handle(self, title: str, kind: str) -> str:
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
        taken = {one["handle"] for one in self._store.kinds[kind].values()}
        found, count = base, 0
        while found in taken:
            count += 1
            found = f"{base}-{count}"
        return found

    def _write(self, record: Record, body: Object) -> None:
        record |= {name: body[name] for name in OWN if name in body}
        if "collections" in body:
            record["collections"] = list(body["collections"])
        if "files" in body:
            record["media"] = [
                {
                    "id": self._store.gid("MediaImage"),
                    "url": f"https://cdn.shopify.com/{one['originalSource'][-20:]}",
                }
                for one in body["files"]
            ]
        for one in body.get("metafields") or ():
            record["metafields"][(one["namespace"], one["key"])] = one["value"]
        if "variants" in body:
            known = {one["id"]: one for one in record["variants"]}
            record["variants"] = [
                self._fill(known.get(one.get("id")) or self._store.new_variant(place, _chosen(one)), one)
                for place, one in enumerate(body["variants"], start=1)
            ]
        self._store.touch(record)

    def _fill(self, variant: Record, body: Object) -> Record:
        for name in ("price", "compareAtPrice", "barcode"):
            if name in body:
                value = body[name]
                variant[name] = f"{float(value):.2f}" if value and name != "barcode" else value
        item = body.get("inventoryItem") or {}
        variant["sku"] = item.get("sku", variant["sku"])
        if "measurement" in item:
            variant["item"]["weight"] = item["measurement"]["weight"]
        variant["updatedAt"] = self._store.now()
        return variant

    def _wrong(self, variants: Any) -> Object | None:
        for place, one in enumerate(variants):
            if one.get("price") is not None and float(one["price"]) < 0:
                text = "Price must be greater than or equal to 0"
                return error("INVALID_VARIANT", text, "variants", str(place), "price")
        return None


def _chosen(body: Object) -> dict[str, str]:
    return {one["optionName"]: one["name"] for one in body.get("optionValues") or ()} or dict(views.DEFAULT)


def _refused(code: str, message: str, *field: str) -> Object:
    return {"product": None, "userErrors": [error(code, message, *field)]}
