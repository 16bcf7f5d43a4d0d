"""Auditoria: what was done is found again, by its filters, in pages, in a file; and what nobody may read."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from axe_playwright_python.async_playwright import Axe

from core import spreadsheet
from core.auditing import ACTIONS
from db import audit
from db.audit import By
from db.session import tenant_transaction
from db.trail import Filters, trail
from tests.conftest import Database, Tenant, new_tenant
from tests.console import OpenPage, SignedIn
from tests.shared import console, database, orchestrator, wiring
from web.wiring import Wiring

ROOT = Path(__file__).parents[2]

__all__ = ["console", "database", "orchestrator", "wiring"]


async def write(wiring: Wiring, tenant: Tenant, count: int, actor: str = "bia@exemplo.example") -> None:
    for n in range(count):
        async with tenant_transaction(wiring.engine, tenant.id) as connection:
            details = {"entity": "products", "n": n}
            by = By(actor, "revisão do cadastro")
            await audit.record(connection, tenant.id, by, "mapping.create", str(uuid4()), details)


async def test_what_was_done_is_shown_in_words(person: SignedIn, wiring: Wiring, tenant: Tenant) -> None:
    await write(wiring, tenant, 1)
    shown = (await person.http.get("/auditoria")).text
    for words in ("Mapeamento criado", "bia@exemplo.example", "revisão do cadastro", "produtos"):
        assert words in shown
    assert "Acesso concedido" in shown
    assert f'href="/acesso">{"Ana Souza"}' in shown


async def test_filters_are_in_the_address(person: SignedIn, wiring: Wiring, tenant: Tenant) -> None:
    await write(wiring, tenant, 2)
    for query in ("acao=mapping.create", "quem=bia@exemplo.example"):
        shown = (await person.http.get(f"/auditoria?{query}")).text
        assert shown.count("data-row") == 2, query
    assert "Nada com estes filtros" in (await person.http.get("/auditoria?quem=x")).text
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    assert "Nada com estes filtros" in (await person.http.get(f"/auditoria?de={tomorrow}")).text
    [one, _] = await trail(wiring.engine, tenant.id, Filters(action="mapping.create"))
    assert (await person.http.get(f"/auditoria?alvo={one.target}")).text.count("data-row") == 1
    assert (await person.http.get("/auditoria?de=ontem&quem=%00")).status_code == 422


async def test_pages_follow_each_other_without_a_gap(
    person: SignedIn, wiring: Wiring, tenant: Tenant
) -> None:
    async with tenant_transaction(wiring.engine, tenant.id) as connection:
        targets = [f"alvo-{n:03}" for n in range(120)]
        await audit.record_each(connection, tenant.id, By("cli"), "mapping.orphan", targets)
    seen: list[str] = []
    path = "/auditoria?acao=mapping.orphan"
    while path:
        shown = (await person.http.get(path)).text
        seen += [target for target in targets if target in shown]
        path = shown.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert sorted(seen) == targets


async def test_the_file_opens_as_text_alone(person: SignedIn, wiring: Wiring, tenant: Tenant) -> None:
    await write(wiring, tenant, 1, actor='=HYPERLINK("http://evil.example")')
    answer = await person.http.get("/auditoria.csv?acao=mapping.create")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    text = answer.content.decode()
    assert text.startswith("\ufeffData/Hora (São Paulo);Quem;Ação;")
    assert ";\"'=HYPERLINK(" in text
    assert text.count("\r\n") == 2


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_no_cell_becomes_a_formula(cell: str) -> None:
    assert spreadsheet.lines([[cell]]).lstrip('"').startswith("'")


async def test_another_tenants_trail_is_not_read(
    person: SignedIn, wiring: Wiring, database: Database, tenant: Tenant
) -> None:
    other = new_tenant(database, "Alheia")
    await write(wiring, other, 1, actor="alheio@exemplo.example")
    [foreign] = await trail(wiring.engine, other.id, Filters())
    for path in ("/auditoria", "/auditoria.csv", f"/auditoria?antes={foreign.id}"):
        assert "alheio" not in (await person.http.get(path)).text


def test_every_action_has_its_words() -> None:
    found = set()
    for path in (*(ROOT / "db").rglob("*.py"), *(ROOT / "web").rglob("*.py"), *(ROOT / "tasks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
                "record",
                "record_each",
                "_audit",
                "_record",
            ):
                found |= {
                    arg.value
                    for arg in node.args
                    if isinstance(arg, ast.Constant) and isinstance(arg.value, str) and "." in arg.value
                }
    assert len(found) > 20
    assert found <= ACTIONS.keys()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_page_for_everybody(
    person: SignedIn, open_page: OpenPage, wiring: Wiring, tenant: Tenant, scheme: str
) -> None:
    await write(wiring, tenant, 3)
    narrow = {"width": 320, "height": 800}
    page = await open_page(person, "/auditoria", color_scheme=scheme, viewport=narrow)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await page.evaluate(wide)
    await page.get_by_label("Ação", exact=True).select_option("mapping.create")
    await page.get_by_role("button", name="Filtrar").press("Enter")
    await page.wait_for_url("**acao=mapping.create**")
    assert await page.locator("tr[data-row]").count() == 3
    found = (await Axe().run(page)).response["violations"]
    assert [one for one in found if one["impact"] in ("serious", "critical")] == []
