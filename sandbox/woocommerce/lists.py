"""GET of a collection: parameters, filters, pages, totals and links to the neighbours."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.woocommerce import dates
from sandbox.woocommerce.messages import Answer, Complaints, Request
from sandbox.woocommerce.pages import Page, page_of
from sandbox.woocommerce.selection import Filter, plain
from sandbox.woocommerce.store import Store

ORDER_STATUSES = (
    *("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed"),
    "checkout-draft",
)
PRODUCT_STATUSES = ("future", "trash", "draft", "pending", "private", "publish")
BY = ("date", "id", "include", "title", "slug", "modified")
ROLES = ("all", "administrator", "editor", "author", "contributor", "subscriber", "customer", "shop_manager")
_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, slots=True)
class Collection:
    """What a list takes. `statuses` are those of its filter; `dated` lists take the date filters."""

    kind: str
    path: str
    orderby: tuple[str, ...]
    default: str = "date"
    order: str = "desc"
    dated: bool = True
    statuses: tuple[str, ...] = ()
    allow: str = "GET, POST"


COLLECTIONS = {
    "products": Collection(
        "products",
        "products",
        (*BY, "price", "popularity", "rating", "menu_order"),
        statuses=("any", *PRODUCT_STATUSES),
    ),
    "variations": Collection(
        "variations", "variations", (*BY, "menu_order"), statuses=("any", *PRODUCT_STATUSES), allow="GET"
    ),
    "orders": Collection("orders", "orders", BY, statuses=("any", "trash", "auto-draft", *ORDER_STATUSES)),
    "customers": Collection(
        "customers", "customers", ("id", "include", "name", "registered_date"), "name", "asc", dated=False
    ),
    "products/categories": Collection(
        "categories",
        "products/categories",
        ("id", "include", "name", "slug", "term_group", "description", "count"),
        "name",
        "asc",
        dated=False,
    ),
}


def listing(store: Store, request: Request, collection: Collection, parent: int | None = None) -> Answer:
    """One page. `parent` keeps the variations of one product. Raises RefusedError."""
    check(request, collection)
    kind = collection.kind
    filter_, among = _filter(request, collection), _among(store, request, kind, parent)
    by = request.one("orderby") or collection.default
    ids = _ids(store, kind, by, filter_, among)
    if kind == "products" and request.many("sku"):
        ids = [*ids, *_ids(store, "variations", by, Filter(), among)]
    size = int(request.one("per_page") or 10)
    page = int(request.one("page") or 1)
    first = int(request.one("offset") or (page - 1) * size)
    descending = (request.one("order") or collection.order) == "desc" and by != "include"
    if descending:
        found = ids[max(0, len(ids) - first - size) : max(0, len(ids) - first)][::-1]
    else:
        found = ids[first : first + size]
    total = 0 if kind == "orders" and not found else len(ids)
    place = Page(page, size, total)
    path = collection.path if parent is None else f"products/{parent}/variations"
    return page_of(store, request, path, kind, found, place)


def check(request: Request, collection: Collection) -> None:
    """Raises RefusedError with everything that does not fit, as the shop does before it looks at the keys."""
    found = Complaints()
    for name in ("page", "per_page", "offset"):
        _check_number(request, name, found)
    _check_choice(request, "order", ("asc", "desc"), found)
    _check_choice(request, "orderby", collection.orderby, found)
    if collection.statuses:
        _check_status(request, collection, found)
    if collection.kind == "customers":
        _check_choice(request, "role", ROLES, found)
    for name in ("include", "exclude"):
        for place, value in enumerate(request.many(name) or ()):
            if not _INTEGER.fullmatch(value):
                found.type(name, "integer", f"{name}[{place}]")
    if collection.dated:
        for name in ("after", "before", "modified_after", "modified_before"):
            _check_date(request, name, found)
    found.refuse()


def _check_number(request: Request, name: str, found: Complaints) -> None:
    text = request.one(name)
    if text is None:
        return
    if not _INTEGER.fullmatch(text):
        found.type(name, "integer")
    elif name == "per_page" and not 1 <= int(text) <= 100:
        words = "per_page must be between 1 (inclusive) and 100 (inclusive)"
        found.add(name, "rest_out_of_bounds", words)
    elif name == "page" and int(text) < 1:
        found.add(name, "rest_out_of_bounds", "page must be greater than or equal to 1")


def _check_choice(request: Request, name: str, allowed: Sequence[str], found: Complaints) -> None:
    value = request.one(name)
    if value is not None and value not in allowed:
        found.enum(name, allowed)


def _check_status(request: Request, collection: Collection, found: Complaints) -> None:
    if collection.kind != "orders":
        _check_choice(request, "status", collection.statuses, found)
        return
    for place, value in enumerate(request.many("status") or ()):
        if value not in collection.statuses:
            found.enum("status", collection.statuses, f"status[{place}]")


def _check_date(request: Request, name: str, found: Complaints) -> None:
    value = request.one(name)
    if value is None:
        return
    try:
        dates.naive(value)
    except ValueError:
        found.add(name, "rest_invalid_date", "Invalid date.")


def _ids(store: Store, kind: str, by: str, filter_: Filter, among: list[int] | None) -> Sequence[int]:
    if kind == "categories":
        return _category_ids(store, by, filter_, among)
    found = store.lists[kind].ids(by, filter_, among)
    if by == "include" and among is not None:
        known = set(found)
        return [id_ for id_ in among if id_ in known]
    return found


def _category_ids(store: Store, by: str, filter_: Filter, among: list[int] | None) -> Sequence[int]:
    """Their counts belong to the products and are not in the records."""
    counts = store.category_counts()
    tests = tuple(test for test in filter_.tests if test[0] != "used")
    found = store.lists["categories"].ids(by, Filter(tests=tests), among)
    if len(tests) < len(filter_.tests):
        found = [id_ for id_ in found if counts[id_]]
    return sorted(found, key=lambda id_: counts[id_]) if by == "count" else found


def _among(store: Store, request: Request, kind: str, parent: int | None) -> list[int] | None:
    """The records that the request names: by parent, SKU or id. None where it names none."""
    named: list[list[int]] = []
    if parent is not None:
        named.append(store.variations_of(parent))
    skus = request.many("sku") if kind in {"products", "variations"} else None
    if skus:
        owners = [owner for sku in skus if (owner := store.by_sku(sku))]
        named.append([id_ for of, id_ in owners if kind in {of, "products"}])
    included = request.many("include")
    if included:
        named.append([int(text) for text in included])
    if kind == "customers" and request.one("email") is not None:
        known = store.by_email(request.one("email") or "")
        named.append([known] if known else [])
    if not named:
        return None
    return [id_ for id_ in named[-1] if all(id_ in ids for ids in named)]


def _filter(request: Request, collection: Collection) -> Filter:
    tests: list[tuple[str, Any]] = []
    excluded = request.many("exclude")
    if excluded:
        tests.append(("exclude", frozenset(int(text) for text in excluded)))
    if request.one("search"):
        words = plain(request.one("search") or "").split()
        tests.append(("search", tuple(word for word in words if word != "&")))
    parent = request.many("parent")
    if parent:
        tests.append(("parent", frozenset(int(text) for text in parent if _INTEGER.fullmatch(text))))
    if request.many("slug"):
        tests.append(("slug", frozenset(request.many("slug") or ())))
    tests += OWN_TESTS[collection.kind](request)
    found = Filter(tests=tuple(tests))
    if not collection.dated:
        return found
    gmt = request.yes("dates_are_gmt")

    def bound(name: str) -> int | None:
        value = request.one(name)
        return dates.bound(value, gmt=gmt) if value else None

    created, modified = (bound("after"), bound("before")), (bound("modified_after"), bound("modified_before"))
    return replace(found, created=created, modified=modified)


def _product_tests(request: Request) -> list[tuple[str, Any]]:
    tests: list[tuple[str, Any]] = []
    status = request.one("status") or "any"
    several = request.many("include_status")
    if several or status != "any":
        tests.append(("status", frozenset(several or (status,))))
    unwanted = request.many("exclude_status")
    if unwanted:
        tests.append(("not_status", frozenset(unwanted)))
    types = request.many("include_types") or request.many("type")
    if types:
        tests.append(("type", frozenset(types)))
    category = request.many("category")
    if category:
        tests.append(("category", frozenset(int(text) for text in category if text.isdecimal())))
    if request.one("stock_status"):
        tests.append(("stock_status", request.one("stock_status")))
    return tests


def _order_tests(request: Request) -> list[tuple[str, Any]]:
    tests: list[tuple[str, Any]] = []
    statuses = request.many("status") or ["any"]
    if "any" not in statuses:
        tests.append(("status", frozenset(statuses)))
    for name in ("customer", "product"):
        value = request.one(name)
        if value and value.isdecimal():
            tests.append((name, int(value)))
    return tests


def _customer_tests(request: Request) -> list[tuple[str, Any]]:
    role = request.one("role") or "customer"
    return [] if role == "all" else [("role", role)]


def _category_tests(request: Request) -> list[tuple[str, Any]]:
    return [("used", True)] if request.yes("hide_empty") else []


OWN_TESTS: dict[str, Callable[[Request], list[tuple[str, Any]]]] = {
    "products": _product_tests,
    "variations": _product_tests,
    "orders": _order_tests,
    "customers": _customer_tests,
    "categories": _category_tests,
}
