"""A run while it runs, told by server-sent events: one reading a second serves all who watch.

Nothing is asked of the database for one viewer more, and nothing while nobody watches. A stream ends with its
run, with its viewer, and with the viewer's session.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from core.entities import RunStatus
from core.errors import DatabaseUnavailable
from core.formats import number
from db import listings, sessions
from db.progress import progress
from web.access import Visiting, Wired
from web.pages import fragment
from web.wiring import Wiring

SECONDS = 1.0
SESSION_EVERY = 5
"""Readings between two looks at whether the viewers are still signed in."""
SAY_SECONDS = 5.0
"""Screen readers are told no more often."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class News:
    """`html` is for the page, `words` for who listens; with `over` nothing more comes."""

    html: str = ""
    words: str = ""
    over: bool = False


@dataclass(eq=False, slots=True)
class _Viewer:
    tenant_id: UUID
    token: str = field(repr=False)
    log_id: UUID
    news: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(1))

    def tell(self, news: News | None) -> None:
        """The newest takes the place of what was not fetched."""
        if self.news.full():
            self.news.get_nowait()
        self.news.put_nowait(news)


class Watch:
    """Those who watch, in one process."""

    def __init__(self, wired: Wiring, seconds: float = SECONDS) -> None:
        self._engine = wired.engine
        self._seconds = seconds
        self._viewers: set[_Viewer] = set()
        self._reading: asyncio.Task[None] | None = None
        self.readings = 0

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    async def follow(self, tenant_id: UUID, token: str, log_id: UUID) -> AsyncGenerator[News]:
        """Until the run or the session is over; also where reading failed: who still cares asks again."""
        viewer = _Viewer(tenant_id, token, log_id)
        self._viewers.add(viewer)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            while (news := await viewer.news.get()) is not None:
                yield news
                if news.over:
                    return
        finally:
            self._viewers.discard(viewer)

    async def _read(self) -> None:
        try:
            while self._viewers:
                with suppress(DatabaseUnavailable):  # the page stays as it is
                    await self._tick()
                await asyncio.sleep(self._seconds)
        finally:
            for viewer in self._viewers:
                viewer.tell(None)

    async def _tick(self) -> None:
        viewers = list(self._viewers)
        if self.readings % SESSION_EVERY == 0:
            alive = await sessions.alive(self._engine, {(v.token, v.tenant_id) for v in viewers})
            for viewer in viewers:
                if (viewer.token, viewer.tenant_id) not in alive:
                    viewer.tell(News(over=True))
            viewers = [v for v in viewers if (v.token, v.tenant_id) in alive]
        self.readings += 1
        watched: dict[UUID, set[UUID]] = defaultdict(set)
        for viewer in viewers:
            watched[viewer.tenant_id].add(viewer.log_id)
        told: dict[UUID, News] = {}
        for tenant_id, log_ids in watched.items():
            runs = await progress(self._engine, tenant_id, list(log_ids))
            told |= {log_id: _news(runs.get(log_id)) for log_id in log_ids}
        for viewer in viewers:
            viewer.tell(told[viewer.log_id])


def watch(request: Request) -> Watch:
    found: Watch = request.app.state.watch
    return found


async def known(wired: Wired, person: Visiting, log_id: UUID) -> UUID:
    """Raises `Absent` before the stream begins."""
    await listings.log(wired.engine, person.tenant_id, log_id)
    return log_id


@router.get("/logs/{log_id}/progresso", response_class=EventSourceResponse)
async def stream(
    watching: Annotated[Watch, Depends(watch)], person: Visiting, log_id: Annotated[UUID, Depends(known)]
) -> AsyncIterable[ServerSentEvent]:
    said, said_at = "", float("-inf")
    async with aclosing(watching.follow(person.tenant_id, person.token, log_id)) as told:
        async for news in told:
            if news.html:
                yield ServerSentEvent(event="progress", raw_data=news.html)
            if news.words != said and (news.over or time.monotonic() - said_at >= SAY_SECONDS):
                said, said_at = news.words, time.monotonic()
                yield ServerSentEvent(event="words", raw_data=said)
            if news.over:
                yield ServerSentEvent(event="over", raw_data="")


def shown(run: dict[str, Any]) -> dict[str, Any]:
    """With what is reckoned from it: `rate` in records a second, `left` in seconds where a total is known."""
    seconds = max((run["at"] - run["started_at"]).total_seconds(), 0.001)
    rate = run["processed"] / seconds
    total = run["total"] if run["total"] and run["total"] >= run["processed"] else None
    left = (total - run["processed"]) / rate if total and rate else None
    return run | {"seconds": seconds, "rate": rate, "total": total, "left": left}


def _news(run: dict[str, Any] | None) -> News:
    if run is None:
        return News(over=True)
    found = shown(run)
    over = run["status"] != RunStatus.RUNNING
    done = number(run["processed"])
    words = f"{done} de {number(found['total'])}" if found["total"] else f"{done} processados"
    if run["errors"]:
        words += f", {number(run['errors'])} com erro"
    words = f"{RunStatus(run['status']).label}: {words}" if over else words
    return News("" if over else fragment("progress.html", run=found), words, over)
