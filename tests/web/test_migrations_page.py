"""Migração: a file is sent, its columns are checked, it is simulated, written, and comes back corrected."""

import io
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from openpyxl import Workbook
from playwright.async_api import Page

from db import embedded, legacy_files
from tests.conftest import Database, Tenant, new_tenant
from tests.console import Asked, OpenPage, SignedIn, SignIn
from tests.providers.legacy import Office, products, workbook
from web import limits
from web.wiring import Wiring

Sql = Callable[..., Any]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


BEGUN = "UPDATE sync.sync_log SET flow_run_id = :run WHERE flow_run_id IS NULL"
ASKED = "UPDATE sync.sync_log SET flow_run_id = (SELECT asked_run FROM sync.migration)"


class Flow(Asked):
    """Runs what is asked for as the flow does, in this process."""

    office: Office | None = None

    async def migrate(self, migration_id: UUID, *, apply: bool = False) -> UUID:
        await super().migrate(migration_id, apply=apply)
        run = uuid4()
        if self.office is not None:
            await self.office.migrate(migration_id, apply=apply)
            self.office.query(BEGUN, run=run)
        return run


@pytest.fixture
def orchestrator(database: Database, tenant: Tenant, keys: str, monkeypatch: pytest.MonkeyPatch) -> Flow:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", keys)
    return Flow()


@pytest.fixture
def wiring(wiring: Wiring, cluster: embedded.Server) -> Wiring:
    """The operator lets the test's own PostgreSQL be read as an old ERP."""
    private = wiring.environment.private_hosts | {str(cluster.socket_folder)}
    return replace(wiring, environment=replace(wiring.environment, private_hosts=private))


@pytest.fixture
def office(database: Database, tenant: Tenant, wiring: Wiring, orchestrator: Flow) -> Office:
    orchestrator.office = Office(database, tenant, wiring.engine, wiring.vault)
    return orchestrator.office


async def send(
    somebody: SignedIn, data: bytes, name: str = "velho.xlsx", entity: str = "products", **more: str
) -> httpx.Response:
    files = {"arquivo": (name, data, XLSX)}
    return await somebody.http.post("/migracoes/nova", data={"entidade": entity} | more, files=files)


async def sent(somebody: SignedIn, data: bytes, **more: str) -> str:
    """The address of the migration that was made of it."""
    answer = await send(somebody, data, **more)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def press(somebody: SignedIn, address: str, action: str, **fields: str) -> httpx.Response:
    return await somebody.http.post(f"{address}/{action}", data=fields)


async def test_a_file_is_looked_at_simulated_and_written(
    person: SignedIn, office: Office, orchestrator: Flow, sql: Sql
) -> None:
    assert "Traga os cadastros" in (await person.http.get("/migracoes")).text
    rows = products(30)
    rows[4][2] = "x"
    address = await sent(person, workbook(rows))
    shown = (await person.http.get(address)).text
    assert "Produtos de velho.xlsx · Sheet" in shown
    assert '<option value="sku" selected>SKU *' in shown
    assert "o valor não é um número." in shown
    assert "10,50" in shown
    assert sql("SELECT count(*) FROM erp.product") == [(0,)]
    too_early = await press(person, address, "gravar")
    assert too_early.status_code == 422
    assert "Simule esta migração" in too_early.text
    assert (await press(person, address, "simular")).status_code == 303
    tried = (await person.http.get(address)).text
    assert "Simulação: nada foi gravado" in tried
    assert "coluna Preço venda: o valor não é um número." in tried
    assert sql("SELECT count(*) FROM erp.product") == [(0,)]
    assert (await press(person, address, "gravar")).status_code == 303
    assert sql("SELECT count(*) FROM erp.product") == [(29,)]
    assert "Gravar de novo" in (await person.http.get(address)).text
    listed = (await person.http.get("/migracoes")).text
    assert "velho.xlsx · Sheet" in listed
    assert "29" in listed
    actions = [row[0] for row in sql("SELECT action FROM sync.audit_log WHERE actor = :by", by=person.email)]
    assert actions == ["integration.create", "migration.create", "migration.simulate", "migration.apply"]


