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


def original(cell: str) -> str:
    """What `lines` was given: a file that we made comes back corrected."""
    return cell[1:] if cell.startswith("'") and _is_dangerous(cell) else cell


def _harmless(cell: str) -> str:
    return f"'{cell}" if _is_dangerous(cell) else cell


def _is_dangerous(cell: str) -> bool:
    # Full-width signs count as well: Excel folds them. An apostrophe of the cell's own is told from ours.
    first = cell.lstrip(" '")[:1]
    return bool(first) and first in (*_DANGEROUS, "＝", "＋", "－", "＠")
