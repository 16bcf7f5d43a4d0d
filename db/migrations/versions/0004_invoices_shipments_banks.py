"""Invoices, shipments, bank transactions and receivables as pairs keep them"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NEW = ("shipments", "bank_transactions", "receivables")
OLD = ("products", "stock", "categories", "customers", "orders", "invoices")
COLUMNS = (
    ("erp.invoice", "issuer_name", "text NOT NULL DEFAULT ''"),
    ("erp.invoice", "recipient_name", "text NOT NULL DEFAULT ''"),
    ("erp.invoice", "protocol", "text NOT NULL DEFAULT ''"),
    ("erp.shipment", "events", "jsonb NOT NULL DEFAULT '[]'"),
    ("erp.shipment", "insured_value", "numeric(15, 4) NOT NULL DEFAULT 0"),
    ("erp.bank_transaction", "kind", "text NOT NULL DEFAULT ''"),
    ("erp.bank_transaction", "txid", "text"),
    ("erp.bank_transaction", "our_number", "text"),
    ("erp.bank_transaction", "counterpart_name", "text NOT NULL DEFAULT ''"),
    ("erp.bank_transaction", "counterpart_document", "text"),
    ("erp.receivable", "paid_amount", "numeric(15, 4)"),
    ("erp.receivable", "txid", "text"),
    ("erp.receivable", "description", "text NOT NULL DEFAULT ''"),
    ("erp.receivable", "barcode", "text NOT NULL DEFAULT ''"),
    ("erp.receivable", "pix_code", "text NOT NULL DEFAULT ''"),
)


def _entities(names: tuple[str, ...]) -> str:
    return "entity IN (" + ", ".join(f"'{name}'" for name in names) + ")"


def upgrade() -> None:
    statements = [
        "ALTER TABLE sync.pair DROP CONSTRAINT ck_pair_entity",
        f"ALTER TABLE sync.pair ADD CONSTRAINT ck_pair_entity CHECK ({_entities(OLD + NEW)})",
        *(f"ALTER TABLE {table} ADD COLUMN {name} {kind}" for table, name, kind in COLUMNS),
        # The receivable's bank_reference is its our_number (nosso número) from now on.
        "ALTER TABLE erp.receivable RENAME COLUMN bank_reference TO our_number",
    ]
    for statement in statements:
        op.execute(sa.text(statement))


def downgrade() -> None:
    statements = [
        "ALTER TABLE erp.receivable RENAME COLUMN our_number TO bank_reference",
        *(f"ALTER TABLE {table} DROP COLUMN {name}" for table, name, _ in reversed(COLUMNS)),
        f"DELETE FROM sync.pair WHERE NOT ({_entities(OLD)})",
        "ALTER TABLE sync.pair DROP CONSTRAINT ck_pair_entity",
        f"ALTER TABLE sync.pair ADD CONSTRAINT ck_pair_entity CHECK ({_entities(OLD)})",
    ]
    for statement in statements:
        op.execute(sa.text(statement))
