"""The ERP as its other programs see it: rows written with SQL, and how they would look in the world."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]

_LINK = (
    "(SELECT m.external_id FROM sync.mapping m WHERE m.integration_id = %(integration)s"
    " AND m.state <> 'orphan' AND m.entity = '{kind}' AND m.internal_id = {id})"
)
_VARIANTS = (
    "(SELECT jsonb_object_agg(v.sku, jsonb_build_array(v.price::float8, v.active)) FROM erp.product_variant v"
    " WHERE v.product_id = t.id AND v.deleted_at IS NULL) AS variants"
)
AS_THE_WORLD = {
    "categories": "SELECT t.id, t.change_seq, t.name, t.slug, t.description, t.position,"
    f" {_LINK.format(kind='categories', id='t.parent_id')} AS parent FROM erp.category t",
    "products": "SELECT t.id, t.change_seq, t.sku, t.name, t.description, t.price, t.sale_price, t.gtin,"
    " t.active, t.weight_kg AS weight, ARRAY(SELECT "
    f"{_LINK.format(kind='categories', id='c.id')} FROM unnest(t.category_ids) WITH ORDINALITY c (id, n)"
    f" ORDER BY c.n) AS categories, {_VARIANTS} FROM erp.product t",
    "customers": "SELECT t.id, t.change_seq, t.document, t.name, t.email, t.phone FROM erp.customer t",
    "stock": "SELECT t.id, t.change_seq, coalesce(v.sku, p.sku) AS sku,"
    f" {_LINK.format(kind='products', id='t.product_id')} AS product,"
    " greatest(t.on_hand - t.reserved - t.safety, 0) AS quantity FROM erp.stock_level t"
    " JOIN erp.product p ON p.id = t.product_id LEFT JOIN erp.product_variant v ON v.id = t.variant_id",
    "orders": 'SELECT t.id, t.change_seq, t.number, t.status, t.total, t.note FROM erp."order" t',
}
"""Live records by kind, with the names that the world gives their fields."""


class Erp:
    """Another program of the same tenant."""

    def __init__(self, url: str, tenant_id: UUID, branch_id: UUID) -> None:
        self._url = url.replace("postgresql+psycopg://", "postgresql://")
        self.tenant_id, self.branch_id = tenant_id, branch_id

    @contextmanager
    def transaction(self) -> Iterator["psycopg.Cursor[Row]"]:
        with psycopg.connect(self._url, row_factory=dict_row) as connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE cloudtosys_app")
            cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(self.tenant_id)])
            yield cursor

    def add(self, table: str, **columns: Any) -> UUID:
        with self.transaction() as cursor:
            return add(cursor, self.tenant_id, table, columns)

    def add_many(self, table: str, rows: list[Row]) -> list[UUID]:
        with self.transaction() as cursor:
            return [add(cursor, self.tenant_id, table, row) for row in rows]

    def edit(self, table: str, id_: UUID, **columns: Any) -> None:
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
        )
        with self.transaction() as cursor:
            cursor.execute(
                sql.SQL("UPDATE {} SET {} WHERE id = %(id)s").format(_table(table), assignments),
                {**_adapted(columns), "id": id_},
            )
            assert cursor.rowcount == 1, f"there is no {table} {id_}"

    def delete(self, table: str, id_: UUID) -> None:
        with self.transaction() as cursor:
            cursor.execute(
                sql.SQL("UPDATE {} SET deleted_at = now() WHERE id = %s").format(_table(table)), [id_]
            )

    def query(self, statement: str, **values: Any) -> list[Row]:
        with self.transaction() as cursor:
            return cursor.execute(statement, values).fetchall()

    def one(self, table: str, id_: UUID) -> Row:
        with self.transaction() as cursor:
            cursor.execute(sql.SQL("SELECT * FROM {} WHERE id = %s").format(_table(table)), [id_])
            found = cursor.fetchone()
        assert found is not None
        return found

    def as_the_world(self, kind: str, integration_id: UUID) -> list[Row]:
        rows = self.query(f"{AS_THE_WORLD[kind]} WHERE t.deleted_at IS NULL", integration=integration_id)
        return [{**row, "id": str(row["id"])} for row in rows]


def add(cursor: "psycopg.Cursor[Row]", tenant_id: UUID, table: str, columns: Row) -> UUID:
    columns = {"tenant_id": tenant_id, **columns}
    cursor.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
            _table(table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(map(sql.Placeholder, columns)),
        ),
        _adapted(columns),
    )
    found = cursor.fetchone()
    assert found is not None
    id_: UUID = found["id"]
    return id_


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("erp", name)


def _adapted(columns: Row) -> Row:
    return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in columns.items()}
