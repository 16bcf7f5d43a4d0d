"""Files of old ERPs into the ERP: dry run, mapping, rejected rows, resuming, and the files people have.

The traps are those of the readers' own documentation: openpyxl (data types, formulas) and python-calamine.
"""

import io
import uuid
import zipfile
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Entity, RunStatus
from core.errors import ConfigurationError
from db import legacy, legacy_files
from providers.legacy import preview
from providers.legacy.columns import required
from providers.legacy.layout import PORTION
from providers.legacy.rejected import workbook as rejected_workbook
from providers.legacy.sheets import Options, open_sheet
from tasks.migration import begin
from tests.providers.legacy import TITLES, Office, gtin, office, products, workbook

__all__ = ["office"]

FIXTURES = Path(__file__).parent / "fixtures" / "legacy_excel"
PRODUCT = "SELECT sku, name, price::float, gtin, active FROM erp.product ORDER BY sku"


async def test_a_simulation_counts_and_writes_nothing(office: Office) -> None:
    id_ = await office.prepare(await office.connect(), Entity.PRODUCTS, workbook(products(20)))
    run = await office.migrate(id_, apply=False)
    assert run.status is RunStatus.SUCCESS
    assert office.query(PRODUCT) == []
    found = await office.read(id_)
    assert (found.state, found.applied_at) == ("done", None)
    assert found.counts == {"created": 20, "updated": 0, "skipped": 0, "rejected": 0}
    # As every new pair has it: of a migration its own word counts.
    office.query("UPDATE sync.pair SET simulate_next = true")
    await office.migrate(id_)
    assert office.query("SELECT count(*) FROM erp.product") == [(20,)]


async def test_nothing_is_begun_beside_a_run_under_way(office: Office) -> None:
    id_ = await office.prepare(await office.connect(), Entity.PRODUCTS, workbook(products(2)))
    pair, _ = await begin(id_, apply=True, flow_run_id=None)
    lease = "UPDATE sync.pair SET lease_log_id = erp.uuid7(), lease_expires_at = now() + interval '1 minute'"
    office.query(lease)
    with pytest.raises(ConfigurationError, match="em andamento"):
        await begin(id_, apply=False, flow_run_id=None)
    assert await begin(id_, apply=True, flow_run_id=None) == (pair, Entity.PRODUCTS)
    assert not (await office.read(id_)).dry_run


async def test_products_are_written_and_read_again_unchanged(office: Office) -> None:
    integration = await office.connect()
    id_ = await office.prepare(integration, Entity.PRODUCTS, workbook(products(3)))
    await office.migrate(id_)
    assert office.query(PRODUCT)[1] == ("00001", "Produto 1 açaí", 11.5, gtin(1), True)
    again = await office.migrate(id_)
    assert again.job is not None
    assert (again.job.counts.created, again.job.counts.skipped) == (0, 3)
    assert office.query("SELECT count(*) FROM sync.mapping WHERE entity = 'products'") == [(3,)]
    logs = office.query("SELECT status, created, skipped FROM sync.sync_log ORDER BY started_at")
    assert logs == [("success", 3, 0), ("success", 0, 3)]


async def test_what_the_erp_has_is_found_by_sku_and_keeps_what_the_file_does_not_know(office: Office) -> None:
    office.query(
        "INSERT INTO erp.product (tenant_id, sku, name, length_cm) VALUES (:tenant, '00001', 'Velho', 7)",
        tenant=office.tenant.id,
    )
    await office.migrate(await office.prepare(await office.connect(), Entity.PRODUCTS, workbook(products(2))))
    rows = office.query("SELECT sku, name, length_cm::int FROM erp.product ORDER BY sku")
    assert rows == [("00000", "Produto 0 açaí", None), ("00001", "Produto 1 açaí", 7)]


