"""Calls that several parts share."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

from core.errors import (
    ConflictError,
    ContractError,
    NotFoundError,
    RecordError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from core.spec import Outgoing, Source, Written

OF_A_RECORD = (RecordError, ConflictError, NotFoundError, UnknownOutcome)
ORDER_SECONDS = 1.0
"""Orders are read once a second, all else nine times (the docs' "Limite de requisições")."""


def path(*parts: str) -> str:
    """Codes of orders hold a blank, SKUs may hold anything."""
    return "/".join(quote(part, safe="") for part in parts)


async def found(source: Source, *parts: str) -> dict[str, Any] | None:
    """One record, or None where there is none."""
    try:
        data = (await source.get(path(*parts))).data
    except NotFoundError:
        return None
    if not isinstance(data, dict):
        raise ContractError("A resposta da SkyHub não é um registro.")
    return data


async def order(source: Source, code: str) -> dict[str, Any]:
    """Raises `NotFoundError`."""
    data = await found(source, "orders", code)
    if data is None:
        raise NotFoundError("O pedido não existe mais no marketplace.", status=404)
    return data


async def each(
    outgoing: Sequence[Outgoing], write: Callable[[Outgoing], Awaitable[Written]], seconds: float = 0.0
) -> list[Written]:
    """One by one, `seconds` apart. What fails before anything was written is raised, if it is not about that
    record; what fails later is the answer of its record."""
    ended: list[Written] = []
    for place, item in enumerate(outgoing):
        if place and seconds:
            await asyncio.sleep(seconds)
        try:
            ended.append(await write(item))
        except UnknownOutcome as error:
            # An update is simply due again.
            lost = TransientError(error.message, status=error.status) if item.external_id else error
            ended.append(Written(error=lost))
        except SyncError as error:
            if not ended and not isinstance(error, OF_A_RECORD):
                raise
            ended.append(Written(error=error))
    return ended
