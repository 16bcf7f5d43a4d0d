"""Start an account as a process of its own, and steer it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 10


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
        headers = {"X-Sandbox-Token": self.control}
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{self.url}/__sandbox__/{action}", json=body, headers=headers)
        return answer.raise_for_status().json()


@contextmanager
def start(**options: int) -> Iterator[Account]:
    """`options`: contacts, products, orders, deals. Raises RuntimeError."""
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "sandbox.hubspot", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)  # noqa: S603 - our own module
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError(f"the account ended with {process.wait(STOP_SECONDS)} instead of starting")
        yield Account(**json.loads(line))
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        if process.stdout:
            process.stdout.close()
