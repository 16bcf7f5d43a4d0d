"""Canonical records: what a provider's answer is mapped to before anything is decided or stored.

Immutable; money is `Decimal`, times are UTC, documents and codes are text, units stand in the name. The
field order is part of the contract: `core.hashing` encodes in it, so append, never reorder.
"""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from core.entities import Entity


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """`external_id` is the provider's id as text; `updated_at` its own clock, where it has one; `reference`
    our id of the record, where the provider keeps it in a field of its own."""

    external_id: str
    updated_at: datetime | None = None
    reference: str | None = None


class Variant(Record, frozen=True, kw_only=True):
    sku: str | None
    price: Decimal | None = None
    sale_price: Decimal | None = None
    gtin: str | None = None
    active: bool = True
    options: dict[str, str] = {}
    weight_kg: Decimal | None = None


class Product(Record, frozen=True, kw_only=True):
    sku: str | None
    name: str
    description: str = ""
    price: Decimal | None = None
    sale_price: Decimal | None = None
    gtin: str | None = None
    active: bool = True
    weight_kg: Decimal | None = None
    length_cm: Decimal | None = None
    width_cm: Decimal | None = None
    height_cm: Decimal | None = None
    category_ids: tuple[str, ...] = ()  # external ids
    image_urls: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()


class StockLevel(Record, frozen=True, kw_only=True):
    """Stock of one sellable item; `external_id` is the product's or, where there is one, the variant's."""

    product_id: str  # external id of the product
    variant_id: str | None = None  # external id of the variant
    sku: str | None = None
    on_hand: Decimal


class Category(Record, frozen=True, kw_only=True):
    name: str
    slug: str = ""
    parent_id: str | None = None  # external id
    description: str = ""
    position: int = 0


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """`postal_code` is the CEP in eight digits, `state` the UF, `country` ISO 3166 alpha-2."""

    kind: str  # billing | shipping
    name: str = ""
    street: str = ""
    number: str = ""
    complement: str = ""
    district: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = "BR"


class Customer(Record, frozen=True, kw_only=True):
    """`document` is a CPF (11 digits) or CNPJ (14 characters) without punctuation."""

    name: str
    person_type: str | None = None  # F (física) | J (jurídica)
    document: str | None = None
    state_registration: str | None = None
    email: str | None = None
    phone: str | None = None
    addresses: tuple[Address, ...] = ()


class OrderItem(msgspec.Struct, frozen=True, kw_only=True):
    external_id: str
    product_id: str | None = None  # external id
    variant_id: str | None = None  # external id
    sku: str | None = None
    name: str
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal = Decimal("0.00")
    total: Decimal


class Order(Record, frozen=True, kw_only=True):
    """`status`: pending, paid, on_hold, shipped, completed, cancelled, refunded, failed or other."""

    number: str
    status: str
    external_status: str
    currency: str
    total: Decimal
    items_total: Decimal
    discount: Decimal
    shipping: Decimal
    tax: Decimal
    fees: Decimal = Decimal("0.00")
    customer_id: str | None = None  # external id; None for a guest
    buyer_name: str = ""
    buyer_document: str | None = None
    buyer_email: str | None = None
    buyer_phone: str | None = None
    payment_method: str = ""
    shipping_method: str = ""
    note: str = ""
    placed_at: datetime
    paid_at: datetime | None = None
    addresses: tuple[Address, ...] = ()
    items: tuple[OrderItem, ...] = ()


class Invoice(Record, frozen=True, kw_only=True):
    """An NF-e or NFC-e. `access_key` has 44 digits; `direction` is issued or received; `status` authorized,
    cancelled, denied, pending or rejected. `xml` is the signed document, empty where only a summary is
    known."""

    access_key: str | None = None
    number: str
    series: str = ""
    direction: str = "received"
    status: str
    issuer_document: str | None = None
    issuer_name: str = ""
    recipient_document: str | None = None
    recipient_name: str = ""
    total: Decimal
    issued_at: datetime | None = None
    protocol: str = ""
    order_id: str | None = None  # external id
    order_number: str = ""
    xml: str = ""


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One package, or one article of its contents."""

    name: str = ""
    sku: str | None = None
    quantity: Decimal = Decimal(1)
    unit_price: Decimal = Decimal("0.00")
    weight_kg: Decimal | None = None
    length_cm: Decimal | None = None
    width_cm: Decimal | None = None
    height_cm: Decimal | None = None


class TrackingEvent(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    status: str
    description: str = ""
    place: str = ""


class Shipment(Record, frozen=True, kw_only=True):
    """`status`: pending, quoted, paid, posted, in_transit, delivered, returned, cancelled or other. What the
    carrier needs to know of the order travels with it; what it answers (cost, label, tracking) comes back."""

    order_number: str = ""
    carrier: str = ""
    service: str = ""
    status: str = "pending"
    tracking_code: str | None = None
    cost: Decimal = Decimal("0.00")
    label_url: str | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    events: tuple[TrackingEvent, ...] = ()
    invoice_key: str | None = None
    recipient_name: str = ""
    recipient_document: str | None = None
    recipient_email: str | None = None
    recipient_phone: str | None = None
    address: Address | None = None
    contents: tuple[Parcel, ...] = ()
    insured_value: Decimal = Decimal("0.00")
    order_id: str | None = None  # external id


class BankTransaction(Record, frozen=True, kw_only=True):
    """`amount` is negative for money that left. `txid` and `our_number` are what a charge can be told by."""

    account: str
    amount: Decimal
    booked_on: date
    description: str = ""
    kind: str = ""
    txid: str | None = None
    our_number: str | None = None
    counterpart_name: str = ""
    counterpart_document: str | None = None


class Receivable(Record, frozen=True, kw_only=True):
    """A charge (boleto, Pix). `status`: open, paid, overdue, cancelled or expired."""

    document_number: str
    status: str = "open"
    amount: Decimal
    paid_amount: Decimal | None = None
    due_on: date
    paid_at: datetime | None = None
    our_number: str | None = None
    txid: str | None = None
    customer_id: str | None = None  # external id
    payer_name: str = ""
    payer_document: str | None = None
    payer_email: str | None = None
    payer_address: Address | None = None
    description: str = ""
    barcode: str = ""
    pix_code: str = ""


RECORDS: dict[Entity, type[Record]] = {
    Entity.PRODUCTS: Product,
    Entity.STOCK: StockLevel,
    Entity.CATEGORIES: Category,
    Entity.CUSTOMERS: Customer,
    Entity.ORDERS: Order,
    Entity.INVOICES: Invoice,
    Entity.SHIPMENTS: Shipment,
    Entity.BANK_TRANSACTIONS: BankTransaction,
    Entity.RECEIVABLES: Receivable,
}
