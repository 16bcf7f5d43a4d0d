"""The file of rejected rows: the source's own columns, untouched, and why. It is corrected and sent again."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

ROW, REASON = "Linha", "Motivo"
MOST_WIDE = 32_767
"""Characters that a cell holds in Excel."""


def workbook(titles: Sequence[str], rows: Iterable[tuple[int, Sequence[Any], str]]) -> bytes:
    """An .xlsx of (row number, cells, reason). Text is written as text whatever it begins with, so that no
    cell becomes a formula (CWE-1236). Blocks."""
    from openpyxl import Workbook  # noqa: PLC0415 - slow to import
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Rejeitadas")

    def cell(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        made = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", value)[:MOST_WIDE])
        made.data_type = "s"
        return made

    sheet.append([cell(title) for title in (*titles, ROW, REASON)])
    for number, cells, reason in rows:
        padded = [*cells, *[""] * (len(titles) - len(cells))][: len(titles)]
        sheet.append([cell(value) for value in (*padded, number, reason)])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
