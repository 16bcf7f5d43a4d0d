"""Conflitos: three sides of a record, a choice for each field, and no write that was not shown before."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from core.entities import Entity
from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.processes import new_pair

__all__ = ["new_pair"]

Sql = Callable[..., Any]
BASE = {"name": "Caneca", "price": "10.00", "active": True, "sku": "CAN-1"}
OUTSIDE = {"name": "Caneca da loja", "price": "1234.50", "active": False, "sku": "CAN-1"}


@pytest.fixture
def pair(new_pair: Callable[..., UUID], sql: Sql) -> UUID:
    made = new_pair(Entity.PRODUCTS, name="Loja Centro")
    sql("UPDATE sync.pair SET direction = 'both'")
    return made


@pytest.fixture
def conflict(pair: UUID, sql: Sql, tenant: Tenant) -> UUID:
    """Name, price and visibility changed on both sides."""
    return collide(sql, tenant, 1)


def collide(sql: Sql, tenant: Tenant, n: int) -> UUID:
    product = sql(
        "INSERT INTO erp.product (tenant_id, sku, name, price) VALUES (:tenant, :sku, 'Caneca do ERP', 12.5)"
        " RETURNING id",
        tenant=tenant.id,
        sku=f"CAN-{n}",
    )
    sql(
        "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, state)"
        " SELECT tenant_id, integration_id, 'products', :external, :id, 'conflict' FROM sync.pair",
        external=f"ext/{n}",
        id=product[0][0],
    )
    same = {"sku": f"CAN-{n}"}
    made = sql(
        "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, base, erp, external, fields)"
        " SELECT tenant_id, integration_id, id, CAST(:base AS json), CAST(:erp AS json),"
        """ CAST(:external AS json), '["active", "name", "price"]' FROM sync.mapping"""
        " WHERE external_id = :id RETURNING id",
        base=msgspec.json.encode({"erp": BASE | same, "external": BASE | same}).decode(),
        erp=msgspec.json.encode({**BASE, **same, "name": "Caneca do ERP", "price": "12.50"}).decode(),
        external=msgspec.json.encode(OUTSIDE | same).decode(),
        id=f"ext/{n}",
    )
    return UUID(str(made[0][0]))


def digest(page: str) -> str:
    return page.split('name="conferido" value="')[1].partition('"')[0]


async def test_the_list_is_filtered(person: SignedIn, conflict: UUID, sql: Sql, tenant: Tenant) -> None:
    shown = (await person.http.get("/conflitos")).text
    assert "ativo, nome, preço" in shown
    assert f'href="/conflitos/{conflict}"' in shown
    assert "Nada com estes filtros" in (await person.http.get("/conflitos?entidade=orders")).text
    assert "Nenhum conflito resolvido" in (await person.http.get("/conflitos?situacao=resolved")).text
    integration = sql("SELECT integration_id FROM sync.pair")[0][0]
    for n in range(2, 55):
        collide(sql, tenant, n)
    shown = (await person.http.get(f"/conflitos?integracao={integration}")).text
    assert "Aplicar um lado a todos: 54 de Loja Centro" in shown
    assert shown.count("data-row") == 50
    rest = shown.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert (await person.http.get(rest)).text.count("data-row") == 4


async def test_nothing_in_conflict(person: SignedIn) -> None:
    assert "Nenhum conflito aberto" in (await person.http.get("/conflitos")).text


async def test_three_sides_as_people_read_them(person: SignedIn, conflict: UUID) -> None:
    shown = (await person.http.get(f"/conflitos/{conflict}")).text
    for words in ("R$ 12,50", "R$ 10,00", "R$ 1.234,50", 'title="1234.50"', "Caneca da loja", "não"):
        assert words in shown
    assert "SKU" not in shown
    every = (await person.http.get(f"/conflitos/{conflict}?todos=true")).text
    assert "SKU" in every
    assert "igual" in every
    assert quote("ext/1") in shown


async def test_a_preview_says_what_each_side_is_given(person: SignedIn, conflict: UUID, sql: Sql) -> None:
    path = f"/conflitos/{conflict}/previa"
    some = (await person.http.post(path, data={"lado:name": "erp"})).text
    assert "Falta escolher: ativo, preço." in some
    assert "conferido" not in some
    data = {
        "lado:name": "base",
        "lado:active": "external",
        "lado:price": "value",
        "valor:price": "R$ 1.000,5",
    }
    shown = (await person.http.post(path, data=data, headers={"HX-Request": "true"})).text
    assert "<h1>" not in shown
    here, there = shown.split("No externo, pela execução do par")
    for words in ("Caneca</ins>", "não</ins>", "R$ 1.000,50</ins>"):
        assert words in here
    assert "Caneca da loja</del>" in there
    assert "não</ins>" not in there
    wrong = (await person.http.post(path, data=data | {"valor:price": "dez"})).text
    assert "use um valor como 1.234,56" in wrong
    assert sql("SELECT state FROM sync.conflict") == [("open",)]
    assert (await person.http.get(path)).status_code == 303


async def test_it_is_resolved_as_it_was_shown(
    person: SignedIn, conflict: UUID, sql: Sql, orchestrator: Asked, pair: UUID
) -> None:
    data = {"lado:name": "base", "lado:active": "external", "lado:price": "value", "valor:price": "1.000,50"}
    data |= {"motivo": "tabela nova"}
    shown = (await person.http.post(f"/conflitos/{conflict}/previa", data=data)).text
    blind = await person.http.post(f"/conflitos/{conflict}/resolver", data=data)
    assert blind.status_code == 409
    assert "a prévia, ou ela não foi vista" in blind.text
    sure = data | {"conferido": digest(shown)}
    sql("UPDATE erp.product SET price = 13")
    moved = await person.http.post(f"/conflitos/{conflict}/resolver", data=sure)
    assert moved.status_code == 409
    assert sql("SELECT state FROM sync.conflict") == [("open",)]
    sure["conferido"] = digest(moved.text)
    done = await person.http.post(f"/conflitos/{conflict}/resolver", data=sure)
    assert done.status_code == 303
    shown = (await person.http.get(done.headers["location"])).text
    assert "Conflito resolvido." in shown
    assert "valor próprio" in shown
    assert sql("SELECT name, active, price::text FROM erp.product") == [("Caneca", False, "1000.5000")]
    assert [(name, call["pair_id"]) for name, call in orchestrator.calls] == [("trigger", pair)]
    audited = sql("SELECT actor, reason FROM sync.audit_log WHERE action = 'conflict.resolve'")
    assert [tuple(row) for row in audited] == [(person.email, "tabela nova")]
    assert (await person.http.post(f"/conflitos/{conflict}/resolver", data=sure)).status_code == 422


async def test_what_the_erp_refuses_is_said_at_the_form(
    person: SignedIn, conflict: UUID, sql: Sql, tenant: Tenant
) -> None:
    sql("INSERT INTO erp.product (tenant_id, sku, name) VALUES (:t, 'XX', 'Outra')", t=tenant.id)
    sql("""UPDATE sync.conflict SET fields = '["sku"]', external = '{"sku": "XX"}'""")
    data = {"todos": "external"}
    shown = (await person.http.post(f"/conflitos/{conflict}/previa", data=data)).text
    sure = {"lado:sku": "external", "conferido": digest(shown)}
    refused = await person.http.post(f"/conflitos/{conflict}/resolver", data=sure)
    assert refused.status_code == 409
    assert "mesmo valor único" in refused.text
    assert 'value="external"' in refused.text


async def test_all_of_a_kind_at_once(person: SignedIn, conflict: UUID, sql: Sql, tenant: Tenant) -> None:
    collide(sql, tenant, 2)
    assert "2 conflitos de produtos em Loja Centro" in (await person.http.get(f"/conflitos/{conflict}")).text
    integration = str(sql("SELECT integration_id FROM sync.pair")[0][0])
    data = {"integracao": integration, "entidade": "products", "lado": "external", "motivo": "vale a loja"}
    done = await person.http.post("/conflitos/todos", data=data)
    assert "Conflitos resolvidos: 2" in (await person.http.get(done.headers["location"])).text
    assert sql("SELECT DISTINCT name FROM erp.product") == [("Caneca da loja",)]


async def test_a_record_that_is_gone_has_nothing_to_resolve(
    person: SignedIn, conflict: UUID, sql: Sql
) -> None:
    sql("UPDATE erp.product SET deleted_at = now()")
    shown = (await person.http.get(f"/conflitos/{conflict}")).text
    assert "não há o que resolver" in shown
    assert "Gravar" not in shown


async def test_a_reader_sees_no_people_and_a_foreign_one_does_not_exist(
    person: SignedIn, reader: SignedIn, conflict: UUID, sql: Sql, tenant: Tenant, database: Database
) -> None:
    integration = str(sql("SELECT integration_id FROM sync.pair")[0][0])
    every = {"integracao": integration, "lado": "erp"}
    paths = [f"/conflitos/{conflict}/previa", f"/conflitos/{conflict}/resolver", "/conflitos/todos"]
    for path in paths:
        assert (await reader.http.post(path, data=every)).status_code == 403, path
    sql(
        "WITH c AS (INSERT INTO erp.customer (tenant_id, name) VALUES (:t, 'Maria Inventada') RETURNING id)"
        " UPDATE sync.mapping SET entity = 'customers', internal_id = (SELECT id FROM c)",
        t=tenant.id,
    )
    sql(
        "UPDATE sync.conflict SET base = NULL, fields = '[\"name\"]',"
        """ erp = '{"name": "Maria Inventada"}', external = '{"name": "Maria I."}'"""
    )
    assert "Maria Inventada" in (await person.http.get(f"/conflitos/{conflict}")).text
    assert "Maria" not in (await reader.http.get(f"/conflitos/{conflict}?todos=true")).text
    foreign = new_tenant(database, "Alheia")
    for table in ("conflict", "mapping", "pair", "integration"):
        sql(f"ALTER TABLE sync.{table} DISABLE TRIGGER ALL")
        sql(f"UPDATE sync.{table} SET tenant_id = :id", id=foreign.id)
    for path in paths:
        assert (await person.http.post(path, data=every)).status_code == 404, path
    for id_ in (conflict, uuid4(), "x"):
        assert (await person.http.get(f"/conflitos/{id_}")).status_code == 404


async def test_resolved_with_the_mouse(
    person: SignedIn, conflict: UUID, open_page: OpenPage, sql: Sql
) -> None:
    page = await open_page(person, "/conflitos")
    await page.get_by_role("link", name="ext/1", exact=True).click()
    await page.get_by_role("radio", name="nome: Externo").check()
    await page.get_by_role("radio", name="ativo: ERP").check()
    await page.get_by_text("Falta escolher: preço.").wait_for()
    await page.get_by_label("preço: valor próprio").fill("99,90")
    await page.get_by_label("Motivo (fica na auditoria)").fill("promoção")
    await page.get_by_text("R$ 99,90").first.wait_for()
    await page.get_by_role("button", name="Gravar assim").click()
    await page.get_by_text("Conflito resolvido.").wait_for()
    found = sql("SELECT name, active, price::text FROM erp.product")
    assert [tuple(row) for row in found] == [("Caneca da loja", True, "99.9000")]


async def test_resolved_with_the_keyboard_alone(
    person: SignedIn, conflict: UUID, open_page: OpenPage, sql: Sql, tenant: Tenant
) -> None:
    following = collide(sql, tenant, 2)
    page = await open_page(person, f"/conflitos/{conflict}")
    keys = page.keyboard
    for row, key in enumerate("312", 1):
        await keys.press("j")
        await keys.press(key)
        await expect(page.locator(f"#c{row}-{key}")).to_be_focused()
        await expect(page.locator(f"#c{row}-{key}")).to_be_checked()
    await page.get_by_role("button", name="Gravar assim").wait_for()
    await keys.press("s")
    await page.get_by_text("Conflito resolvido.").wait_for()
    found = sql("SELECT name, active, price::text FROM erp.product WHERE sku = 'CAN-1'")
    assert [tuple(row) for row in found] == [("Caneca do ERP", False, "10.0000")]
    await keys.press("n")
    await page.wait_for_url(f"**/conflitos/{following}")


async def test_without_scripts_it_is_resolved_too(
    person: SignedIn, conflict: UUID, open_page: OpenPage, sql: Sql
) -> None:
    page = await open_page(person, f"/conflitos/{conflict}", java_script_enabled=False)
    await page.get_by_role("button", name="Tudo do externo").click()
    await page.get_by_role("button", name="Gravar assim").click()
    await page.get_by_text("Conflito resolvido.").wait_for()
    assert sql("SELECT name FROM erp.product") == [("Caneca da loja",)]


async def test_accessible_and_narrow(person: SignedIn, conflict: UUID, open_page: OpenPage) -> None:
    page = await open_page(person, "/conflitos", viewport={"width": 320, "height": 700})
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for path in ("/conflitos", f"/conflitos/{conflict}?todos=true"):
            await page.goto(path)
            if "todos" in path:
                await page.get_by_role("button", name="Tudo do ERP").click()
                await page.get_by_role("button", name="Gravar assim").wait_for()
            found = await Axe().run(page)
            bad = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
            assert bad == [], (scheme, path)
            assert not await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), path
