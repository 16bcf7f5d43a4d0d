"""Canonical bytes of a record, and their hash.

Equal records give equal bytes: fields come in declaration order, decimals in one normal form (made here, by
`money` and `quantity`), times in UTC.
"""

import hashlib
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from core.records import Record

_encoder = msgspec.json.Encoder(order="deterministic")


def canonical(record: Record) -> bytes:
    return _encoder.encode(record)


def record_hash(canonical_bytes: bytes, version: int) -> bytes:
    """SHA-256 (32 bytes) over the mapping's version and the canonical bytes."""
    return hashlib.sha256(b"%d:" % version + canonical_bytes).digest()


def money(value: str | float | Decimal) -> Decimal:
    """An amount with two decimals, or three or four where they are not zero.

    Raises `ValueError` (pt-BR) for what is not a plain decimal number.
    """
    try:
        return _money(value)
    except TypeError:  # a list or a dictionary is no key
        raise ValueError("O valor não é um número.") from None


def quantity(value: str | float | Decimal) -> Decimal:
    """A count or measure with up to four decimals and no trailing zeros. Raises `ValueError` (pt-BR)."""
    try:
        return _quantity(value)
    except TypeError:
        raise ValueError("O valor não é um número.") from None


# A catalogue repeats its prices and sizes; 1, 1.0 and True are equal keys and must not be one.
@lru_cache(maxsize=8192, typed=True)
def _money(value: str | float | Decimal) -> Decimal:
    number = round(_number(value), 4)
    cents = round(number, 2)
    # Adding zero turns -0.00, equal to 0.00 but written otherwise, into it.
    return cents + 0 if number == cents else _trimmed(number)


@lru_cache(maxsize=8192, typed=True)
def _quantity(value: str | float | Decimal) -> Decimal:
    return _trimmed(round(_number(value), 4))


def _number(value: str | float | Decimal) -> Decimal:
    if isinstance(value, bool):
        raise ValueError("O valor não é um número.")
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError(f"O valor não é um número: {value[:40]!r}.")
    try:
        number = Decimal(value) if isinstance(value, (str, int, Decimal)) else Decimal(repr(value))
        if not number.is_finite() or number.adjusted() > 10:
            raise ValueError(f"Valor fora do intervalo aceito: {str(value)[:40]!r}.")
    except InvalidOperation:
        raise ValueError(f"O valor não é um número: {str(value)[:40]!r}.") from None
    return number


def _trimmed(number: Decimal) -> Decimal:
    number = number.normalize()
    exponent = number.as_tuple().exponent
    return number.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else number + 0
