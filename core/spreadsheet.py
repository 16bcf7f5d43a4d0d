"""CSV as Excel opens it in Brazil: a BOM, semicolons, and no cell that becomes a formula (CWE-1236)."""

import csv
import io
from collections.abc import Iterable, Sequence

BOM = "\ufeff"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def lines(rows: Iterable[Sequence[str]]) -> str:
    """Lines without BOM; https://owasp.org/www-community/attacks/CSV_Injection"""
    written = io.StringIO()
    writer = csv.writer(written, delimiter=";", lineterminator="\r\n")
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return written.getvalue()


def _harmless(cell: str) -> str:
    # Full-width signs count as well: Excel folds them.
    first = cell.lstrip(" ")[:1]
    return f"'{cell}" if first and first in (*_DANGEROUS, "＝", "＋", "－", "＠") else cell
