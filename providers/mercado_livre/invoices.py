"""The NF-e of a sale, given to its shipment. One shipment has one, however many orders of a cart it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.entities import Matching
from core.errors import ConflictError, ContractError, RecordError, SyncError, TransientError
from core.records import Invoice, Record
from core.spec import Outgoing, Raw, Source, Written
from providers.mercado_livre.calls import SITE, optional
from providers.mercado_livre.writing import each

SITE_ID = {"siteId": SITE}
XML = {"Content-Type": "application/xml"}
EARLY = ("pending", "handling")
"""The shipment does not wait for an invoice yet."""
SAVED = "shipment_invoice_already_saved"


def wanted(record: Record) -> bool:
    """Authorised invoices of our own, of orders that came from this account."""
    assert isinstance(record, Invoice)  # noqa: S101
    return bool(
        record.direction == "issued"
        and record.status == "authorized"
        and record.order_id
        and record.access_key
    )


async def find_invoices(
    source: Source, outgoing: Sequence[Outgoing], _matching: Matching
) -> Mapping[str, Sequence[Raw]]:
    found: dict[str, Sequence[Raw]] = {}
    for item in outgoing:
        record: Any = item.record
        if not record.order_id:
            continue
        shipment = await _shipment_id(source, record.order_id)
        saved = await _saved(source, shipment) if shipment else None
        if saved and saved.get("fiscal_key") == record.access_key:
            found[item.reference] = [{**saved, "order_id": record.order_id}]
    return found


async def write_invoices(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    async def one(item: Outgoing) -> Raw | None:
        record: Any = item.record
        if "<nfeProc" not in record.xml:
            raise RecordError(
                "A NF não tem o XML autorizado (nfeProc), que o Mercado Livre exige.", field="xml"
            )
        shipment = await _shipment_id(source, record.order_id)
        if shipment is None:
            raise RecordError("O pedido desta NF não tem envio no Mercado Livre.", field="shipping.id")
        if item.external_id is None:
            await _first(source, shipment, record)
        elif "access_key" in item.fields:
            await _xml(source, "PUT", f"shipment_invoice/{item.external_id}/", record.xml)
        saved = await _saved(source, shipment)
        return saved and {**saved, "order_id": record.order_id}

    ended = await each(outgoing, one)
    return [Written(error=one) if isinstance(one, SyncError) else Written(one) for one in ended]


async def _first(source: Source, shipment: str, record: Invoice) -> None:
    state = await optional(source, f"shipments/{shipment}", {"x-format-new": "true"}) or {}
    if state.get("status") in EARLY:
        raise TransientError("O envio ainda não espera a NF; a próxima tentativa a envia.", status=409)
    try:
        await _xml(source, "POST", f"shipments/{shipment}/invoice_data/", record.xml)
    except ContractError as error:
        if error.provider_code != SAVED:
            raise
        saved = await _saved(source, shipment) or {}
        if saved.get("fiscal_key") != record.access_key:
            text = "O envio já tem outra NF-e no Mercado Livre: confira qual delas vale."
            raise ConflictError(text, status=error.status, provider_code=SAVED) from None


async def _xml(source: Source, method: str, path: str, xml: str) -> None:
    await source.send(method, path, xml.encode(), params=SITE_ID, headers=XML, repeatable=method == "PUT")


async def _saved(source: Source, shipment: str) -> Raw | None:
    return await optional(source, f"shipments/{shipment}/invoice_data/?siteId={SITE}")


async def _shipment_id(source: Source, order: str) -> str | None:
    raw = await optional(source, f"orders/{order}") or {}
    id_ = (raw.get("shipping") or {}).get("id")
    return str(id_) if id_ else None
