"""Mapeamentos: listed, searched, made, noted, asked for again, broken; what scans missed is judged."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from core.entities import Direction, Entity
from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.processes import new_pair

__all__ = ["new_pair"]

Sql = Callable[..., Any]
PAIRED = 60
"""More than a page."""


@pytest.fixture
def pair(new_pair: Callable[..., UUID], sql: Sql, tenant: Tenant) -> UUID:
    """A shop with sixty linked products, the last one an orphan, one in conflict."""
    made = new_pair(Entity.PRODUCTS, name="Loja Centro")
    sql(
        "INSERT INTO erp.product (id, tenant_id, sku, name, price) SELECT erp.uuid7(), :tenant, 'CAN-' || g,"
        " 'Caneca nº ' || g, 10.5 FROM generate_series(1, :n) g",
        tenant=tenant.id,
        n=PAIRED,
    )
    sql(
        "INSERT INTO sync.mapping (id, tenant_id, integration_id, entity, external_id, internal_id, state)"
        " SELECT erp.uuid7(), p.tenant_id, p.integration_id, 'products', 'ext/' || substr(t.sku, 5), t.id,"
        " CASE t.sku WHEN 'CAN-60' THEN 'orphan' WHEN 'CAN-59' THEN 'conflict' ELSE 'active' END"
        " FROM sync.pair p, erp.product t WHERE p.id = :pair ORDER BY t.id",
        pair=made,
    )
    return made


def mapping(sql: Sql, external_id: str) -> UUID:
    return UUID(str(sql("SELECT id FROM sync.mapping WHERE external_id = :id", id=external_id)[0][0]))


async def rows(person: SignedIn, query: str = "") -> list[str]:
    shown = await person.http.get(f"/mapeamentos{query}")
    assert shown.status_code == 200
    return [part.split("</a>")[0].split(">")[-1] for part in shown.text.split('<td class="id">')[1:]]


async def test_pages_follow_each_other_and_filters_are_in_the_address(
    person: SignedIn, pair: UUID, sql: Sql
) -> None:
    first = await person.http.get("/mapeamentos")
    assert first.text.count("data-row") == 50
    assert "CAN-60 · Caneca nº 60" in first.text
    next_page = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    seen = await rows(person) + await rows(person, next_page.removeprefix("/mapeamentos"))
    assert len(seen) == len(set(seen)) == PAIRED
    assert seen[0] == "ext/60"
    assert await rows(person, "?estado=orphan") == ["ext/60"]
    assert await rows(person, "?estado=conflict&entidade=products") == ["ext/59"]
    assert await rows(person, "?entidade=orders") == []
    integration = sql("SELECT integration_id FROM sync.pair")[0][0]
    assert len(await rows(person, f"?integracao={integration}&estado=active")) == 50
    assert await rows(person, f"?integracao={uuid4()}") == []
    assert "Nada com estes filtros" in (await person.http.get("/mapeamentos?entidade=orders")).text


async def test_a_search_finds_external_ids_and_the_erps_keys(person: SignedIn, pair: UUID) -> None:
    assert await rows(person, "?busca=ext/5") == ["ext/5", *(f"ext/5{n}" for n in range(10))]
    assert await rows(person, "?busca=can-7") == ["ext/7"]
    assert await rows(person, "?busca=CAN-60") == ["ext/60"]
    assert await rows(person, "?busca=CAN-60&estado=active") == []
    assert await rows(person, "?busca=%25") == []
    page = await person.http.get("/mapeamentos?busca=ext/")
    next_page = page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    seen = await rows(person, "?busca=ext/") + await rows(person, next_page.removeprefix("/mapeamentos"))
    assert len(seen) == len(set(seen)) == PAIRED


async def test_without_rows_a_discovery_is_offered(person: SignedIn) -> None:
    shown = (await person.http.get("/mapeamentos")).text
    assert "Ainda não há mapeamentos" in shown
    assert "Descobrir mapeamentos" in shown


async def test_one_shows_both_sides_and_its_history(person: SignedIn, pair: UUID, sql: Sql) -> None:
    id_ = mapping(sql, "ext/7")
    sql(
        "INSERT INTO sync.mapping_snapshot (mapping_id, tenant_id, record) SELECT id, tenant_id,"
        """ '{"external_id": "ext/7", "sku": "CAN-7", "name": "Caneca", "price": "11.00"}'"""
        " FROM sync.mapping WHERE id = :id",
        id=id_,
    )
    await person.http.post(f"/mapeamentos/{id_}/notas", data={"notas": "conferido à mão"})
    shown = (await person.http.get(f"/mapeamentos/{id_}")).text
    for words in ("R$ 10,50", "R$ 11,00", 'title="11.00"', "conferido à mão", "≠ difere"):
        assert words in shown
    assert "notas do mapeamento escritas" in shown
    integration = sql("SELECT integration_id FROM sync.pair")[0][0]
    assert f'href="/registros/{integration}/products/{quote("ext/7")}"' in shown


async def test_selected_ones_are_asked_for_in_one_request(
    person: SignedIn, pair: UUID, sql: Sql, orchestrator: Asked
) -> None:
    ids = [str(mapping(sql, f"ext/{n}")) for n in (1, 2, 60)]
    data = {"acao": "import", "ids": ids, "motivo": "preço antigo", "volta": "/mapeamentos?estado=active"}
    asked = await person.http.post("/mapeamentos/selecao", data=data)
    assert asked.status_code == 303
    shown = (await person.http.get(asked.headers["location"])).text
    assert "Ressincronizações pedidas: 2" in shown
    assert "Recusados: 1" in shown
    [row] = sql("SELECT kind, direction, selection, requested_by FROM sync.run_request")
    assert tuple(row) == ("resync", "import", {"ids": ["ext/1", "ext/2"]}, person.email)
    [(name, call)] = orchestrator.calls
    assert (name, call["pair_id"]) == ("trigger", pair)
    audited = sql("SELECT target, reason FROM sync.audit_log WHERE action = 'mapping.resync'")
    assert {tuple(one) for one in audited} == {(ids[0], "preço antigo"), (ids[1], "preço antigo")}
    refused = await person.http.post("/mapeamentos/selecao", data={"acao": "export", "ids": ids[:1]})
    assert "recusados=1" in refused.headers["location"]
    none = await person.http.post("/mapeamentos/selecao", data={"acao": "import"})
    assert "feito=nada" in none.headers["location"]


async def test_one_is_written_the_way_its_pair_allows(person: SignedIn, pair: UUID, sql: Sql) -> None:
    id_ = mapping(sql, "ext/3")
    page = (await person.http.get(f"/mapeamentos/{id_}")).text
    assert 'value="import"' in page
    assert 'value="export"' not in page
    refused = await person.http.post(f"/mapeamentos/{id_}/ressincronizar", data={"direcao": "export"})
    assert refused.status_code == 422
    assert "só permite importar" in refused.text
    sql("UPDATE sync.pair SET direction = 'both'")
    done = await person.http.post(f"/mapeamentos/{id_}/ressincronizar", data={"direcao": "export"})
    assert done.status_code == 303
    assert sql("SELECT direction FROM sync.run_request") == [(Direction.EXPORT.value,)]


async def test_a_link_is_broken_and_the_records_stay(person: SignedIn, pair: UUID, sql: Sql) -> None:
    id_ = mapping(sql, "ext/4")
    done = await person.http.post(f"/mapeamentos/{id_}/excluir", data={"motivo": "par errado"})
    assert "Vínculos quebrados: 1" in (await person.http.get(done.headers["location"])).text
    assert (await person.http.get(f"/mapeamentos/{id_}")).status_code == 404
    assert sql("SELECT count(*) FROM erp.product WHERE deleted_at IS NULL") == [(PAIRED,)]
    ids = [str(mapping(sql, f"ext/{n}")) for n in (5, 6)]
    await person.http.post("/mapeamentos/selecao", data={"acao": "excluir", "ids": ids})
    assert sql("SELECT count(*) FROM sync.mapping") == [(PAIRED - 3,)]
    gone = await person.http.post("/mapeamentos/selecao", data={"acao": "excluir", "ids": ids})
    assert gone.status_code == 404


async def test_what_scans_missed_is_confirmed_or_released(person: SignedIn, pair: UUID, sql: Sql) -> None:
    sql("UPDATE sync.mapping SET missing_at = now() WHERE external_id IN ('ext/1', 'ext/2', 'ext/3')")
    sql(
        "INSERT INTO sync.alarm (tenant_id, integration_id, pair_id, kind, message) SELECT tenant_id,"
        " integration_id, id, 'deletion_gate', 'A varredura completa não encontrou 3 de 59.' FROM sync.pair"
    )
    shown = (await person.http.get("/mapeamentos")).text
    assert "Exclusões à espera de decisão: produtos de Loja Centro" in shown
    assert len(await rows(person, "?estado=held")) == 3
    one = {"acao": "liberar", "ids": str(mapping(sql, "ext/1"))}
    done = await person.http.post("/mapeamentos/selecao", data=one)
    assert "Mapeamentos liberados: 1" in (await person.http.get(done.headers["location"])).text
    integration = str(sql("SELECT integration_id FROM sync.pair")[0][0])
    every = {"acao": "confirmar", "integracao": integration, "entidade": "products", "motivo": "saíram"}
    done = await person.http.post("/mapeamentos/retidos", data=every)
    shown = (await person.http.get(done.headers["location"])).text
    assert "Órfãos confirmados: 2" in shown
    assert "Exclusões à espera" not in shown
    found = sql("SELECT external_id FROM sync.mapping WHERE state = 'orphan' ORDER BY 1")
    assert [row[0] for row in found] == ["ext/2", "ext/3", "ext/60"]


async def test_one_is_made_by_hand(
    person: SignedIn, pair: UUID, sql: Sql, tenant: Tenant, orchestrator: Asked
) -> None:
    made = sql(
        "INSERT INTO erp.product (tenant_id, sku, name) VALUES (:tenant, 'XIC-1', 'Xícara de café')"
        " RETURNING id",
        tenant=tenant.id,
    )
    product = str(made[0][0])
    integration = str(sql("SELECT integration_id FROM sync.pair")[0][0])
    form = f"/mapeamentos/novo?integracao={integration}&entidade=products"
    for words in ("xic-1", "XICARA", "xícara de"):
        assert product in (await person.http.get(f"{form}&busca={words}&externo=novo-1")).text, words
    assert "Livre" in (await person.http.get(f"{form}&externo=novo-1")).text
    taken = (await person.http.get(f"{form}&busca=can-1&externo=ext/1")).text
    assert "Já vinculado" in taken
    data = {"integracao": integration, "entidade": "products", "interno": product, "externo": "ext/1"}
    refused = await person.http.post("/mapeamentos/novo", data=data)
    assert refused.status_code == 409
    assert "já está vinculado" in refused.text
    empty = await person.http.post("/mapeamentos/novo", data=data | {"externo": " "})
    assert empty.status_code == 422
    done = await person.http.post(
        "/mapeamentos/novo", data=data | {"externo": "novo-1", "notas": "do balcão"}
    )
    shown = (await person.http.get(done.headers["location"])).text
    assert "Mapeamento criado" in shown
    assert "do balcão" in shown
    assert [name for name, _ in orchestrator.calls] == ["trigger"]
    assert sql("SELECT kind, selection FROM sync.run_request") == [("reprocess", {"ids": ["novo-1"]})]


async def test_customers_are_named_in_part_to_who_may_only_see(
    person: SignedIn, reader: SignedIn, new_pair: Callable[..., UUID], sql: Sql, tenant: Tenant
) -> None:
    new_pair(Entity.CUSTOMERS, name="Loja Centro")
    made = sql(
        "INSERT INTO erp.customer (tenant_id, name, document) VALUES (:tenant, 'Maria Inventada',"
        " '52998224725') RETURNING id",
        tenant=tenant.id,
    )
    sql(
        "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id)"
        " SELECT tenant_id, integration_id, 'customers', 'c1', :id FROM sync.pair",
        id=made[0][0],
    )
    id_ = mapping(sql, "c1")
    assert await rows(person, "?busca=529.982.247-25") == ["c1"]
    for who in (person, reader):
        listed = (await who.http.get("/mapeamentos")).text
        assert "…24725" in listed
        assert "Maria" not in listed
    assert "Maria Inventada" in (await person.http.get(f"/mapeamentos/{id_}")).text
    seen = (await reader.http.get(f"/mapeamentos/{id_}")).text
    assert "Maria" not in seen
    assert "52998224725" not in seen


async def test_a_reader_changes_nothing(reader: SignedIn, pair: UUID, sql: Sql) -> None:
    id_ = mapping(sql, "ext/1")
    for path in ("selecao", "retidos", "novo", f"{id_}/notas", f"{id_}/ressincronizar", f"{id_}/excluir"):
        answer = await reader.http.post(f"/mapeamentos/{path}", data={"acao": "excluir", "ids": str(id_)})
        assert answer.status_code == 403, path
    assert 'form="selecao"' not in (await reader.http.get("/mapeamentos")).text


async def test_another_tenants_mapping_does_not_exist(
    person: SignedIn, pair: UUID, sql: Sql, database: Database
) -> None:
    foreign = new_tenant(database, "Alheia")
    integration, id_ = uuid4(), uuid4()
    sql(
        "INSERT INTO sync.integration (id, tenant_id, provider, name) VALUES (:id, :t, 'shopify', 'Alheia')",
        id=integration,
        t=foreign.id,
    )
    sql(
        "INSERT INTO sync.mapping (id, tenant_id, integration_id, entity, external_id, internal_id)"
        " VALUES (:id, :t, :integration, 'products', 'alheio', :id)",
        id=id_,
        t=foreign.id,
        integration=integration,
    )
    assert await rows(person, "?busca=alheio") == []
    for path in ("", "/notas"):
        shown = await person.http.get(f"/mapeamentos/{id_}{path}", headers={"HX-Request": "true"})
        assert shown.status_code == 404
    posts = {
        f"{id_}/notas": {"notas": "x"},
        f"{id_}/excluir": {},
        f"{id_}/ressincronizar": {"direcao": "import"},
        "selecao": {"acao": "import", "ids": str(id_)},
        "retidos": {"acao": "liberar", "integracao": str(integration), "entidade": "products"},
        "novo": {"integracao": str(integration), "entidade": "products", "interno": str(id_), "externo": "1"},
    }
    for path, data in posts.items():
        answer = await person.http.post(f"/mapeamentos/{path}", data=data)
        assert answer.status_code == 404, path
    assert (await person.http.get(f"/mapeamentos/novo?integracao={integration}")).status_code == 404
    assert sql("SELECT notes FROM sync.mapping WHERE id = :id", id=id_) == [(None,)]


async def test_in_the_browser(person: SignedIn, pair: UUID, open_page: OpenPage, sql: Sql) -> None:
    page = await open_page(person, "/mapeamentos")
    await page.keyboard.press("/")
    await page.keyboard.type("CAN-12")
    await page.get_by_role("link", name="ext/12", exact=True).wait_for()
    await expect(page.locator("#linhas [data-row]")).to_have_count(1)
    assert "busca=CAN-12" in page.url
    await page.get_by_role("link", name="Anotar").click()
    await page.get_by_label("Notas do ID externo ext/12").fill("confirmar na loja")
    await page.get_by_role("button", name="Gravar").click()
    await page.get_by_text("confirmar na loja").wait_for()
    await page.get_by_label("Selecionar ext/12").check()
    await page.get_by_role("button", name="Ressincronizar no ERP").click()
    await page.get_by_text("Ressincronizações pedidas: 1").wait_for()
    assert sql("SELECT notes FROM sync.mapping WHERE external_id = 'ext/12'") == [("confirmar na loja",)]


async def test_accessible_and_narrow(person: SignedIn, pair: UUID, open_page: OpenPage, sql: Sql) -> None:
    page = await open_page(person, "/mapeamentos", viewport={"width": 320, "height": 700})
    integration = sql("SELECT integration_id FROM sync.pair")[0][0]
    paths = (
        "/mapeamentos?busca=CAN-12",
        f"/mapeamentos/{mapping(sql, 'ext/59')}",
        f"/mapeamentos/novo?integracao={integration}&busca=can-1&externo=9",
    )
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for path in paths:
            await page.goto(path)
            found = await Axe().run(page)
            bad = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
            assert bad == [], (scheme, path)
            assert not await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), path
