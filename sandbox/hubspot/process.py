"""Start an account as a process of its own, and steer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox import child


@dataclass(frozen=True, slots=True)
class Account:
    """A running account. Raises httpx.HTTPStatusError where it refuses to be steered."""

    url: str
    token: str = field(repr=False)
    control: str = field(repr=False)

    def steer(self, action: str, **body: Any) -> Any:
        """`begin` (an empty account, filled as `start` says), `populate`, `add`, `edit`, `archive`, `define`,
        `drop`, `truth`, `log` (since `forget`), `history`, `faults`, `switch`, `lag`, `deepest`, `whole`,
        `reversed`, `limits` and `refused`, as `sandbox.hubspot.app` takes them."""
        return child.steer(self.url, self.control, action, body)


@contextmanager
def start(**options: int) -> Iterator[Account]:
    """`options`: contacts, products, orders, deals. Raises RuntimeError."""
    with child.running("sandbox.hubspot", *child.flags(options)) as said:
        yield Account(**said)
