"""Both sides against each other, after quiet: `tests.faults.checker` over the world's disk and our tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sandbox.world.process import World
from tests.faults.checker import Entity, Ours, Outside, Violation, check
from tests.world.erp import Erp

ENTITIES = {
    "categories": Entity(key="slug", fields=("slug", "name", "description", "position", "parent")),
    "products": Entity(
        key="sku",
        fields=(
            *("sku", "name", "description", "price", "sale_price", "gtin", "active", "weight"),
            *("categories", "variants"),
        ),
    ),
    "customers": Entity(key="document", fields=("document", "name", "email", "phone")),
    "stock": Entity(key="sku", fields=("sku", "product", "quantity")),
    "orders": Entity(key="number", fields=("number", "status", "total", "note")),
}
EMPTY: Mapping[str, Mapping[str, Any]] = {
    "categories": {"slug": "", "description": "", "position": 0},
    "products": {"description": "", "active": True, "categories": []},
    "orders": {"note": ""},
}
"""What a field that an object of the world does not have stands for."""

Query = Callable[..., Any]


def judge(
    world: World,
    erp: Erp,
    query: Query,
    integration_id: UUID,
    directions: Mapping[str, str],
    *,
    limit: tuple[int, float] | None = None,
) -> list[Violation]:
    """`directions` by entity are those of the pairs."""
    entities = {
        name: Entity(key=ENTITIES[name].key, fields=ENTITIES[name].fields, direction=direction)
        for name, direction in directions.items()
    }
    truth = {name: [_seen(name, line) for line in world.truth(name)] for name in entities}
    outside = Outside(truth=truth, history=world.history(), limit=limit)
    ours = Ours(
        mappings=[
            tuple(row)
            for row in query(
                "SELECT entity, internal_id::text, external_id, state FROM sync.mapping"
                " WHERE integration_id = :integration",
                integration=integration_id,
            )
        ],
        records={name: erp.as_the_world(name, integration_id) for name in entities},
        logs=_rows(
            query,
            "SELECT l.id::text, l.entity, l.direction, l.status, l.processed, l.success, l.errors, l.skipped,"
            " l.created, l.updated, l.pair_id::text, l.slot_at, l.ended_at, p.lease_expires_at"
            " FROM sync.sync_log l LEFT JOIN sync.pair p ON p.lease_log_id = l.id"
            " WHERE l.integration_id = :integration",
            integration_id,
        ),
        issues=_rows(
            query,
            "SELECT sync_log_id::text, entity, nullif(external_id, '') AS external_id,"
            " internal_id::text, state FROM sync.issue WHERE integration_id = :integration",
            integration_id,
        ),
        outbox=_rows(
            query,
            "SELECT entity, internal_id::text, external_id, state FROM sync.outbox"
            " WHERE integration_id = :integration",
            integration_id,
        ),
        cursors=_rows(
            query,
            "SELECT p.entity, c.watermark, c.scanning, c.change_seq FROM sync.cursor c"
            " JOIN sync.pair p ON p.id = c.pair_id WHERE p.integration_id = :integration",
            integration_id,
        ),
    )
    return check(entities, outside, ours, now=query("SELECT now()")[0][0])


def _rows(query: Query, statement: str, integration_id: UUID) -> Sequence[dict[str, Any]]:
    return [dict(row._mapping) for row in query(statement, integration=integration_id)]


def _seen(kind: str, line: dict[str, Any]) -> dict[str, Any]:
    item = {**EMPTY.get(kind, {}), **line["object"]}
    if kind == "products":
        variants = {
            one["sku"]: [None if one.get("price") is None else float(one["price"]), one.get("active", True)]
            for one in item.get("variants") or ()
        }
        item["variants"] = variants or None
    return {**line, "object": item}
