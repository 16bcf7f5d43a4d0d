"""Run the bank as a process of its own, and steer it."""

import base64
import json
import ssl
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
        headers = {"X-Sandbox-Token": self.control}
        with httpx.Client(trust_env=False, timeout=30, verify=context) as client:
            answer = client.post(f"{self.url}/__sandbox__/{action}", json=body, headers=headers)
        return answer.raise_for_status().json()


@contextmanager
def start(**options: int) -> Iterator[Bank]:
    """`options`: transactions, charges. Raises RuntimeError."""
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "sandbox.banco_inter", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)  # noqa: S603 - our own module
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError(f"the bank ended with {process.wait(STOP_SECONDS)} instead of starting")
        yield Bank(**json.loads(line))
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