async def test_rejected_rows_come_as_a_file_without_formulas_and_go_back(
    person: SignedIn, office: Office, sql: Sql
) -> None:
    evil = ("=cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "\t=1")
    lines = [f"{number};{name};x" for number, name in enumerate(evil)]
    data = "\n".join(["Código;Descrição;Preço", *lines, "9;Azul;1,00"])
    address = await sent(person, data.encode(), name="velho.csv")
    await press(person, address, "simular")
    await press(person, address, "gravar")
    file = await person.http.get(f"{address}/rejeitadas.csv")
    assert file.headers["content-disposition"].startswith("attachment")
    text = file.content.decode("utf-8-sig")
    assert file.content.startswith(b"\xef\xbb\xbf")
    assert "0;'=cmd|' /C calc'!A0;x;" in text
    assert ";Linha 2, coluna Preço: o valor não é um número." in text
    assert not re.search(r"(^|;)\"?[=+\-@\t]", text, re.MULTILINE)
    corrected = text.replace(";x;", ";1,00;").encode("utf-8-sig")
    second = await sent(person, corrected, name="rejeitadas.csv")
    await press(person, second, "simular")
    await press(person, second, "gravar")
    names = {row[0] for row in sql("SELECT name FROM erp.product")}
    assert names == {*evil[:3], "=1", "Azul"}


async def test_columns_are_said_by_a_person_and_remembered(
    person: SignedIn, office: Office, sql: Sql
) -> None:
    data = workbook([["1", "Azul", "9,90"]], ("Ref X", "Coisa", "R$"))
    address = await sent(person, data)
    shown = (await person.http.get(address)).text
    assert "Falta dizer qual coluna é: <strong>SKU, Nome</strong>" in shown
    assert (await press(person, address, "simular")).status_code == 422
    twice = await press(person, address, "mapeamento", **{"coluna-0": "sku", "coluna-1": "sku"})
    assert twice.status_code == 422
    assert "O campo SKU foi indicado para duas colunas." in twice.text
    wrong = await press(person, address, "mapeamento", **{"coluna-0": "nenhum"})
    assert wrong.status_code == 422
    said = {"coluna-0": "sku", "coluna-1": "name", "coluna-2": "price", "simular": "1"}
    assert (await press(person, address, "mapeamento", **said)).status_code == 303
    assert "Simulação: nada foi gravado" in (await person.http.get(address)).text
    changed = {"coluna-0": "sku", "coluna-1": "name"}
    assert (await press(person, address, "mapeamento", **changed)).status_code == 303
    assert "Simulação: nada foi gravado" not in (await person.http.get(address)).text
    other = await sent(person, workbook([["2", "Verde", "1"]], ("Ref X", "Coisa", "R$")))
    assert "Falta dizer" not in (await person.http.get(other)).text


async def test_another_sheet_row_or_entity_is_another_reading(person: SignedIn, office: Office) -> None:
    book = Workbook()
    first, second = book.active, book.create_sheet("Clientes")
    assert first is not None
    for row in (["Empresa"], ["Código", "Descrição"], ["1", "Azul"]):
        first.append(row)
    for row in (["Nome", "CPF/CNPJ"], ["Ana Lima", "529.982.247-25"], ["Rui", ""]):
        second.append(row)
    written = io.BytesIO()
    book.save(written)
    address = await sent(person, written.getvalue())
    again = await press(person, address, "origem", entidade="customers", aba="Clientes")
    assert again.status_code == 303
    shown = (await person.http.get(again.headers["location"])).text
    assert "Clientes de velho.xlsx · Clientes" in shown
    assert "o cliente precisa de CPF/CNPJ ou código." in shown
    assert (await person.http.get(address)).status_code == 404
    bad = await press(person, again.headers["location"], "origem", entidade="customers", cabecalho="x")
    assert bad.status_code == 422


def packed(*parts: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("xl/workbook.xml", b"<x/>"), *parts):
            archive.writestr(name, content)
    return made.getvalue()


def lying() -> bytes:
    """Says that its part unpacks to 10 bytes; it is four million."""
    found = bytearray(packed(("xl/worksheets/sheet1.xml", bytes(4_000_000))))
    size = (4_000_000).to_bytes(4, "little")
    return bytes(found.replace(size, (10).to_bytes(4, "little")))


HOSTILE = {
    "bomb": (packed(("xl/worksheets/sheet1.xml", bytes(40_000_000))), "se expande demais"),
    "lying bomb": (lying(), "danificado"),
    "many parts": (packed(*((f"p{n}", b"") for n in range(10_001))), "grande demais"),
    "damaged": (b"PK\x03\x04nada", "danificado"),
    "empty": (b"", "está vazio"),
    "binary": (bytes(range(256)) * 20, "não é uma planilha"),
    "encrypted": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"),
        "tem senha",
    ),
    "no table": (packed(), "não pôde ser lida"),
    "entities": (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">&b;</Workbook>',
        "",
    ),
}


