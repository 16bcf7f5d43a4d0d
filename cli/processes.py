"""The processes of an installation: started with a log each, restarted when they die, ended in reverse order.

On Linux the kernel ends them when this process dies, even of SIGKILL.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import InstallationError

STOP_SECONDS = 25.0
"""The warm worker gives runs under way 20 s."""
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
HEALTHY_SECONDS = 60.0
PR_SET_PDEATHSIG = 1
LAST_LINES = 5


@dataclass(slots=True)
class Child:
    """A process we started. `restarts` false: its death ends the installation."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    restarts: bool
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)
    backoff: float = FIRST_BACKOFF
    again_at: float | None = None


class Processes:
    """Children of this process. Use as a context manager: whatever happens, all are ended.

    `changed` is called after one was started. Start children from the main
    thread: the kernel ends a child when the thread that made it ends.
    """

    def __init__(self, logs: Path, changed: Callable[[], None] | None = None) -> None:
        self._logs = logs
        self._changed = changed
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        return {child.name: child.process.pid for child in self._children}

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, restarts: bool = True
    ) -> None:
        """Start a child; its output goes to `<name>.log`, which is ours alone to read."""
        log = self._logs / f"{name}.log"
        process = _spawn(command, environment, log)
        self._children.append(Child(name, command, environment, log, restarts, process))
        self._tell()

    def start_announcing(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> bytes:
        """Start a child that says where it listens in its first line, which may hold secrets: not logged.

        Raises `InstallationError` when it ends before that.
        """
        log = self._logs / f"{name}.log"
        process = _spawn(command, environment, log, piped=True)
        self._children.append(Child(name, command, environment, log, False, process))
        self._tell()
        assert process.stdout is not None  # noqa: S101 - piped
        line = process.stdout.readline()
        if not line:
            raise self._death(self._children[-1])
        return line

    def check(self, name: str) -> None:
        """Raises `InstallationError` when a child has died: for the time while it is waited for."""
        for child in self._children:
            if child.name == name and child.process.poll() is not None:
                raise self._death(child)

    def watch(self) -> None:
        """Restart what died, later each time. Raises `InstallationError` for a child that cannot be."""
        for child in self._children:
            if child.process.poll() is not None:
                self._revive(child)
            elif time.monotonic() - child.started > HEALTHY_SECONDS:
                child.backoff = FIRST_BACKOFF

    def stop(self) -> None:
        """End all, the last one first; what does not end in time is killed."""
        for child in reversed(self._children):
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            if child.process.stdout is not None:
                child.process.stdout.close()
        self._children.clear()

    def _revive(self, child: Child) -> None:
        if not child.restarts:
            raise self._death(child)
        now = time.monotonic()
        if child.again_at is None:
            child.again_at = now + child.backoff
            print(
                f"O processo {child.name} terminou (código {child.process.returncode});"
                f" reinício em {child.backoff:.0f} s. Log: {child.log}",
                file=sys.stderr,
                flush=True,
            )
        elif now >= child.again_at:
            child.process = _spawn(child.command, child.environment, child.log)
            child.started, child.again_at = now, None
            child.backoff = min(2 * child.backoff, LONGEST_BACKOFF)
            self._tell()

    def _death(self, child: Child) -> InstallationError:
        code = child.process.wait()
        return InstallationError(
            f"O processo {child.name} terminou com código {code}. Veja o log {child.log}."
        )

    def _tell(self) -> None:
        if self._changed:
            self._changed()


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, piped: bool = False
) -> subprocess.Popen[bytes]:
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else output,
            stderr=output,
            env={**os.environ, **environment},
            # A session of its own: Ctrl-C reaches this process alone, which ends the others in order.
            start_new_session=True,
            preexec_fn=_dies_with_parent(),  # noqa: PLW1509 - one thread, and there is no other way
        )


def _dies_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
