"""Configurar: the list, an integration with all that is set, its pairs, its connection, its end."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.async_playwright import Axe

from core.entities import Cadence, Direction, Entity
from db import admin
from db.retention import sweep
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.sandbox.conftest import caller
from web.wiring import Wiring

Sql = Callable[..., Any]
SECRET = "cs_0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def shop() -> Iterator[Store]:
    with open_shop(products=5, customers=3, orders=3, categories=2) as running:
        yield running


async def made(wiring: Wiring, tenant: Tenant, name: str = "Loja São João", **more: Any) -> UUID:
    """A connected shop."""
    given = {
        "provider": "woocommerce",
        "base_url": "https://loja.exemplo.test",
        "settings": {},
        "secrets": {"consumer_key": "ck_1", "consumer_secret": SECRET},
        "direction": Direction.BOTH,
        "pairs": {Entity.PRODUCTS: Cadence.HOURLY, Entity.ORDERS: Cadence.EVERY_5_MIN},
        "directions": {Entity.PRODUCTS: Direction.BOTH, Entity.ORDERS: Direction.IMPORT},
    }
    draft = admin.Draft(tenant_id=tenant.id, name=name, **given | more)
    return await admin.create_integration(wiring.engine, wiring.vault, draft)


@pytest.fixture
async def loja(console: str, wiring: Wiring, tenant: Tenant) -> UUID:
    return await made(wiring, tenant)


def pairs(sql: Sql, integration: UUID) -> dict[str, UUID]:
    rows = sql("SELECT entity, id FROM sync.pair WHERE integration_id = :id", id=integration)
    return {row.entity: row.id for row in rows}


def audit(sql: Sql, action: str) -> list[Any]:
    found: list[Any] = sql(
        "SELECT actor, details FROM sync.audit_log WHERE action = :a ORDER BY at", a=action
    )
    return found


async def test_an_empty_list_says_what_to_do(person: SignedIn, reader: SignedIn) -> None:
    shown = (await person.http.get("/integracoes")).text
    assert "Nenhuma integração ainda" in shown
    assert 'href="/integracoes/nova"' in shown
    assert 'href="/integracoes/nova"' not in (await reader.http.get("/integracoes")).text


async def test_the_list_and_its_filters(person: SignedIn, wiring: Wiring, tenant: Tenant, sql: Sql) -> None:
    loja = await made(wiring, tenant)
    await made(wiring, tenant, "Depósito", provider="shopify", base_url="https://x.myshopify.com")
    sql(
        "UPDATE sync.integration SET status = 'error', status_reason = 'As credenciais foram recusadas.',"
        " status_code = 'reconnect' WHERE provider = 'shopify'"
    )
    sql("UPDATE sync.credential SET expires_at = now() + interval '3 days' WHERE integration_id = :i", i=loja)

    async def names(query: str) -> list[str]:
        shown = (await person.http.get(f"/integracoes{query}")).text
        return re.findall(r'<a href="/integracoes/[0-9a-f-]{36}">([^<]+)</a>', shown)

    both = ["Depósito", "Loja São João"]
    assert await names("") == both
    assert await names("?q=SAO+joao") == ["Loja São João"]
    assert await names("?q=shopify") == ["Depósito"]
    assert await names("?q=loja.exemplo") == ["Loja São João"]
    assert await names("?status=active") == ["Loja São João"]
    assert await names("?status=error&categoria=ecommerce") == ["Depósito"]
    assert await names("?categoria=bank") == []
    assert await names("?provedor=woocommerce") == ["Loja São João"]
    assert await names("?status=x%27&provedor=") == both
    shown = (await person.http.get("/integracoes")).text
    assert "As credenciais foram recusadas." in shown
    assert "Vence em 2 dias" in shown
    assert "produtos, pedidos" in shown or "pedidos, produtos" in shown
    assert "Nada com este filtro" in (await person.http.get("/integracoes?q=zzz")).text
    block = (await person.http.get("/integracoes?q=sao", headers={"HX-Request": "true"})).text
    assert block.strip().startswith('<div id="linhas"')
    assert "Depósito" not in block


async def test_long_lists_are_turned_page_by_page(
    person: SignedIn, wiring: Wiring, tenant: Tenant, sql: Sql
) -> None:
    sql(
        "INSERT INTO sync.integration (tenant_id, provider, name) SELECT :t, 'woocommerce',"
        " 'Loja ' || lpad(n::text, 3, '0') FROM generate_series(1, 101) n",
        t=tenant.id,
    )
    path, seen = "/integracoes?categoria=ecommerce", []
    while path:
        shown = (await person.http.get(path)).text
        seen += re.findall(r">(Loja \d{3})</a>", shown)
        following = re.search(r'rel="next" href="([^"]+)"', shown)
        path = following.group(1).replace("&amp;", "&") if following else ""
    assert seen == [f"Loja {n:03}" for n in range(1, 102)]


async def test_all_that_is_set_is_shown_and_no_secret(person: SignedIn, loja: UUID, sql: Sql) -> None:
    shown = (await person.http.get(f"/integracoes/{loja}")).text
    [(public_id,)] = sql("SELECT webhook_public_id FROM sync.integration")
    for expected in (
        "Loja São João",
        "WooCommerce",
        "https://loja.exemplo.test",
        "Bidirecional",
        "SKU ou código",
        "a padrão do tenant",
        "Consumer secret",
        "atualizada",
        f"/webhooks/woocommerce/{public_id}",
        "aguardando primeiro evento",
        "ainda não executou",
    ):
        assert expected in shown or expected.capitalize() in shown, expected
    assert SECRET not in shown
    assert "ck_1" not in shown


async def test_what_is_foreign_does_not_exist(
    person: SignedIn, database: Database, wiring: Wiring, loja: UUID, sql: Sql
) -> None:
    foreign = await made(wiring, new_tenant(database, "Alheia"), "Alheia")
    [pair] = [id_ for entity, id_ in pairs(sql, foreign).items() if entity == "orders"]
    before = sql("SELECT * FROM sync.integration ORDER BY id"), sql("SELECT * FROM sync.pair ORDER BY id")
    forms: list[tuple[str, dict[str, str]]] = [
        (f"{foreign}/status", {"status": "paused"}),
        (f"{foreign}/excluir", {"nome": "Alheia"}),
        (f"{foreign}/restaurar", {}),
        (f"{foreign}/testar", {}),
        (f"{foreign}/conectar", {}),
        (f"{foreign}/token", {}),
        (f"{foreign}/pares/{pair}", {"cadencia": "manual"}),
        (f"{loja}/pares/{pair}", {"cadencia": "manual"}),
        (f"{loja}/pares/{pair}/executar", {}),
        (f"{loja}/pares/{pair}/simular", {}),
    ]
    for path in (f"{foreign}", f"{foreign}/excluir", f"{foreign}/escuta", "nada"):
        assert (await person.http.get(f"/integracoes/{path}")).status_code == 404, path
    for path, data in forms:
        assert (await person.http.post(f"/integracoes/{path}", data=data)).status_code == 404, path
    after = sql("SELECT * FROM sync.integration ORDER BY id"), sql("SELECT * FROM sync.pair ORDER BY id")
    assert after == before
    assert "Alheia" not in (await person.http.get("/integracoes")).text


async def test_a_reader_changes_nothing(reader: SignedIn, loja: UUID, sql: Sql) -> None:
    assert (await reader.http.get(f"/integracoes/{loja}")).status_code == 200
    pair = pairs(sql, loja)["orders"]
    for path in (
        "status",
        "excluir",
        "restaurar",
        "testar",
        "conectar",
        "token",
        f"pares/{pair}",
        f"pares/{pair}/executar",
        f"pares/{pair}/simular",
    ):
        answer = await reader.http.post(f"/integracoes/{loja}/{path}", data={"status": "paused"})
        assert answer.status_code == 403, path
    assert sql("SELECT status FROM sync.integration") == [("active",)]


async def test_paused_resumed_and_disabled(
    person: SignedIn, loja: UUID, orchestrator: Asked, sql: Sql
) -> None:
    for status, words in (("paused", "pausada"), ("active", "ativa"), ("disabled", "desativada")):
        answer = await person.http.post(f"/integracoes/{loja}/status", data={"status": status})
        assert answer.headers["location"] == f"/integracoes/{loja}?aviso={words}"
        assert words in (await person.http.get(answer.headers["location"])).text
        assert sql("SELECT status FROM sync.integration") == [(status,)]
    assert (
        await person.http.post(f"/integracoes/{loja}/status", data={"status": "error"})
    ).status_code == 422
    applied = [asked["pair_ids"] for call, asked in orchestrator.calls if call == "apply"]
    assert len(applied) == 3
    assert set(applied[0]) == set(pairs(sql, loja).values())
    assert [row.actor for row in audit(sql, "integration.status")] == [person.email] * 3


async def test_a_pair_is_changed(person: SignedIn, loja: UUID, orchestrator: Asked, sql: Sql) -> None:
    ids = pairs(sql, loja)
    data = {"cadencia": "15min", "politica": "erp_wins"}
    answer = await person.http.post(f"/integracoes/{loja}/pares/{ids['products']}", data=data)
    assert answer.headers["location"] == f"/integracoes/{loja}?aviso=par"
    changed = sql(
        "SELECT cadence, conflict_policy, enabled FROM sync.pair WHERE id = :id", id=ids["products"]
    )
    assert changed == [("15min", "erp_wins", False)]
    assert orchestrator.calls == [("apply", {"pair_ids": [ids["products"]]})]
    [row] = audit(sql, "pair.change")
    assert (row.actor, row.details["cadence"]) == (person.email, "15min")
    wrong = await person.http.post(f"/integracoes/{loja}/pares/{ids['products']}", data={"cadencia": "1s"})
    assert wrong.status_code == 422


async def test_what_the_provider_forbids_is_refused(
    person: SignedIn, wiring: Wiring, tenant: Tenant, sql: Sql
) -> None:
    sefaz = await made(
        wiring,
        tenant,
        "SEFAZ",
        provider="sefaz",
        base_url=None,
        secrets={},
        pairs={Entity.INVOICES: Cadence.DAILY},
        directions={},
        direction=Direction.IMPORT,
    )
    pair = pairs(sql, sefaz)["invoices"]
    refused = await person.http.post(f"/integracoes/{sefaz}/pares/{pair}", data={"cadencia": "5min"})
    assert refused.status_code == 422
    assert "aceita no máximo 1 hora" in refused.text
    shown = (await person.http.get(f"/integracoes/{sefaz}")).text
    assert '<option value="5min" disabled>' in shown
    assert "No máximo 1 hora." in shown
    assert "/simular" not in shown, "a simulation would lose what is handed out once"


async def test_runs_are_asked_for(person: SignedIn, loja: UUID, orchestrator: Asked, sql: Sql) -> None:
    ids = pairs(sql, loja)
    await person.http.post(f"/integracoes/{loja}/pares/{ids['orders']}/executar")
    await person.http.post(f"/integracoes/{loja}/pares/{ids['orders']}/executar", data={"completa": "1"})
    await person.http.post(f"/integracoes/{loja}/pares/{ids['products']}/simular")
    triggered = [(asked["pair_id"], asked["full"]) for call, asked in orchestrator.calls if call == "trigger"]
    assert triggered == [
        (ids["orders"], False),
        (ids["orders"], True),
        (ids["products"], False),
        (ids["products"], False),
    ]
    asked = sql("SELECT kind, direction, requested_by FROM sync.run_request ORDER BY direction DESC")
    assert asked == [("simulation", "import", person.email), ("simulation", "export", person.email)]
    assert [row.actor for row in audit(sql, "run.start")] == [person.email] * 2
    sql("UPDATE sync.integration SET status = 'paused'")
    refused = await person.http.post(f"/integracoes/{loja}/pares/{ids['orders']}/executar")
    assert refused.status_code == 422
    assert "retome-a" in refused.text


async def test_deleting_asks_for_the_name_and_can_be_undone(
    person: SignedIn, loja: UUID, wiring: Wiring, sql: Sql
) -> None:
    wrong = await person.http.post(f"/integracoes/{loja}/excluir", data={"nome": "Loja"})
    assert (wrong.status_code, "não é o da integração" in wrong.text) == (422, True)
    answer = await person.http.post(f"/integracoes/{loja}/excluir", data={"nome": "Loja São João"})
    assert answer.headers["location"] == "/integracoes?aviso=excluida"
    assert (await person.http.get(f"/integracoes/{loja}")).status_code == 404
    assert "Loja São João" in (await person.http.get("/integracoes/excluidas")).text
    assert len(sql("SELECT FROM sync.credential")) == 2
    await sweep(wiring.engine)
    back = await person.http.post(f"/integracoes/{loja}/restaurar")
    assert back.headers["location"].startswith(f"/integracoes/{loja}")
    assert sql("SELECT status, deleted_at FROM sync.integration") == [("paused", None)]
    assert len(sql("SELECT FROM sync.credential")) == 2
    assert [row.actor for row in audit(sql, "integration.delete") + audit(sql, "integration.restore")] == [
        person.email
    ] * 2


async def test_after_thirty_days_its_secrets_are_gone(
    person: SignedIn, loja: UUID, wiring: Wiring, tenant: Tenant, sql: Sql
) -> None:
    other = await made(wiring, tenant, "Outra")
    await person.http.post(f"/integracoes/{loja}/excluir", data={"nome": "Loja São João"})
    sql("UPDATE sync.integration SET deleted_at = now() - interval '30 days' WHERE id = :id", id=loja)
    assert (await person.http.post(f"/integracoes/{loja}/restaurar")).status_code == 404
    assert (await sweep(wiring.engine)).secrets == 2
    assert {row.integration_id for row in sql("SELECT integration_id FROM sync.credential")} == {other}
    assert "Nada excluído" in (await person.http.get("/integracoes/excluidas")).text


async def test_a_name_that_was_taken_meanwhile(
    person: SignedIn, loja: UUID, wiring: Wiring, tenant: Tenant
) -> None:
    await person.http.post(f"/integracoes/{loja}/excluir", data={"nome": "Loja São João"})
    await made(wiring, tenant, "loja são joão")
    refused = await person.http.post(f"/integracoes/{loja}/restaurar")
    assert (refused.status_code, "tem agora o nome" in refused.text) == (422, True)


async def test_the_connection_is_tested_with_the_raw_answer(
    person: SignedIn, wiring: Wiring, tenant: Tenant, shop: Store, sql: Sql
) -> None:
    secrets = {"consumer_key": shop.consumer_key, "consumer_secret": shop.consumer_secret}
    loja = await made(wiring, tenant, base_url=shop.url, secrets=secrets)
    shown = (await person.http.post(f"/integracoes/{loja}/testar")).text
    for expected in ("conexão ok", "HTTP 200", "content-type", "Resposta crua", "Produtos", "importar"):
        assert expected in shown.replace("Conexão", "conexão"), expected
    assert shop.consumer_secret not in shown
    [(tested,)] = sql("SELECT tested FROM sync.integration")
    assert tested["ok"] is True
    assert "body" not in tested
    part = await person.http.post(f"/integracoes/{loja}/testar", headers={"HX-Request": "true"})
    assert "<html" not in part.text
    await admin.change_access(
        wiring.engine,
        wiring.vault,
        await admin.read_integration(wiring.engine, tenant.id, loja),
        base_url=shop.url,
        secrets={"consumer_secret": SECRET},
    )
    assert sql("SELECT tested FROM sync.integration") == [(None,)]
    refused = (await person.http.post(f"/integracoes/{loja}/testar")).text
    assert "401" in refused
    assert "Causa:" in refused
    assert SECRET not in refused


async def test_a_hostile_address_is_told_and_not_called(
    person: SignedIn, wiring: Wiring, tenant: Tenant
) -> None:
    loja = await made(wiring, tenant, base_url="https://169.254.169.254")
    shown = (await person.http.post(f"/integracoes/{loja}/testar")).text
    assert "rede privada" in shown


async def test_a_webhook_token_is_shown_once(person: SignedIn, loja: UUID, sql: Sql) -> None:
    first = (await person.http.post(f"/integracoes/{loja}/token")).text
    found = re.search(r'id="webhook-token" readonly value="(\w+)"', first)
    assert found
    again = (await person.http.get(f"/integracoes/{loja}")).text
    assert found.group(1) not in again
    assert "Gerar outro token" in again
    assert [row.actor for row in audit(sql, "webhook.rotate")] == [person.email]
    waiting = await person.http.get(f"/integracoes/{loja}/escuta")
    assert "aguardando primeiro evento" in waiting.text.lower()
    assert "every 5s" in waiting.text
    sql(
        "INSERT INTO sync.webhook_topic (tenant_id, integration_id, topic, events, last_received_at)"
        " SELECT tenant_id, id, 'order.updated', 1, now() FROM sync.integration"
    )
    heard = await person.http.get(f"/integracoes/{loja}/escuta")
    assert "aguardando" not in heard.text.lower()
    assert "every 5s" not in heard.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_in_the_browser(
    person: SignedIn, open_page: OpenPage, loja: UUID, scheme: Any, sql: Sql, tmp_path: Path
) -> None:
    page = await open_page(person, "/integracoes", color_scheme=scheme)
    axe = Axe()

    async def check(name: str) -> None:
        result = await axe.run(page)
        bad = [v for v in result.response["violations"] if v["impact"] in ("serious", "critical")]
        assert bad == [], (name, result.generate_report())

    await check("lista")
    await page.get_by_label("Buscar").fill("joao")
    await page.get_by_role("link", name="Loja São João").click()
    await page.get_by_role("heading", name="Credenciais").wait_for()
    await check("detalhe")
    await page.get_by_role("button", name="Pausar").click()
    await page.get_by_text("Integração pausada").wait_for()
    await page.get_by_role("link", name="Excluir").click()
    await check("excluir")
    await page.get_by_label("Digite o nome").fill("Loja São João")
    await page.get_by_role("button", name="Excluir integração").click()
    await page.get_by_text("pode ser restaurada").wait_for()
    await page.get_by_role("link", name="Excluídas").click()
    await check("excluidas")
    await page.get_by_role("button", name="Restaurar").click()
    await page.get_by_text("Integração restaurada").wait_for()
    await page.set_viewport_size({"width": 320, "height": 700})
    for path in ("/integracoes", f"/integracoes/{loja}"):
        await page.goto(path)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, path


async def test_webhooks_are_registered_at_the_shop(
    person: SignedIn, reader: SignedIn, wiring: Wiring, tenant: Tenant, shop: Store
) -> None:
    keys = {"consumer_key": shop.consumer_key, "consumer_secret": shop.consumer_secret}
    loja = await made(wiring, tenant, base_url=shop.url, secrets=keys)
    assert "Cadastrar webhooks agora" in (await person.http.get(f"/integracoes/{loja}")).text
    assert (await reader.http.post(f"/integracoes/{loja}/webhooks")).status_code == 403
    answer = await person.http.post(f"/integracoes/{loja}/webhooks")
    assert answer.headers["location"].endswith("aviso=cadastrados")
    with caller(shop) as client:
        found = client.get("/webhooks", params={"per_page": 100}).json()
    assert {hook["topic"] for hook in found} == {
        f"{kind}.{event}" for kind in ("product", "order") for event in ("created", "updated", "deleted")
    }
    assert all(hook["delivery_url"].startswith(wiring.public_url) for hook in found)
