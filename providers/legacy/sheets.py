"""Rows of a file, one by one. Cells are what the reader gives: text, float, bool, date, datetime, blank ''.

The row number is the one that a spreadsheet program shows.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from core import spreadsheet
from core.errors import ConfigurationError
from providers.legacy.cells import is_blank
from providers.legacy.formats import LOCKED, Format, decode, delimiter, recognise

MOST_EMPTY_ROWS = 1_000
"""Empty rows in a row before a sheet is held to have ended: formats are spread over a million of them."""
HEADER_WITHIN = 30
SAMPLE_ROWS = 200
WIDEST_FIELD = 2**20

Cells = list[Any]
Numbered = tuple[int, Cells]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may say of a file; what is empty is found out."""

    sheet: str = ""
    header_row: int = 0
    encoding: str = ""
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table in a file: its titles in row `header_row`. `others` are the names of all visible sheets."""

    data: bytes
    format: Format
    options: Options
    header_row: int
    titles: list[str]
    sample: list[Cells]
    name: str = ""
    others: tuple[str, ...] = ()

    def rows(self) -> Iterator[Numbered]:
        """The rows below the titles that are not empty, read anew."""
        empty = 0
        for number, cells in enumerate(_rows(self.data, self.format, self.options), 1):
            if number <= self.header_row:
                continue
            if all(map(is_blank, cells)):
                empty += 1
                if empty > MOST_EMPTY_ROWS:
                    return
                continue
            empty = 0
            yield number, cells


def open_sheet(data: bytes, options: Options) -> Sheet:
    """Raises `ConfigurationError` for a file, sheet or header that cannot be used. Blocks."""
    kind = recognise(data)
    name, others = _sheet_name(data, options.sheet) if kind is Format.WORKBOOK else ("", ())
    used = Options(
        sheet=name, header_row=options.header_row, encoding=options.encoding, delimiter=options.delimiter
    )
    first = list(islice(_rows(data, kind, used), HEADER_WITHIN + SAMPLE_ROWS))
    header = options.header_row or _header(first)
    if not 0 < header <= len(first):
        raise ConfigurationError(
            "A linha do cabeçalho não foi encontrada: indique o número dela (no terminal, --header-row)."
        )
    titles = [str(cell).strip() if not is_blank(cell) else "" for cell in first[header - 1]]
    while titles and not titles[-1]:
        titles.pop()
    sample = [cells for cells in first[header:] if not all(map(is_blank, cells))]
    return Sheet(data, kind, used, header, titles, sample, name, others)


def _rows(data: bytes, kind: Format, options: Options) -> Iterator[Cells]:
    match kind:
        case Format.WORKBOOK:
            yield from _workbook(data, options.sheet)
        case Format.CSV:
            yield from _text(decode(data, options.encoding), options.delimiter)
        case Format.HTML:
            yield from _page(decode(data, options.encoding))
        case Format.SPREADSHEETML:
            yield from _spreadsheetml(data)


def _workbook(data: bytes, sheet: str) -> Iterator[Cells]:
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - only for these files

    try:
        # `iter_rows` gives the empty rows above the first used one too, so numbers are those of the program.
        yield from CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_name(sheet).iter_rows()
    except CalamineError as error:
        raise _unread(error) from None


def _sheet_name(data: bytes, wanted: str) -> tuple[str, tuple[str, ...]]:
    """The wanted sheet, else the first visible one with rows."""
    from python_calamine import (  # noqa: PLC0415
        CalamineError,
        CalamineWorkbook,
        SheetTypeEnum,
        SheetVisibleEnum,
    )

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        visible = tuple(
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
        )
        if wanted:
            found = next((name for name in book.sheet_names if name.lower() == wanted.lower()), None)
        else:
            found = next((name for name in visible if book.get_sheet_by_name(name).height), None)
    except CalamineError as error:
        raise _unread(error) from None
    if found is None:
        names = ", ".join(visible) or "nenhuma"
        raise ConfigurationError(
            f"Não há planilha (aba) {wanted!r}. Existem: {names}." if wanted else "O arquivo não tem dados."
        )
    return found, visible


def _unread(error: Exception) -> ConfigurationError:
    from python_calamine import PasswordError  # noqa: PLC0415

    if isinstance(error, PasswordError):
        return ConfigurationError(LOCKED)
    return _damaged(type(error).__name__)


def _damaged(kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"A planilha não pôde ser lida ({kind}): abra-a, salve como .xlsx e envie de novo."
    )


def _text(found: str, mark: str) -> Iterator[Cells]:
    csv.field_size_limit(WIDEST_FIELD)
    mark = mark or delimiter(found)
    rows = csv.reader(io.StringIO(found, newline=""), delimiter=mark)
    try:
        for number, row in enumerate(rows):
            first = number == 0 and len(row) == 1 and row[0].lower() == f"sep={mark}"
            yield [] if first else [spreadsheet.original(cell) for cell in row]
    except csv.Error:
        raise ConfigurationError("O arquivo de texto está malformado: uma célula não termina.") from None


def _page(found: str) -> Iterator[Cells]:
    """A web page that an ERP calls .xls: its largest table, cells as their text."""
    from lxml import html  # noqa: PLC0415 - only for these files

    page = html.document_fromstring(found.encode(), parser=html.HTMLParser(encoding="utf-8", no_network=True))
    tables = [list(table.iter("tr")) for table in page.iter("table")]
    if not tables:
        raise ConfigurationError("O arquivo é uma página sem tabela: salve-o como .xlsx.")
    for row in max(tables, key=len):
        cells: Cells = []
        for cell in row.iterchildren("td", "th"):
            span = cell.get("colspan", "1")
            cells += [
                cell.text_content().strip(),
                *[""] * (min(int(span), 100) - 1 if span.isdecimal() else 0),
            ]
        yield cells


_SS = "{urn:schemas-microsoft-com:office:spreadsheet}"


def _spreadsheetml(data: bytes) -> Iterator[Cells]:
    """The XML of Excel 2003; numbers as floats, everything else as text."""
    from lxml import etree  # noqa: PLC0415

    parsing = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    try:
        for _, element in etree.iterparse(io.BytesIO(data), tag=(f"{_SS}Row", f"{_SS}Table"), **parsing):
            if element.tag == f"{_SS}Table":
                return
            yield _xml_row(element)
            element.clear()
    except etree.XMLSyntaxError:
        raise _damaged("XML") from None


def _xml_row(element: Any) -> Cells:
    cells: Cells = []
    for cell in element.iterfind(f"{_SS}Cell"):
        cells += [""] * (int(cell.get(f"{_SS}Index", len(cells) + 1)) - 1 - len(cells))
        value = cell.find(f"{_SS}Data")
        content = "" if value is None else "".join(value.itertext())
        number = value is not None and value.get(f"{_SS}Type") == "Number"
        cells.append(float(content) if number and content else content)
    return cells


def _header(rows: Sequence[Cells]) -> int:
    """The first row of mostly distinct texts, as wide as the table, with something below it; 0 = none."""
    width = max((sum(not is_blank(cell) for cell in cells) for cells in rows), default=0)
    for number, cells in enumerate(rows[:HEADER_WITHIN], 1):
        texts = {cell.strip() for cell in cells if isinstance(cell, str) and not is_blank(cell)}
        if texts and len(texts) >= 0.6 * width and number < len(rows):
            return number
    return 0
