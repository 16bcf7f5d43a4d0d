"""Avisos: channels whose addresses nobody reads again, a test on the way of real notices, who was told."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.notices import Notice, announce
from db.session import tenant_transaction
from deployments.delivery import Post
from tests.conftest import Database, Tenant, new_tenant
from tests.console import OpenPage, SignedIn
from tests.notices.conftest import Hook, hook
from tests.web.accessible import violations
from web.wiring import Wiring

__all__ = ["hook"]

Sql = Callable[..., Any]
Tell = Callable[..., Awaitable[UUID]]
NAME = "Sobreaviso"


@pytest.fixture
def tell(engine: AsyncEngine, tenant: Tenant) -> Tell:
    async def run(subject: str) -> UUID:
        async with tenant_transaction(engine, tenant.id) as connection:
            return await announce(connection, tenant.id, Notice("test", subject, "Causa.\nSolução."))

    return run


@pytest.fixture
def post(wiring: Wiring, database: Database, keys: str, monkeypatch: pytest.MonkeyPatch) -> Post:
    """The sentinel's, with the console's own keys."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", keys)
    return Post(wiring.engine)


async def create(person: SignedIn, address: str, name: str = NAME) -> None:
    made = await person.http.post("/avisos/canais", data={"nome": name, "destino": address})
    assert (made.status_code, made.headers["location"]) == (303, "/avisos?feito=criado")


def only(sql: Sql) -> UUID:
    [[found]] = sql("SELECT id FROM sync.channel")
    return UUID(str(found))


async def test_without_channels_nobody_is_told(person: SignedIn, reader: SignedIn, tell: Tell) -> None:
    await tell("Loja: parou")
    shown = (await person.http.get("/avisos")).text
    assert "Nenhum canal: ninguém é avisado" in shown
    assert "Loja: parou" in shown
    assert "ninguém foi avisado" in shown
    assert "Novo canal" not in (await reader.http.get("/avisos")).text


async def test_a_test_goes_the_way_of_real_notices(
    person: SignedIn, post: Post, hook: Hook, sql: Sql
) -> None:
    await create(person, hook.address)
    shown = (await person.http.get("/avisos?feito=criado")).text
    assert "webhook · 127.0.0.1" in shown
    assert "segredo-da-url" not in shown
    sent = await person.http.post(f"/avisos/canais/{only(sql)}/testar")
    waiting = (await person.http.get(sent.headers["location"])).text
    assert "na fila do canal Sobreaviso" in waiting
    assert hook.bodies == []
    await post.deliver()
    assert [body["subject"] for body in hook.bodies] == ["CloudToSys: mensagem de teste"]
    block = (await person.http.get(sent.headers["location"], headers={"HX-Request": "true"})).text
    assert "Mensagem de teste enviada" in block
    assert "hx-trigger" not in block
    assert "<html" not in block


async def test_a_test_that_fails_says_why_and_is_tried_again(
    person: SignedIn, post: Post, hook: Hook, sql: Sql
) -> None:
    await create(person, hook.address)
    hook.status = 500
    sent = await person.http.post(f"/avisos/canais/{only(sql)}/testar")
    await post.deliver()
    shown = (await person.http.get(sent.headers["location"])).text
    assert "A mensagem de teste não saiu" in shown
    assert "respondeu 500" in shown
    assert "Nova tentativa <time" in shown


