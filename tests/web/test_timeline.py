"""Registros: one record's story, both ways; and why one never came."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from axe_playwright_python.async_playwright import Axe
from uuid_utils.compat import uuid7

from tests.conftest import Database, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.web.runs import NewIssue, NewLog, Sql

ODD = "gid://shop/Order/1?x=1&y=%2F#z"
"""An id that an address would take for more than an id."""


@pytest.fixture
def linked(sql: Sql, shop: UUID, tenant: Any) -> UUID:
    """The mapping of product P-1."""
    mapping = uuid7()
    sql(
        "INSERT INTO sync.mapping (id, tenant_id, integration_id, entity, external_id, internal_id,"
        " synced_at) VALUES (:id, :tenant, :shop, 'products', 'P-1', :internal, now() + interval '1 second')",
        id=mapping,
        tenant=tenant.id,
        shop=shop,
        internal=uuid4(),
    )
    return mapping


async def test_the_story_of_a_record_in_its_order(
    person: SignedIn, new_log: NewLog, new_issue: NewIssue, linked: UUID, shop: UUID, sql: Sql
) -> None:
    log = new_log(status="partial", errors=1)
    issue = new_issue(log, "P-1", state="resolved")
    sql("UPDATE sync.issue SET created_at = now() - interval '3 days', resolved_by = 'sync'")
    sql(
        "INSERT INTO sync.webhook_event (tenant_id, integration_id, delivery_id, topic, external_id, state,"
        " received_at) SELECT tenant_id, :shop, 'd1', 'product.updated', 'P-1', 'asked',"
        " now() - interval '4 days' FROM sync.mapping",
        shop=shop,
    )
    sql(
        "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, erp, external, fields, state,"
        " resolved_by, resolved_at, created_at) SELECT tenant_id, :shop, id, '{}', '{}', '[\"price\"]',"
        " 'resolved', 'bia', now(), now() - interval '1 day' FROM sync.mapping",
        shop=shop,
    )
    sql(
        "INSERT INTO sync.record_override (tenant_id, integration_id, entity, direction, external_id, fields,"
        " key_id, author, reason, created_at) SELECT tenant_id, :shop, 'products', 'import', 'P-1', '', '',"
        " 'caio', 'GTIN errado', now() - interval '2 days' FROM sync.mapping",
        shop=shop,
    )
    sql(
        "INSERT INTO sync.run_request (tenant_id, integration_id, pair_id, kind, direction, selection,"
        " requested_by, state, created_at) SELECT tenant_id, integration_id, id, 'reprocess', 'import',"
        " jsonb_build_object('issues', jsonb_build_array(CAST(:issue AS text))), 'dora', 'done',"
        " now() - interval '36 hours' FROM sync.pair",
        issue=issue,
    )
    page = (await person.http.get(f"/registros/{shop}/products/P-1")).text
    told = [
        "Webhook product.updated",
        "Falhou ao importar, tentativa 1",
        "Corrigido por caio",
        "Pedido de reprocessamento por dora",
        "Os dois lados mudaram: price. Resolvido por bia",
        "Vínculo criado por uma execução",
        "Os dois lados iguais",
    ]
    places = [page.index(words) for words in told]
    assert places == sorted(places)
    assert "Registro inválido · billing.cpf: CPF inválido. Resolvida por uma execução seguinte." in page
    assert f"/falhas/{issue}" in page
    assert f"/mapeamentos/{linked}" in page
    assert "nunca foi visto" not in page


async def test_a_link_whose_id_tells_no_time(person: SignedIn, linked: UUID, shop: UUID, sql: Sql) -> None:
    sql("UPDATE sync.mapping SET id = :id", id=UUID("f9a63c5e-6a6f-4f0e-9d6c-0d3f5a8d1c11"))
    page = (await person.http.get(f"/registros/{shop}/products/P-1")).text
    assert "Os dois lados iguais" in page
    assert "Vínculo criado" not in page


async def test_a_link_that_was_broken_is_still_told_of(person: SignedIn, linked: UUID, shop: UUID) -> None:
    await person.http.post(f"/mapeamentos/{linked}/excluir", data={"motivo": "Era outro"})
    page = (await person.http.get(f"/registros/{shop}/products/P-1")).text
    assert f"Vínculo quebrado por {person.email}" in page
    assert "“Era outro”" in page


async def test_one_that_was_never_seen_has_answers(
    person: SignedIn, shop: UUID, new_log: NewLog, sql: Sql
) -> None:
    address = f"/registros/{shop}/products/404"
    page = (await person.http.get(address)).text
    assert "Este registro nunca foi visto" in page
    assert "O par ainda não executou nenhuma vez." in page
    new_log(status="error", message="502 da loja.")
    sql("UPDATE sync.integration SET status = 'paused', status_reason = 'férias'")
    sql(
        "INSERT INTO sync.cursor (pair_id, tenant_id, watermark)"
        " SELECT id, tenant_id, '2026-11-24 17:05+00' FROM sync.pair"
    )
    page = (await person.http.get(address)).text
    assert "A integração está pausada: férias" in page
    assert "A última execução do par terminou com erro: 502 da loja." in page
    assert "desde 24/11/2026 14:05" in page
    assert "Frequência: 5 min." in page
    assert "Buscar este registro agora" not in page
    assert "não tem o par pedidos" in (await person.http.get(f"/registros/{shop}/orders/404")).text


async def test_it_can_be_fetched_now(person: SignedIn, shop: UUID, orchestrator: Asked, sql: Sql) -> None:
    page = (await person.http.get(f"/registros/{shop}/products/404")).text
    assert "Buscar este registro agora" in page
    for _ in range(2):
        answer = await person.http.post(f"/registros/{shop}/products/buscar", data={"id": "404"})
        assert answer.headers["location"] == f"/registros/{shop}/products/404?feito=buscar"
    [(kind, direction, selection)] = sql("SELECT kind, direction, selection FROM sync.run_request")
    assert (kind, direction, selection) == ("resync", "import", {"ids": ["404"]})
    assert [call[0] for call in orchestrator.calls] == ["trigger"] * 2
    assert "Pedido de ressincronização por" in (await person.http.get(answer.headers["location"])).text
    told = sql("SELECT actor, details->>'external_id' FROM sync.audit_log WHERE action = 'record.fetch'")
    assert set(told) == {(person.email, "404")}
    refused = await person.http.post(f"/registros/{shop}/orders/buscar", data={"id": "404"})
    assert refused.status_code == 422
    assert (await person.http.post(f"/registros/{shop}/products/buscar", data={"id": " "})).status_code == 422


async def test_ids_of_any_kind_have_an_address(
    person: SignedIn, shop: UUID, new_log: NewLog, new_issue: NewIssue
) -> None:
    new_issue(new_log(status="partial", errors=1), ODD)
    found = (await person.http.get("/registros", params={"busca": ODD})).text
    address = found.split('href="/registros/')[1].split('"')[0]
    page = (await person.http.get(f"/registros/{address}")).text
    assert "Falhou ao importar" in page
    assert "Order/1?x=1&amp;y=%2F#z</h1>" in page


async def test_a_record_of_the_erp_alone(
    person: SignedIn, shop: UUID, new_log: NewLog, new_issue: NewIssue, sql: Sql
) -> None:
    internal = uuid4()
    issue = new_issue(new_log(status="partial", errors=1), "")
    sql("UPDATE sync.issue SET internal_id = :id, direction = 'export'", id=internal)
    address = f"/registros/{shop}/products/erp/{internal}"
    assert f'href="{address}"' in (await person.http.get(f"/falhas/{issue}")).text
    assert "Falhou ao exportar" in (await person.http.get(address)).text


async def test_search_finds_links_and_failures(
    person: SignedIn, linked: UUID, shop: UUID, new_log: NewLog, new_issue: NewIssue
) -> None:
    assert "Por que este registro não veio?" in (await person.http.get("/registros")).text
    page = (await person.http.get("/registros?busca=P-")).text
    assert f"/registros/{shop}/products/P-1" in page
    new_issue(new_log(status="partial", errors=1), "P-7")
    page = (await person.http.get("/registros?busca=P-7")).text
    assert f"/registros/{shop}/products/P-7" in page
    assert "Nada encontrado" in (await person.http.get("/registros?busca=zzz")).text
    direct = (await person.http.get(f"/registros?busca=zzz&integracao={shop}&entidade=orders")).text
    assert f"/registros/{shop}/orders/zzz" in direct


async def test_who_may_only_see_fetches_nothing(reader: SignedIn, shop: UUID) -> None:
    assert "Buscar este registro agora" not in (await reader.http.get(f"/registros/{shop}/products/1")).text
    assert (await reader.http.post(f"/registros/{shop}/products/buscar", data={"id": "1"})).status_code == 403


async def test_another_tenants_record_does_not_exist(
    sign_in: Any, database: Database, linked: UUID, shop: UUID, new_log: NewLog, new_issue: NewIssue, sql: Sql
) -> None:
    new_issue(new_log(status="partial", errors=1), "P-2")
    stranger = await sign_in(new_tenant(database, "Alheia").id)
    for integration in (shop, uuid4()):
        assert (await stranger.http.get(f"/registros/{integration}/products/P-1")).status_code == 404
        address = f"/registros/{integration}/products/buscar"
        assert (await stranger.http.post(address, data={"id": "P-1"})).status_code == 404
    for busca in ("P-1", "P-2"):
        assert "Nada encontrado" in (await stranger.http.get(f"/registros?busca={busca}")).text
    assert (await stranger.http.get(f"/registros/{shop}/wishes/P-1")).status_code == 404
    assert sql("SELECT count(*) FROM sync.run_request") == [(0,)]


async def test_why_it_did_not_come_with_the_keyboard_alone(
    open_page: OpenPage, person: SignedIn, shop: UUID, sql: Sql
) -> None:
    narrow = {"width": 320, "height": 800}
    page = await open_page(person, "/", viewport=narrow, reduced_motion="reduce")
    await page.keyboard.press("g")
    await page.keyboard.press("p")
    await page.get_by_role("heading", name="Por que este registro não veio?").wait_for()
    await page.keyboard.press("/")
    await page.keyboard.type("404")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Loja")
    await page.keyboard.press("Tab")
    await page.keyboard.type("produtos")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    found = page.get_by_role("link", name="Ver o que se sabe de")
    await found.wait_for()
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await found.evaluate("link => link === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Este registro nunca foi visto").wait_for()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        seen = await Axe().run(page)
        assert [v["id"] for v in seen.response["violations"] if v["impact"] in ("serious", "critical")] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await page.keyboard.press("r")
    await page.get_by_text("Busca pedida").wait_for()
    assert sql("SELECT selection FROM sync.run_request") == [({"ids": ["404"]},)]
