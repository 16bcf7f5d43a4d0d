"""The fields of `Mutation`: payloads with `userErrors`, and nothing done where there are any."""

import json
import re
from collections.abc import Callable
from typing import Any

from sandbox.shopify import views
from sandbox.shopify.graph import Document, Object, RefusedError
from sandbox.shopify.products import Products, error
from sandbox.shopify.queries import Queries
from sandbox.shopify.store import Record, Store

PERSON = ("firstName", "lastName", "email", "phone")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+\d{8,15}")


class Mutations:
    def __init__(self, store: Store, queries: Queries) -> None:
        self._store, self._queries = store, queries
        self._products = Products(store)
        self.document: Document | None = None

    def roots(self) -> dict[str, Callable[..., Any]]:
        return {
            "metafieldDefinitionCreate": self._guarded("products", self._define),
            "productSet": self._guarded("products", self._products.set),
            "productUpdate": self._guarded("products", self._products.update),
            "productVariantsBulkUpdate": self._guarded("products", self._products.update_variants),
            "productVariantsBulkCreate": self._guarded("products", self._products.create_variants),
            "collectionCreate": self._guarded("products", self._create_collection),
            "collectionUpdate": self._guarded("products", self._update_collection),
            "customerCreate": self._guarded("customers", self._create_customer),
            "customerUpdate": self._guarded("customers", self._update_customer),
            "customerAddressCreate": self._guarded("customers", self._create_address),
            "customerAddressUpdate": self._guarded("customers", self._update_address),
            "inventorySetQuantities": self._guarded("inventory", self._keyed(self._set_quantities)),
            "inventoryActivate": self._guarded("inventory", self._keyed(self._activate)),
            "inventoryItemUpdate": self._guarded("inventory", self._track),
            "orderMarkAsPaid": self._guarded("orders", self._pay),
            "orderCancel": self._guarded("orders", self._cancel),
            "fulfillmentCreate": self._guarded("merchant_managed_fulfillment_orders", self._fulfil),
        }

    def _guarded(self, scope: str, done: Callable[..., Object]) -> Callable[..., Object]:
        def run(**arguments: Any) -> Object:
            if f"write_{scope}" not in self._queries.scopes:
                text = f"Access denied. Required access: `write_{scope}` access scope."
                raise RefusedError(text, "ACCESS_DENIED")
            return done(**arguments)

        return run

    def _keyed(self, done: Callable[..., Object]) -> Callable[..., Object]:
        """Since 2026-04 a key is required; the same key gives the same answer again."""

        def run(**arguments: Any) -> Object:
            key = self.document.key if self.document else None
            if not key:
                raise RefusedError("The @idempotent directive is required for this mutation", "BAD_REQUEST")
            asked = json.dumps([done.__name__, arguments], sort_keys=True)
            before = self._store.idempotent.get(key)
            if before is not None and before[0] != asked:
                return {
                    "userErrors": [error("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "Another call had this key")]
                }
            if before is None:
                before = self._store.idempotent[key] = (asked, done(**arguments))
            found: Object = before[1]
            return found

        return run

    def _define(self, definition: Object) -> Object:
        place = (definition["ownerType"], definition["namespace"], definition["key"])
        if place in self._store.definitions:
            return {
                "createdDefinition": None,
                "userErrors": [error("TAKEN", "Key is in use", "definition", "key")],
            }
        self._store.definitions.add(place)
        return {"createdDefinition": {"id": self._store.gid("MetafieldDefinition")}, "userErrors": []}

    def _set_quantities(self, input: Object) -> Object:  # noqa: A002 - the schema's name
        errors, changes = [], []
        entries = input["quantities"]
        if len(entries) > 250:
            raise RefusedError(
                "The input array size is greater than the maximum of 250", "MAX_INPUT_SIZE_EXCEEDED"
            )
        for place, entry in enumerate(entries):
            if "changeFromQuantity" not in entry:
                raise RefusedError("changeFromQuantity must be given", "INVALID_VARIABLE")
            found = self._store.item(entry["inventoryItemId"])
            level = found[1]["item"]["levels"].get(entry["locationId"]) if found else None
            code = _fault(found, level, entry, input["name"])
            if code or level is None:
                text = "Não foi possível gravar a quantidade"
                errors.append(error(code or "INVALID_LOCATION", text, "input", "quantities", str(place)))
                continue
            changes.append((level, entry["quantity"]))
        if errors:
            return {"inventoryAdjustmentGroup": None, "userErrors": errors}
        for level, quantity in changes:
            kept = level["committed"] if input["name"] == "on_hand" else 0
            level |= {"available": quantity - kept, "updatedAt": self._store.now()}
        group = {"id": self._store.gid("InventoryAdjustmentGroup")}
        return {"inventoryAdjustmentGroup": group, "userErrors": []}

    def _activate(self, inventoryItemId: str, locationId: str) -> Object:  # noqa: N803 - the schema's names
        found = self._store.item(inventoryItemId)
        if found is None:
            return {
                "inventoryLevel": None,
                "userErrors": [{"field": ["inventoryItemId"], "message": "Not found"}],
            }
        level = {"available": 0, "committed": 0, "updatedAt": self._store.now()}
        found[1]["item"]["levels"].setdefault(locationId, level)
        return {"inventoryLevel": {"id": "gid://shopify/InventoryLevel/1"}, "userErrors": []}

    def _track(self, id: str, input: Object) -> Object:  # noqa: A002
        found = self._store.item(id)
        if found is None:
            return {"inventoryItem": None, "userErrors": [{"field": ["id"], "message": "Not found"}]}
        found[1]["item"]["tracked"] = bool(input["tracked"] in (True, "true"))
        return {"inventoryItem": {"id": id}, "userErrors": []}

    def _create_collection(self, input: Object) -> Object:  # noqa: A002
        handle = input.get("handle") or self._products.handle(input["title"], "Collection")
        if any(one["handle"] == handle for one in self._store.kinds["Collection"].values()):
            return _plain("collection", ["input", "handle"], "Handle has already been taken")
        fields = {
            "title": input["title"],
            "descriptionHtml": input.get("descriptionHtml", ""),
            "handle": handle,
        }
        record = self._store.add("Collection", smart=False, **fields)
        self._keep(record, input)
        return {"collection": views.collection(record), "userErrors": []}

    def _update_collection(self, input: Object) -> Object:  # noqa: A002
        record = self._store.kinds["Collection"].get(input["id"])
        if record is None:
            return _plain("collection", ["id"], "Collection does not exist")
        record |= {name: input[name] for name in ("title", "descriptionHtml", "handle") if name in input}
        self._store.touch(record)
        return {"collection": views.collection(record), "userErrors": []}

    def _create_customer(self, input: Object) -> Object:  # noqa: A002
        fields: Object = {name: input.get(name) or None for name in PERSON}
        if wrong := self._wrong(fields, None):
            return _plain("customer", *wrong)
        if not (fields["email"] or fields["phone"] or fields["firstName"]):
            return _plain("customer", None, "A name, phone number, or email address must be present")
        record = self._store.add("Customer", addresses=[], default=None, **fields)
        self._keep(record, input)
        return {"customer": views.customer(record), "userErrors": []}

    def _update_customer(self, input: Object) -> Object:  # noqa: A002
        record = self._store.kinds["Customer"].get(input["id"])
        if record is None:
            return _plain("customer", ["id"], "Customer does not exist")
        fields: Object = {name: input[name] or None for name in PERSON if name in input}
        if wrong := self._wrong(fields, record):
            return _plain("customer", *wrong)
        record |= fields
        self._keep(record, input)
        self._store.touch(record)
        return {"customer": views.customer(record), "userErrors": []}

    def _wrong(self, fields: Object, record: Record | None) -> tuple[list[str], str] | None:
        for name, shape in (("email", _MAIL), ("phone", _PHONE)):
            value = fields.get(name)
            if value and not shape.fullmatch(value):
                return [name], f"{name.capitalize()} is invalid"
            others = (one for one in self._store.kinds["Customer"].values() if one is not record)
            if value and any((one[name] or "").casefold() == value.casefold() for one in others):
                return [name], f"{name.capitalize()} has already been taken"
        return None

    def _create_address(
        self,
        customerId: str,  # noqa: N803 - the schema's names
        address: Object,
        setAsDefault: bool | None = None,  # noqa: N803
    ) -> Object:
        record = self._store.kinds["Customer"][customerId]
        made = {"id": self._store.gid("MailingAddress") + "?model_name=CustomerAddress", **address}
        record["addresses"].append(made)
        if setAsDefault or record["default"] is None:
            record["default"] = made["id"]
        self._store.touch(record)
        return {"address": {"id": made["id"]}, "userErrors": []}

    def _update_address(self, customerId: str, addressId: str, address: Object) -> Object:  # noqa: N803
        record = self._store.kinds["Customer"][customerId]
        found = next((one for one in record["addresses"] if one["id"] == addressId), None)
        if found is None:
            return _plain("address", ["addressId"], "Address does not exist")
        found |= address
        self._store.touch(record)
        return {"address": {"id": addressId}, "userErrors": []}

    def _pay(self, input: Object) -> Object:  # noqa: A002
        record = self._store.kinds["Order"][input["id"]]
        record["displayFinancialStatus"] = "PAID"
        self._store.touch(record)
        return {"order": {"id": record["id"]}, "userErrors": []}

    def _cancel(self, orderId: str, **_: Any) -> Object:  # noqa: N803
        record = self._store.kinds["Order"][orderId]
        if record["cancelledAt"]:
            errors = [error("INVALID", "Order has already been cancelled", "orderId")]
            return {"job": None, "orderCancelUserErrors": errors}
        record["cancelledAt"] = self._store.now()
        self._store.touch(record)
        return {"job": {"id": self._store.gid("Job")}, "orderCancelUserErrors": []}

    def _fulfil(self, fulfillment: Object) -> Object:
        for part in fulfillment["lineItemsByFulfillmentOrder"]:
            for record in self._store.kinds["Order"].values():
                for due in record["fulfillments"]:
                    if due["id"] == part["fulfillmentOrderId"]:
                        due["status"] = "CLOSED"
                        record["displayFulfillmentStatus"] = "FULFILLED"
                        self._store.touch(record)
        return {"fulfillment": {"id": self._store.gid("Fulfillment")}, "userErrors": []}

    def _keep(self, record: Record, input: Object) -> None:  # noqa: A002
        for one in input.get("metafields") or ():
            record["metafields"][(one["namespace"], one["key"])] = one["value"]


def _fault(found: Any, level: Any, entry: Object, name: str) -> str:
    if found is None:
        return "INVALID_INVENTORY_ITEM"
    if level is None:
        return "ITEM_NOT_STOCKED_AT_LOCATION"
    current = level["available"] + (level["committed"] if name == "on_hand" else 0)
    if entry["changeFromQuantity"] is not None and entry["changeFromQuantity"] != current:
        return "CHANGE_FROM_QUANTITY_STALE"
    if abs(entry["quantity"]) > 1_000_000_000:
        return "INVALID_QUANTITY_TOO_HIGH"
    return ""


def _plain(name: str, field: list[str] | None, message: str) -> Object:
    """A `UserError`: it has no code."""
    return {name: None, "userErrors": [{"field": field, "message": message}]}
