"""Start a shop as a process of its own, and steer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox import child


@dataclass(frozen=True, slots=True)
class Shop:
    """A running shop. Raises httpx.HTTPStatusError where it refuses to be steered."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    token: str = field(repr=False)
    control: str = field(repr=False)

    def steer(self, action: str, **body: Any) -> Any:
        """`begin` (an empty shop, filled as `start` says), `populate`, `edit`, `delete`, `stock`, `truth`,
        `log` (since `forget`), `history`, `faults`, `switch`, `scopes`, `bucket`, `meter` and `expire`, as
        `sandbox.shopify.app` takes them."""
        return child.steer(self.url, self.control, action, body)


@contextmanager
def start(**options: int) -> Iterator[Shop]:
    """`options`: products, collections, customers, orders, variants, locations. Raises RuntimeError."""
    with child.running("sandbox.shopify", *child.flags(options)) as said:
        yield Shop(**said)
