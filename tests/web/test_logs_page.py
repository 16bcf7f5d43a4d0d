"""Logs as pages: filters, keyset pages, CSV; one log with its causes, attempts and actions (manual 5)."""

from uuid import UUID, uuid4

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.web.runs import NewIssue, NewLog, Sql

VALID_CPF = "529.982.247-25"


async def test_every_field_of_the_manual_is_there(person: SignedIn, new_log: NewLog) -> None:
    log = new_log(status="partial", errors=2, trigger="webhook", message="2 registros falharam.")
    page = (await person.http.get("/logs")).text
    for told in (
        "Loja Centro",
        "produtos",
        "importar",
        "Parcial",
        "webhook",
        "2 registros falharam.",
        "1 min 30 s",
    ):
        assert told in page
    assert f'href="/logs/{log}"' in page
    assert f'href="/falhas?log={log}"' in page


async def test_filters_are_in_the_address(person: SignedIn, new_log: NewLog, shop: UUID) -> None:
    logs = {
        "entidade=orders": new_log(entity="orders"),
        "direcao=export": new_log(direction="export"),
        "status=deferred": new_log(status="deferred"),
        "gatilho=manual": new_log(trigger="manual"),
        "ate=2020-01-31": new_log(minutes=60 * 24 * 365 * 30),
        "abertos=1": new_log(minutes=1, status="error", entity="stock"),
    }
    for asked, log in logs.items():
        page = (await person.http.get(f"/logs?integracao={shop}&{asked}")).text
        assert f"/logs/{log}" in page, asked
        assert not any(f"/logs/{other}" in page for other in logs.values() if other != log), asked
    today = (await person.http.get("/logs?desde=2020-02-01")).text
    assert f"/logs/{logs['ate=2020-01-31']}" not in today
    assert f"/logs/{logs['gatilho=manual']}" in today
    assert "Nenhum log com este filtro" in (await person.http.get("/logs?status=cancelled")).text


@pytest.mark.parametrize("asked", ["status=xyz", "integracao=1", "desde=ontem", "entidade=%27", "antes=1"])
async def test_a_filter_that_is_none_is_refused(person: SignedIn, asked: str) -> None:
    assert (await person.http.get(f"/logs?{asked}")).status_code == 422


async def test_pages_follow_one_another_without_a_gap(person: SignedIn, new_log: NewLog, sql: Sql) -> None:
    new_log()
    # Many that began at one moment: a page may end among them.
    sql(
        "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status,"
        " initiated_by, started_at, ended_at) SELECT tenant_id, integration_id, pair_id, entity, direction,"
        " status, initiated_by, started_at, ended_at FROM sync.sync_log, generate_series(1, 120)"
    )
    for asked in ("", "status=success", "integracao=" + str(sql("SELECT id FROM sync.integration")[0][0])):
        seen: list[str] = []
        address = f"/logs?{asked}"
        while address:
            page = (await person.http.get(address)).text
            seen += [part[:36] for part in page.split('href="/logs/')[1:]]
            address = (
                page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
                if 'rel="next"' in page
                else ""
            )
        assert len(seen) == len(set(seen)) == 121, asked


async def test_unresolved_is_what_nothing_has_put_right(
    person: SignedIn, new_log: NewLog, new_issue: NewIssue, sql: Sql
) -> None:
    healed = new_log(minutes=60, status="error")
    simulated = new_log(minutes=50, status="success")
    sql("UPDATE sync.sync_log SET dry_run = true WHERE id = :id", id=simulated)
    with_issue = new_log(minutes=40, status="partial", errors=1)
    new_issue(with_issue, "A-1")
    solved = new_log(minutes=39, status="partial", errors=1)
    new_issue(solved, "A-2", state="resolved")
    new_log(minutes=30, status="success")
    failed = new_log(minutes=20, status="error")
    marked = new_log(minutes=10, status="error")
    sql("UPDATE sync.sync_log SET resolved_at = now(), resolved_by = 'ana' WHERE id = :id", id=marked)
    page = (await person.http.get("/logs?abertos=1")).text
    assert {log for log in (healed, with_issue, solved, failed, marked) if f"/logs/{log}" in page} == {
        with_issue,
        failed,
    }


async def test_the_csv_is_the_filter_and_no_formula(person: SignedIn, new_log: NewLog) -> None:
    new_log(status="error", message='=HYPERLINK("http://x")', error_class="TransientError")
    new_log(entity="orders")
    answer = await person.http.get("/logs.csv?status=error")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.startswith("\ufeffData/Hora (São Paulo);Integração;")
    lines = answer.text.splitlines()
    assert len(lines) == 2
    assert '"\'=HYPERLINK(""http://x"")"' in lines[1]
    assert ";90,000;" in lines[1]


async def test_without_logs_the_page_says_why(person: SignedIn) -> None:
    assert "Ainda não houve execução" in (await person.http.get("/logs")).text


