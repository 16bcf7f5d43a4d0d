"""Requests as a person makes them: failed records once more, with or without a correction."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core.entities import Direction, RequestKind
from core.errors import ConfigurationError
from core.overriding import digest
from db import audit, issues, overrides, requests
from db.audit import By
from db.overrides import Corrected
from db.requests import Request
from db.session import tenant_transaction
from db.vault import Vault

CONDITIONS = ("log", "error_class", "field", "fault")
"""Of `issues.filters`: what a selection says. Integration, entity and direction are its pair's."""


async def note_run(
    engine: AsyncEngine, tenant_id: UUID, pair_id: UUID, by: By, details: Mapping[str, Any] | None = None
) -> None:
    """Who asked for a run: its log says only that it was by hand."""
    async with tenant_transaction(engine, tenant_id) as connection:
        await audit.record(connection, tenant_id, by, "run.start", str(pair_id), details)


async def reprocess(engine: AsyncEngine, tenant_id: UUID, wanted: Mapping[str, Any], by: By) -> list[Request]:
    """Ask for all open issues that fit (`issues.filters`), a request for each pair and direction."""
    found = await issues.pairs(engine, tenant_id, {**wanted, "state": "open"})
    selection = {name: str(wanted[name]) for name in CONDITIONS if wanted[name] is not None}
    return [
        await requests.ask(
            engine,
            tenant_id,
            pair_id,
            RequestKind.REPROCESS,
            Direction(direction),
            selection,
            by=by.actor,
            parent_log_id=wanted["log"],
        )
        for pair_id, direction in found
    ]


async def reprocess_some(
    engine: AsyncEngine, tenant_id: UUID, issue_ids: Sequence[UUID], by: By
) -> list[Request]:
    """Ask for these records. Raises `IssueUnknown`, and `ConfigurationError` for one that is resolved."""
    groups: dict[tuple[UUID, str], list[issues.Row]] = {}
    for issue_id in dict.fromkeys(issue_ids):
        row = await issues.read(engine, tenant_id, issue_id)
        if row["state"] != "open" or row["pair_id"] is None:
            raise ConfigurationError(f"A issue {issue_id} já está resolvida: não há o que reprocessar.")
        groups.setdefault((row["pair_id"], row["direction"]), []).append(row)
    return [
        await requests.ask(
            engine,
            tenant_id,
            pair_id,
            RequestKind.REPROCESS,
            Direction(direction),
            {"issues": sorted(str(row["id"]) for row in rows)},
            by=by.actor,
            parent_log_id=rows[0]["sync_log_id"] if len({row["sync_log_id"] for row in rows}) == 1 else None,
        )
        for (pair_id, direction), rows in groups.items()
    ]


async def correct(
    engine: AsyncEngine,
    vault: Vault,
    tenant_id: UUID,
    issue_id: UUID,
    fields: Mapping[str, Any],
    by: By,
) -> Request:
    """Keep a correction of the record, by dotted path, and ask for it once more.

    Raises `IssueUnknown`, and `ConfigurationError` for a resolved issue, or a record not kept any more.
    """
    row = await issues.read(engine, tenant_id, issue_id)
    source = await issues.payload(engine, vault, tenant_id, issue_id)
    if source is None:
        raise ConfigurationError(
            "O conteúdo deste registro já passou do prazo de guarda (30 dias): reprocesse-o e corrija a "
            "nova tentativa."
        )
    if row["state"] != "open":
        raise ConfigurationError(f"A issue {issue_id} já está resolvida: não há o que corrigir.")
    record = Corrected(
        tenant_id=tenant_id,
        integration_id=row["integration_id"],
        entity=row["entity"],
        direction=Direction(row["direction"]),
        external_id=row["external_id"] if row["direction"] == "import" else "",
        internal_id=row["internal_id"],
    )
    await overrides.keep(
        engine, vault, record, fields, digest(source, fields), author=by.actor, reason=by.reason
    )
    [request] = await reprocess_some(engine, tenant_id, [issue_id], by)
    return request
