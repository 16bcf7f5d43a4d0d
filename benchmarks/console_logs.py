"""Logs with a million runs, one of two tenants: how long a page takes at any place, with each filter.

python -m benchmarks.console_logs [--rows 1000000] [--seconds 60] [--keep FOLDER]
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.listing import Listing, Walks, main
from db import admin

FILL = (
    "INSERT INTO erp.tenant (id, name, slug) VALUES (:tenant, 'Loja', 'loja'), (:other, 'Outra', 'outra')",
    "INSERT INTO sync.integration (tenant_id, provider, name) SELECT t.id, 'woocommerce', 'Loja ' || g"
    " FROM erp.tenant t, generate_series(1, CASE t.slug WHEN 'loja' THEN 12 ELSE 1 END) g",
    "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction, cadence) SELECT i.tenant_id, i.id,"
    " e, 'both', '5min' FROM sync.integration i, unnest(ARRAY['products', 'stock', 'orders', 'customers']) e",
    # A run of some pair every two minutes; one in a hundred fails or is rarer still.
    "INSERT INTO sync.sync_log (tenant_id, integration_id, pair_id, entity, direction, status, initiated_by,"
    " started_at, ended_at, processed, success, updated, errors, message) SELECT p.tenant_id,"
    " p.integration_id, p.id, p.entity, CASE WHEN g % 2 = 0 THEN 'import' ELSE 'export' END,"
    " CASE WHEN g % 9973 = 0 THEN 'interrupted' WHEN g % 997 = 0 THEN 'deferred' WHEN g % 101 = 0 THEN"
    " 'error' WHEN g % 53 = 0 THEN 'partial' WHEN g % 29 = 0 THEN 'skipped' ELSE 'success' END,"
    " CASE WHEN g % 4999 = 0 THEN 'manual' WHEN g % 499 = 0 THEN 'reprocess' WHEN g % 7 = 0 THEN 'webhook'"
    " ELSE 'schedule' END, now() - (:rows - g) * interval '1 minute',"
    " now() - (:rows - g) * interval '1 minute' + interval '9 seconds', 20, 20, 20, 0, ''"
    " FROM generate_series(1, :rows) g"
    " JOIN (SELECT *, row_number() OVER () AS n, count(*) OVER () AS all_ FROM sync.pair) p"
    " ON p.n = 1 + g / 2 % p.all_",
    "INSERT INTO sync.issue (tenant_id, sync_log_id, integration_id, pair_id, entity, direction, external_id,"
    " error_class, fault, state, created_at) SELECT l.tenant_id, l.id, l.integration_id, l.pair_id, l.entity,"
    " l.direction, 'R-' || n || '-' || l.id, 'RecordError', 'data', CASE WHEN l.started_at > now()"
    " - interval '30 days' THEN 'open' ELSE 'resolved' END, l.started_at FROM sync.sync_log l,"
    " generate_series(1, 5) n WHERE l.status = 'partial'",
)


async def walks(database: AsyncEngine, tenant: UUID) -> Walks:
    one = (await admin.integrations(database, tenant))[0].id
    now = datetime.now(UTC)
    month: dict[str, object] = {
        "desde": f"{now - timedelta(days=300):%Y-%m-%d}",
        "ate": f"{now - timedelta(days=270):%Y-%m-%d}",
    }
    return {
        "no filter": ("/logs", {}),
        "integration": ("/logs", {"integracao": one}),
        "entity": ("/logs", {"entidade": "orders"}),
        "entity without logs": ("/logs", {"entidade": "invoices"}),
        "direction": ("/logs", {"direcao": "export"}),
        "success": ("/logs", {"status": "success"}),
        "error": ("/logs", {"status": "error"}),
        "interrupted (1 in 10,000)": ("/logs", {"status": "interrupted"}),
        "cancelled (none)": ("/logs", {"status": "cancelled"}),
        "manual (1 in 5,000)": ("/logs", {"gatilho": "manual"}),
        "webhook": ("/logs", {"gatilho": "webhook"}),
        "a month": ("/logs", month),
        "errors of a month": ("/logs", {"status": "error", **month}),
        "rare together": (
            "/logs",
            {"integracao": one, "entidade": "stock", "status": "error", "gatilho": "reprocess"},
        ),
        "unresolved": ("/logs", {"abertos": 1}),
        "unresolved, entity": ("/logs", {"abertos": 1, "entidade": "orders"}),
        "failures": ("/falhas", {}),
        "failures of a cause": ("/falhas", {"erro": "RecordError", "entidade": "orders"}),
    }


LOGS = Listing(
    name="logs",
    fill=FILL,
    values=lambda rows: {"other": uuid4(), "rows": rows},
    tables=("sync.sync_log", "sync.issue"),
    cursor="antes",
    walks=walks,
)

if __name__ == "__main__":
    main(LOGS)
