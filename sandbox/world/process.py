"""Start a world as a process of its own, and steer it."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from sandbox import child

PAGE = 5000

Option = int | float | str | bool | list[str]


@dataclass(slots=True)
class World:
    """A running world: its address and keys, and the control surface.

    Methods that talk to it raise httpx.HTTPStatusError where it refuses.
    """

    url: str
    token: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    folder: Path
    control: str = field(repr=False)
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """End the process; a second call does nothing."""
        child.end(self.process)

    def kill(self) -> None:
        """SIGKILL: what was answered is on the disk."""
        self.process.kill()
        child.end(self.process)

    def restart(self, **options: Option) -> None:
        """The same disk and port; the script of faults and the meter begin anew. Ends a running process."""
        self.stop()
        self.process, said = _begin(self.folder, {"port": urlsplit(self.url).port or 0} | options)
        self.control = said["control"]

    def truth(self, kind: str, *, page: int = PAGE) -> Iterator[dict[str, Any]]:
        """Every object and tombstone by id: {"object": now, "history": [{version, at, author, object}]}.

        `at` is monotonic time; the author is api, person or start.
        """
        yield from self._pages(f"truth/{kind}", page, lambda line: int(line["object"]["id"]))

    def objects(self, kind: str) -> Iterator[dict[str, Any]]:
        """Live ones as they are, by id."""
        return (line["object"] for line in self.truth(kind) if not line["object"].get("deleted"))

    def history(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Calls in the order of their outcome.

        seq, at and ended (monotonic), method, path, query, status (0: no answer was sent), outcome (the
        status the world had decided on, None: nothing was done), items, changes [{kind, id, version,
        token (of a creation)}], fault.
        """
        return list(self._pages("history", PAGE, lambda line: int(line["seq"]), after=after))

    def clear_history(self) -> None:
        self._ask("DELETE", "history")

    def meter(self) -> dict[str, Any]:
        """requests, seconds (the limit), calls, violations, most, busy_seconds, rate; `oauth` counts."""
        found: dict[str, Any] = self._ask("GET", "meter").json()
        return found

    def clear_meter(self) -> None:
        self._ask("DELETE", "meter")

    def counts(self) -> dict[str, int]:
        """Live objects of each kind."""
        found: dict[str, int] = self._ask("GET", "counts").json()
        return found

    def create(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self._steer("create", kind=kind, fields=fields)

    def edit(self, kind: str, id_: str, **fields: Any) -> dict[str, Any]:
        return self._steer("edit", kind=kind, id=id_, fields=fields)

    def delete(self, kind: str, id_: str) -> dict[str, Any]:
        return self._steer("delete", kind=kind, id=id_)

    def populate(self, kind: str, count: int, *, seed: int = 0) -> None:
        self._steer("populate", kind=kind, count=count, seed=seed)

    def mutate(
        self, *, seed: int, count: int, kind: str | None = None, create: float = 0.0, delete: float = 0.0
    ) -> list[dict[str, Any]]:
        """Random edits; what was done: kind, id, version, action (create, edit, delete)."""
        body = {"seed": seed, "count": count, "kind": kind, "create": create, "delete": delete}
        done: list[dict[str, Any]] = self._ask("POST", "mutate", json=body).json()
        return done

    def faults(self, *script: dict[str, Any]) -> None:
        """Replace the script: entries as in `sandbox.world.faults`."""
        self._ask("POST", "faults", json={"script": list(script)})

    def fired(self) -> list[dict[str, Any]]:
        """kind, matched and fired of each entry of the script."""
        found: list[dict[str, Any]] = self._ask("GET", "faults").json()
        return found

    def switch(self, **switches: Any) -> dict[str, Any]:
        """Set some of `sandbox.world.switches.Switches`; all of them as they are now."""
        return self._steer("switches", **switches)

    def freeze(self) -> None:
        """The world's clock stands still; `switch(frozen_at=None)` lets it go on."""
        self._steer("freeze")

    def consent(self) -> dict[str, Any]:
        """access_token and refresh_token of a new family."""
        return self._steer("consent")

    def expire_access(self) -> None:
        self._ask("POST", "expire")

    def revoke(self) -> None:
        """No OAuth token is good any more."""
        self._ask("POST", "revoke")

    def _pages(self, path: str, page: int, place: Any, *, after: int = 0) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._ask("GET", path, params={"after": after, "limit": page})
            found = [json.loads(line) for line in answer.content.split(b"\n") if line]
            yield from found
            if len(found) < page:
                return
            after = place(found[-1])

    def _steer(self, action: str, **body: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("POST", action, json=body).json()
        return found

    def _ask(self, method: str, action: str, **options: Any) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=120) as client:
            headers = {"X-Sandbox-Token": self.control}
            address = f"{self.url}/__sandbox__/{action}"
            return client.request(method, address, headers=headers, **options).raise_for_status()


@contextmanager
def start(folder: Path | None = None, **options: Option) -> Iterator[World]:
    """A world in a process of its own; without `folder` its disk ends with it.

    `options`: `port` and the switches. Raises RuntimeError where it does not start.
    """
    with tempfile.TemporaryDirectory() as own:
        disk = folder or Path(own)
        process, said = _begin(disk, options)
        world = World(folder=disk, process=process, **said)
        try:
            yield world
        finally:
            world.stop()


def _begin(folder: Path, options: dict[str, Any]) -> tuple["subprocess.Popen[bytes]", dict[str, str]]:
    flags = ["--folder", str(folder)]
    for name, value in options.items():
        shown = {True: "on", False: "off"}[value] if isinstance(value, bool) else value
        values = shown if isinstance(shown, list) else [str(shown)]
        flags += [f"--{name.replace('_', '-')}", *values]
    return child.begin("sandbox.world", *flags)
