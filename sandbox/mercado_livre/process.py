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
    client_id: str
    client_secret: str = field(repr=False)
    control: str = field(repr=False)

    def steer(self, action: str, **body: Any) -> Any:
        """`begin` (an empty account, filled as `start` says, with `tags`, `stores` and `site`), `consent` (a
        token, or a code for a `challenge` and a `redirect_uri`), `expire`, `revoke`, `edit`, `set` (without a
        notification), `add`, `sell`, `truth`, `notifications`, `log` (since `forget`), `faults`, `switch`,
        `limit` and `meter`, as `sandbox.mercado_livre.app` takes them."""
        return child.steer(self.url, self.control, action, body)


@contextmanager
def start(**options: int) -> Iterator[Account]:
    """`options`: items, orders. Raises RuntimeError."""
    with child.running("sandbox.mercado_livre", *child.flags(options)) as said:
        yield Account(**said)
