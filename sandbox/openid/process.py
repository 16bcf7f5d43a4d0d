"""Start an OpenID provider as a process of its own, and steer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox import child


@dataclass(frozen=True, slots=True)
class Issuer:
    url: str
    client_id: str
    client_secret: str = field(repr=False)
    control: str = field(repr=False)

    def steer(self, action: str, **body: Any) -> Any:
        """`person` (claims of who is signed in there), `fault` (`kind`), `rotate` (keys) and `log`, as
        `sandbox.openid.app` takes them. Raises httpx.HTTPStatusError."""
        return child.steer(self.url, self.control, action, body)


@contextmanager
def start() -> Iterator[Issuer]:
    """Raises RuntimeError where it does not start."""
    with child.running("sandbox.openid") as said:
        yield Issuer(**said)