async def test_rejected_rows_say_why_and_come_back_corrected(office: Office) -> None:
    rows = products(8)
    rows[1][1] = ""
    rows[2][2] = "dez reais"
    rows[3][3] = gtin(3)[:-1] + str((int(gtin(3)[-1]) + 1) % 10)
    rows[4][4], rows[4][2] = "talvez", "x"
    rows[5][0] = "00000"
    rows.insert(6, ["Total geral", "", "999,00", "", ""])
    rows.insert(7, list(TITLES))
    integration = await office.connect()
    id_ = await office.prepare(integration, Entity.PRODUCTS, workbook(rows))
    run = await office.migrate(id_)
    assert run.status is RunStatus.PARTIAL
    found = await office.rejected(id_)
    assert {number: reason for number, _, reason in found} == {
        3: "Linha 3, coluna Descrição: o campo é obrigatório e está vazio.",
        4: "Linha 4, coluna Preço venda: o valor não é um número.",
        5: "Linha 5, coluna Cód. Barras: o dígito verificador do código de barras não confere.",
        6: "Linha 6, coluna Preço venda: o valor não é um número.; coluna Situação: o valor deve ser S ou N "
        "(sim/não, ativo/inativo, 1/0).",
        7: "Linha 7: duplicada no arquivo: a mesma chave já apareceu na linha 2.",
    }
    issues = office.query("SELECT field, message FROM sync.issue WHERE state = 'open' ORDER BY message")
    assert len(issues) == 5
    assert issues[0] == ("Descrição", found[0][2])
    assert (await office.read(id_)).counts["skipped"] == 2

    book = load_workbook(io.BytesIO(rejected_workbook(TITLES, found)))
    sheet = book.active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]] == [*TITLES, "Linha", "Motivo"]
    sheet["B2"], sheet["C3"], sheet["D4"], sheet["C5"], sheet["E5"] = "Um", "2,00", gtin(3), "4", "S"
    sheet.delete_rows(6)
    corrected = io.BytesIO()
    book.save(corrected)
    second = await office.migrate(await office.prepare(integration, Entity.PRODUCTS, corrected.getvalue()))
    assert second.status is RunStatus.SUCCESS
    assert [row[0] for row in office.query(PRODUCT)] == [f"{n:05d}" for n in (0, 1, 2, 3, 4, 6, 7)]
    assert office.query("SELECT count(*) FROM sync.issue WHERE state = 'open'") == [(1,)]


async def test_a_broken_off_migration_goes_on_from_its_place(office: Office) -> None:
    rows = products(PORTION + 1_600)
    rows[5][2] = "x"
    rows[-100][0] = rows[3][0]
    id_ = await office.prepare(await office.connect(), Entity.PRODUCTS, workbook(rows))
    await office.migrate(id_, batches=1)
    assert office.query("SELECT count(*) FROM erp.product") == [(PORTION - 1,)]
    assert (await office.read(id_)).state == "running"
    second = await office.migrate(id_)
    assert second.job is not None
    assert second.job.counts.processed == 1_600
    assert office.query("SELECT count(*), count(DISTINCT sku) FROM erp.product") == [(PORTION + 1_598,) * 2]
    assert [number for number, *_ in await office.rejected(id_)] == [7, PORTION + 1_502]
    assert (await office.read(id_)).state == "done"


async def test_whoever_resumes_the_pair_goes_on_with_the_migration(office: Office) -> None:
    """The sentinel knows of pairs alone."""
    id_ = await office.prepare(await office.connect(), Entity.PRODUCTS, workbook(products(PORTION + 500)))
    await office.migrate(id_, batches=1)
    await office.run((await office.read(id_)).pair_id, Entity.PRODUCTS)
    assert office.query("SELECT count(*) FROM erp.product") == [(PORTION + 500,)]
    assert (await office.read(id_)).state == "done"
    idle = await office.run((await office.read(id_)).pair_id, Entity.PRODUCTS)
    assert idle.error is not None
    assert "migrate-legacy" in idle.error.message


async def test_another_file_is_read_from_its_first_row(office: Office) -> None:
    integration = await office.connect()
    first = await office.prepare(integration, Entity.PRODUCTS, workbook(products(PORTION + 500)))
    await office.migrate(first, batches=1)
    second = await office.prepare(integration, Entity.PRODUCTS, workbook(products(5, first=9_000)))
    await office.migrate(second)
    assert office.query("SELECT count(*) FROM erp.product WHERE sku >= '09000'") == [(5,)]
    assert (await office.read(first)).state == "failed"


