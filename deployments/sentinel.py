"""`python -m deployments.sentinel`: the loop that keeps logs, deployments and Prefect telling the same story.

In a process of its own, so that it outlives a worker. Every duty backs off by itself when PostgreSQL or
Prefect is away. Writes one JSON line for each thing done or failed, and never a secret.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import SyncError
from db.arrivals import check_arrivals
from db.draining import drain
from db.expiry import check_credentials
from db.session import engine
from db.settings import read
from deployments.apply import Prefect
from deployments.client import Api, PrefectUnavailable
from deployments.delivery import Post
from deployments.mirror import Mirror
from deployments.requests import Requests
from deployments.watchdog import Watchdog

WATCH_SECONDS = 10.0
WEBHOOK_SECONDS = 2.0
"""Events that come within it are read together."""
RECONCILE_SECONDS = 60.0
SLOW_SECONDS = 600.0
LONGEST_BACKOFF = 60.0
STUCK_SECONDS = 60.0
"""A run that has no log by then died with its worker before it began: resumed within 90 s of the death."""


@dataclass(slots=True)
class Duty:
    """Something done again and again. After failures it waits longer, up to `LONGEST_BACKOFF`."""

    name: str
    work: Callable[[], Awaitable[Any]]
    period: float
    failures: int = field(default=0, init=False)

    async def do(self) -> float:
        """Do it once; returns the seconds to wait before the next time."""
        begun = time.monotonic()
        try:
            result = await self.work()
        except SyncError as error:
            self._failed(type(error).__name__, error.message)
        except Exception as error:  # a sentinel that ends watches nothing; the text could hold data
            self._failed(type(error).__name__, "")
        else:
            self.failures = 0
            if result:
                say(self.name, result=result, seconds=round(time.monotonic() - begun, 3))
            return self.period
        longer: float = self.period * 2 ** min(self.failures - 1, 6)
        return min(longer, max(LONGEST_BACKOFF, self.period))

    def _failed(self, kind: str, message: str) -> None:
        self.failures += 1
        say(self.name, error=kind, message=message, failures=self.failures)

    async def keep_doing(self) -> None:
        while True:
            wait = await self.do()
            await asyncio.sleep(wait)


def say(event: str, **values: Any) -> None:
    line = {"at": datetime.now(UTC), "event": event, **values}
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


def duties(
    api: Api, database: AsyncEngine, prefect: Prefect, mirror: Mirror, watchdog: Watchdog, first_look: float
) -> list[Duty]:
    async def answering() -> None:
        try:
            await api.call("POST", "/flows/filter", {"limit": 1})
        except PrefectUnavailable:
            await watchdog.note_prefect(answers=False)
            raise
        await watchdog.note_prefect(answers=True)

    async def reconcile() -> dict[str, Any] | None:
        report = await prefect.reconcile()
        if not report.changes:
            return None
        return {"created": report.created, "changed": report.changed, "removed": report.removed}

    watch, requests = _watch_seconds(), Requests(api, database, prefect)

    async def webhooks() -> int:
        closed = await drain(database)
        if closed:
            await requests.look()
        return closed

    return [
        Duty("prefect", answering, watch),
        Duty("dead_runs", watchdog.close_dead, watch),
        Duty("resume", watchdog.resume, watch),
        Duty("settle", lambda: watchdog.settle(first_look), watch),
        Duty("requests", requests.look, watch),
        Duty("webhooks", webhooks, min(watch, WEBHOOK_SECONDS)),
        Duty("mirror", mirror.look, watch),
        Duty("slots", watchdog.check_slots, watch),
        Duty("reconcile", reconcile, RECONCILE_SECONDS),
        Duty("scheduler", watchdog.check_scheduler, RECONCILE_SECONDS),
    ]


def for_people(database: AsyncEngine) -> list[Duty]:
    """What tells people, also while Prefect is away."""
    return [
        Duty("notices", Post(database).deliver, _watch_seconds()),
        Duty("arrivals", lambda: check_arrivals(database), SLOW_SECONDS),
        Duty("credentials", lambda: check_credentials(database), SLOW_SECONDS),
    ]


def _watch_seconds() -> float:
    return float(os.environ.get("CLOUDTOSYS_WATCH_SECONDS", WATCH_SECONDS))


async def watch_over() -> None:
    """Watch until SIGTERM or SIGINT. Raises `ConfigurationError` when the environment is not complete."""
    environment = read()
    database = engine(environment.database_url)
    async with Api.from_environment() as api:
        prefect = Prefect(api, database)
        mirror = Mirror(api, database, stuck_after=STUCK_SECONDS)
        watchdog = Watchdog(api, database, prefect, environment.lease_seconds)
        asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, asked.set)
        say("started")
        kept = duties(api, database, prefect, mirror, watchdog, environment.look_again[0])
        kept += for_people(database)
        tasks = [asyncio.create_task(duty.keep_doing()) for duty in kept]
        await asked.wait()
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
        await database.dispose()
    say("stopped")


def main() -> int:
    try:
        asyncio.run(watch_over())
    except SyncError as error:
        say("refused", error=type(error).__name__, message=error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
