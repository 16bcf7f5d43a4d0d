"""Calls that several rooms share: whose account it is, items in twenties, what an answer means."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from core.errors import (
    AuthorizationError,
    ConfigurationError,
    ConflictError,
    ContractError,
    NotFoundError,
    RecordError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from core.spec import ErrorRule, Raw, Source

SITE = "MLB"
MOST_ITEMS = 20
"""Ids in one multiget."""
GONE = (404, 410)
PARTIAL = 206
REFUSED = range(400, 500)
ERRORS = (
    ErrorRule(status=400, code="invalid_user", error=AuthorizationError),
    ErrorRule(status=400, code="seller_not_allowed_to_import_nfe", error=AuthorizationError),
    ErrorRule(status=400, code="shipment_already_being_processed", error=TransientError),
)


@dataclass(frozen=True, slots=True)
class Seller:
    """`families`: items carry a family name, and no variations. `warehouses`: stock is written by user
    product, and a quantity sent to the item is taken and forgotten."""

    id: str
    families: bool
    warehouses: bool


def decode(response: httpx.Response) -> Any:
    """An order that came in part (206) is whole a little later."""
    if response.status_code == PARTIAL:
        raise TransientError("O Mercado Livre entregou só uma parte do registro (206).", status=PARTIAL)
    return msgspec.json.decode(response.content)


async def me(source: Source) -> Seller:
    data = table((await source.get("users/me")).data)
    if data.get("site_id") != SITE:
        raise ConfigurationError("A conta conectada não é do Mercado Livre Brasil: conecte uma conta MLB.")
    tags = data.get("tags") or ()
    return Seller(str(data["id"]), "user_product_seller" in tags, "warehouse_management" in tags)


async def items(source: Source, ids: Sequence[str]) -> dict[str, Raw]:
    """Items by id, without those that are gone or closed for good. One that cannot be read stands as its
    code, for `map` to say so."""
    parts = [ids[start : start + MOST_ITEMS] for start in range(0, len(ids), MOST_ITEMS)]
    return {
        id_: raw for found in await asyncio.gather(*(_twenty(source, p) for p in parts)) for id_, raw in found
    }


async def _twenty(source: Source, ids: Sequence[str]) -> list[tuple[str, Raw]]:
    params = {"ids": ",".join(ids), "include_attributes": "all"}
    answers = (await source.get("items", params)).data
    if not isinstance(answers, list) or len(answers) != len(ids):
        raise ContractError("O Mercado Livre não respondeu por cada um dos anúncios pedidos.")
    found = []
    for id_, answer in zip(ids, answers, strict=True):
        code = answer["code"]
        if code == 429 or code >= 500:
            raise TransientError(f"O Mercado Livre não entregou o anúncio {id_} ({code}).", status=code)
        raw = answer["body"] if code == 200 else {"id": id_, "unread": code}
        if code not in GONE and raw.get("status") != "closed":
            found.append((str(raw["id"]), raw))
    return found


async def optional(source: Source, path: str, headers: Mapping[str, str] | None = None) -> Raw | None:
    """A record that may not be there."""
    try:
        return table((await source.send("GET", path, headers=headers, repeatable=True)).data)
    except NotFoundError:
        return None


async def gathered(ids: Sequence[str], read: Any) -> dict[str, Raw]:
    """What `read` finds for each id."""
    found = await asyncio.gather(*map(read, ids))
    return {id_: raw for id_, raw in zip(ids, found, strict=True) if raw is not None}


def table(data: Any) -> Raw:
    if not isinstance(data, dict):
        raise ContractError("A resposta do Mercado Livre não é um registro.")
    return data


def of_a_record(error: SyncError) -> bool:
    """Whether others may fare better: a stale version (409) and a shipment that is busy (400) are its own."""
    if type(error) is TransientError:
        return error.status in (400, 409)
    return isinstance(error, RecordError | ConflictError | NotFoundError | UnknownOutcome)


def about_record(error: SyncError) -> SyncError:
    """A refused write is about its record, whatever code Mercado Livre gives it."""
    if not isinstance(error, ContractError) or error.status not in REFUSED:
        return error
    said = error.provider_message or error.provider_code or error.status
    return RecordError(
        f"O Mercado Livre recusou o registro: {said}.",
        field="",
        status=error.status,
        provider_code=error.provider_code,
        provider_message=error.provider_message,
    )
