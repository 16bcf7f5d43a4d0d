"""Cells as people and old programs fill them. Every parser raises `ValueError` (pt-BR) with the reason.

Blank cells never get here. A number cell is exact (the sheet shows 1.234,5 for 1234.5); only text needs the
Brazilian reading of points and commas.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from core import brazil, hashing

ZONE = ZoneInfo("America/Sao_Paulo")
"""Of dates without a zone."""
MOST_DIGITS = 2**53
LONGEST_TEXT = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SCIENTIFIC = re.compile(r"[0-9]+[.,]?[0-9]*[eE]\+[0-9]+")
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]{3})*(,[0-9]+)?|[0-9]+(,[0-9]{3})*(\.[0-9]+)?")
_DATE = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4}|[0-9]{2})")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?")
_SERIAL_ZERO = date(1899, 12, 30)
_SERIALS = range(20_000, 80_001)
_TRUE = frozenset({"s", "sim", "a", "ativo", "ativa", "1", "x", "v", "verdadeiro", "true", "y", "yes", "t"})
_FALSE = frozenset(
    {"n", "nao", "i", "inativo", "inativa", "0", "f", "falso", "false", "no", "c", "cancelado"}
)
_FORMULA_ERRORS = frozenset({"#N/A", "#N/D", "#REF!", "#DIV/0!", "#VALUE!", "#VALOR!", "#NAME?", "#NOME?"})

Parser = Callable[[Any], Any]


def is_blank(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, str) and not cell.strip("\u00a0 \t\r\n"))


@lru_cache(maxsize=8192)
def plain(text_: str) -> str:
    """Without accents, in lower case, punctuation as single blanks: how titles are compared."""
    bare = unicodedata.normalize("NFKD", text_.replace("º", "").replace("ª", ""))
    kept = "".join(char for char in bare.lower() if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^a-z0-9]+", " ", kept).split())


def text(cell: Any) -> str:
    if isinstance(cell, str):
        if cell.isprintable() and unicodedata.is_normalized("NFC", cell):
            found = cell.strip()
        else:
            found = _CONTROL.sub(" ", unicodedata.normalize("NFC", cell.replace("\u00a0", " "))).strip()
        if found.startswith("#") and found in _FORMULA_ERRORS:
            raise ValueError(f"a célula tem um erro de fórmula ({found}).")
        if len(found) > LONGEST_TEXT:
            raise ValueError(f"o texto tem mais de {LONGEST_TEXT} caracteres.")
        return found
    if isinstance(cell, bytes):
        return text(cell.decode("cp1252", "replace"))
    if isinstance(cell, float | Decimal) or (isinstance(cell, int) and not isinstance(cell, bool)):
        return code(cell)
    return str(cell)


def code(cell: Any) -> str:
    """An identifier: a number from a sheet is written without its ".0", digits that are lost are refused."""
    if isinstance(cell, float):
        if abs(cell) >= MOST_DIGITS:
            raise ValueError(
                "o código foi gravado como número e perdeu dígitos: formate a coluna como texto."
            )
        return str(int(cell)) if cell.is_integer() else format(Decimal(repr(cell)), "f")
    if isinstance(cell, Decimal):
        return format(cell.to_integral_value() if cell == cell.to_integral_value() else cell, "f")
    if isinstance(cell, str):
        found = text(cell)
        if "+" in found and _SCIENTIFIC.fullmatch(found):
            raise ValueError(
                "o código está em notação científica e perdeu dígitos: formate a coluna como texto."
            )
        return found[:-2] if found.endswith(".0") and found[:-2].isdecimal() else found
    return str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else text(cell)


def document(cell: Any) -> str:
    """A CPF or CNPJ; zeros that a number lost on the left are put back."""
    found = code(cell)
    bare = re.sub(r"[\s./-]", "", found)
    if (
        bare.isdecimal()
        and len(bare) < 14
        and len(bare) != 11
        and (not isinstance(cell, str) or found == bare)
    ):
        bare = bare.zfill(11 if len(bare) < 11 else 14)
    return brazil.document(bare)


def postal_code(cell: Any) -> str:
    found = re.sub(r"[\s.-]", "", code(cell))
    return brazil.cep(found.zfill(8) if found.isdecimal() else found)


def gtin(cell: Any) -> str:
    """EAN 8, 12, 13 or 14 with its check digit (GS1 General Specifications 7.9)."""
    found = code(cell)
    if not found.isdecimal() or len(found) not in (8, 12, 13, 14):
        raise ValueError("o código de barras deve ter 8, 12, 13 ou 14 dígitos.")
    if (-3 * sum(map(int, found[-2::-2])) - sum(map(int, found[-3::-2])) - int(found[-1])) % 10:
        raise ValueError("o dígito verificador do código de barras não confere.")
    return found


def money(cell: Any) -> Decimal:
    return hashing.money(_amount(cell, True))


def money_with_points(cell: Any) -> Decimal:
    """Of a column whose texts have decimal points."""
    return hashing.money(_amount(cell, False))


def quantity(cell: Any) -> Decimal:
    return hashing.quantity(_amount(cell, True))


def quantity_with_points(cell: Any) -> Decimal:
    return hashing.quantity(_amount(cell, False))


WITH_POINTS: dict[Parser, Parser] = {money: money_with_points, quantity: quantity_with_points}


def has_decimal_points(cells: list[Any]) -> bool:
    """Whether a column's texts are written 1234.50: one comma decides against it, "1.234" for nothing."""
    texts = [text(cell) for cell in cells if isinstance(cell, str) and not is_blank(cell)]
    if any(re.search(r",[0-9]+\D*$", found) for found in texts):
        return False
    return any(re.fullmatch(r"\D*[0-9]+(\.[0-9]{1,2}|\.[0-9]{4,}|(,[0-9]{3})+\.[0-9]+)\D*", t) for t in texts)


