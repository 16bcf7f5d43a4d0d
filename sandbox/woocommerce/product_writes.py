"""Writes to products and variations, with what a running shop makes of odd values."""

import re
import unicodedata
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from sandbox.woocommerce import dates, prices
from sandbox.woocommerce.categories import UNCATEGORIZED
from sandbox.woocommerce.checks import PRODUCT, VARIATION, check, loose
from sandbox.woocommerce.links import links
from sandbox.woocommerce.messages import RefusedError
from sandbox.woocommerce.meta import merged
from sandbox.woocommerce.php import Record
from sandbox.woocommerce.products import image, sample
from sandbox.woocommerce.store import Store
from sandbox.woocommerce.variations import sample as variation_sample

PLAIN = (
    *("featured", "catalog_visibility", "description", "short_description", "virtual", "downloadable"),
    *("external_url", "button_text", "tax_status", "tax_class", "backorders", "sold_individually", "weight"),
    *("shipping_class", "reviews_allowed", "purchase_note", "menu_order", "global_unique_id", "slug"),
    *("upsell_ids", "cross_sell_ids", "low_stock_amount", "default_attributes", "parent_id"),
)
STATUSES = {"draft", "pending", "private", "publish", "future", "auto-draft", "trash"}


def invalid_id(status: int) -> RefusedError:
    return RefusedError(status, "woocommerce_rest_product_invalid_id", "Invalid ID.")


