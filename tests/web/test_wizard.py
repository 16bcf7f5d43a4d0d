"""The set-up of an integration, step by step: as forms alone, and in the browser by mouse and keyboard."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from core.entities import Direction, Entity, RequestKind, RunStatus, Trigger
from db import requests, runs
from sandbox import certificates
from sandbox.melhor_envio.process import start as open_broker
from sandbox.process import Store
from sandbox.process import start as open_shop
from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.providers.stands.melhor_envio import SENDER
from tests.unit.test_address import NAMES, ODD_IPS, PRIVATE_V4
from tests.web.shops import run_requests, serve
from web.wiring import Wiring

Sql = Callable[..., Any]
CNPJ = "98765432000198"
NOTHING = {"entidade.products": "nao", "entidade.stock": "nao", "entidade.customers": "nao"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Store]:
    with open_shop(products=5, variable_every=0, customers=3, orders=3, categories=2) as running:
        yield running


def keys_of(shop: Store, **more: str) -> dict[str, str]:
    return {
        "nome": "Loja Principal",
        "campo.base_url": shop.url,
        "campo.consumer_key": shop.consumer_key,
        "campo.consumer_secret": shop.consumer_secret,
    } | more


async def begin(person: SignedIn, provider: str, data: dict[str, str], **more: Any) -> httpx.Response:
    return await person.http.post(f"/integracoes/nova/{provider}", data=data, **more)


def one(sql: Sql) -> Any:
    [row] = sql(
        "SELECT id, name, status, draft, base_url, settings, tested, direction, matching, branch_id"
        " FROM sync.integration"
    )
    return row


def pairs(sql: Sql) -> dict[Entity, UUID]:
    return {Entity(row.entity): row.id for row in sql("SELECT entity, id FROM sync.pair")}


def audit(sql: Sql) -> list[tuple[str, str]]:
    return [
        tuple(row)
        for row in sql(
            "SELECT action, actor FROM sync.audit_log WHERE action <> 'member.grant' ORDER BY at, id"
        )
    ]


async def test_systems_are_found_with_what_they_can_do(person: SignedIn) -> None:
    shown = (await person.http.get("/integracoes/nova")).text
    assert 'href="/integracoes/nova/woocommerce"' in shown
    assert 'href="/migracoes"' in shown
    found = (await person.http.get("/integracoes/nova?q=melhor")).text
    assert re.findall(r'/integracoes/nova/([a-z-]+)"', found) == ["melhor-envio"]
    part = await person.http.get("/integracoes/nova?categoria=fiscal", headers={"HX-Request": "true"})
    assert "SEFAZ" in part.text
    assert "<html" not in part.text
    assert "Nenhum sistema" in (await person.http.get("/integracoes/nova?q=zzz")).text
    assert (await person.http.get("/integracoes/nova/nada")).status_code == 422


async def test_from_nothing_to_active(
    person: SignedIn,
    shop: Store,
    database: Database,
    keys: str,
    orchestrator: Asked,
    tenant: Tenant,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(database, keys, monkeypatch)
    form = (await person.http.get("/integracoes/nova/woocommerce")).text
    assert "Onde encontro isto?" in form
    assert "API REST" in form
    assert 'value="WooCommerce"' in form
    tested = await begin(person, "woocommerce", keys_of(shop, acao="testar"))
    assert tested.status_code == 200
    assert "Conexão ok" in tested.text
    assert "HTTP 200" in tested.text
    assert shop.consumer_secret not in tested.text
    row = one(sql)
    assert (row.status, row.draft, row.tested["ok"]) == ("disabled", True, True)
    assert row.settings["weight_unit"] == "kg"

    chosen = NOTHING | {
        "entidade.products": "both",
        "entidade.orders": "import",
        "entidade.categories": "nao",
        "pareamento": "id",
        "politica": "newest",
    }
    answer = await person.http.post(f"/integracoes/{row.id}/dados", data=chosen)
    assert answer.headers["location"] == f"/integracoes/{row.id}/agenda"
    assert sql(
        "SELECT entity, direction, conflict_policy, simulate_next, cadence FROM sync.pair ORDER BY 1"
    ) == [
        ("orders", "import", "newest", True, "hourly"),
        ("products", "both", "newest", True, "hourly"),
    ]
    rhythm = {"frequencia.products": "15min", "frequencia.orders": "5min", "filial": str(tenant.branch_id)}
    answer = await person.http.post(f"/integracoes/{row.id}/agenda", data=rhythm)
    assert answer.headers["location"] == f"/integracoes/{row.id}/inicio"
    row = one(sql)
    assert (row.direction, row.matching, row.branch_id) == ("both", "id", tenant.branch_id)
    assert "15 min" in (await person.http.get(answer.headers["location"])).text
    assert orchestrator.calls == [], "nothing of a draft is scheduled"

    assert (await person.http.post(f"/integracoes/{row.id}/simular")).status_code == 303
    assert [call for call, _ in orchestrator.calls] == ["trigger"] * 3
    assert "Na fila" in (await person.http.get(f"/integracoes/{row.id}/inicio")).text
    done = await run_requests(database, pairs(sql))
    assert [run.status for run in done if run] == [RunStatus.SUCCESS] * 3
    counts = (await person.http.get(f"/integracoes/{row.id}/simulacao")).text
    assert "Sucesso" in counts
    assert "every 3s" not in counts
    products = re.search(r"Produtos <small>importar</small></th>\s*<td>.*?</td>\s*(.*?)</tr>", counts, re.S)
    assert products
    assert re.findall(r"\d+", products.group(1)) == ["5", "5", "0", "0", "0"]
    assert sql("SELECT count(*) FROM erp.product") == [(0,)]
    assert sql("SELECT bool_or(simulate_next) FROM sync.pair") == [(False,)]

    answer = await person.http.post(f"/integracoes/{row.id}/ativar")
    assert answer.headers["location"] == f"/integracoes/{row.id}?aviso=ativa"
    row = one(sql)
    assert (row.status, row.draft) == ("active", False)
    assert orchestrator.calls[-1][0] == "apply"
    assert set(orchestrator.calls[-1][1]["pair_ids"]) == set(pairs(sql).values())
    assert {actor for _, actor in audit(sql)} == {person.email}
    assert [action for action, _ in audit(sql)] == [
        "integration.create",
        "integration.access",
        "integration.test",
        "integration.entities",
        "integration.schedule",
        "run.request",
        "run.request",
        "run.request",
        "integration.activate",
    ]


async def test_what_was_entered_is_kept_and_secrets_are_not_shown(
    person: SignedIn, shop: Store, wiring: Wiring, sql: Sql
) -> None:
    wrong = keys_of(shop, **{"campo.consumer_secret": "outra-coisa", "campo.requests_per_second": "dez"})
    answer = await begin(person, "woocommerce", wrong)
    assert answer.status_code == 422
    assert "Confira 2 campos." in answer.text
    assert "Consumer secret não tem o formato esperado." in answer.text
    assert "deve ser um número inteiro" in answer.text
    assert "outra-coisa" not in answer.text
    assert 'value="dez"' in answer.text
    row = one(sql)
    assert (row.name, row.base_url, row.draft) == ("Loja Principal", shop.url, True)
    assert sql("SELECT name FROM sync.credential") == [("consumer_key",)]
    again = (await person.http.get(f"/integracoes/{row.id}/acesso")).text
    assert shop.url in again
    assert shop.consumer_key not in again
    assert "deixe vazio para manter" in again
    right = keys_of(shop, **{"campo.consumer_key": "", "campo.consumer_secret": f" {shop.consumer_secret}\n"})
    answer = await person.http.post(f"/integracoes/{row.id}/acesso", data=right)
    assert answer.headers["location"] == f"/integracoes/{row.id}/dados"
    assert (await person.http.post(f"/integracoes/{row.id}/testar")).text.count("Conexão ok") == 1
    listed = (await person.http.get("/integracoes?status=draft")).text
    assert "Rascunho" in listed
    assert "Continuar o assistente" in (await person.http.get(f"/integracoes/{row.id}")).text


async def test_a_name_that_is_taken_or_missing(person: SignedIn, shop: Store, sql: Sql) -> None:
    await begin(person, "woocommerce", keys_of(shop))
    taken = await begin(person, "woocommerce", keys_of(shop, nome="loja principal"))
    assert (taken.status_code, "Já existe uma integração" in taken.text) == (422, True)
    missing = await begin(person, "woocommerce", keys_of(shop, nome=" "))
    assert (missing.status_code, "Dê um nome" in missing.text) == (422, True)
    assert len(sql("SELECT FROM sync.integration")) == 1


@pytest.mark.parametrize(("provider", "field"), [("woocommerce", "base_url"), ("americanas", "omnik_url")])
async def test_hostile_addresses_are_refused_with_the_reason(
    person: SignedIn, sql: Sql, provider: str, field: str
) -> None:
    """The whole corpus is tests/unit/test_address.py's; here that each field asks the same guard."""
    hostile = [f"https://{host}/" for host in ("10.0.0.1", *PRIVATE_V4[6:12], *ODD_IPS[:6], *NAMES[:6])]
    hostile += [
        "ftp://loja.example/",
        "https://a:b@loja.example/",
        "https://loja.example:22/",
        "javascript:x",
    ]
    answer = await begin(person, provider, {"nome": "Loja", f"campo.{field}": hostile[0]})
    row = one(sql)
    for address in hostile:
        data = {"nome": "Loja", f"campo.{field}": address}
        answer = await person.http.post(f"/integracoes/{row.id}/acesso", data=data)
        assert answer.status_code == 422, address
        said = re.search(rf'id="campo.{field}-erro">([^<]+)<', answer.text)
        assert said, address
        assert said.group(1) != "Falta preencher."
    row = one(sql)
    assert row.base_url in (None, "https://api.skyhub.com.br")
    assert "omnik_url" not in row.settings


