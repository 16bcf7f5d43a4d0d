"""Records as the objects of the schema."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.shopify.graph import Object
from sandbox.shopify.store import Record, Store

DEFAULT = {"Title": "Default Title"}
_TERM = re.compile(r"""(\w+):(>=|<=|<|>)?(?:"([^"]*)"|'([^']*)'|(\S+))""")


def money(amount: str) -> Object:
    return {"shopMoney": {"amount": amount, "currencyCode": "BRL"}}


def metafields(record: Record) -> Callable[..., Object | None]:
    def one(key: str, namespace: str = "") -> Object | None:
        value = record["metafields"].get((namespace, key))
        return None if value is None else {"value": value, "namespace": namespace, "key": key}

    return one


def product(store: Store, record: Record) -> Object:
    groups = [store.kinds["Collection"][id_] for id_ in record["collections"]]
    pictures = [
        {"id": one["id"], "mediaContentType": "IMAGE", "preview": {"image": {"url": one["url"]}}}
        for one in record["media"]
    ]
    return {
        "__typename": "Product",
        **{
            name: record[name] for name in ("id", "title", "handle", "status", "descriptionHtml", "updatedAt")
        },
        "hasOnlyDefaultVariant": only_default(record),
        "metafield": metafields(record),
        "variants": [variant(store, record, one) for one in record["variants"]],
        "collections": [collection(one) for one in groups],
        "media": pictures,
    }


def only_default(record: Record) -> bool:
    return [one["options"] for one in record["variants"]] == [DEFAULT]


def variant(store: Store, parent: Record, record: Record) -> Object:
    plain = ("id", "sku", "barcode", "price", "compareAtPrice", "position", "updatedAt")
    item, weight = record["item"], record["item"]["weight"]

    def level(locationId: str) -> Object | None:  # noqa: N803 - the schema's name
        found = item["levels"].get(locationId)
        return None if found is None else _level(item, locationId, found)

    return {
        "__typename": "ProductVariant",
        **{name: record[name] for name in plain},
        "selectedOptions": [{"name": name, "value": value} for name, value in record["options"].items()],
        "product": {
            "__typename": "Product",
            "id": parent["id"],
            "hasOnlyDefaultVariant": only_default(parent),
        },
        "inventoryItem": {
            "__typename": "InventoryItem",
            "id": item["id"],
            "tracked": item["tracked"],
            "measurement": {"weight": weight},
            "inventoryLevel": level,
        },
    }


def _level(item: Record, location: str, found: Record) -> Object:
    def quantities(names: list[str]) -> list[Object]:
        amounts = {
            "available": found["available"],
            "committed": found["committed"],
            "on_hand": found["available"] + found["committed"],
        }
        return [{"name": name, "quantity": amounts[name]} for name in names]

    return {
        "id": f"gid://shopify/InventoryLevel/{location.rpartition('/')[2]}?inventory_item_id={item['id']}",
        "updatedAt": found["updatedAt"],
        "quantities": quantities,
    }


def collection(record: Record) -> Object:
    plain = ("id", "title", "handle", "descriptionHtml", "updatedAt")
    return {
        "__typename": "Collection",
        **{name: record[name] for name in plain},
        "ruleSet": {"appliedDisjunctively": False} if record["smart"] else None,
        "metafield": metafields(record),
    }


def customer(record: Record) -> Object:
    default = next((one for one in record["addresses"] if one["id"] == record["default"]), None)
    name = f"{record['firstName'] or ''} {record['lastName'] or ''}".strip()
    return {
        "__typename": "Customer",
        **{name_: record[name_] for name_ in ("id", "firstName", "lastName", "updatedAt")},
        "displayName": name or record["email"],
        "defaultEmailAddress": {"emailAddress": record["email"]} if record["email"] else None,
        "defaultPhoneNumber": {"phoneNumber": record["phone"]} if record["phone"] else None,
        "defaultAddress": default and address(default),
        "addressesV2": [address(one) for one in record["addresses"]],
        "metafield": metafields(record),
    }


def address(record: Record) -> Object:
    names = ("address1", "address2", "city", "company", "phone", "provinceCode", "zip")
    whole = f"{record.get('firstName') or ''} {record.get('lastName') or ''}".strip()
    return {
        "__typename": "MailingAddress",
        "id": record["id"],
        "name": whole,
        "countryCodeV2": record.get("countryCode"),
        **{name: record.get(name) for name in names},
    }


def order(record: Record) -> Object:
    return {
        "__typename": "Order",
        **{
            name: value
            for name, value in record.items()
            if name not in ("lines", "metafields", "fulfillments")
        },
        "customer": {"id": record["customer"]} if record["customer"] else None,
        "lineItems": record["lines"],
        "fulfillmentOrders": record["fulfillments"],
        "canMarkAsPaid": record["displayFinancialStatus"] in ("PENDING", "AUTHORIZED", "PARTIALLY_PAID"),
    }


def fits(record: Record, query: str | None, *, by_day: bool = False) -> bool:
    """The search syntax: terms are all needed, `OR` between groups. Texts are compared by their words, in
    any case: a hit is not yet the same text."""
    if not query:
        return True
    return any(
        all(_fits(record, *term, by_day=by_day) for term in _TERM.findall(group))
        for group in query.split(" OR ")
    )


def _fits(record: Record, name: str, sign: str, *texts: str, by_day: bool) -> bool:
    text = next(filter(None, texts), "")
    match name:
        case "status":
            return text == "any" or record.get("cancelledAt") is None
        case "updated_at":
            return _compared(record["updatedAt"], sign, text, by_day)
    value: Any = record.get(name)
    words = set(re.findall(r"\w+", str(value or "").casefold()))
    return bool(words) and set(re.findall(r"\w+", text.casefold())) <= words


def _compared(value: str, sign: str, text: str, by_day: bool) -> bool:
    one, other = (datetime.fromisoformat(part.replace("Z", "+00:00")) for part in (value, text))
    left: Any = one.date() if by_day else one.timestamp()
    right: Any = other.date() if by_day else other.replace(tzinfo=other.tzinfo or one.tzinfo).timestamp()
    found = {">=": left >= right, "<": left < right, "<=": left <= right, ">": left > right}
    return bool(found.get(sign, left == right))