class ProductWrites:
    """`trusted` writes come from a batch and are not held against the schema."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, body: Any, *, trusted: bool = False) -> Record:
        changes = loose(body) if trusted else check(body, PRODUCT)
        store = self._store
        id_ = store.new_id()
        record = _empty(sample(store.base), id_) | {
            "type": changes.get("type", "simple"),
            "status": "publish",
        }
        record |= {"manage_stock": False, "stock_quantity": None, "stock_status": "instock", "slug": ""}
        record |= {"weight": "", "dimensions": dict.fromkeys(("length", "width", "height"), "")}
        record |= {"categories": [self._category(UNCATEGORIZED)], "average_rating": "0", "meta_data": []}
        record["_links"] = links(store.base, "products", id_)
        moment = _created(changes) or store.clock.now()
        record |= {"date_created": dates.local(moment), "date_created_gmt": dates.text(moment)}
        self._apply(record, changes)
        # A product created with a past date takes that date as its modification too.
        return self._edited(store.write("products", record, modified=moment))

    def update(self, id_: int, body: Any, *, trusted: bool = False) -> Record:
        """In a batch an unknown id is 400, in a single write 404. Raises RefusedError."""
        record = self._store.products.get(id_)
        if record is None:
            if trusted and id_ in self._store.variations:
                return self.update_variation(
                    self._store.variations.record(id_)["parent_id"], id_, body, trusted=True
                )
            raise invalid_id(400 if trusted else 404)
        changes = loose(body) if trusted else check(body, PRODUCT)
        if "type" in changes:
            record["type"] = changes["type"]
        self._apply(record, changes)
        return self._edited(self._store.write("products", record))

    def delete(self, id_: int, *, force: bool) -> Record:
        store = self._store
        record = store.products.get(id_)
        if record is None:
            raise invalid_id(404)
        if not force:
            _to_trash(store, "products", record)
            return self._edited(record)
        for variation in store.variations_of(id_):
            store.remove("variations", variation)
        store.remove("products", id_)
        return self._edited(record)

    def create_variation(self, parent: int, body: Any, *, trusted: bool = False) -> Record:
        changes = loose(body) if trusted else check(body, VARIATION)
        store = self._store
        product = self._parent(parent)
        id_ = store.new_id()
        record = _empty(variation_sample(store.base), id_) | {"parent_id": parent, "attributes": []}
        record |= {"manage_stock": False, "stock_quantity": None, "stock_status": "instock", "weight": ""}
        record |= {"meta_data": [], "name": "", "permalink": f"{product['permalink']}?variation={id_}"}
        moment = store.clock.now()
        record |= {"date_created": dates.local(moment), "date_created_gmt": dates.text(moment)}
        record["_links"] = links(store.base, f"products/{parent}/variations", id_, up=f"products/{parent}")
        self._apply(record, changes)
        store.write("variations", record)
        self._refresh(parent, [*product["variations"], id_])
        return record

    def update_variation(self, parent: int, id_: int, body: Any, *, trusted: bool = False) -> Record:
        record = self._store.variations.get(id_)
        if record is None or record["parent_id"] != parent:
            raise _invalid_variation(400 if trusted else 404)
        self._apply(record, loose(body) if trusted else check(body, VARIATION))
        self._store.write("variations", record)
        self._refresh(parent)
        return record

    def delete_variation(self, parent: int, id_: int, *, force: bool) -> Record:
        record = self._store.variations.get(id_)
        if record is None or record["parent_id"] != parent:
            raise _invalid_variation(404)
        if force:
            self._store.remove("variations", id_)
        else:
            _to_trash(self._store, "variations", record)
        self._refresh(parent, [other for other in self._parent(parent)["variations"] if other != id_])
        return record

    def take_stock(self, id_: int, quantity: int) -> None:
        """An order moves stock; that changes the modification date."""
        kind = self._store.kind_of(id_)
        record = self._store.shelves[kind].record(id_) if kind else {}
        if kind and record["manage_stock"] is True:
            record["stock_quantity"] = (record["stock_quantity"] or 0) - quantity
            _set_stock_status(record, {})
            self._store.write(kind, record)

    def _edited(self, record: Record) -> Record:
        """What a write answers with: two fields more than a read."""
        template = f"{self._store.base}/product/%pagename%/"
        return record | {"permalink_template": template, "generated_slug": record["slug"]}

    def _parent(self, id_: int) -> Record:
        record = self._store.products.get(id_)
        if record is None:
            raise RefusedError(
                404, "woocommerce_rest_product_variation_invalid_parent_id", "Invalid parent ID."
            )
        return record

    def _refresh(self, parent: int, variations: list[int] | None = None) -> None:
        """A write to a variation also writes its product: price, stock status, modification date."""
        store = self._store
        product = self._parent(parent)
        product["variations"] = product["variations"] if variations is None else variations
        shown = [store.variations.record(id_) for id_ in product["variations"] if id_ in store.variations]
        known = sorted((item["price"] for item in shown if item["price"]), key=float)
        product["price"] = known[0] if known else ""
        product["price_html"] = prices.html_range(known[0], known[-1]) if known else ""
        instock = any(item["stock_status"] == "instock" for item in shown)
        product["stock_status"] = "instock" if instock else "outofstock"
        store.write("products", product)

    def _apply(self, record: Record, changes: Record) -> None:
        if changes.get("sku") is not None:
            self._check_sku(record["id"], str(changes["sku"]))
            record["sku"] = str(changes["sku"])
        if "name" in changes and record["type"] != "variation":
            record["name"] = entities(str(changes["name"]))
            record["slug"] = record["slug"] or slug(record["name"])
        record |= {name: changes[name] for name in PLAIN if name in changes and name in record}
        if "slug" in record:
            record["permalink"] = f"{self._store.base}/product/{record['slug']}/"
        if "dimensions" in changes and isinstance(changes["dimensions"], dict):
            record["dimensions"] |= {key: str(value) for key, value in changes["dimensions"].items()}
        if "status" in changes:
            record["status"] = changes["status"] if changes["status"] in STATUSES else "draft"
        self._apply_lists(record, changes)
        _set_prices(record, changes)
        _set_stock(record, changes)

    def _apply_lists(self, record: Record, changes: Record) -> None:
        if "categories" in changes and "categories" in record:
            known = [item["id"] for item in changes["categories"] if item.get("id") in self._store.categories]
            record["categories"] = [self._category(id_) for id_ in known or [UNCATEGORIZED]]
        if "tags" in changes and "tags" in record:
            record["tags"] = [{"id": 0, "name": "", "slug": "", **item} for item in changes["tags"]]
        if "attributes" in changes:
            record["attributes"] = [_attribute(item, record) for item in changes["attributes"]]
            if record["type"] == "variation":
                record["name"] = ", ".join(item["option"] for item in record["attributes"])
        if "images" in changes and "images" in record:
            record["images"] = [self._image(item, record) for item in changes["images"]]
        if "meta_data" in changes:
            record["meta_data"] = merged(record["meta_data"], changes["meta_data"], self._store)

    def _category(self, id_: int) -> Record:
        record = self._store.categories.record(id_)
        return {name: record[name] for name in ("id", "name", "slug")}

    def _image(self, item: Record, record: Record) -> Record:
        """The shop loads pictures during the call; one that it cannot load fails the whole write."""
        if item.get("id"):
            known = next((old for old in record["images"] if old["id"] == item["id"]), None)
            return known or image(self._store.base, item["id"], item.get("alt", ""))
        address = str(item.get("src", ""))
        if urlsplit(address).hostname in {None, "localhost", "127.0.0.1"}:
            words = f"Error getting remote image {address}. Error: A valid URL was not provided."
            raise RefusedError(400, "woocommerce_product_image_upload_error", words)
        return image(self._store.base, self._store.new_id(), item.get("alt", "")) | {"src": address}

    def _check_sku(self, id_: int, sku: str) -> None:
        owner = self._store.by_sku(sku) if sku else None
        if owner is None or owner[1] == id_:
            return
        kind, other = owner
        if self._store.shelves[kind].trashed(other):
            words = f"The product with SKU ({sku}) you are trying to insert is already present in the"
            words += " lookup table"
            raise RefusedError(400, "woocommerce_rest_product_not_created", words)
        free = next(name for n in range(1, 100_000) if not self._store.by_sku(name := f"{sku}-{n}"))
        data = {"resource_id": other, "unique_sku": free}
        raise RefusedError(400, "product_invalid_sku", "Invalid or duplicated SKU.", **data)


def entities(text: str) -> str:
    """Titles are kept with their ampersands as entities."""
    return re.sub(r"&(?!#?\w+;)", "&amp;", text)


def slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", unescape(name)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _empty(record: Record, id_: int) -> Record:
    """A sample without its holes."""
    found = {key: "" if isinstance(value, str) and "{" in value else value for key, value in record.items()}
    return (
        found | {"id": id_, "on_sale": False, "total_sales": 0}
        if "total_sales" in found
        else found | {"id": id_}
    )


def _created(changes: Record) -> int | None:
    """A date without zone is read as UTC, whatever the name says."""
    written = changes.get("date_created_gmt") or changes.get("date_created")
    try:
        return dates.seconds(str(written)) if written else None
    except ValueError:
        return None


def _set_prices(record: Record, changes: Record) -> None:
    for name in ("regular_price", "sale_price"):
        if name in changes:
            record[name] = prices.understood(changes[name])
    if record["type"] == "variable":
        return
    regular, sale = record["regular_price"], record["sale_price"]
    record["on_sale"] = bool(sale and regular and float(sale) < float(regular))
    record["price"] = sale if record["on_sale"] else regular
    record["purchasable"] = bool(record["price"])
    if "price_html" in record:
        record["price_html"] = prices.html(record["price"], regular)


def _set_stock(record: Record, changes: Record) -> None:
    if "manage_stock" in changes:
        record["manage_stock"] = changes["manage_stock"] in {True, "1", "true"}
    if record["manage_stock"] is not True:
        record["stock_quantity"] = None
    elif "stock_quantity" in changes:
        record["stock_quantity"] = _whole(changes["stock_quantity"])
    _set_stock_status(record, changes)


def _set_stock_status(record: Record, changes: Record) -> None:
    if record["manage_stock"] is not True:
        record["stock_status"] = changes.get("stock_status", record["stock_status"])
        return
    waits = "outofstock" if record["backorders"] == "no" else "onbackorder"
    record["stock_status"] = "instock" if (record["stock_quantity"] or 0) > 0 else waits


def _whole(value: object) -> int:
    """`wc_stock_amount`: 2.5 is 2, `abc` is 0."""
    found = re.match(r"\s*[+-]?\d+", str(value))
    return int(found[0]) if found else 0


def _attribute(item: Record, record: Record) -> Record:
    name = item.get("name") or {1: "Cor", 2: "Tamanho"}.get(item.get("id", 0), "")
    common = {"id": item.get("id", 0), "name": name, "slug": f"pa_{slug(name)}" if item.get("id") else name}
    if record["type"] == "variation":
        return common | {"option": str(item.get("option", ""))}
    flags = {"position": item.get("position", 0), "visible": item.get("visible", False)}
    return common | flags | {"variation": item.get("variation", False), "options": item.get("options", [])}


def _to_trash(store: Store, kind: str, record: Record) -> None:
    """The answer shows the record as it was before."""
    if store.shelves[kind].trashed(record["id"]):
        raise RefusedError(410, "woocommerce_rest_already_trashed", "The product has already been deleted.")
    store.write(kind, record | {"status": "trash"})


def _invalid_variation(status: int) -> RefusedError:
    return RefusedError(status, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