async def test_customers_and_orders_with_their_items(office: Office) -> None:
    integration = await office.connect()
    people = workbook(
        [[52998224725.0, "Ana Lima", "01310-100", "sp"], ["12.ABC.345/01DE-35", "Loja", 1310100.0, "Paraná"]],
        ("CPF/CNPJ", "Razão social", "CEP", "Estado"),
    )
    await office.migrate(await office.prepare(integration, Entity.CUSTOMERS, people))
    found = office.query(
        "SELECT c.document, c.person_type, a.postal_code, a.state FROM erp.customer c"
        " JOIN erp.address a ON a.customer_id = c.id ORDER BY c.name"
    )
    assert found == [("52998224725", "F", "01310100", "SP"), ("12ABC34501DE35", "J", "01310100", "PR")]
    await office.migrate(await office.prepare(integration, Entity.PRODUCTS, workbook(products(2))))
    orders = workbook(
        [
            [10.0, "03/04/2026", "529.982.247-25", "00000", 2, "10,00", ""],
            [10.0, "03/04/2026", "529.982.247-25", "00001", 1, "1.005,50", "5,50"],
            [11.0, "04/04/2026", "", "00001", 1, "1,00", ""],
        ],
        ("Pedido", "Emissão", "CPF/CNPJ", "Código", "Qtde", "Valor unitário", "Desconto"),
    )
    await office.migrate(await office.prepare(integration, Entity.ORDERS, orders))
    assert office.query(
        "SELECT o.number, o.placed_at AT TIME ZONE 'America/Sao_Paulo' = '2026-04-03', o.total::float,"
        " count(i.*), count(i.product_id), c.name FROM erp.order o JOIN erp.order_item i ON i.order_id = o.id"
        " LEFT JOIN erp.customer c ON c.id = o.customer_id GROUP BY o.id, c.name ORDER BY o.number"
    ) == [("10", True, 1020.0, 2, 2, "Ana Lima"), ("11", False, 1.0, 1, 1, None)]


async def test_stock_and_open_titles(office: Office) -> None:
    integration = await office.connect()
    await office.migrate(await office.prepare(integration, Entity.PRODUCTS, workbook(products(2))))
    stock = workbook([["00000", "12,5"], ["99999", 1]], ("Código", "Saldo"))
    id_ = await office.prepare(integration, Entity.STOCK, stock)
    await office.migrate(id_)
    assert office.query("SELECT on_hand::float FROM erp.stock_level") == [(12.5,)]
    assert [(number, reason) for number, _, reason in await office.rejected(id_)] == [
        (3, "O produto deste estoque não tem vínculo no ERP.")
    ]
    titles = workbook(
        [["77", 1, "1.234,56", "31/12/2026"], ["77", 2, "1.234,56", "31/02/2027"]],
        ("Duplicata", "Parcela", "Valor", "Vencimento"),
    )
    receivables = await office.prepare(integration, Entity.RECEIVABLES, titles)
    await office.migrate(receivables)
    found = office.query("SELECT document_number, amount::float, due_on::text FROM erp.receivable")
    assert found == [("77/1", 1234.56, "2026-12-31")]
    assert "a data não existe." in (await office.rejected(receivables))[0][2]


async def test_a_mapping_is_remembered_by_its_titles(office: Office) -> None:
    integration = await office.connect()
    titles = ("Ref X", "Coisa", "R$")
    data = workbook([["1", "Um", "1,00"]], titles)
    with pytest.raises(ConfigurationError, match="SKU, Nome"):
        await office.prepare(integration, Entity.PRODUCTS, data)
    told = {"Ref X": "sku", "coisa": "Nome", "R$": "preço"}
    await office.prepare(integration, Entity.PRODUCTS, data, told)
    saved = await legacy.saved_mapping(
        office.engine, office.tenant.id, integration, Entity.PRODUCTS, list(titles)
    )
    assert saved == {"Ref X": "sku", "Coisa": "name", "R$": "price"}
    found = preview.of_file(data, Entity.PRODUCTS, {}, saved, Options())
    required(Entity.PRODUCTS, found.columns)


async def test_the_same_file_is_kept_once_and_for_its_tenant_alone(
    office: Office, engine: AsyncEngine
) -> None:
    data = workbook(products(1))
    one = await legacy_files.store(engine, office.tenant.id, "a.xlsx", io.BytesIO(data))
    assert await legacy_files.store(engine, office.tenant.id, "b.xlsx", io.BytesIO(data)) == one
    assert await legacy_files.read(engine, office.tenant.id, one) == data
    with pytest.raises(ConfigurationError):
        await legacy_files.read(engine, uuid.uuid4(), one)


def test_a_text_file_of_windows_is_read_by_its_bytes_whatever_it_is_called() -> None:
    text = 'sep=;\r\nCódigo;Descrição;Preço\r\n00012;"Maçã; ""fuji""";1.234,50\r\nNA;Pão;(2,00)\r\n'
    for encoding in ("cp1252", "utf-8", "utf-8-sig", "utf-16", "cp850"):
        data = (text + "00013;Ação não é coração;1\r\n" * 3).encode(encoding)
        sheet = open_sheet(data, Options())
        assert sheet.titles == ["Código", "Descrição", "Preço"], encoding
        rows = list(sheet.rows())
        assert rows[0] == (3, ["00012", 'Maçã; "fuji"', "1.234,50"]), encoding
        assert rows[1][1][0] == "NA"


