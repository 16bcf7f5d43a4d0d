"""Headers of every answer, pages without anything inline, cookies (OWASP secure headers; RELIABILITY T25)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from playwright.async_api import Browser

from tests.console import SignedIn
from web import app, assets
from web.access import COOKIE
from web.headers import SECURITY
from web.pages import THEME_COOKIE
from web.pulse import Pulse
from web.wiring import Wiring

TEMPLATES = Path(app.__file__).parent / "templates"
INLINE = re.compile(
    r"\sstyle\s*=|\son[a-z]+\s*=|<style|javascript:|hx-on|\bjs:|<script(?![^>]*\ssrc=)|srcdoc|<base",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_template_has_anything_inline(path: Path) -> None:
    markup = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    assert INLINE.findall(markup) == []
    # Nothing but a word of the template's own goes out as it is.
    assert not re.search(r"[^'\"\s]\s*\|\s*safe\b", markup)


@pytest.mark.parametrize(
    "markup", ['<p style="x">', "<a onclick=x()>", "<script>x", '<a href="javascript:x">']
)
def test_what_is_inline_would_be_found(markup: str) -> None:
    assert INLINE.search(markup)


@pytest.fixture
def failing() -> list[str]:
    """Once something is in it, /health fails in a way that nobody foresaw."""
    return []


@pytest.fixture
def wiring(wiring: Wiring, failing: list[str]) -> Wiring:
    async def pulse() -> Pulse:
        if failing:
            raise RuntimeError(failing[0])
        return Pulse(prefect=True)

    return replace(wiring, take_pulse=pulse)


async def test_every_answer_carries_them(
    person: SignedIn, reader: SignedIn, console: str, failing: list[str]
) -> None:
    async with httpx.AsyncClient(base_url=console, timeout=60, trust_env=False) as http:
        answers = [
            await http.get("/entrar"),
            await http.get("/"),
            await http.get("/nada"),
            await http.get(assets.address("console.css")),
            await http.get("/static/x/nada.js"),
            await http.put("/entrar"),
            await http.post("/entrar", data={"email": "x" * 400}),
            await http.get("/metrics"),
            await http.post("/webhooks/woocommerce/x"),
            await person.http.get("/migracoes"),
            await person.http.get("/migracoes/x"),
            await person.http.get("/auditoria.csv"),
            await person.http.post("/sair", headers={"X-CSRF-Token": "x"}),
            await person.http.post("/migracoes/nova", headers={"Content-Length": "0"}),
            await reader.http.post("/migracoes/nova", files={"arquivo": b"x"}),
        ]
        failing.append("segredo")
        answers.append(await http.get("/health"))
    statuses = {answer.status_code for answer in answers}
    assert {200, 303, 404, 405, 422, 403, 500} <= statuses
    for answer in answers:
        for name, value in SECURITY.items():
            kept = name == "Cache-Control" and "/static/" in str(answer.url)
            assert kept or answer.headers.get_list(name) == [value], (answer.url, name)
    [broken] = [answer for answer in answers if answer.status_code == 500]
    assert "segredo" not in broken.text
    assert "Erro interno" in broken.text


def pages() -> Iterator[str]:
    """Addresses of the console's pages that need no id."""
    for router in app.GUARDED:
        for route in router.routes:
            if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
                continue
            if not re.search(r"{|[.]csv$|/oauth/", route.path):
                yield route.path


async def test_no_page_breaks_the_policy_in_a_browser(
    browser: Browser, console: str, person: SignedIn
) -> None:
    """A page that would is tried last."""
    wanted = sorted({*pages(), "/acesso/conta"})
    assert len(wanted) >= 8
    violations: list[str] = []
    context = await browser.new_context(base_url=console)
    url = console.replace("http:", "https:")
    await context.add_cookies([{"name": COOKIE, "value": person.token, "url": url}])
    page = await context.new_page()
    await page.expose_function("broke", lambda what: violations.append(what))  # noqa: PLW0108 - it is marked
    await page.add_init_script("addEventListener('securitypolicyviolation', e => broke(e.violatedDirective))")
    for path in wanted:
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status < 400, path
    assert violations == []
    await page.evaluate("broken = document.createElement('p'); broken.setAttribute('style', 'color: red')")
    await page.evaluate("new Promise(done => setTimeout(done, 100))")
    assert violations == ["style-src-attr"]
    await context.close()


async def test_the_theme_is_kept_in_a_cookie_of_ours(person: SignedIn) -> None:
    dark = await person.http.post("/tema", data={"tema": "dark", "volta": "//outro.example"})
    assert dark.headers["location"] == "/"
    cookie = dark.headers["set-cookie"]
    assert cookie.startswith(f"{THEME_COOKIE}=dark; ")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    asked = {"Cookie": f"{person.http.headers['Cookie']}; {THEME_COOKIE}=dark"}
    assert '<html lang="pt-BR" data-theme="dark">' in (await person.http.get("/", headers=asked)).text
    evil = {"Cookie": f"{person.http.headers['Cookie']}; {THEME_COOKIE}=x><script>"}
    assert '<html lang="pt-BR">' in (await person.http.get("/", headers=evil)).text
    system = await person.http.post("/tema", data={"tema": "outra"})
    assert "Max-Age=0" in system.headers["set-cookie"]
