"""People taken out of what leaves the company, such as a ticket: the shape of a record stays.

In records about people every text goes whose name is not known to be harmless; in all others what looks like
an e-mail address, a telephone number, or a CPF or CNPJ whose check digits are right.
"""

import re
from typing import Any

from core.brazil import document
from core.entities import Entity
from core.redaction import MASK, redact, redact_text

ABOUT_PEOPLE = frozenset({Entity.CUSTOMERS, Entity.ORDERS, Entity.INVOICES})
# Words of a field's name. A telling one outweighs the harmless ones beside it: date_of_birth.
_HARMLESS = frozenset(
    {
        *("id", "ids", "sku", "gtin", "ean", "key", "code", "codigo", "number", "numero", "series", "serie"),
        *("status", "situacao", "state", "uf", "country", "type", "tipo", "kind", "role", "method", "mode"),
        *("date", "data", "at", "gmt", "created", "modified", "updated", "version"),
        *("total", "totals", "subtotal", "price", "amount", "valor", "tax", "rate", "discount", "currency"),
        *("quantity", "quantidade", "qty"),
    }
)
_TELLING = frozenset(
    {
        *("birth", "nascimento", "note", "notes", "address", "ip", "agent", "username", "nick"),
        *("postal", "zip", "cep", "phone", "document", "ie", "rg", "tracking"),
    }
)
SHORTEST_PHONE = 10_000_000
_WORD = re.compile(r"[A-Za-z][a-z]*|[A-Z]+")
_EMAIL = re.compile(r"[^\s<>,;:'\"()\[\]{}@]{1,64}@[^\s<>,;:'\"()\[\]{}@]{1,255}")
_PHONE = re.compile(r"\+55[\d ()-]{8,18}\d|\(\d{2}\)\s?9?\d{4}-?\d{4}")
_DOCUMENT = re.compile(r"(?<![\w.-])[0-9A-Za-z][0-9A-Za-z./-]{9,18}[0-9](?![\w-])")


def without_people(payload: Any, entity: Entity) -> Any:
    """A record's JSON as it may leave the company."""
    return _clean(redact(payload), strict=entity in ABOUT_PEOPLE, harmless=False)


def scrub(text: str) -> str:
    """Text without addresses, numbers and documents of people, wherever they stand in it."""
    text = _PHONE.sub(MASK, _EMAIL.sub(MASK, redact_text(text)))
    return _DOCUMENT.sub(lambda match: MASK if _is_document(match[0]) else match[0], text)


def scrubbed(value: Any) -> Any:
    """As `scrub`, for every text in JSON-like data."""
    return _clean(redact(value), strict=False, harmless=True)


def _clean(value: Any, *, strict: bool, harmless: bool) -> Any:
    match value:
        case str():
            return MASK if strict and not harmless and value else scrub(value)
        case dict():
            return {
                scrub(str(key)): _clean(item, strict=strict, harmless=_known(str(key)))
                for key, item in value.items()
            }
        case list():
            return [_clean(item, strict=strict, harmless=harmless) for item in value]
        case bool() | None:
            return value
        case _:
            long = strict and not harmless and abs(value) >= SHORTEST_PHONE
            return MASK if long or _is_document(str(value)) else value


def _known(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(words & _HARMLESS) and not words & _TELLING


def _is_document(text: str) -> bool:
    try:
        document(text)
    except ValueError:
        return False
    return True