PAGE = """<html><body><table><tr><td>Relatório</td></tr></table><table>
<tr><th>Código</th><th>Descrição</th></tr><tr><td>00012</td><td>Açúcar</td></tr><tr><td>NA</td><td>x</td></tr>
</table></body></html>"""
SPREADSHEETML = """<?xml version="1.0" encoding="UTF-8"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet ss:Name="P"><Table>
<Row><Cell><Data ss:Type="String">Código</Data></Cell>
<Cell><Data ss:Type="String">Descrição</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">00012</Data></Cell><Cell><Data ss:Type="String">Açúcar</Data></Cell></Row>
<Row><Cell ss:Index="2"><Data ss:Type="String">x</Data></Cell></Row></Table></Worksheet></Workbook>"""


@pytest.mark.parametrize("data", [PAGE.encode("cp1252"), SPREADSHEETML.encode()], ids=["html", "xml"])
def test_pages_that_are_called_xls_keep_their_zeros(data: bytes) -> None:
    sheet = open_sheet(data, Options())
    assert sheet.titles == ["Código", "Descrição"]
    assert next(sheet.rows())[1] == ["00012", "Açúcar"]


ODS = {
    "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
    "META-INF/manifest.xml": """<manifest:manifest
 xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry
 manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>
</manifest:manifest>""",
    "content.xml": """<office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body>
<office:spreadsheet><table:table table:name="P"><table:table-row>
<table:table-cell office:value-type="string"><text:p>Código</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>Preço</text:p></table:table-cell></table:table-row>
<table:table-row><table:table-cell office:value-type="string"><text:p>00012</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="2.5"><text:p>2,50</text:p></table:table-cell>
</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>""",
}


def test_workbooks_of_other_programs() -> None:
    """The .xls was written by xlwt 1.3.0, which writes the format of Excel 97."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in ODS.items():
            archive.writestr(name, content.replace("\n<", "<"))
    sheet = open_sheet(packed.getvalue(), Options())
    assert (sheet.titles, list(sheet.rows())) == (["Código", "Preço"], [(2, ["00012", 2.5])])
    old = open_sheet((FIXTURES / "produtos.xls").read_bytes(), Options())
    assert old.titles == ["Código", "Preço", "Cadastro"]
    assert list(old.rows()) == [(4, ["00012", 2.5, date(2026, 4, 3)])]


def test_rows_are_numbered_as_the_program_shows_them() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for place, value in (("B4", "Código"), ("C4", "Descrição"), ("B5", "1"), ("C5", "a"), ("B9", "2")):
        sheet[place] = value
    written = io.BytesIO()
    book.save(written)
    found = open_sheet(written.getvalue(), Options())
    assert (found.header_row, [number for number, _ in found.rows()]) == (4, [5, 9])


def test_titles_below_a_letterhead_hidden_sheets_and_odd_rows() -> None:
    book = Workbook()
    hidden = book.active
    assert hidden is not None
    hidden.append(["Código", "Descrição"])
    hidden.sheet_state = "hidden"
    sheet = book.create_sheet("Dados")
    for row in (["Empresa X"], [], ["Código", "Descrição", "Preço"], ["1", "a", 2.5], [], ["2", "b", 3]):
        sheet.append(row)
    book.active = 1
    written = io.BytesIO()
    book.save(written)
    found = open_sheet(written.getvalue(), Options())
    assert (found.name, found.header_row, found.others) == ("Dados", 3, ("Dados",))
    assert [number for number, _ in found.rows()] == [4, 6]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "vazio"),
        (b"ID;PWXL;N;E\r\n", "SYLK"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "senha"),
        (b"PK\x03\x04nada", "danificado"),
        (bytes(range(256)), "não é uma planilha"),
    ],
    ids=["empty", "sylk", "encrypted", "damaged", "binary"],
)
def test_files_that_cannot_be_read_say_what_to_do(data: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        open_sheet(data, Options())


def test_no_cell_of_the_rejected_file_becomes_a_formula() -> None:
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"]
    book = load_workbook(io.BytesIO(rejected_workbook(["A", "B", "C", "D", "E"], [(2, evil, "=x")])))
    sheet = book.active
    assert sheet is not None
    assert [cell.data_type for cell in sheet[2]] == ["s"] * 5 + ["n", "s"]
