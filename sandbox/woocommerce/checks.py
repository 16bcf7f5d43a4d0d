"""Bodies of single writes, held against the schema. A running shop trusts the items of a batch."""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.woocommerce.lists import ORDER_STATUSES, PRODUCT_STATUSES
from sandbox.woocommerce.messages import Complaints, RefusedError
from sandbox.woocommerce.php import Record

Schema = Mapping[str, str | tuple[str, ...]]
_TEXTS = ("name", "slug", "description", "short_description", "sku", "regular_price", "sale_price", "weight")
_FLAGS = ("featured", "virtual", "downloadable", "manage_stock", "sold_individually", "reviews_allowed")
PRODUCT: Schema = {
    **dict.fromkeys((*_TEXTS, "global_unique_id", "tax_class", "shipping_class", "purchase_note"), "string"),
    **dict.fromkeys(_FLAGS, "boolean"),
    **dict.fromkeys(("stock_quantity", "parent_id", "menu_order", "low_stock_amount"), "integer"),
    **dict.fromkeys(("categories", "tags", "images", "attributes", "meta_data", "upsell_ids"), "array"),
    "dimensions": "object",
    "status": (*PRODUCT_STATUSES[2:], "future", "auto-draft", "trash"),
    "type": ("simple", "grouped", "external", "variable"),
    "stock_status": ("instock", "outofstock", "onbackorder"),
    "backorders": ("no", "notify", "yes"),
    "catalog_visibility": ("visible", "catalog", "search", "hidden"),
}
VARIATION: Schema = {name: PRODUCT[name] for name in PRODUCT if name not in {"type", "categories", "tags"}}
ORDER: Schema = {
    **dict.fromkeys(("customer_note", "payment_method", "payment_method_title", "transaction_id"), "string"),
    **dict.fromkeys(("customer_id", "parent_id"), "integer"),
    **dict.fromkeys(("line_items", "shipping_lines", "fee_lines", "coupon_lines", "meta_data"), "array"),
    **dict.fromkeys(("billing", "shipping"), "object"),
    "set_paid": "boolean",
    "status": ("auto-draft", *ORDER_STATUSES),
}
CUSTOMER: Schema = {
    **dict.fromkeys(("email", "first_name", "last_name", "username", "password"), "string"),
    **dict.fromkeys(("billing", "shipping"), "object"),
    "meta_data": "array",
}
CATEGORY: Schema = {
    **dict.fromkeys(("name", "slug", "description"), "string"),
    **dict.fromkeys(("parent", "menu_order"), "integer"),
    "display": ("default", "products", "subcategories", "both"),
}
LISTS = {"categories", "tags", "images", "attributes", "meta_data"}
LISTS |= {"line_items", "shipping_lines", "fee_lines", "coupon_lines"}
OBJECTS = {"dimensions", "billing", "shipping"}
_INTEGER = re.compile(r"[+-]?\d+(\.0*)?")


def check(body: Any, schema: Schema) -> Record:
    """The body of a single write. Raises RefusedError with every field that does not fit."""
    found = Complaints()
    record: Record = body if isinstance(body, dict) else {}
    for name, wanted in schema.items():
        value = record.get(name)
        if name not in record or (value is None and wanted == "integer"):
            continue
        if isinstance(wanted, tuple):
            if value not in wanted:
                found.enum(name, wanted)
        elif not FITS[wanted](value):
            found.type(name, wanted)
    found.refuse()
    return loose(record)


def loose(body: Any) -> Record:
    """A batch item as it is, without lists and objects that are none."""
    record: Record = body if isinstance(body, dict) else {}
    return {name: value for name, value in record.items() if _usable(name, value)}


def _usable(name: str, value: Any) -> bool:
    if name in LISTS:
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return name not in OBJECTS or isinstance(value, dict)


def required(record: Record, name: str) -> None:
    """Raises RefusedError where a parameter is missing."""
    if name not in record:
        words = f"Missing parameter(s): {name}"
        raise RefusedError(400, "rest_missing_callback_param", words, params=[name])


def _is_integer(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float | str) and bool(_INTEGER.fullmatch(str(value)))


FITS: Mapping[str, Any] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "boolean": lambda value: isinstance(value, bool) or value in {0, 1, "0", "1", "true", "false"},
    "array": lambda value: isinstance(value, list | str),
    "object": lambda value: isinstance(value, dict) or value in ("", []),
}
