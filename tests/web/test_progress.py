"""A run while it runs: one reading serves all, and a stream ends with its run, its viewer and its session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from db import sessions
from tests.console import OpenPage, SignedIn, free_address, serving
from tests.web.runs import NewIssue, NewLog, Sql
from web.app import create
from web.runs.progress import Watch
from web.wiring import Wiring

SOON = 15.0


@asynccontextmanager
async def watching(person: SignedIn, log: UUID) -> AsyncIterator[AsyncIterator[tuple[str, str]]]:
    """Events of a log's stream, their names and data."""
    async with person.http.stream("GET", f"/logs/{log}/progresso") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    name, data = "", list[str]()
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data:"):
            data.append(line[6:])
        elif not line and name:
            yield name, "\n".join(data)
            name, data = "", []


async def first(events: AsyncIterator[tuple[str, str]], wanted: str, holding: str = "") -> str:
    async with asyncio.timeout(SOON):
        async for name, data in events:
            if name == wanted and holding in data:
                return data
    raise AssertionError(f"the stream ended without {wanted}")


async def test_what_is_told_follows_the_run_to_its_end(
    person: SignedIn, new_log: NewLog, new_issue: NewIssue, sql: Sql
) -> None:
    log = new_log(minutes=1, status="running", total=50)
    async with watching(person, log) as events:
        shown = await first(events, "progress")
        assert '<progress max="50" value="5"' in shown
        assert await first(events, "words") == "5 de 50"
        new_issue(log, "P-7")
        sql("UPDATE sync.sync_log SET errors = 1, processed = 6 WHERE id = :id", id=log)
        shown = await first(events, "progress", 'value="6"')
        assert "P-7" in shown
        sql("UPDATE sync.sync_log SET status = 'partial', ended_at = now() WHERE id = :id", id=log)
        assert await first(events, "words", "parcial") == "parcial: 6 de 50, 1 com erro"
        await first(events, "over")
        assert [event async for event in events] == []


async def test_without_a_total_there_is_a_counter(person: SignedIn, new_log: NewLog) -> None:
    log = new_log(minutes=1, status="running")
    async with watching(person, log) as events:
        shown = await first(events, "progress")
        assert "<progress" not in shown
        assert "por segundo" in shown


async def test_one_that_has_ended_says_so_at_once(person: SignedIn, new_log: NewLog) -> None:
    async with watching(person, new_log()) as events:
        assert await first(events, "words") == "sucesso: 5 processados"
        await first(events, "over")


async def test_a_stream_ends_with_its_session_and_does_not_prolong_it(
    person: SignedIn, new_log: NewLog, sql: Sql, wiring: Wiring, tenant: Any
) -> None:
    log = new_log(minutes=1, status="running", total=50)
    assert await sessions.alive(wiring.engine, [(person.token, tenant.id)]) == {(person.token, tenant.id)}
    async with watching(person, log) as events:
        await first(events, "progress")
        sql("UPDATE sync.session SET seen_at = now() - interval '31 minutes'")
        await first(events, "over")
    assert sql("SELECT seen_at < now() - interval '30 minutes' FROM sync.session") == [(True,)]
    sql("UPDATE sync.session SET seen_at = now()")
    sql("DELETE FROM sync.membership")
    assert await sessions.alive(wiring.engine, [(person.token, tenant.id)]) == set()


@pytest.fixture
def quick(wiring: Wiring) -> Watch:
    return Watch(wiring, seconds=0.05)


async def test_who_leaves_is_no_longer_read_for(person: SignedIn, wiring: Wiring, new_log: NewLog) -> None:
    log, app, address = new_log(minutes=1, status="running", total=50), create(wiring), free_address()
    watch: Watch = app.state.watch
    async with (
        serving(wiring, address, app),
        httpx.AsyncClient(base_url=address, headers=person.http.headers, trust_env=False) as http,
    ):
        async with watching(replace(person, http=http), log) as events:
            await first(events, "progress")
            assert watch.viewers == 1
        async with asyncio.timeout(SOON):
            while watch.viewers:  # noqa: ASYNC110 - the server sees that the connection is gone
                await asyncio.sleep(0.05)


async def test_one_reading_serves_all_who_watch(
    person: SignedIn, quick: Watch, new_log: NewLog, tenant: Any
) -> None:
    log = new_log(minutes=1, status="running", total=50)

    async def look() -> None:
        told = quick.follow(tenant.id, person.token, log)
        for _ in range(3):
            await anext(told)
        await told.aclose()

    async with asyncio.timeout(SOON):
        await asyncio.gather(*[look() for _ in range(20)])
    assert quick.readings < 20
    assert quick.viewers == 0
    before = quick.readings
    await asyncio.sleep(0.3)
    assert quick.readings <= before + 1


async def test_watched_in_the_browser_until_it_has_ended(
    open_page: OpenPage, person: SignedIn, new_log: NewLog, sql: Sql
) -> None:
    log = new_log(minutes=1, status="running", total=50)
    page = await open_page(person, f"/logs/{log}")
    live = page.locator("[aria-live=polite][sse-swap]")
    assert await live.count() == 1
    sql("UPDATE sync.sync_log SET processed = 40, success = 40, updated = 38 WHERE id = :id", id=log)
    await page.locator("progress[value='40']").wait_for()
    await page.reload()
    await page.locator("progress[value='40']").wait_for()
    sql("UPDATE sync.sync_log SET status = 'success', ended_at = now() WHERE id = :id", id=log)
    await page.locator(".chip.good").wait_for()
    assert await page.locator("progress").count() == 0


async def test_cancelled_with_the_keyboard_alone(
    open_page: OpenPage, person: SignedIn, new_log: NewLog, sql: Sql
) -> None:
    new_log(minutes=1, status="running", total=50)
    page = await open_page(person, "/logs?status=running")
    page.on("dialog", lambda dialog: dialog.accept())
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Cancelar a execução")
    await button.wait_for()
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await button.evaluate("button => button === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    await page.get_by_text(f"Cancelamento pedido por {person.email}").wait_for()
