"""Start a Melhor Envio as a process of its own, and steer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox import child


@dataclass(frozen=True, slots=True)
class Broker:
    """`token` is a personal one, `refresh` what an app's consent gave."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    token: str = field(repr=False)
    refresh: str = field(repr=False)
    control: str = field(repr=False)

    def steer(self, action: str, **body: Any) -> Any:
        """`begin`, `move`, `wallet`, `faults`, `labels`, `log`, `purchases`, `limit`, `consent` and `expire`,
        as `sandbox.melhor_envio.app` takes them. Raises httpx.HTTPStatusError."""
        return child.steer(self.url, self.control, action, body)


@contextmanager
def start(labels: int = 0) -> Iterator[Broker]:
    """Raises RuntimeError where it does not start."""
    with child.running("sandbox.melhor_envio", "--labels", str(labels)) as said:
        yield Broker(**said)