def _amount(cell: Any, commas: bool) -> Decimal | float | str:
    if isinstance(cell, str):
        return _typed(cell, commas)
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        raise ValueError("o valor não é um número.")
    return Decimal(cell) if isinstance(cell, int) else cell


@lru_cache(maxsize=8192)
def _typed(cell: str, commas: bool) -> str:
    found = text(cell).replace("R$", "").replace(" ", "").replace("\u00a0", "")
    negative = found.startswith(("-", "(")) or found.endswith("-")
    found = found.strip("()-+")
    if not _AMOUNT.fullmatch(found):
        raise ValueError("o valor não é um número.")
    decimal = "," if commas else "."
    if "," in found and "." in found:
        decimal = max(",", ".", key=found.rfind)
    elif "," in found and found.count(",") == 1:
        decimal = ","
    elif "." in found and found.count(".") == 1 and len(found.rpartition(".")[2]) != 3:
        decimal = "."
    found = found.replace("." if decimal == "," else ",", "").replace(decimal, ".")
    return f"-{found}" if negative else found


def day(cell: Any) -> date | None:
    """None for the 00/00/0000 of old databases."""
    found = _moment(cell)
    return found.date() if found else None


def moment(cell: Any) -> datetime | None:
    """UTC; a time without a zone is São Paulo's."""
    found = _moment(cell)
    if found is None:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=ZONE)).astimezone(UTC)


def _moment(cell: Any) -> datetime | None:
    if isinstance(cell, datetime):
        return _plausible(cell)
    if isinstance(cell, date):
        return _plausible(datetime.combine(cell, time()))
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        if int(cell) not in _SERIALS:
            raise ValueError("o número não é uma data.")
        return datetime.combine(_SERIAL_ZERO, time()) + timedelta(days=float(cell))
    return _written(text(cell))


def _written(found: str) -> datetime | None:
    head, _, clock = found.replace("T", " ").partition(" ")
    if not head.strip("0/.-"):
        return None
    if match := _DATE.fullmatch(head):
        day_, month, year = (int(part) for part in match.groups())
        year += (2000 if year < 50 else 1900) if len(match[3]) == 2 else 0
    elif match := _ISO_DATE.fullmatch(head):
        year, month, day_ = (int(part) for part in match.groups())
    else:
        raise ValueError("a data deve estar como dd/mm/aaaa.")
    hours = _TIME.match(clock.strip())
    hour, minute, second = (int(part or 0) for part in hours.groups()) if hours else (0, 0, 0)
    try:
        made = datetime(year, month, day_, hour, minute, second)  # noqa: DTZ001 - given its zone later
    except ValueError:
        raise ValueError("a data não existe.") from None
    return _plausible(made)


def _plausible(found: datetime) -> datetime:
    if not 1900 <= found.year <= 2199:
        raise ValueError("o ano está fora do intervalo aceito (1900 a 2199).")
    return found


def boolean(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, bytes):
        return any(cell)
    word = plain(code(cell))
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("o valor deve ser S ou N (sim/não, ativo/inativo, 1/0).")


def state(cell: Any) -> str:
    found = plain(text(cell))
    if found.upper() in _STATES:
        return found.upper()
    if found in _STATE_NAMES:
        return _STATE_NAMES[found]
    raise ValueError("a UF não existe.")


def email(cell: Any) -> str:
    found = text(cell).lower()
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", found):
        raise ValueError("o e-mail está malformado.")
    return found


_STATE_NAMES = {
    "acre": "AC",
    "alagoas": "AL",
    "amapa": "AP",
    "amazonas": "AM",
    "bahia": "BA",
    "ceara": "CE",
    "distrito federal": "DF",
    "espirito santo": "ES",
    "goias": "GO",
    "maranhao": "MA",
    "mato grosso": "MT",
    "mato grosso do sul": "MS",
    "minas gerais": "MG",
    "para": "PA",
    "paraiba": "PB",
    "parana": "PR",
    "pernambuco": "PE",
    "piaui": "PI",
    "rio de janeiro": "RJ",
    "rio grande do norte": "RN",
    "rio grande do sul": "RS",
    "rondonia": "RO",
    "roraima": "RR",
    "santa catarina": "SC",
    "sao paulo": "SP",
    "sergipe": "SE",
    "tocantins": "TO",
}
_STATES = frozenset({*_STATE_NAMES.values(), "EX"})
