"""What an address asks for: filters that people share, in the words of its query. An empty one is none.

Every function raises `ConfigurationError` for what it does not understand: to leave it out would show
something else than was asked for.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from core.errors import Advice, ConfigurationError
from core.formats import ZONE

Kind = TypeVar("Kind", bound=StrEnum)


class NotUnderstood(ConfigurationError):
    advice = Advice(
        "Filtro desconhecido",
        "O endereço pede um filtro com um valor que não existe.",
        "Limpe os filtros e escolha de novo na página.",
    )


def one_of(kind: type[Kind], given: str) -> Kind | None:
    try:
        return kind(given) if given else None
    except ValueError:
        raise NotUnderstood(f"O valor {given[:40]!r} não existe neste filtro.") from None


def id_of(given: str) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        raise NotUnderstood(f"{given[:40]!r} não é um id.") from None


def since(given: str) -> datetime | None:
    """From a day, or a minute, of São Paulo on."""
    found = _moment(given)
    return found[0] if found else None


def until(given: str) -> datetime | None:
    """To the end of a day, or a minute, of São Paulo, which is in it; what is given back is not."""
    found = _moment(given)
    return found[0] + found[1] if found else None


def _moment(given: str) -> tuple[datetime, timedelta] | None:
    if not given:
        return None
    try:
        if len(given) == len("2026-11-24"):
            day = datetime.combine(date.fromisoformat(given), time(), ZONE)
            return day.astimezone(UTC), timedelta(days=1)
        found = datetime.fromisoformat(given)
        return (found if found.tzinfo else found.replace(tzinfo=ZONE)).astimezone(UTC), timedelta(minutes=1)
    except (ValueError, OverflowError):
        raise NotUnderstood(f"{given[:40]!r} não é uma data; use 2026-01-31 ou 2026-01-31T14:30.") from None
