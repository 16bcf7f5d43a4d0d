"""Writes to customers and categories."""

import re
from typing import Any

from sandbox.woocommerce import dates
from sandbox.woocommerce.categories import UNCATEGORIZED, category_links
from sandbox.woocommerce.checks import CATEGORY, CUSTOMER, check, loose, required
from sandbox.woocommerce.customers import avatar
from sandbox.woocommerce.links import links
from sandbox.woocommerce.messages import RefusedError
from sandbox.woocommerce.meta import merged
from sandbox.woocommerce.orders import blank
from sandbox.woocommerce.pages import category
from sandbox.woocommerce.php import Record
from sandbox.woocommerce.product_writes import entities, slug
from sandbox.woocommerce.store import Store

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class CustomerWrites:
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, body: Any, *, trusted: bool = False) -> Record:
        changes = loose(body) if trusted else check(body, CUSTOMER)
        required(changes, "email")
        store = self._store
        email = str(changes["email"])
        if not _EMAIL.fullmatch(email):
            words = "Please provide a valid email address."
            raise RefusedError(400, "registration-error-invalid-email", words)
        if store.by_email(email) is not None:
            words = f"An account is already registered with {email}. "
            words += "Please log in or use a different email address."
            raise RefusedError(400, "registration-error-email-exists", words)
        id_, moment = store.new_id("users"), store.clock.now()
        empty = blank(0)
        record: Record = {
            "id": id_,
            "date_created": dates.local(moment),
            "date_created_gmt": dates.text(moment),
            "date_modified": None,
            "date_modified_gmt": None,
            "email": email,
            "first_name": "",
            "last_name": "",
            "role": "customer",
            "username": changes.get("username") or email.partition("@")[0],
            "billing": empty["billing"],
            "shipping": empty["shipping"],
            "is_paying_customer": False,
            "avatar_url": avatar(email),
            "meta_data": [],
            "_links": links(store.base, "customers", id_),
        }
        return self._keep(record, changes)

    def update(self, id_: int, body: Any, *, trusted: bool = False) -> Record:
        record = self._store.customers.get(id_)
        if record is None:
            raise invalid_customer(400 if trusted else 404)
        changes = loose(body) if trusted else check(body, CUSTOMER)
        email = changes.get("email")
        if email and self._store.by_email(str(email)) not in {None, id_}:
            raise RefusedError(400, "woocommerce_rest_customer_invalid_email", "Email address is invalid.")
        return self._keep(record | ({"email": email} if email else {}), changes)

    def delete(self, id_: int, *, force: bool) -> Record:
        record = self._store.customers.get(id_)
        if record is None:
            raise invalid_customer(404)
        if not force:
            words = "Customers do not support trashing."
            raise RefusedError(501, "woocommerce_rest_trash_not_supported", words)
        self._store.remove("customers", id_)
        return record

    def _keep(self, record: Record, changes: Record) -> Record:
        record |= {name: changes[name] for name in ("first_name", "last_name") if name in changes}
        for name in ("billing", "shipping"):
            if isinstance(changes.get(name), dict):
                record[name] = record[name] | changes[name]
        if "meta_data" in changes:
            record["meta_data"] = merged(record["meta_data"], changes["meta_data"], self._store)
        return self._store.write("customers", record)


class CategoryWrites:
    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, body: Any, *, trusted: bool = False) -> Record:
        changes = loose(body) if trusted else check(body, CATEGORY)
        required(changes, "name")
        store = self._store
        name, parent = entities(str(changes["name"])), int(changes.get("parent") or 0)
        if parent and parent not in store.categories:
            words = "Parent term does not exist."
            raise RefusedError(400, "missing_parent", words)
        self._refuse_twin(name, parent)
        id_ = store.new_id("terms")
        record: Record = {"id": id_, "name": name, "slug": slug(name), "parent": parent, "description": ""}
        record |= {"display": "default", "image": None, "menu_order": 0, "count": 0}
        return self._keep(record | _own(changes))

    def update(self, id_: int, body: Any, *, trusted: bool = False) -> Record:
        record = self._store.categories.get(id_)
        if record is None:
            raise invalid_category()
        changes = loose(body) if trusted else check(body, CATEGORY)
        return self._keep(record | _own(changes))

    def delete(self, id_: int, *, force: bool) -> Record:
        if id_ not in self._store.categories:
            raise invalid_category()
        if not force:
            words = "Resource does not support trashing."
            raise RefusedError(501, "woocommerce_rest_trash_not_supported", words)
        if id_ == UNCATEGORIZED:
            raise RefusedError(500, "woocommerce_rest_cannot_delete", "The resource cannot be deleted.")
        record = category(self._store, id_)
        self._store.remove("categories", id_)
        return record

    def _keep(self, record: Record) -> Record:
        record["_links"] = category_links(self._store.base, record["id"], record["parent"])
        self._store.write("categories", record, touch=False)
        return category(self._store, record["id"])

    def _refuse_twin(self, name: str, parent: int) -> None:
        shelf = self._store.categories
        first, count = UNCATEGORIZED, self._store.size.categories
        for id_ in {*range(first, first + max(1, count)), *shelf.living()}:
            twin = shelf.get(id_)
            if twin and (twin["name"].lower(), twin["parent"]) == (name.lower(), parent):
                words = "A term with the name provided already exists with this parent."
                raise RefusedError(400, "term_exists", words, resource_id=id_)


def invalid_customer(status: int) -> RefusedError:
    """Single requests and batches have codes of their own families."""
    if status == 404:
        return RefusedError(404, "wc_user_invalid_id", "Invalid user ID.")
    return RefusedError(400, "woocommerce_rest_invalid_id", "Invalid resource ID.")


def invalid_category() -> RefusedError:
    return RefusedError(404, "woocommerce_rest_term_invalid", "Resource does not exist.")


def _own(changes: Record) -> Record:
    found = {
        name: changes[name]
        for name in ("slug", "parent", "description", "display", "menu_order")
        if name in changes
    }
    return found | ({"name": entities(str(changes["name"]))} if "name" in changes else {})
