"""What the account holds: records by type and id, their properties as text, associations both ways; and the
search's own copy of the records, which is behind."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
TYPES = ("contacts", "products", "orders", "0-3", "line_items")
_TEXTS: dict[str, tuple[str, ...]] = {
    "contacts": (
        *("email", "firstname", "lastname", "phone", "mobilephone", "company", "address", "city", "state"),
        *("zip", "country", "lifecyclestage"),
    ),
    "products": ("name", "description", "hs_sku"),
    "orders": (
        *("hs_order_name", "hs_external_order_id", "hs_currency_code", "hs_order_note", "hs_pipeline"),
        *("hs_pipeline_stage", "hs_external_order_status", "hs_source_store", "hs_fulfillment_status"),
        *(
            f"hs_{kind}_address_{part}"
            for kind in ("billing", "shipping")
            for part in ("name", "street", "city", "state", "postal_code", "country")
        ),
    ),
    "0-3": ("dealname", "deal_currency_code", "pipeline", "dealstage", "description"),
    "line_items": ("name", "hs_sku", "hs_product_id"),
}
_NUMBERS: dict[str, tuple[str, ...]] = {
    "products": ("price", "hs_cost_of_goods_sold"),
    "orders": ("hs_total_price", "hs_order_discount", "hs_shipping_cost", "hs_tax"),
    "0-3": ("amount",),
    "line_items": ("price", "quantity", "discount", "hs_position_on_quote"),
}
_MOMENTS = {"orders": ("hs_external_created_date",), "0-3": ("closedate",)}
# Contacts have the other objects' property too, and nothing in it.
_READ_ONLY = {"line_items": ("amount",), "contacts": ("hs_lastmodifieddate",)}


def modified(type_: str) -> str:
    return "lastmodifieddate" if type_ == "contacts" else "hs_lastmodifieddate"


def iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_milliseconds(text: str) -> int:
    if text.isdecimal():
        return int(text)
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@dataclass(slots=True)
class Record:
    id: str
    type: str
    created: int
    changed: int
    properties: dict[str, str]
    archived: bool = False
    versions: list[tuple[float, int, dict[str, str]]] = field(default_factory=list)
    """(when the search may know it, time of change, properties)."""

    def shown(self) -> dict[str, str]:
        return self._whole(self.changed, self.properties)

    def indexed(self, now: float) -> dict[str, str] | None:
        """As the search knows it; None where it does not yet."""
        known = [version for version in self.versions if version[0] <= now]
        return self._whole(known[-1][1], known[-1][2]) if known else None

    def _whole(self, changed: int, properties: dict[str, str]) -> dict[str, str]:
        own = {modified(self.type): iso(changed), "hs_object_id": self.id, "createdate": iso(self.created)}
        if self.type == "line_items" and "price" in properties:
            price, count = float(properties["price"]), float(properties.get("quantity") or 1)
            own["amount"] = f"{(price - float(properties.get('discount') or 0)) * count:.2f}"
        return {**properties, **own}


class Store:
    def __init__(self) -> None:
        self.records: dict[str, dict[str, Record]] = {type_: {} for type_ in TYPES}
        self.properties: dict[str, dict[str, Object]] = {type_: _definitions(type_) for type_ in TYPES}
        self.links: dict[tuple[str, str], dict[str, list[str]]] = {}
        self.lag = 0.0
        self._numbers = itertools.count(512)
        self._last = 0

    def now(self) -> int:
        """In milliseconds, each later than the one before."""
        self._last = max(int(time.time() * 1000), self._last + 1)
        return self._last

    def living(self, type_: str) -> Iterator[Record]:
        return (record for record in self.records[type_].values() if not record.archived)

    def get(self, type_: str, id_: str, by: str | None = None) -> Record | None:
        if not by:
            found = self.records[type_].get(id_)
            return found if found is not None and not found.archived else None
        wanted = id_.lower() if by == "email" else id_
        return next((one for one in self.living(type_) if one.properties.get(by) == wanted), None)

    def add(self, type_: str, properties: dict[str, str], at: int | None = None) -> Record:
        now = self.now() if at is None else at
        record = Record(str(next(self._numbers)), type_, now, now, {})
        self.records[type_][record.id] = record
        self.change(record, properties, at)
        return record

    def change(self, record: Record, properties: dict[str, str], at: int | None = None) -> None:
        values = {
            name: value.lower() if name == "email" else value
            for name, value in {**record.properties, **properties}.items()
        }
        record.properties = {name: value for name, value in values.items() if value != ""}
        record.changed = self.now() if at is None else at
        known_at = time.time() + self.lag if at is None else 0.0
        record.versions.append((known_at, record.changed, dict(record.properties)))

    def archive(self, record: Record) -> None:
        record.archived = True

    def wrong(self, type_: str, properties: Object, itself: Record | None) -> tuple[str, str, str] | None:
        """Why properties are refused: category, message, property."""
        for name, value in properties.items():
            known = self.properties[type_].get(name)
            if known is None:
                return "VALIDATION_ERROR", f'Property "{name}" does not exist', name
            if not isinstance(value, str):
                return "VALIDATION_ERROR", f"{name} is not a string", name
            if known["modificationMetadata"]["readOnlyValue"]:
                return "VALIDATION_ERROR", f'"{name}" is a read only property', name
            if problem := _malformed(known["type"], name, value):
                return "VALIDATION_ERROR", problem, name
            if value and known["hasUniqueValue"]:
                other = self.get(type_, value, name)
                if other is not None and other is not itself:
                    return "CONFLICT", f"Record already exists. Existing ID: {other.id}", name
        return None

    def link(self, from_type: str, from_id: str, to_type: str, to_id: str) -> None:
        for one, id_, other, other_id in (
            (from_type, from_id, to_type, to_id),
            (to_type, to_id, from_type, from_id),
        ):
            there = self.links.setdefault((one, other), {}).setdefault(id_, [])
            if other_id not in there:
                there.append(other_id)

    def linked(self, from_type: str, from_id: str, to_type: str) -> list[str]:
        ids = self.links.get((from_type, to_type), {}).get(from_id, ())
        return [id_ for id_ in ids if self.get(to_type, id_) is not None]

    def define(self, type_: str, body: Object) -> Object:
        found = definition(body["name"], body["type"], unique=bool(body.get("hasUniqueValue")))
        self.properties[type_][body["name"]] = found
        return found


def definition(name: str, type_: str = "string", *, unique: bool = False, read_only: bool = False) -> Object:
    return {
        "name": name,
        "label": name,
        "description": "",
        "type": type_,
        "fieldType": "number" if type_ == "number" else "text",
        "groupName": "information",
        "options": [],
        "hasUniqueValue": unique,
        "modificationMetadata": {"archivable": True, "readOnlyDefinition": False, "readOnlyValue": read_only},
    }


def _definitions(type_: str) -> dict[str, Object]:
    own = (modified(type_), "createdate", "hs_object_id", *_READ_ONLY.get(type_, ()))
    return {
        **{name: definition(name, unique=name == "email") for name in _TEXTS[type_]},
        **{name: definition(name, "number") for name in _NUMBERS.get(type_, ())},
        **{name: definition(name, "datetime") for name in _MOMENTS.get(type_, ())},
        **{name: definition(name, read_only=True) for name in own},
    }


def _malformed(type_: str, name: str, value: str) -> str | None:
    try:
        if value and type_ == "number":
            float(value)
        if value and type_ == "datetime":
            in_milliseconds(value)
    except ValueError:
        return f"{value} was not a valid {type_}"
    if name == "email" and value and "@" not in value:
        return f"Email address {value} is invalid"
    return None
