"""Invoices, shipments and receivables as canonical records; see `db.projection`."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.entities import Entity
from core.errors import RecordError
from core.hashing import money, quantity
from core.ports import Change
from core.records import Address, Invoice, Parcel, Receivable, Record, Shipment, TrackingEvent

Row = Mapping[str, Any]

ROWS = {
    Entity.INVOICES: (
        "SELECT t.*, {invoice} AS external_id, {order} AS order_external, o.number AS order_number"
        ' FROM erp.invoice t LEFT JOIN erp."order" o ON o.id = t.order_id WHERE t.id = ANY(:ids)'
    ),
    Entity.SHIPMENTS: (
        "SELECT t.*, {shipment} AS external_id, {order} AS order_external, o.number AS order_number,"
        " o.buyer_name, o.buyer_document,"
        " o.buyer_email, o.buyer_phone, (SELECT v.access_key FROM erp.invoice v WHERE v.order_id = o.id"
        " AND v.direction = 'issued' AND v.deleted_at IS NULL ORDER BY v.id DESC LIMIT 1) AS invoice_key,"
        ' o.items_total FROM erp.shipment t JOIN erp."order" o ON o.id = t.order_id WHERE t.id = ANY(:ids)'
    ),
    Entity.RECEIVABLES: (
        "SELECT t.*, {receivable} AS external_id, {customer} AS customer, c.name AS payer_name,"
        " c.document AS payer_document, c.email AS payer_email FROM erp.receivable t"
        " LEFT JOIN erp.customer c ON c.id = t.customer_id WHERE t.id = ANY(:ids)"
    ),
}
"""Statements with places for the subqueries that give external ids."""
CONTENTS = text(
    "SELECT s.id AS owner, i.name, i.sku, i.quantity, i.unit_price,"
    " coalesce(v.weight_kg, p.weight_kg) AS weight_kg, p.length_cm, p.width_cm, p.height_cm"
    " FROM erp.shipment s JOIN erp.order_item i ON i.order_id = s.order_id AND i.deleted_at IS NULL"
    " LEFT JOIN erp.product p ON p.id = i.product_id"
    " LEFT JOIN erp.product_variant v ON v.id = i.variant_id"
    " WHERE s.id = ANY(:ids) ORDER BY i.position"
)
DESTINATIONS = text(
    "SELECT s.id AS owner, a.* FROM erp.shipment s JOIN erp.address a ON a.order_id = s.order_id"
    " WHERE s.id = ANY(:ids) AND a.deleted_at IS NULL ORDER BY a.kind = 'shipping' DESC, a.position"
)
PAYERS = text(
    "SELECT r.id AS owner, a.* FROM erp.receivable r JOIN erp.address a ON a.customer_id = r.customer_id"
    " WHERE r.id = ANY(:ids) AND a.deleted_at IS NULL ORDER BY a.kind = 'billing' DESC, a.position"
)


NO_ORDER = RecordError("O pedido deste envio não está no ERP, ou há mais de um com o número.", field="order")
_ORDERS = text(
    "SELECT w.id, coalesce((SELECT s.order_id FROM erp.shipment s WHERE s.id = w.id),"
    " (SELECT min(o.id::text)::uuid FROM erp.\"order\" o WHERE o.number = w.number AND w.number <> ''"
    " AND o.deleted_at IS NULL HAVING count(*) = 1)) AS order_id"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS text[])) w (id, number)"
)


async def place_orders(connection: AsyncConnection, changes: Sequence[Change]) -> list[Change]:
    """Give shipments the order that the ERP has them under, or else the only one with the number that the
    carrier was told. Answers those that have none."""
    records = {change.internal_id: change.record for change in changes}
    numbers = {id_: record.order_number for id_, record in records.items() if isinstance(record, Shipment)}
    values = {"ids": list(numbers), "numbers": list(numbers.values())}
    found = {row.id: row.order_id for row in await connection.execute(_ORDERS, values)}
    lost = []
    for change in changes:
        if (order := found[change.internal_id]) is None:
            lost.append(change)
        else:
            change.refs = {**change.refs, (Entity.ORDERS.value, numbers[change.internal_id]): order}
    return lost


def invoice(row: Row) -> tuple[Record, dict[str, Any]]:
    record = Invoice(
        external_id=row["external_id"] or "",
        access_key=row["access_key"],
        number=row["number"],
        series=row["series"],
        direction=row["direction"],
        status=row["status"],
        issuer_document=row["issuer_document"],
        issuer_name=row["issuer_name"],
        recipient_document=row["recipient_document"],
        recipient_name=row["recipient_name"],
        total=money(row["total"]),
        issued_at=row["issued_at"],
        protocol=row["protocol"],
        order_id=row["order_external"],
        order_number=row["order_number"] or "",
        xml=row["xml"] or "",
    )
    unlinked = row["order_id"] is not None and row["order_external"] is None
    return record, {"missing": unlinked}


def shipment(row: Row, contents: Iterable[Row], addresses: Iterable[Row]) -> tuple[Record, dict[str, Any]]:
    address = next(iter(addresses), None)
    record = Shipment(
        external_id=row["external_id"] or "",
        order_number=row["order_number"],
        carrier=row["carrier"],
        service=row["service"],
        status=row["status"],
        tracking_code=row["tracking_code"],
        cost=money(row["cost"]),
        label_url=row["label_url"],
        shipped_at=row["shipped_at"],
        delivered_at=row["delivered_at"],
        events=msgspec.convert(tuple(row["events"]), tuple[TrackingEvent, ...]),
        invoice_key=row["invoice_key"],
        recipient_name=(address["name"] if address else "") or row["buyer_name"],
        recipient_document=row["buyer_document"],
        recipient_email=row["buyer_email"],
        recipient_phone=row["buyer_phone"],
        address=place(address),
        contents=tuple([_parcel(part) for part in contents]),
        insured_value=money(row["insured_value"] or row["items_total"]),
        order_id=row["order_external"],
    )
    return record, {}


def receivable(row: Row, addresses: Iterable[Row]) -> tuple[Record, dict[str, Any]]:
    record = Receivable(
        external_id=row["external_id"] or "",
        document_number=row["document_number"],
        status=row["status"],
        amount=money(row["amount"]),
        paid_amount=_optional(row["paid_amount"]),
        due_on=row["due_on"],
        paid_at=row["paid_at"],
        our_number=row["our_number"],
        txid=row["txid"],
        customer_id=row["customer"],
        payer_name=row["payer_name"] or "",
        payer_document=row["payer_document"],
        payer_email=row["payer_email"],
        payer_address=place(next(iter(addresses), None)),
        description=row["description"],
        barcode=row["barcode"],
        pix_code=row["pix_code"],
    )
    return record, {}


def place(row: Row | None) -> Address | None:
    return Address(**{name: row[name] for name in Address.__struct_fields__}) if row is not None else None


def _parcel(row: Row) -> Parcel:
    sizes = {name: row[name] for name in ("weight_kg", "length_cm", "width_cm", "height_cm")}
    measures: dict[str, Decimal | None] = {
        name: None if value is None else quantity(value) for name, value in sizes.items()
    }
    return Parcel(
        name=row["name"],
        sku=row["sku"],
        quantity=quantity(row["quantity"]),
        unit_price=money(row["unit_price"]),
        weight_kg=measures["weight_kg"],
        length_cm=measures["length_cm"],
        width_cm=measures["width_cm"],
        height_cm=measures["height_cm"],
    )


def _optional(value: Decimal | None) -> Decimal | None:
    return None if value is None else money(value)