async def test_channels_are_switched_and_removed_with_an_audit(
    person: SignedIn, hook: Hook, sql: Sql, tell: Tell
) -> None:
    await create(person, hook.address)
    found = only(sql)
    await tell("Loja: parou")
    assert (await person.http.post(f"/avisos/canais/{found}/desligar")).status_code == 303
    assert sql("SELECT state FROM sync.notice_delivery") == [("failed",)]
    refused = await person.http.post(f"/avisos/canais/{found}/testar")
    assert refused.status_code == 422
    assert "está desligado" in refused.text
    assert "Loja: parou" in (await person.http.get("/avisos?situacao=failed")).text
    assert "Loja: parou" not in (await person.http.get("/avisos?situacao=sent")).text
    assert (await person.http.post(f"/avisos/canais/{found}/ligar")).status_code == 303
    assert (await person.http.post(f"/avisos/canais/{found}/excluir")).status_code == 303
    assert sql("SELECT count(*) FROM sync.channel") == [(0,)]
    done = sql("SELECT action FROM sync.audit_log WHERE actor = :who ORDER BY id", who=person.email)
    assert [row[0] for row in done] == [
        "channel.create",
        "channel.disable",
        "channel.enable",
        "channel.delete",
    ]


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        (NAME, "ftp://exemplo.example", "O endereço do canal não é aceito."),
        (NAME, "https://10.0.0.1/x", "10.0.0.1"),
        (" ", "ana@exemplo.example", "Dê ao canal um nome"),
    ],
)
async def test_what_is_not_accepted_is_said_beside_the_form(
    person: SignedIn, sql: Sql, name: str, typed: str, said: str
) -> None:
    refused = await person.http.post("/avisos/canais", data={"nome": name, "destino": typed})
    assert refused.status_code == 422
    assert said in refused.text
    assert "Novo canal" in refused.text
    assert sql("SELECT count(*) FROM sync.channel") == [(0,)]


async def test_readers_change_nothing_and_strangers_see_nothing(
    person: SignedIn, reader: SignedIn, sql: Sql, hook: Hook, database: Database, sign_in: Any
) -> None:
    await create(person, hook.address)
    found = only(sql)
    stranger = await sign_in(new_tenant(database, "Alheia").id)
    assert NAME not in (await stranger.http.get("/avisos")).text
    for action in ("testar", "ligar", "desligar", "excluir"):
        assert (await reader.http.post(f"/avisos/canais/{found}/{action}")).status_code == 403
        assert (await stranger.http.post(f"/avisos/canais/{found}/{action}")).status_code == 404
    form = {"nome": "x", "destino": "ana@exemplo.example"}
    assert (await reader.http.post("/avisos/canais", data=form)).status_code == 403
    assert (await stranger.http.get(f"/avisos?teste={uuid4()}")).status_code == 404
    assert sql("SELECT count(*) FROM sync.channel") == [(1,)]


async def test_older_notices_are_a_page_further(person: SignedIn, sql: Sql, tenant: Tenant) -> None:
    sql(
        "INSERT INTO sync.notice (tenant_id, kind, subject, body, created_at) SELECT :tenant, 'x',"
        " 'Aviso ' || n || '.', '', now() - make_interval(mins => n) FROM generate_series(1, 60) n",
        tenant=tenant.id,
    )
    first = (await person.http.get("/avisos")).text
    assert "Aviso 50." in first
    assert "Aviso 51." not in first
    address = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = (await person.http.get(address)).text
    assert "Aviso 51." in second
    assert "Aviso 50." not in second


async def test_in_the_browser(open_page: OpenPage, person: SignedIn, post: Post, hook: Hook) -> None:
    phone = {"width": 320, "height": 800}
    page = await open_page(person, "/avisos", color_scheme="light", reduced_motion="reduce", viewport=phone)
    # With the keyboard a channel is made, with the mouse it is tested.
    await page.get_by_label("Nome").focus()
    await page.keyboard.type(NAME)
    await page.keyboard.press("Tab")
    await page.keyboard.type(hook.address)
    await page.keyboard.press("Enter")
    await page.get_by_text("Canal criado.").wait_for()
    await page.get_by_role("button", name="Testar").click()
    await page.get_by_text("na fila do canal").wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await violations(page) == []
    await post.deliver()
    await page.get_by_text("Mensagem de teste enviada").wait_for()
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.emulate_media(color_scheme="dark")
    assert await violations(page) == []
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Excluir").click()
    await page.get_by_text("Canal excluído").wait_for()