async def test_without_a_good_test_it_stays_a_draft(person: SignedIn, shop: Store, sql: Sql) -> None:
    wrong = keys_of(shop, acao="testar", **{"campo.consumer_secret": f"cs_{'0' * 40}"})
    answer = await begin(person, "woocommerce", wrong)
    assert "401" in answer.text
    assert "Causa:" in answer.text
    row = one(sql)
    await person.http.post(f"/integracoes/{row.id}/dados", data={"entidade.products": "import"})
    shown = (await person.http.get(f"/integracoes/{row.id}/inicio")).text
    assert "A conexão falhou no último teste." in shown
    for path in ("ativar", "simular"):
        refused = await person.http.post(f"/integracoes/{row.id}/{path}")
        assert (refused.status_code, "testada com sucesso" in refused.text) == (422, True)
    refused = await person.http.post(f"/integracoes/{row.id}/status", data={"status": "active"})
    assert (refused.status_code, "rascunho" in refused.text) == (422, True)
    assert (one(sql).status, one(sql).draft) == ("disabled", True)


async def test_a_draft_runs_nothing_but_simulations(
    person: SignedIn, shop: Store, wiring: Wiring, database: Database, sql: Sql
) -> None:
    await begin(person, "woocommerce", keys_of(shop))
    row = one(sql)
    await person.http.post(f"/integracoes/{row.id}/dados", data={"entidade.products": "import"})
    pair = await runs.read_pair(wiring.engine, pairs(sql)[Entity.PRODUCTS])
    asked = await requests.ask(
        wiring.engine,
        pair.tenant_id,
        pair.id,
        RequestKind.BACKFILL,
        Direction.IMPORT,
        {"from": "2026-01-01T00:00:00+00:00"},
        by="teste",
    )
    assert await requests.waiting(wiring.engine) == []
    for request_id in (None, asked.id):
        opened = await runs.open_run(
            wiring.engine,
            pair,
            direction=Direction.IMPORT,
            initiated_by=Trigger.MANUAL,
            flow_run_id=uuid4(),
            slot_at=None,
            lease_seconds=5,
            request_id=request_id,
        )
        assert opened is None
    assert sql("SELECT state FROM sync.run_request") == [("waiting",)]


