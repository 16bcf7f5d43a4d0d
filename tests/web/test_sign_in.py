"""Entrar and Sair: who may, who has to wait, and what a session is worth (RELIABILITY T25)."""

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest

from core import passwords
from db import people
from db.audit import By
from tests.conftest import Database, Tenant, new_tenant
from tests.console import OpenPage, SignedIn, SignIn
from web.access import COOKIE
from web.people import sign_in as sign_in_page
from web.people.sign_in import AT_ONCE, local
from web.wiring import Wiring

PASSWORD = "uma frase bem comprida 7"
EMAIL = "ana@exemplo.example"
Sql = Callable[..., Any]


@pytest.fixture
async def ana(wiring: Wiring, tenant: Tenant) -> str:
    made = await people.create(wiring.engine, EMAIL, "Ana", passwords.seal(PASSWORD))
    await people.grant(wiring.engine, tenant.id, made, can_edit=True, by=By("teste"))
    return EMAIL


@pytest.fixture
async def stranger(console: str) -> Any:
    async with httpx.AsyncClient(base_url=console, timeout=60, trust_env=False) as http:
        yield http


async def enter(http: httpx.AsyncClient, email: str, password: str, **more: str) -> httpx.Response:
    return await http.post("/entrar", data={"email": email, "password": password} | more)


async def test_who_is_not_signed_in_is_asked_to_and_comes_back(stranger: httpx.AsyncClient, ana: str) -> None:
    asked = await stranger.get("/logs?status=error")
    assert asked.status_code in (303, 404)
    asked = await stranger.get("/?x=1")
    assert asked.status_code == 303
    assert asked.headers["location"].endswith("/entrar?volta=%2F%3Fx%3D1")
    form = await stranger.get(asked.headers["location"])
    assert 'name="volta" value="/?x=1"' in form.text
    entered = await enter(stranger, ana.upper(), PASSWORD, volta="/?x=1")
    assert (entered.status_code, entered.headers["location"]) == (303, "/?x=1")
    cookie = entered.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "outra frase comprida 8"), ("x@exemplo.example", PASSWORD)]
)
async def test_wrong_passwords_and_unknown_people_read_the_same(
    stranger: httpx.AsyncClient, ana: str, email: str, password: str
) -> None:
    refused = await enter(stranger, email, password)
    assert refused.status_code == 401
    assert "E-mail ou senha não conferem." in refused.text
    assert password not in refused.text
    assert "set-cookie" not in refused.headers


async def test_who_guesses_waits_even_with_the_right_password(
    stranger: httpx.AsyncClient, ana: str, sql: Sql
) -> None:
    for _ in range(5):
        assert (await enter(stranger, ana, "errada errada errada")).status_code == 401
    waiting = await enter(stranger, ana, PASSWORD)
    assert waiting.status_code == 429
    assert "Tente de novo em 15 min" in waiting.text
    sql("UPDATE sync.sign_in_failure SET at = at - interval '16 minutes'")
    assert (await enter(stranger, ana, PASSWORD)).status_code == 303


async def test_guesses_sent_all_at_once_are_counted_one_by_one(
    stranger: httpx.AsyncClient, ana: str, wiring: Wiring
) -> None:
    before = psutil.Process().memory_info().rss
    tries = [asyncio.create_task(enter(stranger, ana, f"errada errada {n}")) for n in range(40)]
    most = before
    while not all(task.done() for task in tries):
        most = max(most, psutil.Process().memory_info().rss)
        await asyncio.sleep(0.002)
    statuses = [(await task).status_code for task in tries]
    assert statuses.count(401) in range(5, 5 + AT_ONCE)
    assert statuses.count(429) == 40 - statuses.count(401)
    assert most - before < (AT_ONCE + 1) * 64 * 2**20


async def test_who_comes_behind_a_flood_is_told_to_come_back(
    stranger: httpx.AsyncClient, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_page, "_waiting", asyncio.Semaphore(0))
    told = await enter(stranger, ana, PASSWORD)
    assert told.status_code == 429
    assert "Muita gente" in told.text


