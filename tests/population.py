"""A tenant with one of everything that has an id, each with the tenant's mark in its words."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from uuid_utils.compat import uuid7

from core.actor import Actor
from core.channel import ChannelKind, Destination
from core.entities import Cadence, Direction, Entity
from db import admin, api_keys, people
from db.audit import By
from db.channels import create_channel
from db.trail import Filters, trail
from tests.conftest import Database, Tenant
from web.wiring import Wiring

STATEMENTS = (
    "INSERT INTO erp.product (id, tenant_id, sku, name) VALUES (:product, :tenant, :mark, :mark),"
    " (:spare, :tenant, :mark || '-2', :mark)",
    "INSERT INTO sync.mapping (id, tenant_id, integration_id, entity, external_id, internal_id, state, notes)"
    " VALUES (:mapping, :tenant, :integration, 'products', :external, :product, 'conflict', :mark)",
    "INSERT INTO sync.conflict (id, tenant_id, integration_id, mapping_id, base, erp, external, fields)"
    " VALUES (:conflict, :tenant, :integration, :mapping, CAST(:base AS json), CAST(:side AS json),"
    " CAST(:theirs AS json), CAST('[\"name\"]' AS jsonb))",
    "INSERT INTO sync.sync_log (id, tenant_id, integration_id, pair_id, entity, direction, status,"
    " initiated_by, ended_at, processed, errors, message) VALUES (:log, :tenant, :integration, :pair,"
    " 'products', 'import', 'error', 'manual', now(), 1, 1, :mark)",
    "INSERT INTO sync.issue (id, tenant_id, sync_log_id, integration_id, pair_id, entity, direction,"
    " external_id, error_class, fault, field, message, cause, remedy, payload, key_id)"
    " VALUES (:issue, :tenant, :log, :integration, :pair, 'products', 'import', :external, 'RecordError',"
    " 'data', 'name', :mark, :mark, :mark, :payload, :key)",
    "INSERT INTO sync.discovery (id, tenant_id, integration_id, entity, state, requested_by, message)"
    " VALUES (:discovery, :tenant, :integration, 'products', 'proposed', :mark, :mark)",
    "INSERT INTO sync.proposal (id, tenant_id, discovery_id, external_id, label, state, candidates)"
    " VALUES (:proposal, :tenant, :discovery, :mark || '-2', :mark, 'ambiguous',"
    " ARRAY[CAST(:spare AS uuid)])",
    "INSERT INTO sync.run_request (id, tenant_id, integration_id, pair_id, kind, direction, requested_by)"
    " VALUES (:request, :tenant, :integration, :pair, 'backfill', 'import', :mark)",
    "INSERT INTO sync.support_ticket (id, tenant_id, integration_id, sync_log_id, number, opened_by, subject,"
    " body) VALUES (:ticket_id, :tenant, :integration, :log, :ticket, :mark, :mark, :mark)",
    "INSERT INTO sync.alarm (tenant_id, integration_id, pair_id, kind, message)"
    " VALUES (:tenant, :integration, :pair, 'missed_slot', :mark)",
    "INSERT INTO sync.notice (id, tenant_id, integration_id, kind, subject, body)"
    " VALUES (:notice, :tenant, :integration, 'missed_slot', :mark, :mark)",
    "INSERT INTO sync.migration (id, tenant_id, integration_id, pair_id, entity, requested_by, message)"
    " VALUES (:migration, :tenant, :integration, :pair, 'products', :mark, :mark)",
)


@dataclass(frozen=True, slots=True)
class Populated:
    """`ids` by what they are of; `mark` is in no answer to anybody else."""

    tenant: Tenant
    mark: str
    ids: dict[str, str]


async def populate(database: Database, wiring: Wiring, tenant: Tenant, *, ticket: str = "") -> Populated:
    mark = f"marca-{uuid4().hex[:12]}"
    integration = await _integration(wiring, tenant, mark)
    found = await admin.pairs(wiring.engine, tenant.id)
    names = ("product", "spare", "mapping", "conflict", "log", "issue", "discovery", "proposal", "request")
    ids: dict[str, Any] = {name: uuid7() for name in (*names, "ticket_id", "migration", "notice")}
    ids |= {
        "external": uuid4().hex,
        "integration": integration,
        "ticket": ticket or f"T-2026-9{uuid4().int % 99999:05}",
    }
    ids["pair"] = next(row.id for row in found if row.entity is Entity.PRODUCTS)
    sealed = wiring.vault.seal_payload(msgspec.json.encode({"id": mark, "name": mark}))
    values = ids | {
        "tenant": tenant.id,
        "mark": mark,
        "payload": sealed.ciphertext,
        "key": sealed.key_id,
        "base": msgspec.json.encode({"erp": {"name": "x"}, "external": {"name": "x"}}).decode(),
        "side": msgspec.json.encode({"name": mark}).decode(),
        "theirs": msgspec.json.encode({"name": f"{mark} fora"}).decode(),
    }
    with create_engine(database.admin_url, poolclass=NullPool).begin() as connection:
        for statement in STATEMENTS:
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), used)
    by = By(mark)
    await api_keys.create(wiring.engine, tenant.id, mark, ["ler"], None, by)
    [key] = [row for row in await api_keys.listing(wiring.engine, tenant.id) if row.name == mark]
    person = await people.create(wiring.engine, f"{mark}@exemplo.example", mark, None)
    await people.grant(wiring.engine, tenant.id, person, can_edit=True, by=by)
    [done] = await trail(wiring.engine, tenant.id, Filters(action="api_key.create"), limit=1)
    ids |= {"key": key.id, "person": person, "audit": done.id}
    told = Destination(ChannelKind.EMAIL, f"{mark}@exemplo.example")
    actor = Actor(mark, can_edit=True)
    ids["channel"] = await create_channel(wiring.engine, wiring.vault, actor, tenant.id, mark, told)
    return Populated(tenant, mark, {name: str(id_) for name, id_ in ids.items()})


async def _integration(wiring: Wiring, tenant: Tenant, mark: str) -> UUID:
    draft = admin.Draft(
        tenant_id=tenant.id,
        provider="woocommerce",
        name=mark,
        base_url="http://127.0.0.1:9",
        settings={},
        secrets={"consumer_key": f"ck_{mark}", "consumer_secret": f"cs_{mark}"},
        direction=Direction.BOTH,
        pairs={Entity.PRODUCTS: Cadence.HOURLY},
    )
    return await admin.create_integration(wiring.engine, wiring.vault, draft)
