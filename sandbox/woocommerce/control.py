"""The control surface under /__sandbox__/, for tests, the demo and benchmarks: token in `X-Sandbox-Token`."""

import json
import random
from bisect import bisect_right
from collections.abc import Callable
from secrets import compare_digest
from typing import Any
from urllib.parse import parse_qsl

from sandbox.woocommerce.account_writes import CategoryWrites, CustomerWrites
from sandbox.woocommerce.batches import Writes
from sandbox.woocommerce.faults import Script
from sandbox.woocommerce.order_writes import OrderWrites
from sandbox.woocommerce.pages import bodies
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.product_writes import ProductWrites
from sandbox.woocommerce.selection import Filter
from sandbox.woocommerce.store import Store
from sandbox.woocommerce.traffic import Traffic

JSON, LINES = "application/json", "application/x-ndjson"
Reply = tuple[int, str, bytes]
MOST = 10_000


class Control:
    def __init__(self, store: Store, script: Script, traffic: Traffic, token: str) -> None:
        self._store, self._script, self._traffic, self._token = store, script, traffic, token
        products = ProductWrites(store)
        self._writes: dict[str, Writes] = {
            "products": products,
            "orders": OrderWrites(store, products),
            "customers": CustomerWrites(store),
            "categories": CategoryWrites(store),
        }
        self._actions: dict[tuple[str, str], Callable[[str, Record], Any]] = {
            ("DELETE", "requests"): lambda _, __: self._traffic.clear(),
            ("GET", "meter"): lambda _, __: self._traffic.meter(),
            ("GET", "counts"): lambda _, __: self._counts(),
            ("POST", "truth"): lambda _, body: self._records(body["kind"], 0, None),
            ("POST", "mutate"): lambda _, body: self._mutate(**body),
            ("POST", "products"): lambda _, body: self._create("products", body),
            ("DELETE", "products"): lambda rest, _: self._delete("products", int(rest)),
            ("POST", "clock"): lambda _, body: self._set_clock(int(body["offset_seconds"])),
            ("POST", "faults"): lambda _, body: self._set_faults(body),
            ("DELETE", "faults"): lambda _, __: self._set_faults({}),
            ("POST", "change"): lambda _, body: self._change(body["kind"], int(body["id"]), body["fields"]),
            ("POST", "create"): lambda _, body: self._create(body["kind"], body["fields"]),
            ("POST", "delete"): lambda _, body: self._delete(body["kind"], int(body["id"])),
        }

    def answer(self, method: str, path: str, query: str, token: str, raw: bytes) -> Reply:
        """`path` is what follows /__sandbox__/."""
        if not compare_digest(token.encode(), self._token.encode()):
            return 403, JSON, b'{"error":"X-Sandbox-Token"}'
        name, _, rest = path.partition("/")
        asked = dict(parse_qsl(query))
        if (method, name) == ("GET", "requests"):
            return 200, LINES, b"\n".join(self._traffic.entries())
        if (method, name) == ("GET", "truth"):
            limit = min(MOST, int(asked.get("limit", 1000)))
            lines = self._bodies(rest, int(asked.get("after_id", 0)), limit)
            return 200, LINES, "\n".join(lines).encode()
        action = self._actions.get((method, name))
        if action is None:
            return 404, JSON, b'{"error":"unknown action"}'
        try:
            found = action(rest, json.loads(raw or b"{}"))
        except (KeyError, TypeError, ValueError) as error:
            return 400, JSON, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
        return 200, JSON, json.dumps(found).encode()

    def _counts(self) -> dict[str, int]:
        return {kind: len(lists.ids("id", Filter())) for kind, lists in self._store.lists.items()}

    def _bodies(self, kind: str, after_id: int, limit: int | None) -> list[str]:
        """What lists show, in the order of the ids."""
        ids = self._store.lists[kind].ids("id", Filter())
        first = bisect_right(ids, after_id)
        last = len(ids) if limit is None else min(len(ids), first + limit)
        show = bodies(self._store, kind)
        return [show(ids[place]) for place in range(first, last)]

    def _records(self, kind: str, after_id: int, limit: int | None) -> list[Record]:
        return [json.loads(body) for body in self._bodies(kind, after_id, limit)]

    def _change(self, kind: str, id_: int, fields: Record) -> Record:
        """Plants values as they are, also those that a shop would never take."""
        record = self._store.shelves[kind].record(id_) | fields
        return self._store.write(kind, record, touch=kind != "categories")

    def _create(self, kind: str, fields: Record) -> Record:
        made = self._writes[kind].create(fields, trusted=True)
        return json.loads(encode(made))  # type: ignore[no-any-return]

    def _delete(self, kind: str, id_: int) -> None:
        self._writes[kind].delete(id_, force=True)

    def _mutate(self, seed: int = 0, **wanted: int) -> dict[str, list[int]]:
        """Edits that many records of each kind, by the seed; the ids that were edited."""
        chance = random.Random(seed)
        edits = {"products": self._edit_product, "orders": self._edit_order, "customers": self._edit_customer}
        found: dict[str, list[int]] = {}
        for kind, count in wanted.items():
            ids = self._store.lists[kind].ids("id", Filter())
            places = chance.sample(range(len(ids)), min(count, len(ids)))
            found[kind] = sorted(ids[place] for place in places)
            for id_ in found[kind]:
                edits[kind](id_, chance)
        return found

    def _edit_product(self, id_: int, chance: random.Random) -> None:
        record = self._store.products.record(id_)
        price = f"{chance.randrange(5, 900)}.{chance.randrange(10, 100)}"
        edits: list[Record] = [{"name": f"{record['name']} *"}]
        if record["type"] != "variable":
            edits += [
                {"regular_price": price},
                {"manage_stock": True, "stock_quantity": chance.randrange(99)},
            ]
        self._writes["products"].update(id_, chance.choice(edits), trusted=True)

    def _edit_order(self, id_: int, chance: random.Random) -> None:
        status = chance.choice(("processing", "completed", "on-hold", "cancelled"))
        self._writes["orders"].update(id_, {"status": status}, trusted=True)

    def _edit_customer(self, id_: int, chance: random.Random) -> None:
        phone = f"(11) 9{chance.randrange(10_000):04d}-{chance.randrange(10_000):04d}"
        self._writes["customers"].update(id_, {"billing": {"phone": phone}}, trusted=True)

    def _set_clock(self, offset_seconds: int) -> int:
        self._store.clock.offset_seconds = offset_seconds
        return self._store.clock.now()

    def _set_faults(self, body: Record) -> None:
        self._script.load(body.get("script") or [], int(body.get("seed", 0)))
