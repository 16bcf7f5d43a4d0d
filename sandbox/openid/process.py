"""Start an OpenID provider as a process of its own, and steer it."""

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
class Issuer:
    url: str
    client_id: str
    client_secret: str = field(repr=False)
    control: str = field(repr=False)

    def steer(self, action: str, **body: Any) -> Any:
        """`person` (claims of who is signed in there), `fault` (`kind`), `rotate` (keys) and `log`, as
        `sandbox.openid.app` takes them. Raises httpx.HTTPStatusError."""
        headers = {"X-Sandbox-Token": self.control}
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{self.url}/__sandbox__/{action}", json=body, headers=headers)
        return answer.raise_for_status().json()


@contextmanager
def start() -> Iterator[Issuer]:
    """Raises RuntimeError where it does not start."""
    command = [sys.executable, "-m", "sandbox.openid"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)  # noqa: S603 - our own module
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError(f"it ended with {process.wait(STOP_SECONDS)} instead of starting")
        yield Issuer(**json.loads(line))
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
