"""Start a stand-in as a process of its own, and steer it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Store:
    """A running shop: its address and keys, and the control surface."""

    url: str
    consumer_key: str
    consumer_secret: str
    token: str

    def control(self, action: str, **body: Any) -> Any:
        answer = httpx.post(
            f"{self.url}/__sandbox__/{action}",
            json=body,
            headers={"X-Sandbox-Token": self.token},
            trust_env=False,
        )
        return answer.raise_for_status().json()


@contextmanager
def start(**options: int) -> Iterator[Store]:
    """`options` are the command's own: products, categories, customers, orders, variable_every."""
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "sandbox.woocommerce", "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own module
    try:
        if process.stdout is None:
            raise RuntimeError("the sandbox has no output")
        yield Store(**json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)
