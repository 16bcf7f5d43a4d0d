"""Início: the manual's four figures, how fresh each pair is, thirty days, what waits, and a run by hand."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.entities import Cadence, Entity, IntegrationStatus, Trigger
from core.formats import ZONE, moment
from db.alarms import LABELS
from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.processes import new_pair
from tests.web.accessible import violations
from web.home.alarms import REMEDIES
from web.pulse import Pulse
from web.wiring import Wiring

__all__ = ["new_pair"]

Sql = Callable[..., Any]
NewPair = Callable[..., UUID]
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _begin_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot that passes between collection and this test would make its pairs late."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC))


class Heart:
    """The pulse that the console takes."""

    def __init__(self) -> None:
        self.now = Pulse(prefect=True, worker_at=datetime.now(UTC))

    async def __call__(self) -> Pulse:
        return self.now


@pytest.fixture
def heart() -> Heart:
    return Heart()


@pytest.fixture
def wiring(wiring: Wiring, heart: Heart) -> Wiring:
    return replace(wiring, take_pulse=heart)


@pytest.fixture
def log(sql: Sql) -> Callable[..., UUID]:
    """A run of a pair that began so long ago."""

    def run(pair: UUID, status: str = "success", ago: timedelta = timedelta(), **more: Any) -> UUID:
        began = NOW - ago
        values = {"success": 10, "errors": 0, "dry": False} | more
        [[found]] = sql(
            "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status,"
            " initiated_by, started_at, ended_at, processed, success, created, errors, dry_run, message)"
            " SELECT p.tenant_id, p.integration_id, p.id, p.entity, 'import', :status, 'schedule', :began,"
            " CASE WHEN :status = 'running' THEN NULL ELSE :began END,"
            " :success + :errors, :success, :success, :errors, :dry, '' FROM sync.pair p WHERE p.id = :pair"
            " RETURNING id",
            pair=pair,
            status=status,
            began=began,
            **values,
        )
        return UUID(str(found))

    return run


@pytest.fixture
def settled(sql: Sql, new_pair: NewPair) -> NewPair:
    """A pair that was set up long ago."""

    def run(*arguments: Any, **more: Any) -> UUID:
        pair = new_pair(*arguments, **more)
        sql("UPDATE sync.pair SET updated_at = now() - interval '90 days'")
        sql("UPDATE sync.integration SET updated_at = now() - interval '90 days'")
        return pair

    return run


def integration_of(sql: Sql, pair: UUID) -> UUID:
    return UUID(str(sql("SELECT integration_id FROM sync.pair WHERE id = :pair", pair=pair)[0][0]))


async def test_an_empty_installation_says_what_to_do(
    person: SignedIn, reader: SignedIn, sql: Sql, tenant: Tenant
) -> None:
    shown = (await person.http.get("/")).text
    assert "Conecte o primeiro sistema" in shown
    assert 'href="/integracoes/nova"' in shown
    assert 'href="/integracoes/nova"' not in (await reader.http.get("/")).text
    sql(
        "INSERT INTO sync.integration (tenant_id, provider, name, status, draft)"
        " VALUES (:tenant, 'shopify', 'Loja', 'disabled', true)",
        tenant=tenant.id,
    )
    assert "Continuar o rascunho" in (await person.http.get("/")).text


async def test_the_four_figures_are_the_manuals(
    person: SignedIn, sql: Sql, settled: NewPair, log: Callable[..., UUID], database: Database
) -> None:
    pair = settled()
    settled(name="Outra", status=IntegrationStatus.PAUSED)
    hour = timedelta(hours=1)
    log(pair, ago=hour, success=20)
    log(pair, "partial", ago=hour / 2, success=5, errors=2)
    log(pair, "error", ago=2 * hour, success=0)
    log(pair, "error", ago=25 * hour, success=0)
    solved = log(pair, "error", ago=3 * hour, success=0)
    sql("UPDATE sync.sync_log SET resolved_at = now() WHERE id = :id", id=solved)
    log(pair, ago=timedelta(days=40), success=1000)
    log(pair, ago=hour, success=500, dry=True)
    log(pair, "running", success=3)
    shown = " ".join((await person.http.get("/")).text.split())
    assert "Integrações ativas</span><strong>1</strong> <span>de 2 configuradas" in shown
    assert 'href="/integracoes?status=active"' in shown
    assert f"<span>{moment(NOW - hour)}</span>" in shown
    assert 'href="/logs?status=success"' in shown
    assert 'Erros nas últimas 24h</span><strong class="bad">1</strong>' in shown
    assert 'href="/logs?status=error&amp;desde=' in shown
    # Of the month in São Paulo, whose first hours may be those of the runs above.
    first = datetime.now(ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    runs = ((hour, 20), (hour / 2, 7), (timedelta(), 3))
    expected = sum(count for ago, count in runs if NOW - ago >= first)
    assert f"Itens sincronizados (mês)</span><strong>{expected}</strong>" in shown
    assert f'href="/logs?desde={first:%Y-%m-%d}"' in shown


async def test_figures_are_of_one_tenant(
    person: SignedIn, sql: Sql, database: Database, log: Callable[..., UUID], settled: NewPair
) -> None:
    foreign = new_tenant(database, "Alheia")
    pair = settled(name="Loja Alheia")
    log(pair)
    # The logs go first: their days are the tenant's that they were written for.
    for table in ("sync_log", "run_day", "pair"):
        sql(f"ALTER TABLE sync.{table} DISABLE TRIGGER ALL")
        sql(f"UPDATE sync.{table} SET tenant_id = :tenant", tenant=foreign.id)
        sql(f"ALTER TABLE sync.{table} ENABLE TRIGGER ALL")
    sql("ALTER TABLE sync.integration DISABLE TRIGGER ALL")
    sql("UPDATE sync.integration SET tenant_id = :tenant", tenant=foreign.id)
    sql("ALTER TABLE sync.integration ENABLE TRIGGER ALL")
    shown = (await person.http.get("/")).text
    assert "Loja Alheia" not in shown
    assert "Conecte o primeiro sistema" in shown
    assert "nenhuma execução bem-sucedida ainda" in shown
    assert (await person.http.post(f"/pares/{pair}/executar")).status_code == 404


async def test_a_pair_says_how_fresh_it_is_and_a_day_how_it_went(
    person: SignedIn, sql: Sql, settled: NewPair, log: Callable[..., UUID]
) -> None:
    pair = settled(cadence=Cadence.HOURLY, name="Loja Central")
    log(pair, ago=timedelta(minutes=50), success=1200)
    log(pair, "error", success=0, errors=3)
    log(pair, "error", ago=timedelta(days=3), success=0)
    where = integration_of(sql, pair)
    shown = (await person.http.get("/")).text
    assert "Em recuperação" in shown
    assert 'role="rowgroup"' not in shown
    assert "1.203" in shown
    before = (NOW - timedelta(days=3)).astimezone(ZONE)
    span = f"desde={before:%Y-%m-%d}&amp;ate={before:%Y-%m-%d}"
    day = f"/logs?integracao={where}&amp;entidade=products&amp;{span}"
    assert f'href="{day}" title="{before:%d/%m}: 1 com erro; 0 registros"' in shown
    block = await person.http.get("/?parte=mapa", headers={"HX-Request": "true"})
    assert day in block.text
    assert "<html" not in block.text


async def test_what_waits_for_a_person(
    person: SignedIn, sql: Sql, tenant: Tenant, settled: NewPair, log: Callable[..., UUID]
) -> None:
    pair = settled(name="Loja Central")
    where = integration_of(sql, pair)
    failed = log(pair, "partial", success=1, errors=3)
    for number in range(3):
        for attempt in (1, 2):
            sql(
                "INSERT INTO sync.issue (tenant_id, sync_log_id, integration_id, pair_id, entity, direction,"
                " external_id, attempt, error_class, field, fault) VALUES (:tenant, :log, :integration,"
                " :pair, 'products', 'import', :number, :attempt, 'MappingNotFound', 'sku', 'data')",
                tenant=tenant.id,
                log=failed,
                integration=where,
                pair=pair,
                number=str(number),
                attempt=attempt,
            )
    sql(
        "INSERT INTO sync.conflict (tenant_id, integration_id, mapping_id, erp, external)"
        " VALUES (:tenant, :integration, :mapping, '{}', '{}')",
        tenant=tenant.id,
        integration=where,
        mapping=uuid4(),
    )
    sql(
        "INSERT INTO sync.alarm (tenant_id, integration_id, pair_id, kind, message)"
        " VALUES (:tenant, :integration, :pair, 'missed_slot', 'Não houve execução.')",
        tenant=tenant.id,
        integration=where,
        pair=pair,
    )
    sql(
        "INSERT INTO sync.credential (tenant_id, integration_id, name, ciphertext, key_id, expires_at)"
        " VALUES (:tenant, :integration, 'consumer_secret', '', '', now() + interval '5 days 1 hour')",
        tenant=tenant.id,
        integration=where,
    )
    shown = " ".join((await person.http.get("/")).text.split())
    assert "<strong>3 ×</strong>" in shown
    assert "/falhas?erro=MappingNotFound&amp;campo=sku&amp;entidade=products&amp;direcao=import" in shown
    assert f'href="/conflitos?integracao={where}"' in shown
    assert "Não houve execução." in shown
    assert "Um alarme se fecha sozinho" in shown
    assert ">em 5 dias</time></span> Consumer secret" in shown


def test_every_alarm_has_a_remedy() -> None:
    assert set(REMEDIES) == set(LABELS)


async def test_a_dead_worker_is_told_with_what_stands_still(person: SignedIn, heart: Heart) -> None:
    assert "Nenhum worker" not in (await person.http.get("/")).text
    since = datetime.now(UTC) - timedelta(minutes=9)
    heart.now = Pulse(prefect=True, worker_at=since)
    shown = (await person.http.get("/")).text
    assert "Nenhum worker em execução" in shown
    assert moment(since) in shown
    assert "Nenhuma sincronização começa" in shown
    heart.now = Pulse(prefect=False)
    assert "O Prefect não responde" in (await person.http.get("/")).text


async def test_a_run_by_hand_is_asked_for_once_and_by_somebody(
    person: SignedIn, reader: SignedIn, sql: Sql, settled: NewPair, orchestrator: Asked
) -> None:
    pair = settled(name="Loja Central")
    assert "Executar agora" not in (await reader.http.get("/")).text
    assert (await reader.http.post(f"/pares/{pair}/executar")).status_code == 403
    asked = await person.http.post(f"/pares/{pair}/executar", data={"chave": "k"})
    assert (asked.status_code, asked.headers["location"]) == (303, f"/?pedido={pair}")
    [(call, values)] = orchestrator.calls
    assert (call, values["pair_id"], values["initiated_by"]) == ("trigger", pair, Trigger.MANUAL)
    assert "Execução pedida: Loja Central · produtos." in (await person.http.get(f"/?pedido={pair}")).text
    audited = sql("SELECT actor FROM sync.audit_log WHERE action = 'run.start'")
    assert audited == [(person.email,)]
    assert (await person.http.post(f"/pares/{uuid4()}/executar")).status_code == 404
    sql("UPDATE sync.integration SET status = 'paused'")
    refused = await person.http.post(f"/pares/{pair}/executar")
    assert refused.status_code == 422
    assert "retome a integração" in refused.text
    assert len(orchestrator.calls) == 1


THIRTY_DAYS = """
INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status, initiated_by,
  started_at, ended_at, processed, success, created, errors)
