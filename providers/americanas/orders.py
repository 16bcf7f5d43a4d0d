"""Orders from the queue, the steps of their status, and the papers that belong to them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from core.errors import ContractError, NotFoundError, RecordError, TransientError
from core.records import Invoice, Order, Record, Shipment
from core.spec import Outgoing, Raw, Source, Span, Step, Writing, Written
from providers.americanas.calls import ORDER_SECONDS, each, found, order, path
from providers.americanas.mapping import BRASILIA, status_code, status_of

PORTION = 20
"""Orders taken before they are saved and acknowledged: seconds, where the queue waits for five minutes. Few,
for the docs are silent on an order that changes between being given and being acknowledged."""
LIST_PAGE = 30
_QUEUE = ("queues", "orders")
_CARRIED = ("posted", "in_transit", "delivered", "returned")


async def fetch_orders(source: Source, span: Span, place: str | None) -> Step:
    """A portion of the queue. The place is the first order of the scan: one that comes again was not
    acknowledged (a simulation), and the queue would go round in circles."""
    if span.until is not None:
        return await _listed(source, place)
    taken: dict[str, Raw] = {}
    while len(taken) < PORTION:
        raw = (await source.get(path(*_QUEUE))).data
        if raw is None:
            return Step(list(taken.values()), None)
        if not isinstance(raw, dict) or not raw.get("code"):
            raise ContractError("A fila da SkyHub deu algo que não é um pedido.")
        if raw["code"] == place:
            return Step(list(taken.values()), None)
        place = place or raw["code"]
        taken[raw["code"]] = raw
    return Step(list(taken.values()), place)


async def acknowledge(source: Source, raws: Sequence[Raw]) -> None:
    for raw in raws:
        try:
            await source.send("DELETE", path(*_QUEUE, raw["code"]), repeatable=True)
        except NotFoundError:
            # Acknowledged by an attempt whose answer was lost.
            continue


async def _listed(source: Source, place: str | None) -> Step:
    """All orders, for a backfill: without any filter of time, a page a second."""
    page = int(place or 1)
    if place is not None:
        await asyncio.sleep(ORDER_SECONDS)
    params = {"page": str(page), "per_page": str(LIST_PAGE)}
    data = (await source.get("orders", params)).data
    if not isinstance(data, dict) or not isinstance(data.get("orders"), list):
        raise ContractError("A resposta da SkyHub não é uma lista de pedidos.")
    more = len(data["orders"]) == LIST_PAGE
    return Step(data["orders"], str(page + 1) if more else None, data.get("total"))


async def read_orders(source: Source, external_ids: Sequence[str]) -> dict[str, Raw]:
    known: dict[str, Raw] = {}
    for place, code in enumerate(dict.fromkeys(external_ids)):
        if place:
            await asyncio.sleep(ORDER_SECONDS)
        raw = await found(source, "orders", code)
        known |= {code: raw} if raw is not None else {}
    return known


async def write_orders(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    async def write(item: Outgoing) -> Written:
        assert isinstance(item.record, Order)  # noqa: S101
        code, status = str(item.external_id), item.record.status
        before = await order(source, code)
        if status_of(before) != status:
            await _step(source, code, before, status)
        return Written()

    return await each(outgoing, write, ORDER_SECONDS)


async def _step(source: Source, code: str, before: Raw, status: str) -> None:
    """There is no field to set: each status is reached by an action of its own."""
    match status:
        case "paid" if status_of(before) == "pending":
            # Of test accounts; the marketplace itself approves real payments.
            await _act(source, code, "approval", {"status": "payment_received"})
        case "shipped":
            raise TransientError("O envio vai com o rastreio: sincronize também a entidade envios.")
        case "completed":
            await _deliver(source, code, datetime.now(UTC))
        case "cancelled":
            await _act(source, code, "cancel", {"status": "order_canceled"})
        case _:
            text = f"O marketplace não aceita que o pedido passe de {status_code(before)!r} a {status!r}."
            raise RecordError(text, field="status")


async def _act(source: Source, code: str, action: str, body: Any) -> None:
    await source.send("POST", path("orders", code, action), body)


async def _deliver(source: Source, code: str, moment: datetime) -> None:
    await _act(source, code, "delivery", {"status": "complete", "delivered_date": local(moment)})


async def write_invoices(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    """The order is looked at before: it tells whether it has the invoice already, and who delivers it."""

    async def write(item: Outgoing) -> Written:
        record = item.record
        assert isinstance(record, Invoice)  # noqa: S101
        code, key = str(record.order_id), str(record.access_key)
        before = await order(source, code)
        issued = local(record.issued_at or datetime.now(UTC))
        if all(one.get("key") != key for one in before.get("invoices") or ()):
            if _by_americanas(before):
                await _send_xml(source, code, record, issued)
            else:
                body = {"status": "order_invoiced", "invoice": {"key": key, "issue_date": issued}}
                await _act(source, code, "invoice", body)
        return Written({"order": code, "key": key, "issue_date": issued})

    return await each(outgoing, write, ORDER_SECONDS)


def _by_americanas(raw: Raw) -> bool:
    """Americanas Entrega, whose values still have B2W's name."""
    names = (raw.get("calculation_type"), raw.get("delivery_contract_type"))
    return any(str(name or "").lower().startswith("b2wentrega") for name in names)


