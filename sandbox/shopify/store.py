"""What the shop holds: plain records by kind and number."""

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
KINDS = ("Product", "Collection", "Customer", "Order", "Location", "WebhookSubscription")


class Store:
    def __init__(self, locations: int = 1) -> None:
        self.kinds: dict[str, dict[str, Record]] = {kind: {} for kind in KINDS}
        for number in range(1, locations + 1):
            id_ = f"gid://shopify/Location/{76 + number}"
            self.kinds["Location"][id_] = {"id": id_, "name": f"Loja {number}"}
        self.definitions: set[tuple[str, str, str]] = set()
        self.idempotent: dict[str, tuple[str, Any]] = {}
        self._numbers = itertools.count(1001)
        self._last = 0.0

    def gid(self, kind: str) -> str:
        return f"gid://shopify/{kind}/{next(self._numbers)}"

    def now(self) -> str:
        """Each a millisecond later than the one before; shown in seconds, as Shopify shows it."""
        self._last = max(time.time(), self._last)
        return datetime.fromtimestamp(self._last, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def add(self, kind: str, **fields: Any) -> Record:
        now = self.now()
        record = {"id": self.gid(kind), "createdAt": now, "updatedAt": now, "metafields": {}, **fields}
        self.kinds[kind][record["id"]] = record
        return record

    def touch(self, record: Record) -> None:
        record["updatedAt"] = self.now()

    def every(self, kind: str) -> Iterator[Record]:
        return iter(sorted(self.kinds[kind].values(), key=lambda one: (one["updatedAt"], _number(one))))

    def variants(self) -> Iterator[tuple[Record, Record]]:
        """Each product with each of its variants."""
        for product in self.kinds["Product"].values():
            for variant in product["variants"]:
                yield product, variant

    def variant(self, id_: str) -> tuple[Record, Record] | None:
        return next((pair for pair in self.variants() if pair[1]["id"] == id_), None)

    def item(self, id_: str) -> tuple[Record, Record] | None:
        """A product and its variant, by the variant's inventory item."""
        return next((pair for pair in self.variants() if pair[1]["item"]["id"] == id_), None)

    def new_variant(self, position: int, options: dict[str, str]) -> Record:
        return {
            "id": self.gid("ProductVariant"),
            "sku": "",
            "barcode": None,
            "price": "0.00",
            "compareAtPrice": None,
            "position": position,
            "updatedAt": self.now(),
            "options": options,
            "item": {"id": self.gid("InventoryItem"), "tracked": False, "weight": None, "levels": {}},
        }


def _number(record: Record) -> int:
    return int(record["id"].rpartition("/")[2])
