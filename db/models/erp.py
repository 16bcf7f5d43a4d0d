"""The ERP's tables. Any program may write here; triggers keep what exports need."""

from decimal import Decimal

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.models.columns import MEASURE, MOMENT, MONEY, metadata, now, of_tenant, refers, tracked, txt


def zero(name: str) -> Column[Decimal]:
    return Column(name, MONEY, nullable=False, server_default=text("0"))


def unique_alive(name: str, *columns: str, also: str = "") -> Index:
    where = f"deleted_at IS NULL{also}"
    return Index(name, *columns, unique=True, postgresql_where=text(where))


tenant = Table(
    "tenant",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("erp.uuid7()")),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    now("created_at"),
    schema="erp",
)

branch = Table(
    "branch",
    metadata,
    *tracked(),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("document", Text),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    of_tenant(),
    UniqueConstraint("tenant_id", "code"),
    Index("uq_branch_default", "tenant_id", unique=True, postgresql_where=text("is_default")),
    schema="erp",
)

category = Table(
    "category",
    metadata,
    *tracked(),
    Column("name", Text, nullable=False),
    txt("slug"),
    Column("parent_id", Uuid),
    txt("description"),
    Column("position", Integer, nullable=False, server_default=text("0")),
    refers("parent_id", "erp.category"),
    Index("ix_category_slug", "tenant_id", "slug"),
    schema="erp",
)

