"""The whole shop: its shelves, their lists, its clock and its numbers."""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.woocommerce.categories import Categories
from sandbox.woocommerce.customers import Customers
from sandbox.woocommerce.dates import local, text
from sandbox.woocommerce.orders import Orders
from sandbox.woocommerce.php import Record
from sandbox.woocommerce.products import Products
from sandbox.woocommerce.selection import Index
from sandbox.woocommerce.shelf import Shelf, open_database
from sandbox.woocommerce.timeline import TIE
from sandbox.woocommerce.variations import Variations

# WordPress numbers products, variations, orders and pictures together, users and terms apart.
FIRST_NEW = {"posts": 900_000_001, "users": 10_000_001, "terms": 1_000_001, "rows": 900_000_001}


@dataclass(frozen=True, slots=True)
class Size:
    """What the shop begins with; see the arguments of the command."""

    products: int = 300
    categories: int = 20
    customers: int = 50
    orders: int = 80
    variable_every: int = 10
    bad_every: int = 0
    coupon_every: int = 0
    seed: int = 7
    tie: int = TIE


@dataclass(slots=True)
class Clock:
    """The clock of the shop, in whole seconds."""

    offset_seconds: int = 0

    def now(self) -> int:
        return int(time.time()) + self.offset_seconds


class Store:
    def __init__(self, base: str, size: Size, database: str | None = None) -> None:
        self.base, self.size = base, size
        self.clock = Clock()
        seed = size.seed
        categories = Categories(base, count=size.categories)
        customers = Customers(base, count=size.customers, seed=seed)
        self.catalog = Products(
            base,
            count=size.products,
            seed=seed,
            categories=range(15, 15 + max(1, size.categories)),
            variable_every=size.variable_every,
            bad_every=size.bad_every,
            tie=size.tie,
        )
        orders = Orders(self.catalog, customers, count=size.orders, seed=seed, coupon_every=size.coupon_every)
        self._customers = customers
        file = open_database(database) if database else None
        self.products = Shelf(self.catalog, file)
        self.variations = Shelf(Variations(self.catalog), file)
        self.customers = Shelf(customers, file)
        self.orders = Shelf(orders, file)
        self.categories = Shelf(categories, file)
        shelves = (self.products, self.variations, self.customers, self.orders, self.categories)
        self.shelves = {shelf.kind: shelf for shelf in shelves}
        self.lists = {shelf.kind: Index(shelf) for shelf in shelves}
        self._numbers = _Numbers(file, self.shelves)
        self._skus: dict[str, int] = {}
        self._emails: dict[str, int] = {}
        for shelf in shelves:
            for id_ in list(shelf.living()):
                self._index(shelf.kind, id_, shelf.record(id_))
        self.random = random.Random(seed)
        self.listener: Callable[[str, str, int], None] | None = None

    def new_id(self, series: str = "posts") -> int:
        """`posts`, `users`, `terms`, or `rows` (of meta data and order lines)."""
        return self._numbers.next(series)

    def write(self, kind: str, record: Record, *, touch: bool = True, modified: int | None = None) -> Record:
        """Keep a record; every write of a shop moves its modification date."""
        if touch:
            moment = self.clock.now() if modified is None else modified
            record |= {"date_modified": local(moment), "date_modified_gmt": text(moment)}
        event = "updated" if record["id"] in self.shelves[kind] else "created"
        self.shelves[kind].put(record["id"], record)
        self._index(kind, record["id"], record)
        if self.listener is not None:
            self.listener(kind, "deleted" if record.get("status") == "trash" else event, record["id"])
        return record

    def remove(self, kind: str, id_: int) -> None:
        self.shelves[kind].remove(id_)

    def by_sku(self, sku: str) -> tuple[str, int] | None:
        """Kind and id of the product or variation with that SKU, whatever its case."""
        sku = sku.lower()
        for id_ in (self._skus.get(sku), self.catalog.by_sku(sku)):
            kind = self.kind_of(id_) if id_ is not None else None
            if id_ is not None and kind and self.shelves[kind].record(id_)["sku"].lower() == sku:
                return kind, id_
        return None

    def by_email(self, email: str) -> int | None:
        email = email.lower()
        for id_ in (self._emails.get(email), self._customers.by_email(email)):
            if id_ is not None and id_ in self.customers and self._email(id_) == email:
                return id_
        return None

    def _email(self, id_: int) -> str:
        return str(self.customers.record(id_)["email"]).lower()

    def kind_of(self, id_: int) -> str | None:
        """`products` or `variations`: they share their numbers."""
        return next((kind for kind in ("products", "variations") if id_ in self.shelves[kind]), None)

    def variations_of(self, product_id: int) -> list[int]:
        product = self.products.get(product_id)
        return [id_ for id_ in product["variations"] if id_ in self.variations] if product else []

    def category_counts(self) -> Counter[int]:
        """Published products of each category."""
        if self._counted is None or self._counted[0] != self.products.version:
            self._counted = self.products.version, self._count_categories()
        return self._counted[1]

    def _count_categories(self) -> Counter[int]:
        catalog, found = self.catalog, Counter[int]()
        size = len(catalog.categories)
        for place, category in enumerate(catalog.categories):
            # Product n is in category n % size.
            found[category] = (catalog.time.count - place) // size + (place > 0)
        for id_, change in self.products.changes.items():
            if id_ in catalog:
                found[catalog.category(id_)] -= 1
            if change is not None:
                found.update(item["id"] for item in self.products.record(id_)["categories"])
        return found

    _counted: tuple[int, Counter[int]] | None = None

    def _index(self, kind: str, id_: int, record: Record) -> None:
        if record.get("sku"):
            self._skus[record["sku"].lower()] = id_
        if kind == "customers":
            self._emails[record["email"].lower()] = id_


@dataclass(slots=True)
class _Numbers:
    """Counters that a database remembers by what it holds."""

    database: sqlite3.Connection | None
    shelves: dict[str, Shelf]
    _last: dict[str, int] = field(default_factory=dict)

    def next(self, series: str) -> int:
        if series not in self._last:
            self._last[series] = self._highest(series)
        self._last[series] += 1
        return self._last[series]

    def _highest(self, series: str) -> int:
        kinds = {"users": ("customers",), "terms": ("categories",)}.get(
            series, ("products", "variations", "orders")
        )
        known = (id_ for kind in kinds for id_ in self.shelves[kind].changes)
        # Numbers of rows are not looked up: a restart leaves a gap instead.
        gap = 1_000_000 if series == "rows" and self.database is not None else 0
        return max(max(known, default=0), FIRST_NEW[series] - 1) + gap
