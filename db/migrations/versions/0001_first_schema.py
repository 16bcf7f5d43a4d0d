"""First schema: the ERP and the integrations"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.migrations import rules

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA erp")
    op.execute("CREATE SCHEMA sync")
    for statement in rules.FUNCTIONS_BEFORE_TABLES:
        op.execute(statement)
    op.create_table(
        "branch",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_branch")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_branch_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_branch_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_branch_tenant_id_change_seq_id"),
        "branch",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_branch_default",
        "branch",
        ["tenant_id"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "category",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_id"],
            ["erp.category.tenant_id", "erp.category.id"],
            name=op.f("fk_category_tenant_id_parent_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_category_tenant_id_id")),
        schema="erp",
    )
    op.create_index("ix_category_slug", "category", ["tenant_id", "slug"], unique=False, schema="erp")
    op.create_index(
        op.f("ix_category_tenant_id_change_seq_id"),
        "category",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_table(
        "customer",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("person_type", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("state_registration", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.CheckConstraint("person_type IN ('F', 'J')", name=op.f("ck_customer_person_type")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_customer_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_customer_tenant_id_change_seq_id"),
        "customer",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_customer_document",
        "customer",
        ["tenant_id", "document"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("deleted_at IS NULL AND document IS NOT NULL"),
    )
    op.create_table(
        "product",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("price", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column("sale_price", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column("gtin", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("weight_kg", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column("length_cm", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column("width_cm", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column("height_cm", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column(
            "category_ids", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("image_urls", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_product_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_product_tenant_id_change_seq_id"),
        "product",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_product_sku",
        "product",
        ["tenant_id", "sku"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenant_slug")),
        schema="erp",
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_audit_log_tenant_id_id")),
        schema="sync",
    )
    op.create_index("ix_audit_log_at", "audit_log", ["tenant_id", "at"], unique=False, schema="sync")
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("system_identifier", sa.Text(), nullable=False),
        sa.Column("change_offset", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("canary", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        schema="sync",
    )
    op.create_table(
        "mapping_snapshot",
        sa.Column("mapping_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("record", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("mapping_id", name=op.f("pk_mapping_snapshot")),
        schema="sync",
    )
    op.create_table(
        "membership",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("can_view", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("can_edit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_membership")),
        schema="sync",
    )
    op.create_table(
        "rate_bucket",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "next_at", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False
        ),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_bucket")),
        schema="sync",
    )
    op.create_table(
        "user",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("oidc_issuer", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("is_operator", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject", name=op.f("uq_user_oidc_issuer_oidc_subject")),
        schema="sync",
    )
    op.create_index("uq_user_email", "user", [sa.literal_column("lower(email)")], unique=True, schema="sync")
    op.create_table(
        "order",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("channel", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("external_status", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("currency", sa.Text(), server_default=sa.text("'BRL'"), nullable=False),
        sa.Column("total", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "items_total", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("discount", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("shipping", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("tax", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("fees", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("buyer_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("buyer_document", sa.Text(), nullable=True),
        sa.Column("buyer_email", sa.Text(), nullable=True),
        sa.Column("buyer_phone", sa.Text(), nullable=True),
        sa.Column("payment_method", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("shipping_method", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_order_currency")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["erp.customer.tenant_id", "erp.customer.id"],
            name=op.f("fk_order_tenant_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_order_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_order_tenant_id_change_seq_id"),
        "order",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_order_number",
        "order",
        ["tenant_id", "channel", "number"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "product_variant",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("price", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column("sale_price", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.Column("gtin", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "options", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("weight_kg", sa.Numeric(precision=15, scale=4), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["erp.product.tenant_id", "erp.product.id"],
            name=op.f("fk_product_variant_tenant_id_product_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_variant")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_product_variant_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        "ix_product_variant_product", "product_variant", ["product_id"], unique=False, schema="erp"
    )
    op.create_index(
        op.f("ix_product_variant_tenant_id_change_seq_id"),
        "product_variant",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_product_variant_sku",
        "product_variant",
        ["tenant_id", "sku"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "integration",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("direction", sa.Text(), server_default=sa.text("'import'"), nullable=False),
        sa.Column("matching", sa.Text(), server_default=sa.text("'sku'"), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("status_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "webhook_public_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "direction IN ('import', 'export', 'both')", name=op.f("ck_integration_direction")
        ),
        sa.CheckConstraint("matching IN ('sku', 'id', 'custom_field')", name=op.f("ck_integration_matching")),
        sa.CheckConstraint(
            "status IN ('active', 'paused', 'error', 'disabled')", name=op.f("ck_integration_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"],
            ["erp.branch.tenant_id", "erp.branch.id"],
            name=op.f("fk_integration_tenant_id_branch_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_integration_tenant_id_id")),
        sa.UniqueConstraint("webhook_public_id", name=op.f("uq_integration_webhook_public_id")),
        schema="sync",
    )
    op.create_index(
        "uq_integration_name",
        "integration",
        ["tenant_id", sa.literal_column("lower(name)")],
        unique=True,
        schema="sync",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "address",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("street", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("number", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("complement", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("district", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("city", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("postal_code", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("country", sa.Text(), server_default=sa.text("'BR'"), nullable=False),
        sa.CheckConstraint("kind IN ('billing', 'shipping')", name=op.f("ck_address_kind")),
        sa.CheckConstraint("num_nonnulls(customer_id, order_id) = 1", name=op.f("ck_address_one_owner")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["erp.customer.tenant_id", "erp.customer.id"],
            name=op.f("fk_address_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["erp.order.tenant_id", "erp.order.id"],
            name=op.f("fk_address_tenant_id_order_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address")),
        sa.UniqueConstraint(
            "customer_id",
            "order_id",
            "kind",
            "position",
            name="uq_address_owner",
            postgresql_nulls_not_distinct=True,
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_address_tenant_id_id")),
        schema="erp",
    )
    op.create_index("ix_address_order", "address", ["order_id"], unique=False, schema="erp")
    op.create_index(
        op.f("ix_address_tenant_id_change_seq_id"),
        "address",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_table(
        "invoice",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("access_key", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("issuer_document", sa.Text(), nullable=True),
        sa.Column("recipient_document", sa.Text(), nullable=True),
        sa.Column("total", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("xml", sa.Text(), nullable=True),
        sa.CheckConstraint("direction IN ('issued', 'received')", name=op.f("ck_invoice_direction")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["erp.order.tenant_id", "erp.order.id"],
            name=op.f("fk_invoice_tenant_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_invoice_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_invoice_tenant_id_change_seq_id"),
        "invoice",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_invoice_access_key",
        "invoice",
        ["tenant_id", "access_key"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("deleted_at IS NULL AND access_key IS NOT NULL"),
    )
    op.create_table(
        "order_item",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("product_id", sa.Uuid(), nullable=True),
        sa.Column("variant_id", sa.Uuid(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "unit_price", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("discount", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["erp.order.tenant_id", "erp.order.id"],
            name=op.f("fk_order_item_tenant_id_order_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["erp.product.tenant_id", "erp.product.id"],
            name=op.f("fk_order_item_tenant_id_product_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "variant_id"],
            ["erp.product_variant.tenant_id", "erp.product_variant.id"],
            name=op.f("fk_order_item_tenant_id_variant_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_item")),
        sa.UniqueConstraint("order_id", "position", name=op.f("uq_order_item_order_id_position")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_order_item_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_order_item_tenant_id_change_seq_id"),
        "order_item",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_table(
        "receivable",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("document_number", sa.Text(), nullable=False),
        sa.Column("bank_reference", sa.Text(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["erp.customer.tenant_id", "erp.customer.id"],
            name=op.f("fk_receivable_tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["erp.order.tenant_id", "erp.order.id"],
            name=op.f("fk_receivable_tenant_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receivable")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_receivable_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_receivable_tenant_id_change_seq_id"),
        "receivable",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_receivable_number",
        "receivable",
        ["tenant_id", "document_number"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "shipment",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("service", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("tracking_code", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("label_url", sa.Text(), nullable=True),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["erp.order.tenant_id", "erp.order.id"],
            name=op.f("fk_shipment_tenant_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipment")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_shipment_tenant_id_id")),
        schema="erp",
    )
    op.create_index("ix_shipment_order", "shipment", ["order_id"], unique=False, schema="erp")
    op.create_index(
        op.f("ix_shipment_tenant_id_change_seq_id"),
        "shipment",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_table(
        "stock_level",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=True),
        sa.Column("on_hand", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("safety", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("reserved >= 0 AND safety >= 0", name=op.f("ck_stock_level_not_negative")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"],
            ["erp.branch.tenant_id", "erp.branch.id"],
            name=op.f("fk_stock_level_tenant_id_branch_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["erp.product.tenant_id", "erp.product.id"],
            name=op.f("fk_stock_level_tenant_id_product_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "variant_id"],
            ["erp.product_variant.tenant_id", "erp.product_variant.id"],
            name=op.f("fk_stock_level_tenant_id_variant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_level")),
        sa.UniqueConstraint(
            "tenant_id",
            "branch_id",
            "product_id",
            "variant_id",
            name="uq_stock_level_item",
            postgresql_nulls_not_distinct=True,
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_stock_level_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_stock_level_tenant_id_change_seq_id"),
        "stock_level",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_table(
        "alarm",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=True),
        sa.Column("pair_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_alarm_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_alarm_tenant_id_id")),
        schema="sync",
    )
    op.create_index(
        "uq_alarm_open",
        "alarm",
        ["pair_id", "kind"],
        unique=True,
        schema="sync",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "conflict",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("mapping_id", sa.Uuid(), nullable=False),
        sa.Column("base", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("erp", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("external", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "fields", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("resolution", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_conflict_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_conflict_tenant_id_id")),
        schema="sync",
    )
    op.create_index(
        "uq_conflict_open",
        "conflict",
        ["mapping_id"],
        unique=True,
        schema="sync",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "credential",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_credential_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("integration_id", "name", name=op.f("pk_credential")),
        schema="sync",
    )
    op.create_index("ix_credential_key", "credential", ["key_id"], unique=False, schema="sync")
    op.create_table(
        "mapping",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("parent_external_id", sa.Text(), nullable=True),
        sa.Column("internal_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("external_hash", sa.LargeBinary(), nullable=True),
        sa.Column("internal_hash", sa.LargeBinary(), nullable=True),
        sa.Column("external_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("incomplete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('active', 'orphan', 'conflict')", name=op.f("ck_mapping_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_mapping_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mapping")),
        sa.UniqueConstraint(
            "integration_id",
            "entity",
            "external_id",
            name=op.f("uq_mapping_integration_id_entity_external_id"),
        ),
        schema="sync",
    )
    op.create_index(
        "uq_mapping_internal",
        "mapping",
        ["integration_id", "entity", "internal_id"],
        unique=True,
        schema="sync",
        postgresql_where=sa.text("state <> 'orphan'"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("pair_id", sa.Uuid(), nullable=True),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("internal_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'intent'"), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('intent', 'sent', 'confirmed', 'unknown', 'failed')", name=op.f("ck_outbox_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_outbox_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "integration_id", "idempotency_key", name=op.f("uq_outbox_integration_id_idempotency_key")
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_outbox_tenant_id_id")),
        schema="sync",
    )
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["next_attempt_at"],
        unique=False,
        schema="sync",
        postgresql_where=sa.text("state IN ('intent', 'unknown')"),
    )
    op.create_table(
        "pair",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("cadence", sa.Text(), server_default=sa.text("'manual'"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("conflict_policy", sa.Text(), server_default=sa.text("'ask'"), nullable=False),
        sa.Column("full_every", sa.Interval(), nullable=True),
        sa.Column("last_full_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deployment_id", sa.Uuid(), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_log_id", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "cadence IN ('manual', '5min', '15min', 'hourly', 'daily')", name=op.f("ck_pair_cadence")
        ),
        sa.CheckConstraint(
            "conflict_policy IN ('erp_wins', 'external_wins', 'newest', 'ask')",
            name=op.f("ck_pair_conflict_policy"),
        ),
        sa.CheckConstraint("direction IN ('import', 'export', 'both')", name=op.f("ck_pair_direction")),
        sa.CheckConstraint(
            "entity IN ('products', 'stock', 'categories', 'customers', 'orders', 'invoices')",
            name=op.f("ck_pair_entity"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_pair_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pair")),
        sa.UniqueConstraint(
            "integration_id", "entity", "direction", name=op.f("uq_pair_integration_id_entity_direction")
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_pair_tenant_id_id")),
        schema="sync",
    )
    op.create_index(
        "ix_pair_lease",
        "pair",
        ["lease_expires_at"],
        unique=False,
        schema="sync",
        postgresql_where=sa.text("lease_log_id IS NOT NULL"),
    )
    op.create_table(
        "sync_log",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("pair_id", sa.Uuid(), nullable=True),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("initiated_by", sa.Text(), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=True),
        sa.Column("slot_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "duration_seconds",
            sa.Numeric(precision=12, scale=3),
            sa.Computed("EXTRACT(EPOCH FROM (ended_at - started_at))", persisted=True),
            nullable=True,
        ),
        sa.Column("processed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("success", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("errors", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("full_scan", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("cause", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("remedy", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolved_reason", sa.Text(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(status = 'running') = (ended_at IS NULL)", name=op.f("ck_sync_log_ended")),
        sa.CheckConstraint("direction IN ('import', 'export')", name=op.f("ck_sync_log_direction")),
        sa.CheckConstraint(
            "initiated_by IN ('schedule', 'manual', 'webhook', 'reprocess')",
            name=op.f("ck_sync_log_initiated_by"),
        ),
        sa.CheckConstraint(
            "status IN ('running', 'success', 'partial', 'error', 'deferred', 'skipped', 'cancelled', 'interrupted')",
            name=op.f("ck_sync_log_status"),
        ),
        sa.CheckConstraint("processed = success + errors + skipped", name=op.f("ck_sync_log_conservation")),
        sa.CheckConstraint("success = created + updated", name=op.f("ck_sync_log_success")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_sync_log_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_log")),
        sa.UniqueConstraint("flow_run_id", name=op.f("uq_sync_log_flow_run_id")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_sync_log_tenant_id_id")),
        schema="sync",
    )
    op.create_index(
        "ix_sync_log_integration",
        "sync_log",
        ["integration_id", sa.literal_column("started_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="sync",
    )
    op.create_index(
        "ix_sync_log_listing",
        "sync_log",
        ["tenant_id", sa.literal_column("started_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="sync",
    )
    op.create_index(
        "ix_sync_log_pair",
        "sync_log",
        ["pair_id", sa.literal_column("started_at DESC")],
        unique=False,
        schema="sync",
    )
    op.create_index(
        "ix_sync_log_running",
        "sync_log",
        ["started_at"],
        unique=False,
        schema="sync",
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'received'"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_webhook_event_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
        sa.UniqueConstraint(
            "integration_id", "delivery_id", name=op.f("uq_webhook_event_integration_id_delivery_id")
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_webhook_event_tenant_id_id")),
        schema="sync",
    )
    op.create_index(
        "ix_webhook_event_open",
        "webhook_event",
        ["received_at"],
        unique=False,
        schema="sync",
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_table(
        "bank_transaction",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "change_seq", sa.BigInteger(), server_default=sa.text("erp.current_change_seq()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=15, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("receivable_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "receivable_id"],
            ["erp.receivable.tenant_id", "erp.receivable.id"],
            name=op.f("fk_bank_transaction_tenant_id_receivable_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_transaction")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_bank_transaction_tenant_id_id")),
        schema="erp",
    )
    op.create_index(
        op.f("ix_bank_transaction_tenant_id_change_seq_id"),
        "bank_transaction",
        ["tenant_id", "change_seq", "id"],
        unique=False,
        schema="erp",
    )
    op.create_index(
        "uq_bank_transaction_reference",
        "bank_transaction",
        ["tenant_id", "account", "reference"],
        unique=True,
        schema="erp",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "cursor",
        sa.Column("pair_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scanning", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("full_scan", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("signpost", sa.DateTime(timezone=True), nullable=True),
        sa.Column("high", sa.DateTime(timezone=True), nullable=True),
        sa.Column("change_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("change_id", sa.Uuid(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pair_id"],
            ["sync.pair.tenant_id", "sync.pair.id"],
            name=op.f("fk_cursor_tenant_id_pair_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pair_id", name=op.f("pk_cursor")),
        schema="sync",
    )
    op.create_table(
        "issue",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sync_log_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("pair_id", sa.Uuid(), nullable=True),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("internal_id", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("error_class", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("cause", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("remedy", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("provider_code", sa.Text(), nullable=True),
        sa.Column("provider_message", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('open', 'resolved')", name=op.f("ck_issue_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["sync.integration.tenant_id", "sync.integration.id"],
            name=op.f("fk_issue_tenant_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sync_log_id"],
            ["sync.sync_log.tenant_id", "sync.sync_log.id"],
            name=op.f("fk_issue_tenant_id_sync_log_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_issue_tenant_id_id")),
        schema="sync",
    )
    op.create_index("ix_issue_log", "issue", ["sync_log_id", "id"], unique=False, schema="sync")
    op.create_index(
        "ix_issue_open",
        "issue",
        ["integration_id", "entity", "external_id"],
        unique=False,
        schema="sync",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "support_ticket",
        sa.Column("id", sa.Uuid(), server_default=sa.text("erp.uuid7()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sync_log_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sync_log_id"],
            ["sync.sync_log.tenant_id", "sync.sync_log.id"],
            name=op.f("fk_support_ticket_tenant_id_sync_log_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_ticket")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_support_ticket_tenant_id_id")),
        schema="sync",
    )
    op.create_index(
        "uq_support_ticket_number", "support_ticket", ["tenant_id", "number"], unique=True, schema="sync"
    )
    for statement in rules.upgrade():
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA sync CASCADE")
    op.execute("DROP SCHEMA erp CASCADE")