async def test_a_log_tells_cause_remedy_details_and_prefects_address(
    person: SignedIn, new_log: NewLog
) -> None:
    run = uuid4()
    log = new_log(
        status="error",
        error_class="AuthenticationError",
        message="A loja recusou a credencial.",
        cause="Expirou.",
        remedy="Renove a chave.",
        flow_run=run,
    )
    page = (await person.http.get(f"/logs/{log}")).text
    for told in (
        "401 Unauthorized",
        "A loja recusou a credencial.",
        "Causa: Expirou.",
        "Solução: Renove a chave.",
    ):
        assert told in page
    assert f"http://127.0.0.1:4200/runs/flow-run/{run}" in page
    assert '<span class="key">api</span>' in page


async def test_issues_are_counted_by_cause_and_tried_again_once(
    person: SignedIn, new_log: NewLog, new_issue: NewIssue, orchestrator: Asked, sql: Sql
) -> None:
    log = new_log(status="partial", errors=3)
    new_issue(log, "A-1")
    new_issue(log, "A-2")
    new_issue(log, "A-3", error_class="MappingNotFound", field="sku", message="SKU X sem vínculo.")
    page = (await person.http.get(f"/logs/{log}")).text
    assert "Registro inválido · billing.cpf" in page
    assert "Mapeamento não encontrado · sku" in page
    assert "Reprocessar 3 registros" in page
    for _ in range(2):
        assert (await person.http.post(f"/logs/{log}/reprocessar")).status_code == 303
    asked = sql("SELECT selection, requested_by, parent_log_id FROM sync.run_request")
    assert [tuple(row) for row in asked] == [({"log": str(log)}, person.email, log)]
    assert {call[1]["request_id"] for call in orchestrator.calls} == {
        row[0] for row in sql("SELECT id FROM sync.run_request")
    }
    assert f"Pedido de reprocessamento por {person.email}" in (await person.http.get(f"/logs/{log}")).text


async def test_attempts_stand_under_each_other(person: SignedIn, new_log: NewLog) -> None:
    first = new_log(minutes=30, status="partial", errors=1)
    second = new_log(minutes=20, status="partial", errors=1, trigger="reprocess", parent=first)
    third = new_log(minutes=10, trigger="reprocess", parent=second)
    stranger = new_log(minutes=5)
    page = (await person.http.get(f"/logs/{second}")).text
    assert page.index(f"/logs/{first}") < page.index("Este log") < page.index(f"/logs/{third}")
    assert f"/logs/{stranger}" not in page


async def test_marking_as_resolved_needs_a_reason(person: SignedIn, new_log: NewLog, sql: Sql) -> None:
    log = new_log(status="error")
    assert (await person.http.post(f"/logs/{log}/resolver", data={"motivo": " "})).status_code == 422
    assert (
        await person.http.post(f"/logs/{log}/resolver", data={"motivo": "Corrigido na loja"})
    ).status_code == 303
    assert "Corrigido na loja" in (await person.http.get(f"/logs/{log}")).text
    assert f"/logs/{log}" not in (await person.http.get("/logs?abertos=1")).text
    assert sql("SELECT actor FROM sync.audit_log WHERE action = 'log.resolve'") == [(person.email,)]
    assert (await person.http.post(f"/logs/{log}/resolver", data={"motivo": "De novo"})).status_code == 422


async def test_the_payload_is_exported_redacted_and_on_record(
    person: SignedIn, new_log: NewLog, new_issue: NewIssue, sql: Sql
) -> None:
    log = new_log(status="partial", errors=1)
    new_issue(log, "A-1", payload=f'{{"id": 1, "billing": {{"cpf": "{VALID_CPF}"}}}}'.encode())
    answer = await person.http.post(f"/logs/{log}/exportar")
    assert answer.json()["issues"][0]["external_id"] == "A-1"
    assert VALID_CPF not in answer.text
    assert "attachment" in answer.headers["content-disposition"]
    assert sql("SELECT actor FROM sync.audit_log WHERE action = 'log.export'") == [(person.email,)]


async def test_a_ticket_is_opened_once_and_closed(person: SignedIn, new_log: NewLog) -> None:
    log = new_log(status="error", error_class="ContractError", message="Veio HTML.")
    form = (await person.http.get(f"/logs/{log}/chamado")).text
    assert 'value="Loja Centro · produtos · erro"' in form
    sent = {"assunto": "Loja fora do ar", "texto": "Desde cedo."}
    opened = await person.http.post(f"/logs/{log}/chamado", data=sent)
    address = opened.headers["location"].split("?")[0]
    assert address.startswith("/chamados/T-")
    again = await person.http.post(f"/logs/{log}/chamado", data=sent)
    assert again.headers["location"] == f"{address}?feito=aberto-antes"
    page = (await person.http.get(address)).text
    assert "Loja fora do ar" in page
    assert "Observação: Desde cedo." in page
    assert address in (await person.http.get("/chamados")).text
    assert (await person.http.post(f"{address}/fechar")).status_code == 303
    assert "Fechado" in (await person.http.get(address)).text
    assert (await person.http.post(f"{address}/fechar")).status_code == 404


