"""Start an account as a process of its own, and steer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox import child


@dataclass(frozen=True, slots=True)
class Market:
    """A running account. Raises httpx.HTTPStatusError where it refuses to be steered."""

    url: str
    user_email: str
    api_key: str = field(repr=False)
    accountmanager_key: str = field(repr=False)
    control: str = field(repr=False)

    def steer(self, action: str, **body: Any) -> Any:
        """`begin` (a new account, filled as `start` says), `order`, `edit`, `orders`, `products`, `queue`,
        `pass` (seconds go by), `lease`, `paging`, `log` (since `forget`), `faults` and `meter`, as
        `sandbox.americanas.app` takes them."""
        return child.steer(self.url, self.control, action, body)


@contextmanager
def start(**options: int) -> Iterator[Market]:
    """`options`: products, orders, categories; classic and metered are 0 or 1. Raises RuntimeError."""
    with child.running("sandbox.americanas", *child.flags(options)) as said:
        yield Market(**said)
