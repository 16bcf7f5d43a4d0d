"""Batches: 200 whatever happens to the items; each failed one carries its error."""

from collections.abc import Callable
from typing import Any, Protocol

from sandbox.woocommerce.messages import RefusedError, crash
from sandbox.woocommerce.php import Record
from sandbox.woocommerce.product_writes import ProductWrites

LIMIT = 100


class Writes(Protocol):
    def create(self, body: Any, *, trusted: bool = False) -> Record: ...

    def update(self, id_: int, body: Any, *, trusted: bool = False) -> Record: ...

    def delete(self, id_: int, *, force: bool) -> Record: ...


def batch(writes: Writes, body: Any) -> Record:
    """The answer in the order of the request. Raises RefusedError: 413 over 100 items, 500 for odd ones."""
    asked: dict[str, list[Any]] = {
        name: body[name]
        for name in ("create", "update", "delete")
        if isinstance(body, dict) and isinstance(body.get(name), list)
    }
    if sum(map(len, asked.values())) > LIMIT:
        words = f"Unable to accept more than {LIMIT} items for this request."
        raise RefusedError(413, "woocommerce_rest_request_entity_too_large", words)
    if any(not isinstance(item, dict) for name in ("create", "update") for item in asked.get(name, ())):
        raise crash()
    steps: dict[str, Callable[[Any], Record]] = {
        "create": lambda item: writes.create(item, trusted=True),
        "update": lambda item: writes.update(_id(item), item, trusted=True),
        # Always permanent.
        "delete": lambda item: writes.delete(_id({"id": item}), force=True),
    }
    return {name: [_done(steps[name], name, item) for item in items] for name, items in asked.items()}


def _done(step: Callable[[Any], Record], name: str, item: Any) -> Record:
    try:
        return step(item)
    except RefusedError as error:
        id_ = 0 if name == "create" else _id(item if name == "update" else {"id": item})
        return {"id": id_, "error": error.record()}


def _id(item: Any) -> int:
    id_ = item.get("id") if isinstance(item, dict) else None
    return int(id_) if isinstance(id_, int | str) and str(id_).isdecimal() else 0


class Below:
    """The variations of one product as a batch sees them."""

    def __init__(self, writes: ProductWrites, parent: int) -> None:
        self._writes, self._parent = writes, parent

    def create(self, body: Any, *, trusted: bool = False) -> Record:
        return self._writes.create_variation(self._parent, body, trusted=trusted)

    def update(self, id_: int, body: Any, *, trusted: bool = False) -> Record:
        return self._writes.update_variation(self._parent, id_, body, trusted=trusted)

    def delete(self, id_: int, *, force: bool) -> Record:
        return self._writes.delete_variation(self._parent, id_, force=force)