async def test_a_running_one_can_be_cancelled(
    person: SignedIn, new_log: NewLog, orchestrator: Asked, sql: Sql
) -> None:
    run = uuid4()
    log = new_log(minutes=1, status="running", flow_run=run, total=50)
    page = (await person.http.get(f"/logs/{log}")).text
    assert '<progress max="50" value="5"' in page
    assert f'sse-connect="/logs/{log}/progresso"' in page
    assert "Cancelar mantém o que já foi gravado" in page
    assert (await person.http.post(f"/logs/{log}/cancelar")).status_code == 303
    assert orchestrator.calls == [("cancel", {"flow_run_id": run})]
    assert sql("SELECT cancel_requested_by FROM sync.sync_log") == [(person.email,)]
    assert "Cancelamento pedido por" in (await person.http.get(f"/logs/{log}")).text


ACTIONS = ("cancelar", "reprocessar", "resolver", "exportar", "chamado")


async def test_who_may_only_see_changes_nothing(reader: SignedIn, new_log: NewLog) -> None:
    log = new_log(status="error")
    page = (await reader.http.get(f"/logs/{log}")).text
    assert "Exportar payload" not in page
    for action in ACTIONS:
        assert (await reader.http.post(f"/logs/{log}/{action}")).status_code == 403, action
    assert (await reader.http.post("/chamados/T-2026-000001/fechar")).status_code == 403


async def test_another_tenants_log_does_not_exist(
    person: SignedIn, sql: Sql, new_log: NewLog, database: Database, tenant: Tenant
) -> None:
    log = new_log(status="error")
    foreign = new_tenant(database, "Alheia")
    sql("UPDATE sync.sync_log SET tenant_id = tenant_id WHERE id = :id", id=log)
    integration = uuid4()
    sql(
        "INSERT INTO sync.integration (id, tenant_id, provider, name)"
        " VALUES (:id, :tenant, 'woocommerce', 'X')",
        id=integration,
        tenant=foreign.id,
    )
    theirs = uuid4()
    sql(
        "INSERT INTO sync.sync_log (id, tenant_id, integration_id, entity, direction, status, initiated_by,"
        " ended_at) VALUES (:id, :tenant, :integration, 'products', 'import', 'error', 'manual', now())",
        id=theirs,
        tenant=foreign.id,
        integration=integration,
    )
    unknown = await person.http.get(f"/logs/{uuid4()}")
    for path in ("", "/chamado", "/progresso"):
        assert (await person.http.get(f"/logs/{theirs}{path}")).status_code == 404
    for action in ACTIONS:
        data = {"motivo": "x", "assunto": "x"}
        answer = await person.http.post(f"/logs/{theirs}/{action}", data=data)
        assert answer.status_code in (404, 422), action
    page = await person.http.get(f"/logs/{theirs}")
    assert page.text.replace(str(theirs), "") == unknown.text.replace(str(unknown.url).rsplit("/", 1)[1], "")
    assert f"/logs/{theirs}" not in (await person.http.get("/logs")).text


async def test_read_a_log_with_the_mouse(open_page: OpenPage, person: SignedIn, new_log: NewLog) -> None:
    log = new_log(
        status="error", error_class="TransientError", message="502 da loja.", cause="Caiu.", remedy="Espere."
    )
    new_log(entity="orders")
    page = await open_page(person, "/")
    await page.get_by_role("link", name="Logs", exact=True).click()
    await page.get_by_label("Status").select_option("error")
    await page.get_by_role("button", name="Filtrar").click()
    await page.wait_for_url("**status=error**")
    await page.locator("tbody tr").first.get_by_role("link").first.click()
    await page.get_by_text("Causa: Caiu.").wait_for()
    assert page.url.endswith(f"/logs/{log}")
    await page.get_by_text("2 campos").first.click()


async def test_read_a_log_with_the_keyboard_alone(
    open_page: OpenPage, person: SignedIn, new_log: NewLog
) -> None:
    new_log(minutes=5, entity="orders")
    log = new_log(
        status="error", error_class="TransientError", message="502 da loja.", cause="Caiu.", remedy="Espere."
    )
    page = await open_page(person, "/")
    await page.keyboard.press("g")
    await page.keyboard.press("l")
    await page.get_by_role("heading", name="Logs de sincronização").wait_for()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.get_by_text("Causa: Caiu.").wait_for()
    assert page.url.endswith(f"/logs/{log}")


async def test_axe_and_a_narrow_screen(
    open_page: OpenPage, person: SignedIn, new_log: NewLog, new_issue: NewIssue
) -> None:
    log = new_log(status="partial", errors=1, message="Um registro falhou.")
    new_issue(log, "A-1")
    new_log(minutes=5, trigger="reprocess", parent=log)
    running = new_log(minutes=1, status="running", total=50)
    narrow = {"width": 320, "height": 800}
    page = await open_page(person, "/logs", viewport=narrow, reduced_motion="reduce")
    for path in ("/logs", f"/logs/{log}", f"/logs/{running}", f"/logs/{log}/chamado", "/chamados"):
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            found = await Axe().run(page)
            serious = [
                v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")
            ]
            assert serious == [], (path, scheme)