async def _send_xml(source: Source, code: str, record: Invoice, issued: str) -> None:
    if not record.xml:
        raise RecordError(
            "A Americanas Entrega exige o XML da NF, que não está no ERP.", field="invoice.file"
        )
    form = httpx.Request(
        "POST",
        "https://skyhub.invalid",
        data={"status": "order_invoiced", "volume_qty": "1", "issue_date": issued},
        files={"file": (f"{record.access_key}.xml", record.xml.encode(), "text/xml")},
    )
    headers = {"Content-Type": form.headers["content-type"]}
    await source.send("POST", path("orders", code, "invoice"), form.read(), headers=headers)


async def write_shipments(source: Source, outgoing: Sequence[Outgoing]) -> Sequence[Written]:
    async def write(item: Outgoing) -> Written:
        record = item.record
        assert isinstance(record, Shipment)  # noqa: S101
        code = str(record.order_id)
        before, track = await order(source, code), _track(record, source)
        sent = [one.get("code") for part in before.get("shipments") or () for one in part.get("tracks") or ()]
        if track["code"] not in sent:
            await _ship(source, code, before, record, track)
        if record.status == "delivered" and status_of(before) != "completed":
            await _deliver(source, code, record.delivered_at or datetime.now(UTC))
        if record.status == "returned" and status_code(before) != "shipment_exception":
            event = record.events[-1] if record.events else None
            said = {
                "occurrence_date": local(event.at if event else datetime.now(UTC)),
                "observation": (event.description if event else "") or "Devolvido ao remetente",
            }
            body = {"status": "shipment_exception", "shipment_exception": said}
            await _act(source, code, "shipment_exception", body)
        return Written({"order": code, "track": track, "status": record.status})

    return await each(outgoing, write, ORDER_SECONDS)


def _track(record: Shipment, source: Source) -> Raw:
    code = str(record.tracking_code)
    track = {"code": code, "carrier": record.carrier, "method": record.service}
    address = source.settings.get("tracking_url")
    return track | ({"url": address.replace("{code}", code)} if address else {})


async def _ship(source: Source, code: str, before: Raw, record: Shipment, track: Raw) -> None:
    shipped = {"delivered_carrier_date": local(record.shipped_at)} if record.shipped_at else {}
    items = [{"sku": one["id"], "qty": one["qty"]} for one in before["items"]]
    shipment = {"code": code, "items": items, "track": track, **shipped}
    await _act(source, code, "shipments", {"status": "order_shipped", "shipment": shipment})


def local(moment: datetime) -> str:
    return moment.astimezone(BRASILIA).isoformat(timespec="seconds")


def _invoiced(record: Record) -> bool:
    assert isinstance(record, Invoice)  # noqa: S101
    known = record.order_id is not None and record.access_key is not None
    return known and record.direction == "issued" and record.status == "authorized"


def _carried(record: Record) -> bool:
    assert isinstance(record, Shipment)  # noqa: S101
    known = record.order_id is not None and bool(record.tracking_code)
    return known and record.status in _CARRIED


ORDERS = Writing(fields=frozenset({"status"}), write=write_orders, size=20, creates=False)
# Whether the order has it already is seen before it is sent, so sending again doubles nothing.
INVOICES = Writing(
    fields=frozenset({"access_key"}),
    write=write_invoices,
    size=20,
    wanted=_invoiced,
    repeatable_creates=True,
)
SHIPMENTS = Writing(
    fields=frozenset({"tracking_code", "status"}),
    write=write_shipments,
    size=20,
    wanted=_carried,
    repeatable_creates=True,
)
