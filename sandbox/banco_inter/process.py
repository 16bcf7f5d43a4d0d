"""Run the bank as a process of its own, and steer it."""

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import child


@dataclass(frozen=True, slots=True)
class Bank:
    """A running bank. Raises httpx.HTTPStatusError where it refuses to be steered."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    account: str
    ca_file: str
    certificate: str
    private_key: str
    control: str = field(repr=False)

    @property
    def settings(self) -> dict[str, str]:
        """What an admin would give; files as base64."""
        files = {
            name: base64.b64encode(Path(getattr(self, name)).read_bytes()).decode()
            for name in ("certificate", "private_key")
        }
        names = ("client_id", "client_secret", "account")
        return {"base_url": self.url, **{name: getattr(self, name) for name in names}, **files}

    def steer(self, action: str, **body: Any) -> Any:
        """`begin` (an empty bank, filled as `start` says), `transaction` and `charge` (added with these
        fields), `pay`, `truth`, `log` (since `forget`), `faults`, `switch`, `scopes` and `expire`, as
        `sandbox.banco_inter.app` takes them."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.certificate, self.private_key)
        return child.steer(self.url, self.control, action, body, context)


@contextmanager
def start(**options: int) -> Iterator[Bank]:
    """`options`: transactions, charges. Raises RuntimeError."""
    with child.running("sandbox.banco_inter", *child.flags(options)) as said:
        yield Bank(**said)