product = Table(
    "product",
    metadata,
    *tracked(),
    Column("sku", Text),
    Column("name", Text, nullable=False),
    txt("description"),
    Column("price", MONEY),
    Column("sale_price", MONEY),
    Column("gtin", Text),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("weight_kg", MEASURE),
    Column("length_cm", MEASURE),
    Column("width_cm", MEASURE),
    Column("height_cm", MEASURE),
    Column("category_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("image_urls", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    unique_alive("uq_product_sku", "tenant_id", "sku"),
    Index("ix_product_gtin", "tenant_id", "gtin", postgresql_where=text("gtin IS NOT NULL")),
    schema="erp",
)

product_variant = Table(
    "product_variant",
    metadata,
    *tracked(),
    Column("product_id", Uuid, nullable=False),
    Column("sku", Text),
    Column("price", MONEY),
    Column("sale_price", MONEY),
    Column("gtin", Text),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("options", JSONB, nullable=False, server_default=text("'{}'")),
    Column("weight_kg", MEASURE),
    refers("product_id", "erp.product", on_delete="CASCADE"),
    Index("ix_product_variant_product", "product_id"),
    unique_alive("uq_product_variant_sku", "tenant_id", "sku"),
    schema="erp",
)

stock_level = Table(
    "stock_level",
    metadata,
    *tracked(),
    Column("branch_id", Uuid, nullable=False),
    Column("product_id", Uuid, nullable=False),
    Column("variant_id", Uuid),
    zero("on_hand"),
    zero("reserved"),
    zero("safety"),
    refers("branch_id", "erp.branch"),
    refers("product_id", "erp.product", on_delete="CASCADE"),
    refers("variant_id", "erp.product_variant", on_delete="CASCADE"),
    UniqueConstraint(
        "tenant_id",
        "branch_id",
        "product_id",
        "variant_id",
        name="uq_stock_level_item",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("reserved >= 0 AND safety >= 0", name="not_negative"),
    Index("ix_stock_level_product", "product_id"),
    Index("ix_stock_level_variant", "variant_id", postgresql_where=text("variant_id IS NOT NULL")),
    schema="erp",
)

customer = Table(
    "customer",
    metadata,
    *tracked(),
    Column("name", Text, nullable=False),
    Column("person_type", Text),
    Column("document", Text),
    Column("state_registration", Text),
    Column("email", Text),
    Column("phone", Text),
    CheckConstraint("person_type IN ('F', 'J')", name="person_type"),
    unique_alive("uq_customer_document", "tenant_id", "document", also=" AND document IS NOT NULL"),
    Index("ix_customer_email", "tenant_id", text("lower(email)"), postgresql_where=text("email IS NOT NULL")),
    schema="erp",
)

order = Table(
    "order",
    metadata,
    *tracked(),
    txt("channel"),
    Column("number", Text, nullable=False),
    Column("status", Text, nullable=False),
    txt("external_status"),
    Column("currency", Text, nullable=False, server_default=text("'BRL'")),
    zero("total"),
    zero("items_total"),
    zero("discount"),
    zero("shipping"),
    zero("tax"),
    zero("fees"),
    Column("customer_id", Uuid),
    txt("buyer_name"),
    Column("buyer_document", Text),
    Column("buyer_email", Text),
    Column("buyer_phone", Text),
    txt("payment_method"),
    txt("shipping_method"),
    txt("note"),
    Column("placed_at", MOMENT, nullable=False),
    Column("paid_at", MOMENT),
    refers("customer_id", "erp.customer"),
    unique_alive("uq_order_number", "tenant_id", "channel", "number"),
    CheckConstraint("length(currency) = 3", name="currency"),
    schema="erp",
)

order_item = Table(
    "order_item",
    metadata,
    *tracked(),
    Column("order_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("external_id", Text),
    Column("product_id", Uuid),
    Column("variant_id", Uuid),
    Column("sku", Text),
    Column("name", Text, nullable=False),
    zero("quantity"),
    zero("unit_price"),
    zero("discount"),
    zero("total"),
    refers("order_id", "erp.order", on_delete="CASCADE"),
    refers("product_id", "erp.product"),
    refers("variant_id", "erp.product_variant"),
    UniqueConstraint("order_id", "position"),
    schema="erp",
)

address = Table(
    "address",
    metadata,
    *tracked(),
    Column("customer_id", Uuid),
    Column("order_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("position", Integer, nullable=False, server_default=text("0")),
    txt("name"),
    txt("street"),
    txt("number"),
    txt("complement"),
    txt("district"),
    txt("city"),
    txt("state"),
    txt("postal_code"),
    Column("country", Text, nullable=False, server_default=text("'BR'")),
    refers("customer_id", "erp.customer", on_delete="CASCADE"),
    refers("order_id", "erp.order", on_delete="CASCADE"),
    UniqueConstraint(
        "customer_id",
        "order_id",
        "kind",
        "position",
        name="uq_address_owner",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("num_nonnulls(customer_id, order_id) = 1", name="one_owner"),
    CheckConstraint("kind IN ('billing', 'shipping')", name="kind"),
    Index("ix_address_order", "order_id"),
    schema="erp",
)

invoice = Table(
    "invoice",
    metadata,
    *tracked(),
    Column("order_id", Uuid),
    Column("direction", Text, nullable=False),
    Column("access_key", Text),
    Column("number", Text, nullable=False),
    txt("series"),
    Column("status", Text, nullable=False),
    Column("issuer_document", Text),
    Column("recipient_document", Text),
    zero("total"),
    Column("issued_at", MOMENT),
    Column("xml", Text),
    refers("order_id", "erp.order"),
    unique_alive("uq_invoice_access_key", "tenant_id", "access_key", also=" AND access_key IS NOT NULL"),
    CheckConstraint("direction IN ('issued', 'received')", name="direction"),
    schema="erp",
)

shipment = Table(
    "shipment",
    metadata,
    *tracked(),
    Column("order_id", Uuid, nullable=False),
    txt("carrier"),
    txt("service"),
    Column("tracking_code", Text),
    Column("status", Text, nullable=False),
    zero("cost"),
    Column("label_url", Text),
    Column("shipped_at", MOMENT),
    Column("delivered_at", MOMENT),
    refers("order_id", "erp.order"),
    Index("ix_shipment_order", "order_id"),
    schema="erp",
)

receivable = Table(
    "receivable",
    metadata,
    *tracked(),
    Column("order_id", Uuid),
    Column("customer_id", Uuid),
    Column("document_number", Text, nullable=False),
    Column("bank_reference", Text),
    zero("amount"),
    Column("due_on", Date, nullable=False),
    Column("paid_at", MOMENT),
    Column("status", Text, nullable=False, server_default=text("'open'")),
    refers("order_id", "erp.order"),
    refers("customer_id", "erp.customer"),
    unique_alive("uq_receivable_number", "tenant_id", "document_number"),
    schema="erp",
)

bank_transaction = Table(
    "bank_transaction",
    metadata,
    *tracked(),
    Column("account", Text, nullable=False),
    Column("reference", Text, nullable=False),
    zero("amount"),
    Column("booked_on", Date, nullable=False),
    txt("description"),
    Column("receivable_id", Uuid),
    refers("receivable_id", "erp.receivable"),
    unique_alive("uq_bank_transaction_reference", "tenant_id", "account", "reference"),
    schema="erp",
)
