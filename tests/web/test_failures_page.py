"""Falhas: by cause and one by one, tried again, corrected, marked as resolved, told to support."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.conftest import Database, new_tenant
from tests.console import Asked, OpenPage, SignedIn
from tests.web.runs import NewIssue, NewLog, Sql

CPF = "529.982.247-25"
RECORD = {
    "id": 17,
    "billing": {"cpf": "123", "name": "Rua das Flores"},
    "note": "linha um\nlinha dois",
    "total": 10.5,
    "paid": False,
    "meta_data": [{"key": "_origem", "value": "balcão"}],
}


@pytest.fixture
def failed(new_log: NewLog, new_issue: NewIssue) -> tuple[UUID, list[UUID]]:
    """A log and what failed in it: three of one cause, one of another."""
    log = new_log(status="partial", errors=4)
    payload = json.dumps(RECORD).encode()
    made = [new_issue(log, f"P-{n}", payload=payload) for n in range(3)]
    made.append(new_issue(log, "P-9", error_class="TransientError", field="", message="502 da loja."))
    return log, made


async def test_causes_come_first_and_lead_to_their_records(
    person: SignedIn, failed: tuple[UUID, list[UUID]]
) -> None:
    page = (await person.http.get("/falhas")).text.split("Por causa")[1]
    assert page.index("Registro inválido · billing.cpf") < page.index("Sistema externo indisponível")
    assert "× 3" in page
    assert "seu dado" in page
    narrowed = page.split("Registro inválido")[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    page = (await person.http.get(narrowed)).text
    assert "P-0" in page
    assert "P-9" not in page
    none = (await person.http.get("/falhas?erro=TransientError&campo=-")).text
    assert "P-9" in none
    assert "P-0" not in none
    assert "P-9" in (await person.http.get("/falhas?culpa=data&entidade=products&direcao=import")).text
    assert "Nenhuma falha com este filtro" in (await person.http.get("/falhas?culpa=credential")).text
    assert (await person.http.get("/falhas?culpa=xyz")).status_code == 422


async def test_the_chosen_ones_are_one_request_whoever_presses(
    person: SignedIn, failed: tuple[UUID, list[UUID]], orchestrator: Asked, sql: Sql
) -> None:
    _, made = failed
    data = {"falha": [str(made[0]), str(made[1])], "volta": "/falhas?erro=RecordError"}
    answers = await asyncio.gather(*[person.http.post("/falhas/reprocessar", data=data) for _ in range(4)])
    assert {a.headers["location"] for a in answers} == {"/falhas?erro=RecordError&feito=reprocessar&n=2"}
    [(selection, by)] = sql("SELECT selection, requested_by FROM sync.run_request")
    assert selection == {"issues": sorted(str(id_) for id_ in made[:2])}
    assert by == person.email
    assert len({str(call[1]["request_id"]) for call in orchestrator.calls}) == 1
    page = (await person.http.get(answers[0].headers["location"])).text
    assert "Reprocessamento pedido para 2 registros." in page
    assert f"pedido por {person.email}" in page
    assert (await person.http.post("/falhas/reprocessar", data={})).status_code == 422


async def test_all_of_a_filter(person: SignedIn, failed: tuple[UUID, list[UUID]], sql: Sql) -> None:
    data = {"todas": "1", "filtro": "erro=RecordError&campo=billing.cpf"}
    answer = await person.http.post("/falhas/reprocessar", data=data)
    assert answer.headers["location"].endswith("&feito=reprocessar&n=3")
    assert sql("SELECT selection FROM sync.run_request") == [
        ({"error_class": "RecordError", "field": "billing.cpf"},)
    ]


async def test_marked_as_resolved_with_a_reason_and_its_earlier_attempts(
    person: SignedIn, failed: tuple[UUID, list[UUID]], new_log: NewLog, new_issue: NewIssue, sql: Sql
) -> None:
    again = new_issue(new_log(minutes=5, status="partial", errors=1), "P-0", attempt=2)
    data = {"falha": str(again), "motivo": " "}
    assert (await person.http.post("/falhas/resolver", data=data)).status_code == 422
    data["motivo"] = "Corrigido na loja"
    assert (await person.http.post("/falhas/resolver", data=data)).status_code == 303
    page = (await person.http.get("/falhas")).text
    assert "P-0" not in page
    assert "P-1" in page
    page = (await person.http.get(f"/falhas/{again}")).text
    assert "“Corrigido na loja”" in page
    assert "P-0" in (await person.http.get("/falhas?aba=resolvidas")).text
    data = {"todas": "1", "filtro": "erro=RecordError", "motivo": "Importados à mão"}
    await person.http.post("/falhas/resolver", data=data)
    assert "P-9" in (await person.http.get("/falhas")).text
    assert sql("SELECT count(*) FROM sync.issue WHERE state = 'open'") == [(1,)]
    told = sql(
        "SELECT target, reason, details FROM sync.audit_log WHERE action = 'issue.resolve' ORDER BY id"
    )
    assert told[0] == (str(again), "Corrigido na loja", {})
    assert told[1][2] == {"error_class": "RecordError", "issues": 2}


async def test_one_failure_with_its_attempts(
    person: SignedIn, failed: tuple[UUID, list[UUID]], new_log: NewLog, new_issue: NewIssue, sql: Sql
) -> None:
    _, made = failed
    sql(
        "UPDATE sync.issue SET provider_code = 'invalid_cpf', provider_message = 'CPF is invalid',"
        " next_attempt_at = now() + interval '3 hours' WHERE id = :id",
        id=made[0],
    )
    again = new_issue(
        new_log(minutes=5, status="partial", errors=1), "P-0", attempt=2, message="CPF ainda inválido."
    )
    page = (await person.http.get(f"/falhas/{made[0]}")).text
    for told in (
        "invalid_cpf",
        "CPF is invalid",
        "Causa: Um campo está vazio.",
        "em 2 h",
        "CPF ainda inválido.",
    ):
        assert told in page
    assert page.index("Tentativa 1") < page.index("Tentativa 2")
    assert f"/falhas/{again}" in page
    assert "Rua das Flores" not in page


async def test_the_content_is_for_who_may_edit_and_on_record(
    person: SignedIn, reader: SignedIn, failed: tuple[UUID, list[UUID]], sql: Sql
) -> None:
    _, made = failed
    assert (await reader.http.post(f"/falhas/{made[0]}/conteudo")).status_code == 403
    page = (await person.http.post(f"/falhas/{made[0]}/conteudo")).text
    assert "Rua das Flores" in page
    assert page.index('value="billing.cpf"') < page.index('value="billing.name"')
    assert "_origem" in page
    block = (await person.http.post(f"/falhas/{made[0]}/conteudo", headers={"HX-Request": "true"})).text
    assert block.lstrip().startswith("<section")
    told = sql("SELECT actor, target FROM sync.audit_log WHERE action = 'issue.payload'")
    assert told == [(person.email, str(made[0]))] * 2


async def test_a_correction_keeps_only_what_was_changed(
    person: SignedIn, failed: tuple[UUID, list[UUID]], orchestrator: Asked, wiring: Any, sql: Sql
) -> None:
    _, made = failed
    same = {
        "campo": ["billing.name", "note", "total", "paid"],
        "valor": ["Rua das Flores", "linha um\r\nlinha dois", "10.5", "false"],
    }
    address = f"/falhas/{made[0]}/corrigir"
    assert (await person.http.post(address, data=same | {"motivo": "x"})).status_code == 422
    changed = {"campo": [*same["campo"], "billing.cpf"], "valor": [*same["valor"][:2], "11", "false", CPF]}
    assert (await person.http.post(address, data=changed)).status_code == 422
    answer = await person.http.post(address, data=changed | {"motivo": "O cliente mandou"})
    assert answer.headers["location"] == f"/falhas/{made[0]}?corrigido=1"
    [(fields, author, reason)] = sql("SELECT fields, author, reason FROM sync.record_override")
    assert json.loads(wiring.vault.open_payload(bytes(fields)))["fields"] == {"billing.cpf": CPF, "total": 11}
    assert (author, reason) == (person.email, "O cliente mandou")
    assert sql("SELECT selection FROM sync.run_request") == [({"issues": [str(made[0])]},)]
    assert [call[0] for call in orchestrator.calls] == ["trigger"]
    page = (await person.http.get(answer.headers["location"])).text
    assert "Correção guardada" in page
    assert "“O cliente mandou”" in page


async def test_one_failures_payload_is_redacted(
    person: SignedIn, failed: tuple[UUID, list[UUID]], sql: Sql
) -> None:
    _, made = failed
    answer = await person.http.post(f"/falhas/{made[1]}/exportar")
    [issue] = answer.json()["issues"]
    assert issue["id"] == str(made[1])
    assert issue["payload"]["billing"]["cpf"] == "•••"
    assert sql("SELECT target FROM sync.audit_log WHERE action = 'issue.export'") == [(str(made[1]),)]


async def test_a_ticket_tells_of_the_failure(person: SignedIn, failed: tuple[UUID, list[UUID]]) -> None:
    log, made = failed
    form = (await person.http.get(f"/logs/{log}/chamado?falha={made[0]}")).text
    assert "Falha no registro P-0: Registro inválido. CPF inválido." in form


async def test_who_may_only_see_changes_nothing(reader: SignedIn, failed: tuple[UUID, list[UUID]]) -> None:
    _, made = failed
    page = (await reader.http.get("/falhas")).text
    assert 'name="falha"' not in page
    for action in ("reprocessar", "resolver"):
        answer = await reader.http.post(f"/falhas/{action}", data={"falha": str(made[0]), "motivo": "x"})
        assert answer.status_code == 403
    for action in ("conteudo", "corrigir", "exportar"):
        assert (await reader.http.post(f"/falhas/{made[0]}/{action}")).status_code == 403


async def test_another_tenants_failure_does_not_exist(
    person: SignedIn, sign_in: Any, database: Database, failed: tuple[UUID, list[UUID]], sql: Sql
) -> None:
    _, made = failed
    stranger = await sign_in(new_tenant(database, "Alheia").id)
    unknown = uuid4()
    for id_ in (made[0], unknown):
        assert (await stranger.http.get(f"/falhas/{id_}")).status_code == 404
        data = {"falha": str(id_), "motivo": "x", "campo": "id", "valor": "1"}
        for action in ("reprocessar", "resolver", f"{id_}/conteudo", f"{id_}/corrigir", f"{id_}/exportar"):
            assert (await stranger.http.post(f"/falhas/{action}", data=data)).status_code == 404, action
    await stranger.http.post("/falhas/resolver", data={"todas": "1", "motivo": "x"})
    assert sql("SELECT count(*) FROM sync.issue WHERE state = 'open'") == [(4,)]
    assert "Nenhuma falha em aberto" in (await stranger.http.get("/falhas")).text
    assert (await person.http.get(f"/falhas/{made[0]}")).status_code == 200


async def test_reprocess_with_the_mouse(
    open_page: OpenPage, person: SignedIn, failed: tuple[UUID, list[UUID]], sql: Sql
) -> None:
    page = await open_page(person, "/falhas")
    await page.get_by_role("link", name="Registro inválido · billing.cpf").first.click()
    await page.get_by_label("Selecionar as desta página").check()
    await page.get_by_role("button", name="Reprocessar", exact=True).click()
    await page.get_by_text("Reprocessamento pedido para 3 registros.").wait_for()
    assert len(sql("SELECT selection FROM sync.run_request")[0][0]["issues"]) == 3


async def test_correct_with_the_keyboard_alone(
    open_page: OpenPage, person: SignedIn, failed: tuple[UUID, list[UUID]], sql: Sql
) -> None:
    page = await open_page(person, "/")
    await page.keyboard.press("g")
    await page.keyboard.press("f")
    await page.get_by_role("heading", name="Falhas", exact=True).wait_for()
    row = page.get_by_role("row", name="P-1 produtos")
    for _ in range(12):
        await page.keyboard.press("j")
        if await row.evaluate("row => row.contains(document.activeElement)"):
            break
    # The row's checkbox has the focus; its link is the next stop.
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="P-1").wait_for()
    await page.keyboard.press("e")
    field = page.get_by_label("billing.cpf")
    await field.wait_for()
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await field.evaluate("box => box === document.activeElement"):
            break
    await page.keyboard.press("Control+A")
    await page.keyboard.type(CPF)
    reason = page.get_by_label("Por que este é o valor certo")
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await reason.evaluate("box => box === document.activeElement"):
            break
    await page.keyboard.type("O cliente mandou")
    await page.keyboard.press("Enter")
    await page.get_by_text("Correção guardada").wait_for()
    assert sql("SELECT external_id FROM sync.record_override") == [("P-1",)]


async def test_axe_and_a_narrow_screen(
    open_page: OpenPage, person: SignedIn, failed: tuple[UUID, list[UUID]]
) -> None:
    _, made = failed
    narrow = {"width": 320, "height": 800}
    page = await open_page(person, "/falhas", viewport=narrow, reduced_motion="reduce")
    for path in ("/falhas", f"/falhas/{made[0]}", "opened"):
        if path == "opened":
            await page.get_by_role("button", name="Editar e reprocessar").click()
            await page.get_by_label("billing.cpf").wait_for()
        else:
            await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            found = await Axe().run(page)
            serious = [
                v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")
            ]
            assert serious == [], (path, scheme)
