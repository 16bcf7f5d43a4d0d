"""`meta_data`: by id or, without one, by key; a value of null takes the row away."""

from collections.abc import Sequence

from sandbox.woocommerce.php import Record
from sandbox.woocommerce.store import Store


def merged(rows: Sequence[Record], changes: Sequence[Record], store: Store) -> list[Record]:
    found = [dict(row) for row in rows]
    for change in changes:
        known = next((row for row in found if _same(row, change)), None)
        if known is not None:
            known |= {name: change[name] for name in ("key", "value") if name in change}
        elif change.get("value") is not None:
            found.append({"id": store.new_id("rows"), "key": change.get("key", ""), "value": change["value"]})
    return [row for row in found if row["value"] is not None]


def _same(row: Record, change: Record) -> bool:
    return bool(row["id"] == change["id"] if change.get("id") else row["key"] == change.get("key"))