async def test_entities_that_nobody_offers_or_chooses(person: SignedIn, shop: Store, sql: Sql) -> None:
    await begin(person, "woocommerce", keys_of(shop))
    row = one(sql)
    for data in ({}, NOTHING, {"entidade.products": "sideways"}):
        refused = await person.http.post(f"/integracoes/{row.id}/dados", data=data)
        assert refused.status_code == 422, data
    refused = await person.http.post(
        f"/integracoes/{row.id}/dados", data={"entidade.categories": "import", "pareamento": "acaso"}
    )
    assert refused.status_code == 422
    assert pairs(sql) == {}
    assert "Nenhuma entidade escolhida" in (await person.http.get(f"/integracoes/{row.id}/agenda")).text
    refused = await person.http.post(f"/integracoes/{row.id}/ativar")
    assert (refused.status_code, "ao menos uma entidade" in refused.text) == (422, True)


async def test_entities_of_an_active_integration_change_in_place(
    person: SignedIn, shop: Store, orchestrator: Asked, sql: Sql
) -> None:
    await begin(person, "woocommerce", keys_of(shop, acao="testar"))
    row = one(sql)
    both = {"entidade.products": "import", "entidade.orders": "import"}
    await person.http.post(f"/integracoes/{row.id}/dados", data=both)
    await person.http.post(f"/integracoes/{row.id}/ativar")
    sql("UPDATE sync.pair SET simulate_next = false")
    before = pairs(sql)
    changed = {"entidade.products": "both", "entidade.customers": "import", "politica": ""}
    answer = await person.http.post(f"/integracoes/{row.id}/dados", data=changed)
    assert answer.headers["location"] == f"/integracoes/{row.id}/agenda?aviso=salvo"
    assert {entity: pairs(sql)[entity] for entity in before} == before
    assert sql(
        "SELECT entity, direction, enabled, simulate_next, cadence FROM sync.pair ORDER BY entity"
    ) == [
        ("customers", "import", True, True, "manual"),
        ("orders", "import", False, False, "hourly"),
        ("products", "both", True, True, "hourly"),
    ]
    assert orchestrator.calls[-1][0] == "apply"
    renamed = keys_of(shop, nome="Outro nome") | {"campo.consumer_key": "", "campo.consumer_secret": ""}
    saved = await person.http.post(f"/integracoes/{row.id}/acesso", data=renamed)
    assert saved.headers["location"] == f"/integracoes/{row.id}?aviso=salvo"
    assert one(sql).name == "Outro nome"
    assert one(sql).tested["ok"] is True, "a name changes nothing of the access"
    hostile = keys_of(shop, nome="Terceiro", **{"campo.base_url": "https://10.0.0.1"})
    assert (await person.http.post(f"/integracoes/{row.id}/acesso", data=hostile)).status_code == 422
    assert (one(sql).name, one(sql).base_url) == ("Outro nome", shop.url)
    assert (await person.http.get(f"/integracoes/{row.id}/inicio")).status_code == 303


