"""Entrar by OpenID: who is let in and linked, and each answer that must not be believed (RELIABILITY T25)."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from core import passwords
from core.errors import InstallationError
from core.openid import Provider
from core.registration import Client
from db import people
from db.audit import By
from db.settings import read_openid
from sandbox.openid.app import FAULTS
from sandbox.openid.process import Issuer, start
from tests.conftest import Tenant
from tests.console import free_address, serving
from tests.shared import database, orchestrator
from tests.shared import wiring as without
from web.access import COOKIE
from web.people.openid import COOKIE as BROWSER
from web.people.openid import RETURN
from web.wiring import Wiring

__all__ = ["database", "orchestrator", "without"]
Sql = Callable[..., Any]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with start() as running:
        yield running


@pytest.fixture(scope="module")
async def console(without: Wiring, issuer: Issuer) -> AsyncIterator[str]:
    client = Client(issuer.url, issuer.client_id, issuer.client_secret, "Conta da Empresa")
    async with httpx.AsyncClient(trust_env=False, timeout=10) as outside:
        wiring = replace(without, openid=Provider(client, outside))
        async with serving(wiring, wiring.public_url):
            yield wiring.public_url


@pytest.fixture
async def browser(console: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    issuer.steer("fault", kind="")
    async with httpx.AsyncClient(base_url=console, timeout=60, trust_env=False) as http:
        yield http


@pytest.fixture
async def ana(without: Wiring, tenant: Tenant) -> people.Person:
    """Made to sign in elsewhere, and not yet seen."""
    email = f"{uuid4().hex[:8]}@exemplo.example"
    made = await people.create(without.engine, email, "Ana", None)
    await people.grant(without.engine, tenant.id, made, can_edit=True, by=By("teste"))
    return await people.read(without.engine, made)


async def leave(browser: httpx.AsyncClient, back: str = "/") -> tuple[str, str]:
    """Where the provider sends the browser back to, and the cookie that the console gave it."""
    sent = await browser.get("/entrar/openid", params={"volta": back})
    assert sent.status_code == 303
    cookie = sent.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        returned = await http.get(sent.headers["location"])
    assert returned.status_code == 302
    return returned.headers["location"], cookie.partition(";")[0]


async def enter(browser: httpx.AsyncClient, back: str = "/") -> httpx.Response:
    place, cookie = await leave(browser, back)
    return await browser.get(place, headers={"Cookie": cookie})


def steer(issuer: Issuer, email: str, *, sub: str = "", verified: Any = True, **more: Any) -> str:
    sub = sub or uuid4().hex
    issuer.steer("person", sub=sub, email=email, email_verified=verified, **more)
    return sub


async def test_the_button_is_there_and_leads_with_a_proof(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    assert "Entrar com Conta da Empresa" in (await browser.get("/entrar?volta=/logs")).text
    sent = await browser.get("/entrar/openid?volta=/logs")
    asked = {name: value[0] for name, value in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"].endswith(RETURN)
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43


async def test_without_a_provider_there_is_none(without: Wiring, console: str) -> None:
    address = free_address()
    async with (
        serving(without, address),
        httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as http,
    ):
        assert "Entrar com" not in (await http.get("/entrar")).text
        assert (await http.get("/entrar/openid")).status_code == 404
        assert (await http.get(RETURN)).status_code == 404


async def test_the_first_time_a_verified_address_and_then_the_subject(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person, without: Wiring, sql: Sql
) -> None:
    sub = steer(issuer, ana.email.upper())
    entered = await enter(browser, "/auditoria?acao=session.open")
    assert (entered.status_code, entered.headers["location"]) == (303, "/auditoria?acao=session.open")
    cookies = entered.headers.get_list("set-cookie")
    assert any(one.startswith(f"{COOKIE}=") for one in cookies)
    assert any(one.startswith(f"{BROWSER}=") and "Max-Age=0" in one for one in cookies)
    linked = await people.find_subject(without.engine, issuer.url, sub)
    assert linked is not None
    assert linked.id == ana.id
    steer(issuer, "outro@exemplo.example", sub=sub, verified=False)
    assert (await enter(browser)).status_code == 303, "known by the subject alone from now on"
    steer(issuer, ana.email)
    assert (await enter(browser)).status_code == 401, "the address is somebody else's there by now"


@pytest.mark.parametrize("verified", [False, "true", 1, None])
async def test_an_address_that_nobody_verified_links_nobody(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person, verified: Any
) -> None:
    steer(issuer, ana.email, verified=verified)
    assert (await enter(browser)).status_code == 401


async def test_an_account_with_a_password_is_not_taken_over(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person, without: Wiring
) -> None:
    await people.set_password(without.engine, ana.id, passwords.seal("uma frase bem comprida 7"))
    steer(issuer, ana.email)
    refused = await enter(browser)
    assert refused.status_code == 401
    assert "não tem acesso a esta instalação" in refused.text
    assert not any(one.startswith(f"{COOKIE}=") for one in refused.headers.get_list("set-cookie"))


async def test_who_is_disabled_or_unknown_stays_outside(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person, without: Wiring
) -> None:
    sub = steer(issuer, ana.email)
    assert (await enter(browser)).status_code == 303
    await people.set_disabled(without.engine, ana.id, disabled=True)
    steer(issuer, ana.email, sub=sub)
    assert (await enter(browser)).status_code == 401
    steer(issuer, "ninguem@exemplo.example")
    assert (await enter(browser)).status_code == 401


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("metadata_iss", "500")])
async def test_an_answer_that_is_not_right_lets_nobody_in(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person, fault: str
) -> None:
    steer(issuer, ana.email)
    issuer.steer("fault", kind=fault)
    refused = await enter(browser)
    assert refused.status_code == 401, fault
    assert 'role="alert"' in refused.text
    assert not any(one.startswith(f"{COOKIE}=") for one in refused.headers.get_list("set-cookie"))
    issuer.steer("fault", kind="")
    assert (await enter(browser)).status_code == 303, "and right it does"


async def test_a_state_is_good_once_and_for_one_browser(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person, sql: Sql
) -> None:
    steer(issuer, ana.email)
    place, cookie = await leave(browser)
    assert (await browser.get(place)).status_code == 401, "a browser that began nothing"
    assert (await browser.get(place, headers={"Cookie": cookie})).status_code == 401, "and it is used up"
    place, cookie = await leave(browser)
    other, _ = await leave(browser)
    assert (await browser.get(other, headers={"Cookie": cookie})).status_code == 401, "another browser's"
    assert (await browser.get(place, headers={"Cookie": cookie})).status_code == 303
    assert (await browser.get(place, headers={"Cookie": cookie})).status_code == 401, "replayed"
    place, cookie = await leave(browser)
    sql("UPDATE sync.sign_in_attempt SET created_at = now() - interval '11 minutes'")
    assert (await browser.get(place, headers={"Cookie": cookie})).status_code == 401, "too late"
    made_up = f"{RETURN}?state={'x' * 43}&code=x&iss={issuer.url}"
    assert (await browser.get(made_up, headers={"Cookie": cookie})).status_code == 401
    secret = str(sql("SELECT state_hash, browser_hash FROM sync.sign_in_attempt"))
    assert cookie.partition("=")[2] not in secret


async def test_a_code_of_another_sign_in_is_not_taken(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person
) -> None:
    """Code injection: PKCE binds a code to who asked for it."""
    steer(issuer, ana.email)
    stolen = parse_qs(urlsplit((await leave(browser))[0]).query)["code"][0]
    place, cookie = await leave(browser)
    mine = parse_qs(urlsplit(place).query)["code"][0]
    assert (await browser.get(place.replace(mine, stolen), headers={"Cookie": cookie})).status_code == 401


async def test_new_keys_of_the_provider_are_found(
    browser: httpx.AsyncClient, issuer: Issuer, ana: people.Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    steer(issuer, ana.email)
    assert (await enter(browser)).status_code == 303
    issuer.steer("rotate")
    monkeypatch.setattr("core.openid.AGAIN_SECONDS", 0)
    assert (await enter(browser)).status_code == 303


async def test_a_provider_that_is_another_or_away(issuer: Issuer, browser: httpx.AsyncClient) -> None:
    client = Client(issuer.url, issuer.client_id, issuer.client_secret, "x")
    for fault, message in (("metadata_iss", "outro nome"), ("500", "HTTP 500")):
        issuer.steer("fault", kind=fault)
        async with httpx.AsyncClient(timeout=60, trust_env=False) as outside:
            with pytest.raises(Exception, match=message):
                await Provider(client, outside).begin("http://127.0.0.1/x")


def test_half_a_registration_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    assert read_openid() is None
    monkeypatch.setenv("CLOUDTOSYS_OIDC_ISSUER", "https://id.exemplo.example")
    with pytest.raises(InstallationError, match="CLOUDTOSYS_OIDC_CLIENT_ID"):
        read_openid()
    monkeypatch.setenv("CLOUDTOSYS_OIDC_CLIENT_ID", "console")
    (tmp_path / "secret").write_text("segredo\n")
    monkeypatch.setenv("CLOUDTOSYS_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    found = read_openid()
    assert found is not None
    assert (found.client_secret, found.name) == ("segredo", "id.exemplo.example")
    assert "segredo" not in repr(found)
    monkeypatch.setenv("CLOUDTOSYS_OIDC_ISSUER", "http://id.exemplo.example")
    with pytest.raises(InstallationError, match="https"):
        read_openid()