async def test_what_is_no_sheet_is_refused_with_words(person: SignedIn, sql: Sql) -> None:
    for kind, (data, said) in HOSTILE.items():
        refused = await send(person, data)
        assert (refused.status_code, said in refused.text) == (422, True), kind
        assert 'role="alert"' in refused.text
    assert sql("SELECT count(*) FROM sync.legacy_file") == [(0,)]


async def test_a_form_without_a_file_or_with_a_foreign_word(person: SignedIn) -> None:
    nothing = await person.http.post("/migracoes/nova", data={"entidade": "products"})
    assert (nothing.status_code, "Escolha o arquivo" in nothing.text) == (422, True)
    assert (await send(person, workbook(products(1)), entity="nada")).status_code == 422
    assert (await send(person, workbook(products(1)), integracao=str(uuid4()))).status_code == 404
    assert (await send(person, workbook(products(1)), aba="Outra")).status_code == 422


async def test_too_much_is_refused_before_it_is_read(
    person: SignedIn, console: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_files, "LARGEST", 1_000)
    assert "mais de 0 MB" in (await send(person, workbook(products(5)))).text
    monkeypatch.setitem(limits.LARGER, "/migracoes/nova", 1_000)
    assert (await send(person, workbook(products(5)))).status_code == 413

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 10_000

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    endless = await person.http.post("/migracoes/nova", content=parts(), headers=kind)
    assert endless.status_code == 413
    assert "Arquivo grande demais" in endless.text


async def test_a_stranger_and_a_reader_send_nothing(
    reader: SignedIn, person: SignedIn, console: str, office: Office
) -> None:
    async with httpx.AsyncClient(base_url=console, timeout=60, trust_env=False) as http:
        assert (await http.post("/migracoes/nova", files={"arquivo": b"x"})).status_code == 303
    assert (await send(reader, workbook(products(1)))).status_code == 403
    address = await sent(person, workbook(products(1)))
    for action in ("mapeamento", "origem", "simular", "gravar", "excluir"):
        assert (await press(reader, address, action, entidade="products")).status_code == 403
    assert (await reader.http.get("/migracoes/nova")).status_code == 200
    seen = (await reader.http.get(address)).text
    assert "Salvar" not in seen
    assert (await reader.http.post("/migracoes/banco", data={})).status_code == 403


async def test_another_tenants_migration_does_not_exist(
    database: Database, sign_in: SignIn, person: SignedIn, office: Office
) -> None:
    stranger = await sign_in(new_tenant(database, "Alheia").id)
    address = await sent(person, workbook(products(1)))
    for path in ("", "/andamento", "/rejeitadas.csv"):
        assert (await stranger.http.get(f"{address}{path}")).status_code == 404
    for action in ("mapeamento", "origem", "simular", "gravar", "excluir"):
        assert (await press(stranger, address, action, entidade="products")).status_code == 404
    assert "velho.xlsx" not in (await stranger.http.get("/migracoes")).text
    assert (await person.http.get(address)).status_code == 200


