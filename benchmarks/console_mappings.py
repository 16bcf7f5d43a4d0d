"""Mapeamentos with a million mappings of two shops that sell the same: a page at any place, by any filter.

python -m benchmarks.console_mappings [--rows 1000000] [--seconds 60] [--keep FOLDER]
"""

from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.listing import Listing, Walks, main
from db import admin

FILL = (
    "INSERT INTO erp.tenant (id, name, slug) VALUES (:tenant, 'Loja', 'loja')",
    "INSERT INTO sync.integration (id, tenant_id, provider, name)"
    " VALUES (:one, :tenant, 'woocommerce', 'Loja Um'), (:two, :tenant, 'shopify', 'Loja Dois')",
    "INSERT INTO erp.product (id, tenant_id, sku, name) SELECT erp.uuid7(), :tenant, 'SKU-' || g,"
    " 'Produto ' || g FROM generate_series(1, :half) g",
    "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, state)"
    " SELECT :tenant, CAST(:one AS uuid), 'products', substr(sku, 5), id,"
    " CASE WHEN substr(sku, 5)::int % 1000 = 0 THEN 'conflict' ELSE 'active' END FROM erp.product",
    "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, state,"
    " orphaned_by) SELECT :tenant, CAST(:two AS uuid), 'products', 'gid://shopify/Product/'"
    " || substr(sku, 5), id, CASE WHEN substr(sku, 5)::int % 3 = 0 THEN 'orphan' ELSE 'active' END,"
    " CASE WHEN substr(sku, 5)::int % 3 = 0 THEN 'external' END FROM erp.product",
    "UPDATE sync.mapping SET missing_at = now() WHERE integration_id = :one AND external_id LIKE '%00'",
)


async def walks(database: AsyncEngine, tenant: UUID) -> Walks:
    one, two = [row.id for row in await admin.integrations(database, tenant)]
    filters: dict[str, dict[str, object]] = {
        "no filter": {},
        "integration": {"integracao": two},
        "integration, entity": {"integracao": one, "entidade": "products"},
        "entity": {"entidade": "products"},
        "orphans": {"estado": "orphan"},
        "conflicts": {"estado": "conflict"},
        "held": {"estado": "held"},
        "beginning of an id": {"busca": "gid://shopify/Product/1"},
        "many ids begin so": {"busca": "gid"},
        "orphans, id": {"busca": "gid://shopify/Product/1", "estado": "orphan"},
        "conflicts, id": {"busca": "1", "estado": "conflict"},
        "SKU": {"busca": "sku-4711"},
        "nothing": {"busca": "zzz"},
    }
    return {label: ("/mapeamentos", asked) for label, asked in filters.items()}


MAPPINGS = Listing(
    name="mappings",
    fill=FILL,
    values=lambda rows: {"one": uuid4(), "two": uuid4(), "half": rows // 2},
    tables=("sync.mapping", "erp.product"),
    cursor="depois",
    walks=walks,
)

if __name__ == "__main__":
    main(MAPPINGS)
