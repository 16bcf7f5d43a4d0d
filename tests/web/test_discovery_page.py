"""Descobertas: asked for, followed, shown as a preview; proposals applied, picked and dismissed."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from core.entities import Entity
from core.errors import TransientError
from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.processes import new_pair

__all__ = ["new_pair"]

Sql = Callable[..., Any]


@pytest.fixture
def pair(new_pair: Callable[..., UUID]) -> UUID:
    return new_pair(Entity.PRODUCTS, name="Loja Centro")


@pytest.fixture
def discovery(pair: UUID, sql: Sql, tenant: Tenant) -> UUID:
    """Two by SKU, one ambiguous between two mugs, one without a pair."""
    made = sql(
        "INSERT INTO erp.product (tenant_id, sku, name) SELECT :tenant, v.* FROM (VALUES ('A', 'Caneca'),"
        " ('B', 'Pires'), ('C', 'Copo azul'), ('D', 'Copo verde')) v RETURNING id",
        tenant=tenant.id,
    )
    a, b, c, d = (row[0] for row in made)
    found = sql(
        "INSERT INTO sync.discovery (tenant_id, integration_id, entity, state, counts, requested_by)"
        " SELECT tenant_id, integration_id, 'products', 'proposed',"
        """ '{"sku": 2, "ambiguous": 1, "unmatched": 1, "linked": 5}', 'ana' FROM sync.pair RETURNING id"""
    )
    sql(
        "INSERT INTO sync.proposal (tenant_id, discovery_id, external_id, label, rule, internal_id,"
        " candidates, state) SELECT :tenant, :id, v.* FROM (VALUES"
        " ('71', 'A · Caneca', 'sku', CAST(:a AS uuid), ARRAY[CAST(:a AS uuid)], 'matched'),"
        " ('72', 'B · Pires', 'sku', :b, ARRAY[CAST(:b AS uuid)], 'matched'),"
        " ('73', 'Copo', 'gtin', NULL, ARRAY[CAST(:c AS uuid), CAST(:d AS uuid)], 'ambiguous'),"
        " ('74', 'Prato', '', NULL, CAST('{}' AS uuid[]), 'unmatched')) v",
        tenant=tenant.id,
        id=found[0][0],
        a=a,
        b=b,
        c=c,
        d=d,
    )
    return UUID(str(found[0][0]))


def states(sql: Sql) -> dict[str, str]:
    return dict(tuple(row) for row in sql("SELECT external_id, state FROM sync.proposal"))


def proposal(sql: Sql, external_id: str) -> str:
    return str(sql("SELECT id FROM sync.proposal WHERE external_id = :id", id=external_id)[0][0])


async def test_one_is_asked_for_and_its_progress_shown(
    person: SignedIn, pair: UUID, sql: Sql, orchestrator: Asked
) -> None:
    assert "Ainda não houve descobertas" in (await person.http.get("/descobertas")).text
    begun = await person.http.post("/descobertas", data={"par": str(pair), "motivo": "loja nova"})
    [(name, call)] = orchestrator.calls
    assert (name, call["pair_id"], call["apply"]) == ("discover", pair, False)
    address = begun.headers["location"]
    assert address == f"/descobertas/{call['discovery_id']}"
    assert "Em andamento" in (await person.http.get(address)).text
    sql('UPDATE sync.discovery SET counts = \'{"linked": 1234, "invalid": 1}\'')
    part = await person.http.get(address, headers={"HX-Request": "true"})
    assert "<strong>1.235</strong>" in part.text
    assert "<h1>" not in part.text
    sql("UPDATE sync.discovery SET state = 'proposed'")
    ended = await person.http.get(address, headers={"HX-Request": "true"})
    assert ended.headers["hx-refresh"] == "true"
    assert sql("SELECT reason FROM sync.audit_log WHERE action = 'discovery.begin'") == [("loja nova",)]


async def test_prefects_refusal_is_put_on_record(
    person: SignedIn, pair: UUID, orchestrator: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> UUID:
        raise TransientError("O Prefect não respondeu.")

    monkeypatch.setattr(orchestrator, "discover", refuse)
    begun = await person.http.post("/descobertas", data={"par": str(pair)})
    assert "O Prefect não respondeu." in (await person.http.get(begun.headers["location"])).text


async def test_what_it_found_is_a_preview_until_it_is_applied(
    person: SignedIn, discovery: UUID, sql: Sql
) -> None:
    shown = (await person.http.get(f"/descobertas/{discovery}")).text
    assert "2 por SKU, 1 ambíguo, 1 sem par, 5 já vinculados" in shown
    assert "Copo azul" in shown
    assert sql("SELECT count(*) FROM sync.mapping") == [(0,)]
    listed = (await person.http.get("/descobertas")).text
    assert "2 por SKU, 1 ambíguo" in listed
    matched = (await person.http.get(f"/descobertas/{discovery}?situacao=matched")).text
    assert matched.count("data-row") == 2
    done = await person.http.post(f"/descobertas/{discovery}/aplicar", data={"motivo": "conferido"})
    assert "Vínculos criados: 2" in (await person.http.get(done.headers["location"])).text
    assert states(sql) == {"71": "applied", "72": "applied", "73": "ambiguous", "74": "unmatched"}
    unmatched = (await person.http.get(f"/descobertas/{discovery}?situacao=unmatched")).text
    assert "externo=74" in unmatched


async def test_selected_ones_alone_are_applied_or_dismissed(
    person: SignedIn, discovery: UUID, sql: Sql
) -> None:
    path = f"/descobertas/{discovery}/selecao"
    data = {"acao": "aplicar", "ids": proposal(sql, "72")}
    done = await person.http.post(path, data=data)
    assert "Vínculos criados: 1" in (await person.http.get(done.headers["location"])).text
    await person.http.post(path, data={"acao": "descartar", "ids": [proposal(sql, "74")]})
    assert states(sql) == {"71": "matched", "72": "applied", "73": "ambiguous", "74": "dismissed"}
    again = await person.http.post(path, data={"acao": "descartar", "ids": [proposal(sql, "74")]})
    assert again.status_code == 404
    assert "feito=nada" in (await person.http.post(path, data={"acao": "aplicar"})).headers["location"]


async def test_an_ambiguous_one_is_picked_by_a_person(person: SignedIn, discovery: UUID, sql: Sql) -> None:
    path = f"/propostas/{proposal(sql, '73')}"
    assert (await person.http.post(f"{path}/escolher")).status_code == 422
    other = await person.http.post(f"{path}/escolher", data={"candidato": str(uuid4())})
    assert "não é candidato" in other.text
    green = str(sql("SELECT id FROM erp.product WHERE sku = 'D'")[0][0])
    done = await person.http.post(f"{path}/escolher", data={"candidato": green})
    assert done.status_code == 303
    assert sql("SELECT internal_id::text FROM sync.mapping WHERE external_id = '73'") == [(green,)]
    assert (await person.http.post(f"{path}/descartar")).status_code == 404


async def test_a_reader_changes_nothing_and_a_foreign_one_does_not_exist(
    person: SignedIn, reader: SignedIn, discovery: UUID, sql: Sql, database: Database
) -> None:
    one = proposal(sql, "73")
    paths = [
        "/descobertas",
        f"/descobertas/{discovery}/aplicar",
        f"/descobertas/{discovery}/selecao",
        f"/propostas/{one}/escolher",
        f"/propostas/{one}/descartar",
    ]
    data = {"acao": "descartar", "ids": one, "candidato": one, "par": one}
    for path in paths:
        assert (await reader.http.post(path, data=data)).status_code == 403, path
    assert "Vincular" not in (await reader.http.get(f"/descobertas/{discovery}")).text
    foreign = new_tenant(database, "Alheia")
    for table in ("proposal", "discovery"):
        sql(f"ALTER TABLE sync.{table} DISABLE TRIGGER ALL")
        sql(f"UPDATE sync.{table} SET tenant_id = :id", id=foreign.id)
    assert (await person.http.get(f"/descobertas/{discovery}")).status_code == 404
    for path in paths:
        assert (await person.http.post(path, data=data)).status_code == 404, path


async def test_discovered_with_the_mouse(
    person: SignedIn, discovery: UUID, open_page: OpenPage, sql: Sql
) -> None:
    page = await open_page(person, f"/descobertas/{discovery}")
    await page.get_by_label("Copo verde").check()
    await page.get_by_role("button", name="Vincular", exact=True).click()
    await page.get_by_text("Vínculo criado.").wait_for()
    await page.get_by_role("button", name="Vincular 2 sem ambiguidade").click()
    await page.get_by_text("Vínculos criados: 2").wait_for()
    assert states(sql) == {"71": "applied", "72": "applied", "73": "applied", "74": "unmatched"}
    await page.goto("/descobertas")
    await page.get_by_role("button", name="Descobrir").click()
    await page.get_by_text("registros externos comparados").wait_for()
    sql("UPDATE sync.discovery SET state = 'proposed', counts = '{\"sku\": 7}' WHERE state = 'running'")
    await page.get_by_role("heading", name="7 por SKU").wait_for()


async def test_discovered_with_the_keyboard_alone(
    person: SignedIn, discovery: UUID, open_page: OpenPage, sql: Sql
) -> None:
    page = await open_page(person, f"/descobertas/{discovery}")
    keys = page.keyboard
    await keys.press("j")
    await expect(page.locator("[name=ids]")).to_be_focused()
    await keys.press("2")
    await keys.press("Enter")
    await page.get_by_text("Vínculo criado.").wait_for()
    assert sql("SELECT t.sku FROM sync.mapping m JOIN erp.product t ON t.id = m.internal_id") == [("D",)]
    await _tab_to(page, "Vincular 2 sem ambiguidade")
    await keys.press("Enter")
    await page.get_by_text("Vínculos criados: 2").wait_for()


async def test_accessible_and_narrow(person: SignedIn, discovery: UUID, open_page: OpenPage) -> None:
    page = await open_page(person, "/descobertas", viewport={"width": 320, "height": 700})
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for path in (
            "/descobertas",
            f"/descobertas/{discovery}",
            f"/descobertas/{discovery}?situacao=matched",
        ):
            await page.goto(path)
            found = await Axe().run(page)
            bad = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
            assert bad == [], (scheme, path)
            assert not await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), path


async def _tab_to(page: Page, name: str) -> None:
    for _ in range(80):
        await page.keyboard.press("Tab")
        if (await page.evaluate("document.activeElement.textContent.trim()")) == name:
            return
    raise AssertionError(f"no way to {name} with Tab")