async def test_a_run_that_waits_moves_and_is_broken_off(
    person: SignedIn, office: Office, orchestrator: Flow, sql: Sql
) -> None:
    address = await sent(person, workbook(products(2_100)))
    id_ = UUID(address.rpartition("/")[2])
    orchestrator.office = None
    await press(person, address, "simular")
    waiting = (await person.http.get(address)).text
    assert "Na fila…" in waiting
    assert "hx-get" in waiting
    for action in ("simular", "mapeamento", "gravar"):
        assert (await press(person, address, action)).status_code == 422
    await office.migrate(id_, apply=True, batches=1)
    sql(f"{ASKED}, status = 'running', ended_at = NULL")
    block = await person.http.get(f"{address}/andamento", headers={"HX-Request": "true"})
    assert "Gravando…" in block.text
    assert '<progress max="2100" value="2000"' in block.text
    sql("UPDATE sync.sync_log SET status = 'interrupted', ended_at = now()")
    assert "continua sozinha" in (await person.http.get(address)).text
    sql("UPDATE sync.sync_log SET status = 'error', message = 'O banco não respondeu.', remedy = 'Repita.'")
    stopped = (await person.http.get(address)).text
    assert "O banco não respondeu. Repita." in stopped
    assert "Continuar de onde parou" in stopped
    orchestrator.office = office
    await press(person, address, "gravar")
    assert sql("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(2_100, 2_100)]
    ended = await person.http.get(f"{address}/andamento", headers={"HX-Request": "true"})
    assert ended.headers["hx-refresh"] == "true"
    assert (await press(person, address, "excluir")).status_code == 303
    assert (await person.http.get(address)).status_code == 404


async def test_a_table_of_an_old_database(
    person: SignedIn, office: Office, cluster: embedded.Server, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Conecte o banco" in (await person.http.get("/migracoes/banco")).text
    sql("CREATE TABLE produto (codprod char(5) PRIMARY KEY, descricao text, preco_venda numeric(12,4))")
    sql("INSERT INTO produto VALUES ('00001', 'Azul', 9.9), ('00002', '', 1000)")
    monkeypatch.setenv("CLOUDTOSYS_ALLOWED_PRIVATE_HOSTS", str(cluster.socket_folder))
    settings = {
        "engine": "postgresql",
        "host": str(cluster.socket_folder),
        "database": sql("SELECT current_database()")[0][0],
        "username": "postgres",
    }
    integration = str(await office.connect("legacy-sql", settings, password="nenhuma"))
    sql("UPDATE sync.integration SET name = 'ERP velho'")
    asked = {"integracao": integration, "entidade": "products"}
    shown = await person.http.post("/migracoes/banco", data=asked)
    assert "<option selected>produto</option>" in shown.text
    unfinished = {"integracao": str(await office.connect("legacy-sql", {"engine": "mysql"}))}
    lacking = await person.http.post("/migracoes/banco", data=asked | unfinished)
    assert (lacking.status_code, "Falta preencher: Servidor" in lacking.text) == (422, True)
    missing = await person.http.post("/migracoes/banco", data=asked | {"tabela": "nada"})
    assert (missing.status_code, "Não há tabela" in missing.text) == (422, True)
    made = await person.http.post("/migracoes/banco", data=asked | {"tabela": "produto"})
    address = made.headers["location"]
    page = (await person.http.get(address)).text
    assert "Produtos de produto" in page
    assert "1.000,00" in page
    assert "o campo é obrigatório e está vazio." in page
    await press(person, address, "simular")
    await press(person, address, "gravar")
    assert sql("SELECT sku, price::float FROM erp.product") == [("00001", 9.9)]
    assert (await press(person, address, "origem", entidade="products")).status_code == 422


async def test_the_page_after_fifty(person: SignedIn, office: Office, sql: Sql) -> None:
    await sent(person, workbook(products(1)))
    sql(
        "INSERT INTO sync.migration (tenant_id, integration_id, pair_id, entity, requested_by, created_at)"
        " SELECT tenant_id, integration_id, pair_id, 'products', 'cli', created_at - n * interval '1 hour'"
        " FROM sync.migration, generate_series(1, 59) n"
    )
    first = (await person.http.get("/migracoes")).text
    assert first.count("data-row") == 50
    [next_] = re.findall(r'rel="next" href="([^"]+)"', first)
    rest = (await person.http.get(next_)).text
    assert rest.count("data-row") == 10
    assert 'rel="next"' not in rest


async def test_with_the_mouse_from_the_upload_to_the_simulation(
    open_page: OpenPage, person: SignedIn, office: Office, sql: Sql
) -> None:
    page = await open_page(person, "/migracoes")
    await page.get_by_role("link", name="Enviar planilha").click()
    file = {"name": "velho.xlsx", "mimeType": XLSX, "buffer": workbook(products(12))}
    await page.get_by_label("Arquivo").set_input_files(file)  # type: ignore[arg-type]
    await page.get_by_role("button", name="Enviar e conferir").click()
    await page.get_by_role("heading", name="Produtos de velho.xlsx").wait_for()
    await page.get_by_label("Campo da coluna Situação").select_option("")
    await page.get_by_role("button", name="Salvar e simular").click()
    await page.get_by_role("heading", name="Simulação: nada foi gravado").wait_for()
    await page.get_by_role("button", name="Gravar no ERP").click()
    await page.get_by_role("button", name="Gravar de novo").wait_for()
    assert sql("SELECT count(*) FROM erp.product") == [(12,)]


async def test_with_the_keyboard_alone_and_while_it_waits(
    open_page: OpenPage, person: SignedIn, office: Office, orchestrator: Flow, tmp_path: Any
) -> None:
    path = tmp_path / "velho.csv"
    path.write_text("Código;Descrição;Preço\n1;Azul;9,90\n2;Verde;x\n")
    page = await open_page(person, "/migracoes/nova")
    await tab_to(page, "arquivo")
    async with page.expect_file_chooser() as choosing:
        await page.keyboard.press("Space")
    await (await choosing.value).set_files(path)
    await tab_to(page, "entidade")
    await page.keyboard.type("Prod")
    await page.keyboard.press("Enter")
    await tab_to(page, "Enviar e conferir")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Produtos de velho.csv").wait_for()
    orchestrator.office = None
    await tab_to(page, "Salvar e simular")
    await page.keyboard.press("Enter")
    await page.get_by_text("Na fila…").wait_for()
    await office.migrate(UUID(page.url.rpartition("/")[2].partition("#")[0]), apply=False)
    await office.engine.dispose()
    office.query(ASKED)
    await page.get_by_role("heading", name="Simulação: nada foi gravado").wait_for()
    await page.get_by_text("coluna Preço: o valor não é um número.").wait_for()


async def tab_to(page: Page, name: str) -> None:
    """Until what has this id or text has the focus."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        found = await page.evaluate("[document.activeElement.id, document.activeElement.textContent.trim()]")
        if name in found:
            return
    raise AssertionError(f"{name} cannot be reached with Tab")


async def test_what_everybody_can_read(open_page: OpenPage, person: SignedIn, office: Office) -> None:
    rows = products(6)
    rows[2][2] = "x"
    address = await sent(person, workbook(rows))
    await press(person, address, "simular")
    for scheme in ("light", "dark"):
        page = await open_page(
            person, "/migracoes", color_scheme=scheme, viewport={"width": 320, "height": 640}
        )
        for path in ("/migracoes", "/migracoes/nova", "/migracoes/banco", address):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            found = await Axe().run(page)
            worst = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
            assert worst == [], path