async def test_nobody_learns_by_the_clock_who_has_an_account(
    stranger: httpx.AsyncClient, ana: str, sql: Sql
) -> None:
    async def seconds(email: str) -> float:
        sql("DELETE FROM sync.sign_in_failure")
        began = time.process_time()
        assert (await enter(stranger, email, "errada errada errada")).status_code == 401
        return time.process_time() - began

    taken = [(await seconds(ana), await seconds(f"{n}@exemplo.example")) for n in range(5)]
    known, unknown = (statistics.median(column) for column in zip(*taken, strict=True))
    # Of the processor: without a verification it would be a tenth.
    assert 0.5 < unknown / known < 2


async def test_a_session_that_somebody_brought_is_worth_nothing_after_it(
    person: SignedIn, stranger: httpx.AsyncClient, ana: str
) -> None:
    """Neither one that was made up, nor another person's: it is ended, and a new one begun."""
    for brought in ("escolhida-por-outro", person.token):
        cookie = {"Cookie": f"{COOKIE}={brought}"}
        answer = await stranger.post("/entrar", data={"email": ana, "password": PASSWORD}, headers=cookie)
        assert answer.status_code == 303
        assert brought not in answer.headers["set-cookie"]
        assert (await stranger.get("/", headers=cookie)).status_code == 303


async def test_nobody_is_signed_in_by_another_site(stranger: httpx.AsyncClient, ana: str) -> None:
    form, elsewhere = {"email": ana, "password": PASSWORD}, {"Origin": "https://outro.example"}
    assert (await stranger.post("/entrar", data=form, headers=elsewhere)).status_code == 403


async def test_a_disabled_person_is_out_at_once(person: SignedIn, wiring: Wiring) -> None:
    assert (await person.http.get("/")).status_code == 200
    await people.set_disabled(wiring.engine, person.id, disabled=True)
    assert (await person.http.get("/")).status_code == 303


async def test_signing_out_ends_the_session_on_the_server(person: SignedIn) -> None:
    gone = await person.http.post("/sair")
    assert gone.status_code == 303
    assert (await person.http.get("/")).status_code == 303


@pytest.mark.parametrize("column", ["seen_at", "created_at"])
async def test_a_session_ends_by_itself(person: SignedIn, sql: Sql, column: str) -> None:
    limit = {"seen_at": "31 minutes", "created_at": "13 hours"}[column]
    sql(f"UPDATE sync.session SET {column} = now() - CAST(:limit AS interval)", limit=limit)
    assert (await person.http.get("/")).status_code == 303


async def test_the_token_is_not_in_the_database(person: SignedIn, sql: Sql) -> None:
    assert person.token not in str(sql("SELECT * FROM sync.session"))


async def test_what_another_site_sends_is_refused(person: SignedIn) -> None:
    assert (await person.http.post("/sair", headers={"X-CSRF-Token": "x"})).status_code == 403
    elsewhere = {"Origin": "https://outro.example"}
    assert (await person.http.post("/sair", headers=elsewhere)).status_code == 403
    assert (await person.http.get("/")).status_code == 200


async def test_a_person_works_in_their_tenants_alone(
    database: Database, tenant: Tenant, sign_in: SignIn
) -> None:
    second, foreign = new_tenant(database, "Segunda"), new_tenant(database, "Alheia")
    somebody = await sign_in(tenant.id, second.id)
    assert "Loja Teste</option>" in (await somebody.http.get("/")).text
    assert "Alheia" not in (await somebody.http.get("/")).text
    assert (await somebody.http.post("/tenant", data={"tenant": str(second.id)})).status_code == 303
    assert "selected>Segunda" in (await somebody.http.get("/")).text
    assert (await somebody.http.post("/tenant", data={"tenant": str(foreign.id)})).status_code == 404


async def test_an_operator_works_in_all(database: Database, sign_in: SignIn) -> None:
    new_tenant(database, "Alheia")
    operator = await sign_in(operator=True)
    assert "Alheia" in (await operator.http.get("/")).text


async def test_in_the_browser_with_the_keyboard_alone(open_page: OpenPage, ana: str) -> None:
    page = await open_page(None, "/")
    await page.keyboard.type(ana)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Integrações", exact=True).wait_for()
    assert {cookie["name"] for cookie in await page.context.cookies()} == {COOKIE}
    await page.keyboard.press("?")
    await page.get_by_role("dialog", name="Atalhos do teclado").wait_for()


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb"])
def test_nobody_is_led_to_another_site(path: str) -> None:
    assert local(path) == "/"
