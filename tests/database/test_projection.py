"""What goes into the tables of the ERP comes back as the same record: `db.projection` inverts `db.rows`."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from core.entities import Entity
from core.ports import VARIANTS, Action, Change, Key
from core.records import (
    Address,
    BankTransaction,
    Category,
    Customer,
    Invoice,
    Order,
    OrderItem,
    Product,
    Receivable,
    Record,
    Shipment,
    StockLevel,
    TrackingEvent,
    Variant,
)
from core.references import references
from core.trees import OUTSIDE, tree
from db import rows
from db.bulk import upsert
from db.projection import View, project
from db.session import tenant_transaction
from tests.conftest import Tenant
from tests.processes import sql

__all__ = ["sql"]

WHEN = datetime(2026, 4, 20, 12, 30, tzinfo=UTC)
HOME = Address(kind="billing", name="Ana", street="Rua das Flores", number="10", city="Recife", state="PE")
AWAY = Address(kind="shipping", name="Ana", street="Rua do Sol", number="S/N", city="Olinda", state="PE")
RECORDS: dict[Entity, Record] = {
    Entity.CATEGORIES: Category(external_id="5", name="Canecas", slug="canecas", position=3),
    Entity.PRODUCTS: Product(
        external_id="7",
        sku="CAN-1",
        name="Caneca",
        description="<p>Louça</p>",
        price=Decimal("59.90"),
        sale_price=Decimal("49.905"),
        gtin="7891000315507",
        active=False,
        weight_kg=Decimal("0.35"),
        length_cm=Decimal(12),
        category_ids=("5",),
        image_urls=("https://loja.example/1.png",),
        variants=(
            Variant(external_id="71", sku="CAN-1-P", price=Decimal("59.90"), options={"Cor": "Preta"}),
            Variant(external_id="72", sku="CAN-1-B", weight_kg=Decimal("0.4")),
        ),
    ),
    Entity.CUSTOMERS: Customer(
        external_id="3",
        name="Ana Maria",
        person_type="F",
        document="52998224725",
        email="ana@exemplo.test",
        addresses=(HOME, AWAY),
    ),
    Entity.ORDERS: Order(
        external_id="9",
        number="1001",
        status="paid",
        external_status="processing",
        currency="BRL",
        total=Decimal("65.90"),
        items_total=Decimal("59.90"),
        discount=Decimal("0.00"),
        shipping=Decimal("6.00"),
        tax=Decimal("0.00"),
        customer_id="3",
        buyer_name="Ana Maria",
        placed_at=WHEN,
        paid_at=WHEN,
        addresses=(AWAY,),
        items=(
            OrderItem(
                external_id="91",
                product_id="7",
                variant_id="71",
                sku="CAN-1-P",
                name="Caneca",
                quantity=Decimal(1),
                unit_price=Decimal("59.90"),
                total=Decimal("59.90"),
            ),
        ),
    ),
    Entity.STOCK: StockLevel(external_id="71", product_id="7", variant_id="71", on_hand=Decimal("2.5")),
    Entity.INVOICES: Invoice(
        external_id="N1",
        access_key="35260411222333000181550010000010011000010016",
        number="1001",
        series="1",
        direction="issued",
        status="authorized",
        issuer_document="11222333000181",
        issuer_name="Loja",
        total=Decimal("65.90"),
        issued_at=WHEN,
        protocol="135260000000001",
        order_id="9",
        xml="<nfeProc/>",
    ),
    Entity.RECEIVABLES: Receivable(
        external_id="R1",
        document_number="1001/1",
        amount=Decimal("65.90"),
        due_on=date(2026, 5, 20),
        our_number="00012345",
        txid="abc",
        customer_id="3",
    ),
}
DERIVED = {
    Entity.INVOICES: {"order_number"},
    Entity.STOCK: {"sku"},
    Entity.RECEIVABLES: {"payer_name", "payer_document", "payer_email", "payer_address"},
}
"""What the ERP knows from other tables."""


async def put(
    engine: AsyncEngine, tenant: Tenant, sql: Callable[..., Any], integration: uuid.UUID
) -> dict[Entity, uuid.UUID]:
    """Write and link all records, parents first."""
    refs: dict[Key, uuid.UUID] = {}
    made: dict[Entity, uuid.UUID] = {}
    for entity, record in RECORDS.items():
        made[entity] = uuid7()
        refs[entity.value, record.external_id] = made[entity]
        refs |= {key: uuid7() for key in references(record) if key[0] == VARIANTS and key not in refs}
        change = Change(Action.CREATE, record, b"", b"", made[entity], uuid7(), refs=refs)
        async with tenant_transaction(engine, tenant.id) as connection:
            for write in rows.writes(entity, [change], tenant.branch_id, "loja"):
                await upsert(connection, write.table, write.columns, write.rows, str(tenant.id))
        for (kind, external_id), internal_id in list(refs.items()):
            sql(
                "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id)"
                " VALUES (:tenant, :integration, :kind, :external, :internal)"
                " ON CONFLICT (integration_id, entity, external_id) DO NOTHING",
                tenant=tenant.id,
                integration=integration,
                kind=kind,
                external=external_id,
                internal=internal_id,
            )
    return made


@pytest.fixture
def integration(sql: Callable[..., Any], tenant: Tenant) -> uuid.UUID:
    id_ = uuid.uuid4()
    sql(
        "INSERT INTO sync.integration (id, tenant_id, provider, name) VALUES (:id, :tenant, 'x', 'L')",
        id=id_,
        tenant=tenant.id,
    )
    return id_


async def test_every_record_comes_back_as_it_was_written(
    engine: AsyncEngine, tenant: Tenant, sql: Callable[..., Any], integration: uuid.UUID
) -> None:
    made = await put(engine, tenant, sql, integration)
    view = View(integration, tenant.branch_id)
    async with tenant_transaction(engine, tenant.id) as connection:
        for entity, record in RECORDS.items():
            found = (await project(connection, view, entity, [made[entity]]))[0]
            fields = frozenset(record.__struct_fields__) - OUTSIDE - DERIVED.get(entity, set())
            assert tree(found.record, fields) == tree(record, fields), entity
            assert found.record.external_id == record.external_id
            assert (found.missing, found.placed, found.deleted) == (False, True, False)


async def test_references_without_mapping_are_missing(
    engine: AsyncEngine, tenant: Tenant, sql: Callable[..., Any], integration: uuid.UUID
) -> None:
    made = await put(engine, tenant, sql, integration)
    sql("DELETE FROM sync.mapping WHERE entity IN ('categories', 'customers', 'variants')")
    view = View(integration, tenant.branch_id)
    async with tenant_transaction(engine, tenant.id) as connection:
        product = (await project(connection, view, Entity.PRODUCTS, [made[Entity.PRODUCTS]]))[0]
        order = (await project(connection, view, Entity.ORDERS, [made[Entity.ORDERS]]))[0]
        stock = (await project(connection, view, Entity.STOCK, [made[Entity.STOCK]]))[0]
    assert isinstance(product.record, Product)
    assert (product.record.category_ids, product.missing) == ((), True)
    assert set(product.variants) == {"CAN-1-P", "CAN-1-B"}
    assert order.missing
    assert not stock.placed


async def test_published_stock_is_what_is_for_sale(
    engine: AsyncEngine, tenant: Tenant, sql: Callable[..., Any], integration: uuid.UUID
) -> None:
    made = await put(engine, tenant, sql, integration)
    sql("UPDATE erp.stock_level SET on_hand = 10, reserved = 3, safety = 2")
    other = sql(
        "INSERT INTO erp.branch (tenant_id, code, name) VALUES (:tenant, '2', 'Filial') RETURNING id",
        tenant=tenant.id,
    )[0][0]
    sql(
        "INSERT INTO erp.stock_level (tenant_id, branch_id, product_id, variant_id, on_hand, reserved)"
        " SELECT tenant_id, :branch, product_id, variant_id, 1, 4 FROM erp.stock_level",
        branch=other,
    )

    async def published(branch: uuid.UUID | None) -> Decimal:
        async with tenant_transaction(engine, tenant.id) as connection:
            view = View(integration, branch)
            record = (await project(connection, view, Entity.STOCK, [made[Entity.STOCK]]))[0].record
        assert isinstance(record, StockLevel)
        return record.on_hand

    assert await published(tenant.branch_id) == 5
    assert await published(other) == 0  # never negative
    assert await published(None) == 5  # a branch that owes takes nothing from another


async def test_a_shipment_knows_its_order(
    engine: AsyncEngine, tenant: Tenant, sql: Callable[..., Any], integration: uuid.UUID
) -> None:
    made = await put(engine, tenant, sql, integration)
    id_ = sql(
        "INSERT INTO erp.shipment (tenant_id, order_id, service, status, events) VALUES (:tenant, :order,"
        ' \'1\', \'pending\', \'[{"at": "2026-04-21T10:00:00Z", "status": "posted"}]\') RETURNING id',
        tenant=tenant.id,
        order=made[Entity.ORDERS],
    )[0][0]
    async with tenant_transaction(engine, tenant.id) as connection:
        found = (await project(connection, View(integration, None), Entity.SHIPMENTS, [id_]))[0].record
    assert isinstance(found, Shipment)
    assert found.events == (TrackingEvent(at=datetime(2026, 4, 21, 10, tzinfo=UTC), status="posted"),)
    assert found.address == AWAY
    assert (found.order_number, found.invoice_key is not None) == ("1001", True)
    assert [(part.sku, part.weight_kg, part.length_cm) for part in found.contents] == [
        ("CAN-1-P", Decimal("0.35"), Decimal(12))
    ]


async def test_bank_transactions_are_written(
    engine: AsyncEngine, tenant: Tenant, sql: Callable[..., Any]
) -> None:
    record = BankTransaction(
        external_id="T1", account="0001/1", amount=Decimal("-10.00"), booked_on=date(2026, 4, 20), txid="x"
    )
    change = Change(Action.CREATE, record, b"", b"", uuid7(), uuid7())
    async with tenant_transaction(engine, tenant.id) as connection:
        for write in rows.writes(Entity.BANK_TRANSACTIONS, [change], tenant.branch_id, ""):
            await upsert(connection, write.table, write.columns, write.rows, str(tenant.id))
    found = sql("SELECT reference, amount, booked_on, txid FROM erp.bank_transaction")
    assert found == [("T1", Decimal("-10.0000"), date(2026, 4, 20), "x")]
