"""A stand-in as a process of its own: begun, heard, steered and ended."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10


def begin(
    module: str, *flags: str, environment: Mapping[str, str] | None = None
) -> tuple["subprocess.Popen[bytes]", dict[str, Any]]:
    """The process, and what it says of itself in its first line. Raises RuntimeError where it does not
    start."""
    command = [sys.executable, "-m", module, *flags]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, stdout=subprocess.PIPE, env=environment, cwd=ROOT
    )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError(f"{module} ended with {process.wait(STOP_SECONDS)} instead of starting")
        return process, json.loads(line)
    except BaseException:
        end(process)
        raise


def end(process: "subprocess.Popen[bytes]") -> None:
    """A second call does nothing."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    if process.stdout:
        process.stdout.close()


@contextmanager
def running(module: str, *flags: str) -> Iterator[dict[str, Any]]:
    """What it says of itself, while it runs. Raises RuntimeError where it does not start."""
    process, said = begin(module, *flags)
    try:
        yield said
    finally:
        end(process)


def flags(options: Mapping[str, object]) -> list[str]:
    """`{"all_at_once": 1}` as the words of a command."""
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def steer(
    url: str, control: str, action: str, body: Mapping[str, Any], verify: ssl.SSLContext | bool = True
) -> Any:
    """What the control surface answers. Raises httpx.HTTPStatusError where it refuses."""
    headers = {"X-Sandbox-Token": control}
    with httpx.Client(verify=verify, trust_env=False, timeout=30) as client:
        answer = client.post(f"{url}/__sandbox__/{action}", json=body, headers=headers)
    return answer.raise_for_status().json()
