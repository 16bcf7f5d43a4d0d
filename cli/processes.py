"""The processes of an installation: started with a log each, ended in reverse order."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import ConfigurationError


class Processes:
    """Children of this process. Use as a context manager: whatever happens, all are ended."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> "Processes":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_error: object) -> None:
        for _name, process in reversed(self._running):
            process.terminate()
        for _name, process in reversed(self._running):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own commands
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
            )
        self._running.append((name, process))

    def check(self) -> None:
        """Raises `ConfigurationError` when a child has died."""
        for name, process in self._running:
            if process.poll() is not None:
                raise ConfigurationError(f"O processo {name} terminou: veja {name}.log na pasta de logs.")


def claim(port: int) -> int:
    """The port, if it is free. Raises `ConfigurationError`."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigurationError(
                f"A porta {port} está ocupada. Encerre o que a usa, ou mude todas com PORT_BASE=."
            ) from None
    return port