async def test_an_old_erp_is_only_read_once(person: SignedIn, sql: Sql) -> None:
    data = {"campo.engine": "postgresql", "campo.host": "10.0.0.1", "campo.database": "erp"}
    data |= {"nome": "ERP antigo", "campo.username": "leitor", "campo.password": "senha-do-banco"}
    answer = await begin(person, "legacy-sql", data)
    row = one(sql)
    assert answer.headers["location"] == f"/integracoes/{row.id}/inicio"
    shown = (await person.http.get(answer.headers["location"])).text
    assert "migração de legado" in shown
    assert f"/integracoes/{row.id}/agenda" not in shown
    refused = (await person.http.post(f"/integracoes/{row.id}/testar")).text
    assert "rede privada" in refused
    assert (await person.http.post(f"/integracoes/{row.id}/ativar")).status_code == 422


async def test_a_certificate_is_uploaded(person: SignedIn, sql: Sql) -> None:
    file = {"campo.certificate": ("a1.pfx", certificates.client(CNPJ, "senha-do-a1")[0])}
    data = {"nome": "SEFAZ", "campo.cnpj": CNPJ, "campo.uf": "SP", "campo.certificate_password": "errada"}
    refused = await begin(person, "sefaz", data, files=file)
    assert (refused.status_code, "não abre" in refused.text) == (422, True)
    row = one(sql)
    right = data | {"campo.certificate_password": "senha-do-a1"}
    answer = await person.http.post(f"/integracoes/{row.id}/acesso", data=right)
    assert answer.status_code == 303, "the file was kept already"
    [(ends,)] = sql("SELECT expires_at FROM sync.credential WHERE name = 'certificate'")
    assert ends - datetime.now(UTC) < timedelta(days=31)
    big = {"campo.certificate": ("a1.pfx", b"x" * 1_000_001)}
    refused = await person.http.post(f"/integracoes/{row.id}/acesso", data=right, files=big)
    assert (refused.status_code, "passa de 1 MB" in refused.text) == (422, True)

    await person.http.post(f"/integracoes/{row.id}/dados", data={"entidade.invoices": "import"})
    assert sql("SELECT simulate_next, cadence FROM sync.pair") == [(False, "hourly")]
    shown = (await person.http.get(f"/integracoes/{row.id}/agenda")).text
    assert '<option value="5min" disabled>' in shown
    assert "No máximo 1 hora." in shown
    refused = await person.http.post(f"/integracoes/{row.id}/agenda", data={"frequencia.invoices": "5min"})
    assert (refused.status_code, "aceita no máximo 1 hora" in refused.text) == (422, True)
    assert "uma vez só" in (await person.http.get(f"/integracoes/{row.id}/inicio")).text


