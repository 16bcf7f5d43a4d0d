"""Start a stand-in as a process of its own, and steer it."""

import json
import os
import secrets
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sandbox import certificates, child


@dataclass(frozen=True, slots=True)
class Store:
    """A running shop: its address and keys, and the control surface.

    `ca_file` is the authority of its certificate, None on plain HTTP. Methods that talk to the shop raise
    httpx.HTTPStatusError where it refuses.
    """

    url: str
    consumer_key: str
    consumer_secret: str
    token: str = field(repr=False)
    process: "subprocess.Popen[bytes]" = field(repr=False)
    ca_file: Path | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """End the process; a second call does nothing."""
        child.end(self.process)

    def control(self, action: str, **body: Any) -> Any:
        """`change`, `create` and `delete` (`kind`, `id`, `fields`), `truth` (`kind`), `clock`, `faults`…"""
        return self._ask("POST", action, json=body).json()

    def requests(self) -> list[dict[str, Any]]:
        """at (monotonic), time, method, path, query (no credentials), status (0: none), bytes, fault."""
        return _lines(self._ask("GET", "requests"))

    def clear_requests(self) -> None:
        self._ask("DELETE", "requests")

    def meter(self) -> dict[str, int]:
        """requests, requests_per_second_max, concurrent, concurrent_max."""
        found: dict[str, int] = self._ask("GET", "meter").json()
        return found

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self._ask("GET", "counts").json()
        return found

    def truth(self, entity: str, *, after_id: int = 0, page: int = 1000) -> Iterator[dict[str, Any]]:
        """Every record that lists show, by id: products, variations, customers, orders or categories."""
        while True:
            found = _lines(self._ask("GET", f"truth/{entity}", params={"after_id": after_id, "limit": page}))
            yield from found
            if len(found) < page:
                return
            after_id = found[-1]["id"]

    def mutate(self, *, seed: int = 0, **counts: int) -> dict[str, list[int]]:
        """Random edits: `products=10, orders=5, customers=3`; the ids that were edited."""
        found: dict[str, list[int]] = self.control("mutate", seed=seed, **counts)
        return found

    def create_product(self, **fields: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.control("products", **fields)
        return found

    def delete_product(self, id_: int) -> None:
        self._ask("DELETE", f"products/{id_}")

    def clock(self, offset_seconds: int) -> None:
        """Set the shop's clock before or after the real one."""
        self.control("clock", offset_seconds=offset_seconds)

    def faults(self, *script: dict[str, Any], seed: int = 0) -> None:
        """Replace the script: entries as `sandbox.woocommerce.faults.Fault`."""
        self.control("faults", script=list(script), seed=seed)

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def _ask(self, method: str, action: str, **options: Any) -> httpx.Response:
        verify = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else False
        with httpx.Client(verify=verify, trust_env=False, timeout=120) as client:
            headers = {"X-Sandbox-Token": self.token}
            address = f"{self.url}/__sandbox__/{action}"
            return client.request(method, address, headers=headers, **options).raise_for_status()


@contextmanager
def start(*, tls: bool = False, **options: int | str | Path) -> Iterator[Store]:
    """A shop in a process of its own.

    `options` are those of the command (`sandbox.woocommerce.__main__`): products, orders, customers,
    categories, variable_every, seed, database, permission… Raises RuntimeError where it does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        ca_file = None
        if tls:
            made = certificates.make(Path(folder))
            ca_file, options = made.ca_file, options | {"tls_cert": made.cert_file, "tls_key": made.key_file}
        key = str(options.pop("consumer_key", f"ck_{secrets.token_hex(20)}"))
        secret = str(options.pop("consumer_secret", f"cs_{secrets.token_hex(20)}"))
        # Not as arguments: those can be read by every user of the machine.
        environment = os.environ | {"SANDBOX_CONSUMER_KEY": key, "SANDBOX_CONSUMER_SECRET": secret}
        flags = child.flags(options)
        process, said = child.begin("sandbox.woocommerce", *flags, environment=environment)
        try:
            yield Store(said["url"], key, secret, said["token"], process, ca_file)
        finally:
            child.end(process)


def _lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.content.split(b"\n") if line]