SELECT p.tenant_id, p.integration_id, p.id, p.entity, 'import', d.status, 'schedule', d.at, d.at,
  d.good + d.bad, d.good, d.good, d.bad FROM sync.pair p,
  (SELECT now() - make_interval(days => n, mins => 10),
    CASE WHEN (n + :place) % 11 = 0 THEN 'error' WHEN (n + :place) % 7 = 0 THEN 'partial' ELSE 'success' END,
    CASE WHEN (n + :place) % 11 = 0 THEN 0 ELSE 40 * (n % 5 + 1) END, n % 3
    FROM generate_series(0, 29) n) d (at, status, good, bad) WHERE p.id = :pair
"""


@pytest.fixture
def busy(sql: Sql, tenant: Tenant, settled: NewPair) -> UUID:
    """Pairs in several states and thirty days of runs; one of them."""
    first = settled(name="Shopify Loja Principal", cadence=Cadence.HOURLY)
    pairs = [first] + [
        settled(entity, name="Shopify Loja Principal") for entity in (Entity.ORDERS, Entity.STOCK)
    ]
    pairs += [settled(entity, Cadence.DAILY, "Mercado Livre") for entity in (Entity.PRODUCTS, Entity.ORDERS)]
    for place, pair in enumerate(pairs):
        sql(THIRTY_DAYS, pair=pair, place=place)
    sql(
        "INSERT INTO sync.alarm (tenant_id, integration_id, pair_id, kind, message)"
        " VALUES (:tenant, :integration, :pair, 'missed_slot',"
        " 'A execução prevista para 25/11/2026 10:05:00 não aconteceu.')",
        tenant=tenant.id,
        integration=integration_of(sql, first),
        pair=first,
    )
    return first


async def test_with_the_mouse(
    open_page: OpenPage, person: SignedIn, busy: UUID, orchestrator: Asked, sql: Sql
) -> None:
    page = await open_page(person, "/")
    await page.locator(f"#executar-{busy}").click()
    await page.get_by_text("Execução pedida: Shopify Loja Principal · produtos.").wait_for()
    assert len(orchestrator.calls) == 1
    # What is asked for again brings the page up to date, and neither focus nor scroll is lost.
    await page.evaluate("document.querySelector('#rolagem-situacao').scrollLeft = 5; window.scrollTo(0, 200)")
    sql("UPDATE sync.integration SET name = 'Renomeada' WHERE name = 'Mercado Livre'")
    await page.evaluate("htmx.trigger(document.body, 'atualizar')")
    await page.get_by_role("link", name="Renomeada", exact=True).wait_for()
    assert await page.evaluate("document.activeElement.id") == f"executar-{busy}"
    assert await page.evaluate("window.scrollY") == 200


async def test_it_updates_by_itself_until_it_is_told_not_to(
    open_page: OpenPage, person: SignedIn, busy: UUID, sql: Sql
) -> None:
    page = await open_page(person, "/")
    await page.clock.install()
    await page.reload()
    told = page.locator("#resumo")
    assert "1 alarme aberto" in await told.inner_text()
    sql("UPDATE sync.alarm SET closed_at = now()")
    await page.clock.fast_forward(31_000)
    await page.get_by_text("Nada em aberto").wait_for()
    assert "alarme" not in await told.inner_text()
    await page.get_by_label("Atualizar a cada 30 s").uncheck()
    sql("UPDATE sync.integration SET name = 'Renomeada' WHERE name = 'Mercado Livre'")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.fast_forward(31_000)
    await page.get_by_label("Atualizar a cada 30 s").check()
    assert asked == []
    assert await page.get_by_role("link", name="Renomeada", exact=True).count() == 0


async def test_with_the_keyboard_alone(open_page: OpenPage, person: SignedIn, busy: UUID) -> None:
    page = await open_page(person, "/")
    await page.locator("[data-grid] a[tabindex='0']").focus()
    last = await page.evaluate("document.activeElement.id")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowUp")
    moved = await page.evaluate("document.activeElement.id")
    assert moved not in ("", last)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/logs?integracao=*")


async def test_accessible_in_both_themes_and_no_wider_than_a_phone(
    open_page: OpenPage, person: SignedIn, busy: UUID, heart: Heart
) -> None:
    heart.now = Pulse(prefect=False)
    phone = {"width": 320, "height": 800}
    page = await open_page(person, "/", color_scheme="light", reduced_motion="reduce", viewport=phone)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await violations(page) == []
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.emulate_media(color_scheme="dark")
    assert await violations(page) == []
