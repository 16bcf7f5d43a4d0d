"""Canonical records: what a provider's answer is mapped to before anything is decided or stored.

Immutable; money is `Decimal`, times are UTC, documents and codes are text, units stand in the name. The
field order is part of the contract: `core.hashing` encodes in it, so append, never reorder.
"""

from datetime import datetime
from decimal import Decimal

import msgspec


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