async def test_an_account_is_connected_in_the_browser(
    person: SignedIn, reader: SignedIn, address: str, sql: Sql
) -> None:
    with open_broker(labels=1) as broker:
        sender = {f"campo.sender_{name}": value for name, value in SENDER.items()}
        data = sender | {"nome": "Envios", "campo.email": "ti@exemplo.example", "acao": "conectar"}
        early = await begin(person, "melhor-envio", data)
        assert (early.status_code, "Falta preencher, antes de conectar" in early.text) == (422, True)
        row = one(sql)
        data |= {
            "campo.client_id": broker.client_id,
            "campo.client_secret": broker.client_secret,
            "campo.base_url": "https://sandbox.melhorenvio.com.br",
        }
        led = await person.http.post(f"/integracoes/{row.id}/acesso", data=data)
        url = re.search(r'href="(https://sandbox[^"]+)"', led.text)
        assert url, led.text
        asked = url.group(1).replace("&amp;", "&")
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked).query).items()}
        assert query["redirect_uri"] == f"{address}/oauth/retorno"
        assert query["state"].startswith(str(row.id))
        sql("UPDATE sync.integration SET base_url = :url", url=broker.url)
        back = broker.steer("consent", url=asked).removeprefix(address)

        no = await person.http.get(f"/oauth/retorno?error=access_denied&state={query['state']}")
        assert (no.status_code, "não foi autorizado" in no.text) == (422, True)
        assert (await reader.http.get(back)).status_code == 403
        forged = back.replace(query["state"], f"{row.id}.forjado")
        assert (await person.http.get(forged)).status_code == 422
        for state in ("", "x", str(uuid4())):
            assert (await person.http.get(f"/oauth/retorno?code=x&state={state}")).status_code in (404, 422)
        assert sql("SELECT count(*) FROM sync.credential WHERE name = 'oauth_token'") == [(0,)]
        done = await person.http.get(back)
        assert done.headers["location"] == f"/integracoes/{row.id}/acesso?aviso=conectada"
        assert (await person.http.get(back)).status_code == 422, "it works once"
        assert ("integration.connect", person.email) in audit(sql)
        assert "Conexão ok" in (await person.http.post(f"/integracoes/{row.id}/testar")).text
        assert "Autorização da conta (OAuth)" in (await person.http.get(f"/integracoes/{row.id}")).text


async def test_others_do_not_get_in(
    person: SignedIn, reader: SignedIn, database: Database, shop: Store, sign_in: Any, sql: Sql
) -> None:
    await begin(person, "woocommerce", keys_of(shop))
    row = one(sql)
    stranger = await sign_in(new_tenant(database, "Alheia").id)
    for path in ("acesso", "dados", "agenda", "inicio", "simulacao"):
        assert (await stranger.http.get(f"/integracoes/{row.id}/{path}")).status_code == 404, path
    for path in ("acesso", "dados", "agenda", "simular", "ativar"):
        address = f"/integracoes/{row.id}/{path}"
        assert (await stranger.http.post(address, data=keys_of(shop))).status_code == 404, path
        assert (await reader.http.post(address, data=keys_of(shop))).status_code == 403, path
    assert (await begin(reader, "woocommerce", keys_of(shop))).status_code == 403
    branch = sql(
        "SELECT id FROM erp.branch WHERE name = 'Matriz' AND tenant_id <>"
        " (SELECT tenant_id FROM sync.integration)"
    )[0].id
    await person.http.post(f"/integracoes/{row.id}/dados", data={"entidade.products": "import"})
    foreign = await person.http.post(f"/integracoes/{row.id}/agenda", data={"filial": str(branch)})
    assert foreign.status_code == 404


async def sound(page: Page, name: str) -> None:
    """No serious finding of axe, and no page wider than a narrow screen."""
    result = await Axe().run(page)
    bad = [found for found in result.response["violations"] if found["impact"] in ("serious", "critical")]
    assert bad == [], (name, result.generate_report())
    size = page.viewport_size
    await page.set_viewport_size({"width": 320, "height": 700})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320, name
    if size:
        await page.set_viewport_size(size)


