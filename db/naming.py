"""ERP records by the names people know them by. Customers are named in part: a list is no place for people's
data (core/personal.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.entities import Entity
from core.ports import VARIANTS

_PARTLY = "coalesce('…' || right(t.document, 5), left(t.email, 1) || '…@' || split_part(t.email, '@', 2), '')"
_VARIANT_OF = "JOIN erp.product p ON p.id = t.product_id"
_LABELS = {
    Entity.PRODUCTS.value: ("concat_ws(' · ', t.sku, t.name)", "erp.product t"),
    VARIANTS: ("concat_ws(' · ', t.sku, p.name)", f"erp.product_variant t {_VARIANT_OF}"),
    Entity.STOCK.value: (
        "concat_ws(' · ', coalesce(v.sku, p.sku), p.name)",
        f"erp.stock_level t {_VARIANT_OF} LEFT JOIN erp.product_variant v ON v.id = t.variant_id",
    ),
    Entity.CATEGORIES.value: ("t.name", "erp.category t"),
    Entity.CUSTOMERS.value: (_PARTLY, "erp.customer t"),
    Entity.ORDERS.value: ("t.number", 'erp."order" t'),
    Entity.INVOICES.value: ("concat_ws(' · série ', t.number, nullif(t.series, ''))", "erp.invoice t"),
    Entity.SHIPMENTS.value: (
        "concat_ws(' · ', t.tracking_code, nullif(t.carrier, ''), o.number)",
        'erp.shipment t LEFT JOIN erp."order" o ON o.id = t.order_id',
    ),
    Entity.BANK_TRANSACTIONS.value: (
        "concat_ws(' · ', to_char(t.booked_on, 'DD/MM/YYYY'), t.reference)",
        "erp.bank_transaction t",
    ),
    Entity.RECEIVABLES.value: ("t.document_number", "erp.receivable t"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """`deleted`: in the ERP, where its row is kept."""

    label: str
    deleted: bool


def source(kind: str, *, whole: bool = False) -> tuple[str, str]:
    """Label and tables of a kind in SQL; `whole`: for a person who may see customers' names."""
    label, tables = _LABELS[kind]
    if whole and kind == Entity.CUSTOMERS:
        label = f"concat_ws(' · ', t.name, {_PARTLY})"
    return label, tables


async def names(
    connection: AsyncConnection, ids: Mapping[str, Sequence[UUID]], *, whole: bool = False
) -> dict[UUID, Named]:
    """Of records by kind; one that is gone for good has no name."""
    parts, values = [], dict[str, Sequence[UUID]]()
    for kind, wanted in ids.items():
        label, tables = source(kind, whole=whole)
        values[kind] = list(wanted)
        parts.append(
            f"SELECT t.id, {label} AS label, t.deleted_at IS NOT NULL AS deleted"  # noqa: S608
            f" FROM {tables} WHERE t.id = ANY(:{kind})"
        )
    if not parts:
        return {}
    rows = await connection.execute(text(" UNION ALL ".join(parts)), values)
    return {row.id: Named(row.label, row.deleted) for row in rows}
