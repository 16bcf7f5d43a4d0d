"""Acesso: people and what they may, one's own password and sessions, keys of the API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe

from core import passwords
from db import api_keys, people, sessions
from db.audit import By
from db.trail import Filters, trail
from tests.conftest import Database, Tenant, new_tenant
from tests.console import OpenPage, SignedIn, SignIn
from tests.shared import console, database, orchestrator, wiring
from web.access import COOKIE
from web.people import agents
from web.wiring import Wiring

PASSWORD, OTHER = "uma frase bem comprida 7", "outra frase comprida 8"
Sql = Callable[..., Any]

__all__ = ["console", "database", "orchestrator", "wiring"]


async def actions(wiring: Wiring, tenant: Tenant) -> list[str]:
    return [entry.action for entry in await trail(wiring.engine, tenant.id, Filters())]


def shown_secret(answer: httpx.Response, id_: str) -> str:
    return answer.text.partition(f'id="{id_}">')[2].partition("<")[0]


async def test_access_is_given_changed_and_taken(
    person: SignedIn, wiring: Wiring, database: Database, tenant: Tenant, sign_in: SignIn
) -> None:
    bia = await sign_in(new_tenant(database, "Outra").id)
    given = await person.http.post("/acesso/pessoas", data={"email": bia.email.upper(), "permissao": "ver"})
    assert given.headers["location"] == "/acesso?feito=concedido"
    assert bia.email in (await person.http.get("/acesso?feito=concedido")).text
    await person.http.post(f"/acesso/pessoas/{bia.id}", data={"permissao": "editar"})
    [member] = [one for one in await people.members(wiring.engine, tenant.id) if one.id == bia.id]
    assert member.can_edit
    assert (await person.http.post(f"/acesso/pessoas/{bia.id}/retirar")).status_code == 303
    assert bia.email not in (await person.http.get("/acesso")).text
    assert (await actions(wiring, tenant))[:3] == ["member.revoke", "member.grant", "member.grant"]


async def test_nobody_changes_their_own_access(person: SignedIn) -> None:
    assert (
        await person.http.post("/acesso/pessoas", data={"email": person.email, "permissao": "ver"})
    ).status_code == 422
    assert (
        await person.http.post(f"/acesso/pessoas/{person.id}", data={"permissao": "ver"})
    ).status_code == 422
    refused = await person.http.post(f"/acesso/pessoas/{person.id}/retirar")
    assert refused.status_code == 422
    assert "Peça a outra pessoa" in refused.text


async def test_who_may_only_see_changes_nothing_but_their_own_account(
    reader: SignedIn, person: SignedIn, wiring: Wiring, tenant: Tenant
) -> None:
    await api_keys.create(wiring.engine, tenant.id, "BI", ["ler"], None, By("teste"))
    [key] = await api_keys.listing(wiring.engine, tenant.id)
    for path in (
        "/acesso/pessoas",
        "/acesso/pessoas/nova",
        f"/acesso/pessoas/{person.id}",
        f"/acesso/pessoas/{person.id}/retirar",
        f"/acesso/pessoas/{person.id}/senha",
        "/acesso/chaves",
        f"/acesso/chaves/{key.id}/revogar",
    ):
        data = {"email": "x@exemplo.example", "permissao": "ver", "nome": "x"}
        assert (await reader.http.post(path, data=data)).status_code == 403, path
    for path in ("/acesso", "/acesso/chaves", "/acesso/conta"):
        shown = await reader.http.get(path)
        assert shown.status_code == 200
        assert "Revogar<" not in shown.text
    assert (await reader.http.post("/acesso/conta/sessoes/encerrar-outras")).status_code == 303


async def test_people_of_another_tenant_are_not_there(
    person: SignedIn, sign_in: SignIn, database: Database
) -> None:
    foreign = await sign_in(new_tenant(database, "Alheia").id)
    operator = await sign_in(operator=True)
    for who in (person, operator):
        for path in (f"/acesso/pessoas/{foreign.id}", f"/acesso/pessoas/{foreign.id}/retirar"):
            assert (await who.http.post(path, data={"permissao": "ver"})).status_code == 404
    assert (await operator.http.post(f"/acesso/pessoas/{foreign.id}/senha")).status_code == 404
    assert foreign.email not in (await person.http.get("/acesso")).text


async def test_an_operator_makes_people_who_choose_their_password(
    sign_in: SignIn, person: SignedIn, console: str, wiring: Wiring
) -> None:
    new = {"email": "caio@exemplo.example", "nome": "Caio", "permissao": "editar"}
    assert (await person.http.post("/acesso/pessoas/nova", data=new)).status_code == 403
    operator = await sign_in(operator=True)
    made = await operator.http.post("/acesso/pessoas/nova", data=new)
    once = shown_secret(made, "senha-feita")
    assert len(once) >= passwords.SHORTEST
    assert once not in (await operator.http.get("/acesso")).text
    async with httpx.AsyncClient(base_url=console, timeout=60, trust_env=False) as http:
        entered = await http.post("/entrar", data={"email": new["email"], "password": once})
        token = entered.cookies[COOKIE]
        http.headers["Cookie"] = f"{COOKIE}={token}"
        assert (await http.get("/auditoria")).headers["location"] == "/acesso/conta"
        shown = await http.get("/acesso/conta")
        assert "Escolha a sua senha." in shown.text
        csrf = shown.text.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": csrf, "atual": once, "nova": PASSWORD}
        changed = await http.post("/acesso/conta/senha", data=form)
        assert changed.status_code == 303
        assert changed.cookies[COOKIE] != token
        assert (await http.get("/")).status_code == 303, "the old session is over"
        http.headers["Cookie"] = f"{COOKIE}={changed.cookies[COOKIE]}"
        assert (await http.get("/auditoria")).status_code == 200
    found = await people.find(wiring.engine, new["email"])
    again = await operator.http.post(f"/acesso/pessoas/{found.id if found else ''}/senha")
    assert shown_secret(again, "senha-feita") != once


async def test_a_person_without_password_is_made_for_openid(sign_in: SignIn, wiring: Wiring) -> None:
    operator = await sign_in(operator=True)
    new = {"email": "dani@exemplo.example", "nome": "Dani", "permissao": "ver", "sem_senha": "true"}
    made = await operator.http.post("/acesso/pessoas/nova", data=new)
    assert "senha-feita" not in made.text
    found = await people.find(wiring.engine, new["email"])
    assert found is not None
    assert found.password_hash is None


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("errada errada 1", OTHER, "A senha atual não confere."),
        (PASSWORD, "curta", "deve ter de 12"),
        (PASSWORD, PASSWORD, "igual à atual"),
        (PASSWORD, "ana souza e mais texto", "não pode conter seu nome"),
    ],
)
async def test_a_password_that_is_not_changed(
    person: SignedIn, wiring: Wiring, sql: Sql, old: str, new: str, why: str
) -> None:
    sql("UPDATE sync.user SET password_hash = :hash", hash=passwords.seal(PASSWORD))
    refused = await person.http.post("/acesso/conta/senha", data={"atual": old, "nova": new})
    assert refused.status_code == 422
    assert why in refused.text
    found = await people.read(wiring.engine, person.id)
    assert passwords.verify(PASSWORD, found.password_hash)


async def test_guessing_the_old_password_has_to_wait(person: SignedIn, sql: Sql) -> None:
    sql("UPDATE sync.user SET password_hash = :hash", hash=passwords.seal(PASSWORD))
    for _ in range(5):
        await person.http.post("/acesso/conta/senha", data={"atual": "errada errada", "nova": OTHER})
    waiting = await person.http.post("/acesso/conta/senha", data={"atual": PASSWORD, "nova": OTHER})
    assert "Muitas tentativas" in waiting.text


async def test_sessions_are_listed_and_ended(
    person: SignedIn, reader: SignedIn, wiring: Wiring, tenant: Tenant
) -> None:
    phone = await sessions.open_(
        wiring.engine, person.id, tenant.id, "Mozilla/5.0 (Android 14) Firefox/130.0"
    )
    await sessions.open_(wiring.engine, person.id, tenant.id, "curl/8")
    shown = (await person.http.get("/acesso/conta")).text
    assert "Firefox em Android" in shown
    assert "curl/8" in shown
    assert phone not in shown
    rows = await sessions.listing(wiring.engine, person.id, person.token)
    ids = {row.agent: row.id for row in rows}
    [foreign] = await sessions.listing(wiring.engine, reader.id, "")
    for id_ in (foreign.id, ids["pytest"], "x", "0" * 64):
        refused = await person.http.post("/acesso/conta/sessoes/encerrar", data={"sessao": id_})
        assert refused.status_code == 404
    ended = await person.http.post("/acesso/conta/sessoes/encerrar", data={"sessao": ids[rows[1].agent]})
    assert ended.status_code == 303
    assert len(await sessions.listing(wiring.engine, person.id, person.token)) == 2
    await person.http.post("/acesso/conta/sessoes/encerrar-outras")
    [left] = await sessions.listing(wiring.engine, person.id, person.token)
    assert left.current
    assert (await person.http.get("/")).status_code == 200


async def test_a_key_is_shown_once_and_kept_as_hash(
    person: SignedIn, wiring: Wiring, tenant: Tenant, sql: Sql
) -> None:
    made = await person.http.post("/acesso/chaves", data={"nome": "Painel de BI", "pode": "escrever"})
    key = shown_secret(made, "chave-feita")
    assert key.startswith("cts_")
    assert len(key) > 40
    assert key not in (await person.http.get("/acesso/chaves")).text
    assert key not in str(sql("SELECT * FROM sync.api_key")) + str(sql("SELECT * FROM sync.audit_log"))
    found = await api_keys.find(wiring.engine, key)
    assert found is not None
    assert found.tenant_id == tenant.id
    assert found.scopes == {"ler", "escrever"}
    assert (await person.http.post(f"/acesso/chaves/{found.id}/revogar")).status_code == 303
    assert await api_keys.find(wiring.engine, key) is None
    assert (await actions(wiring, tenant))[:2] == ["api_key.revoke", "api_key.create"]
    assert (await person.http.post(f"/acesso/chaves/{found.id}/revogar")).status_code == 404


async def test_a_key_ends_on_its_day(person: SignedIn, wiring: Wiring, tenant: Tenant, sql: Sql) -> None:
    by = By("teste")
    ends = datetime.now(UTC) + timedelta(days=1)
    key = await api_keys.create(wiring.engine, tenant.id, "Curta", ["ler"], ends, by)
    assert await api_keys.find(wiring.engine, key) is not None
    sql("UPDATE sync.api_key SET expires_at = now()")
    assert await api_keys.find(wiring.engine, key) is None
    assert "vencida" in (await person.http.get("/acesso/chaves")).text.lower()
    for bad in ({"nome": ""}, {"nome": "x", "vence": "2020-01-01"}, {"nome": "x", "vence": "9999-12-31"}):
        assert (await person.http.post("/acesso/chaves", data=bad)).status_code == 422, bad


async def test_another_tenants_key_cannot_be_revoked(
    person: SignedIn, wiring: Wiring, database: Database
) -> None:
    other = new_tenant(database, "Alheia")
    await api_keys.create(wiring.engine, other.id, "Alheia", ["ler"], None, By("teste"))
    [key] = await api_keys.listing(wiring.engine, other.id)
    assert (await person.http.post(f"/acesso/chaves/{key.id}/revogar")).status_code == 404
    assert "Alheia" not in (await person.http.get("/acesso/chaves")).text


def test_browsers_have_names() -> None:
    windows = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"
    )
    assert agents.words(windows) == "Edge em Windows"
    assert agents.words("") == "programa desconhecido"
    assert agents.words("curl/8.5.0") == "curl/8.5.0"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_for_everybody(
    person: SignedIn, sign_in: SignIn, open_page: OpenPage, sql: Sql, scheme: str
) -> None:
    operator = await sign_in(operator=True)
    sql("UPDATE sync.user SET password_hash = 'x'")
    narrow = {"width": 320, "height": 800}
    page = await open_page(operator, "/acesso", color_scheme=scheme, viewport=narrow)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    for path in ("/acesso", "/acesso/chaves", "/acesso/conta"):
        await page.goto(path)
        assert not await page.evaluate(wide), path
        found = (await Axe().run(page)).response["violations"]
        assert [one for one in found if one["impact"] in ("serious", "critical")] == [], path


async def test_a_key_is_made_with_the_keyboard_and_revoked_with_the_mouse(
    person: SignedIn, open_page: OpenPage
) -> None:
    page = await open_page(person, "/acesso/chaves")
    await page.get_by_label("Nome").focus()
    await page.keyboard.type("Painel")
    for key in ("Tab", "ArrowDown", "Tab", "Tab", "Tab", "Tab", "Tab"):
        await page.keyboard.press(key)
        if await page.evaluate("document.activeElement.textContent") == "Criar chave":
            break
    await page.keyboard.press("Enter")
    await page.get_by_text("Chave criada: copie-a agora").wait_for()
    row = page.get_by_role("row", name="Painel")
    assert "ler e escrever" in await row.inner_text()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Revogar Painel").click()
    await page.get_by_text("Chave revogada: ela não entra mais.").wait_for()