async def test_a_store_is_connected_with_the_mouse(
    person: SignedIn,
    open_page: OpenPage,
    shop: Store,
    database: Database,
    keys: str,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(database, keys, monkeypatch)
    page = await open_page(person, "/integracoes")
    await page.get_by_role("link", name="Conectar um sistema").click()
    await page.get_by_label("Buscar sistema").fill("woo")
    await page.get_by_role("link", name="Shopify").wait_for(state="detached")
    await sound(page, "sistema")
    await page.get_by_role("link", name="WooCommerce").click()
    await page.get_by_label("Nome").fill("Loja Principal")
    await page.get_by_label("Endereço da loja").fill(shop.url)
    await page.get_by_label("Consumer key").fill(shop.consumer_key)
    await page.get_by_label("Consumer secret").fill("errado")
    await page.get_by_role("button", name="Salvar e Testar Conexão").click()
    await page.get_by_role("alert").get_by_text("Consumer secret não tem o formato").wait_for()
    await sound(page, "erro")
    await page.get_by_label("Consumer secret").fill(shop.consumer_secret)
    await page.get_by_role("button", name="Salvar e Testar Conexão").click()
    await page.get_by_text("Conexão ok").wait_for()
    await page.get_by_role("link", name="Continuar").click()
    await page.get_by_label("Bidirecional produtos").check()
    await page.get_by_label("Não sincronizar clientes").check()
    await sound(page, "dados")
    await page.get_by_role("button", name="Salvar e continuar").click()
    await page.get_by_label("Pedidos").select_option(label="5 min")
    await page.get_by_role("button", name="Salvar e continuar").click()
    await page.get_by_text("aguardando primeiro evento").wait_for()
    await page.get_by_role("button", name="Simular").click()
    await page.get_by_text("Na fila").first.wait_for()
    await run_requests(database, pairs(sql))
    await page.get_by_text("Sucesso").first.wait_for()
    await sound(page, "inicio")
    await page.get_by_role("button", name="Ativar integração").click()
    await page.get_by_text("Integração ativa").wait_for()
    assert one(sql).status == "active"
    assert Entity.CUSTOMERS not in pairs(sql)


async def test_a_store_is_connected_with_the_keyboard_alone(
    person: SignedIn, open_page: OpenPage, shop: Store, sql: Sql
) -> None:
    page = await open_page(person, "/integracoes/nova", color_scheme="dark")
    press, write = page.keyboard.press, page.keyboard.type

    async def tab_to(role: str, name: str) -> None:
        """As many times as it takes, and no more than a page has."""
        wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
        for _ in range(80):
            if await wanted.evaluate("found => found === document.activeElement"):
                return
            await press("Tab")
        raise AssertionError(f"{name} is not reached")

    await write("woocommerce")
    await page.get_by_role("link", name="Shopify").wait_for(state="detached")
    await tab_to("link", "WooCommerce")
    await press("Enter")
    await page.get_by_role("heading", name="Conectar WooCommerce").wait_for()
    await tab_to("textbox", "Endereço da loja")
    await write(shop.url)
    await press("Tab")
    await write(shop.consumer_key)
    await press("Tab")
    await write(shop.consumer_secret)
    await tab_to("button", "Salvar e Testar Conexão")
    await press("Enter")
    await page.get_by_text("Conexão ok").wait_for()
    await sound(page, "acesso-escuro")
    await tab_to("link", "Continuar")
    await press("Enter")
    await page.get_by_role("heading", name="Entidades de").wait_for()
    await tab_to("radio", "Importar produtos")
    await press("ArrowRight")
    await press("ArrowRight")
    await tab_to("button", "Salvar e continuar")
    await press("Enter")
    await page.get_by_role("heading", name="Frequência de").wait_for()
    await sound(page, "agenda-escuro")
    await tab_to("button", "Salvar e continuar")
    await press("Enter")
    await page.get_by_role("heading", name="Início de").wait_for()
    await sound(page, "inicio-escuro")
    await tab_to("button", "Ativar integração")
    await press("Enter")
    await page.get_by_text("Integração ativa").wait_for()
    assert one(sql).status == "active"
    assert sql("SELECT direction FROM sync.pair WHERE entity = 'products'") == [("both",)]
