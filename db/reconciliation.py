"""Reconciliation in the database: the rule applied to what is unlinked, and what a person decides.

One transaction for each, and one at a time for a tenant: links, receivables and what waits change together.
Functions take the tenant and raise `DatabaseUnavailable`.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.errors import Advice, ConfigurationError
from core.reconciling import OPEN, Charge, Credit, Pairing, Rule, match, number, settled
from db import audit
from db.audit import By
from db.session import tenant_transaction

PORTION = 500
"""So many are linked in one transaction."""
DAYS = 400
"""Older transactions are not paired any more."""
BY_RULE = "rule"

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('reconcile:' || CAST(:tenant AS text), 0))")
_CREDITS = text(
    "SELECT t.id, t.amount, t.booked_on, t.txid, t.our_number, t.counterpart_document AS document,"
    " EXISTS (SELECT FROM sync.reconciliation c WHERE c.transaction_id = t.id AND c.state = 'refused')"
    " AS doubted FROM erp.bank_transaction t WHERE t.receivable_id IS NULL AND t.deleted_at IS NULL"
    " AND t.amount > 0 AND t.booked_on >= current_date - CAST(:days AS integer)"
)
_CHARGE = (
    "SELECT r.id, r.amount, r.due_on, r.status, r.paid_amount, r.txid, r.our_number, c.document"
    " FROM erp.receivable r LEFT JOIN erp.customer c ON c.id = r.customer_id WHERE r.deleted_at IS NULL AND"
)
_CHARGES = text(
    f"{_CHARGE} (r.status IN ('open', 'overdue') OR r.txid = ANY(:txids)"
    " OR ltrim(regexp_replace(r.our_number, '[^[:alnum:]]', '', 'g'), '0') = ANY(:numbers))"
)
# By itself: joined, a table without statistics yet would be read once for each receivable.
_RECEIVED = (
    "SELECT receivable_id, sum(amount) AS total FROM erp.bank_transaction WHERE receivable_id {which}"
    " AND deleted_at IS NULL GROUP BY 1"
)
_ALL_RECEIVED = text(_RECEIVED.format(which="IS NOT NULL"))
_RECEIVED_FOR = text(_RECEIVED.format(which="= ANY(:ids)"))
# Held until the transaction ends: no other program changes the amount under the decision.
_LOCKED = text(f"{_CHARGE} r.id = ANY(:ids) ORDER BY r.id FOR NO KEY UPDATE OF r")
# The ERP is free to undo a link; the rule does not make it again.
_UNDONE = text(
    "UPDATE sync.reconciliation c SET state = 'refused', decided_at = now(), decided_by = 'erp'"
    " FROM erp.bank_transaction t WHERE t.id = c.transaction_id AND c.state = 'matched'"
    " AND t.receivable_id IS DISTINCT FROM c.receivable_id"
)
_REFUSED = text("SELECT transaction_id, receivable_id FROM sync.reconciliation WHERE state = 'refused'")
_LINK = text(
    "UPDATE erp.bank_transaction SET receivable_id = :charge WHERE id = :credit AND receivable_id IS NULL"
    " AND deleted_at IS NULL RETURNING amount, booked_on"
)
_UNLINK = text(
    "UPDATE erp.bank_transaction SET receivable_id = NULL WHERE id = :credit AND receivable_id = :charge"
    " RETURNING amount"
)
_SETTLE = text(
    "UPDATE erp.receivable SET status = :status, paid_amount = :paid, paid_at = CASE WHEN :status = 'paid'"
    " THEN coalesce(paid_at, CAST(:day AS date)::timestamp AT TIME ZONE 'America/Sao_Paulo') END"
    " WHERE id = :id"
)
_MATCHED = text(
    "INSERT INTO sync.reconciliation (tenant_id, transaction_id, receivable_id, rule, state, status_before,"
    " decided_at, decided_by) VALUES (:tenant, :credit, :charge, :rule, 'matched', :before, now(), :by)"
    " ON CONFLICT (transaction_id, receivable_id) DO UPDATE SET state = 'matched', rule = excluded.rule,"
    " status_before = excluded.status_before, decided_at = now(), decided_by = excluded.decided_by"
)
_PROPOSED = text(
    "INSERT INTO sync.reconciliation (tenant_id, transaction_id, receivable_id, rule, state)"
    " SELECT :tenant, p.*, 'waiting' FROM unnest(CAST(:credits AS uuid[]), CAST(:charges AS uuid[]),"
    " CAST(:rules AS text[])) p ON CONFLICT (transaction_id, receivable_id)"
    " DO UPDATE SET rule = excluded.rule WHERE reconciliation.rule <> excluded.rule"
)
_LAPSED = text(
    "DELETE FROM sync.reconciliation c WHERE c.state = 'waiting' AND NOT EXISTS (SELECT FROM"
    " unnest(CAST(:credits AS uuid[]), CAST(:charges AS uuid[])) p (credit, charge)"
    " WHERE p.credit = c.transaction_id AND p.charge = c.receivable_id)"
)
_OURS = text(
    "SELECT DISTINCT receivable_id FROM sync.reconciliation"
    " WHERE receivable_id = ANY(:ids) AND state = 'matched' ORDER BY 1"
)
_LATEST = text(
    "SELECT max(booked_on) FROM erp.bank_transaction WHERE receivable_id = :id AND deleted_at IS NULL"
)
_ONE = text(
    "SELECT c.id, c.transaction_id, c.receivable_id, c.rule, c.state, c.status_before"
    " FROM sync.reconciliation c WHERE c.id = :id FOR UPDATE"
)
_REFUSE = text(
    "UPDATE sync.reconciliation SET state = 'refused', decided_at = now(), decided_by = :by WHERE id = :id"
)
_OTHERS = text(
    "DELETE FROM sync.reconciliation WHERE transaction_id = :credit AND state = 'waiting' AND id <> :id"
)
_LIST = text(
    "SELECT c.id, c.state, c.rule, c.transaction_id, c.receivable_id, t.booked_on, t.amount AS received,"
    " t.description, r.document_number, r.due_on, r.amount, r.paid_amount, r.status, c.decided_by,"
    " c.decided_at FROM sync.reconciliation c JOIN erp.bank_transaction t ON t.id = c.transaction_id"
    " JOIN erp.receivable r ON r.id = c.receivable_id"
    " WHERE c.state = :state AND (CAST(:after AS uuid) IS NULL OR c.id > :after) ORDER BY c.id LIMIT :limit"
)


class Undecidable(ConfigurationError):
    advice = Advice(
        "Conciliação não possível",
        "A proposta não existe mais, ou o lançamento ou a cobrança mudou depois dela.",
        "Aplique a regra de novo com `cloudtosys reconcile apply` e confira `cloudtosys reconcile list`.",
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many transactions were linked now, and how many wait for a person."""

    matched: int
    waiting: int


async def reconcile(engine: AsyncEngine, tenant_id: UUID) -> Outcome:
    """Apply the rule. The same again changes nothing."""
    matched = 0
    while True:
        found = await _round(engine, tenant_id)
        matched += found.matched
        if found.matched < PORTION:
            return Outcome(matched, found.waiting)


async def _round(engine: AsyncEngine, tenant_id: UUID) -> Outcome:
    async with _alone(engine, tenant_id) as connection:
        credits_, charges = await _unlinked(connection)
        refused = frozenset([(row[0], row[1]) for row in await connection.execute(_REFUSED)])
        found = match(credits_, charges.values(), refused)
        matched = await _pair(connection, tenant_id, found.sure[:PORTION], charges)
        if matched < PORTION:  # the last round
            await _propose(connection, tenant_id, found.waiting)
            await _catch_up(connection, charges.values())
        return Outcome(matched, len({one.credit for one in found.waiting}))


@asynccontextmanager
async def _alone(engine: AsyncEngine, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
    async with tenant_transaction(engine, tenant_id) as connection:
        await connection.execute(_ALONE, {"tenant": str(tenant_id)})
        await connection.execute(_UNDONE)
        yield connection


async def listed(
    engine: AsyncEngine, tenant_id: UUID, *, state: str, after: UUID | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Pairings with both their sides, by id; `after` is the last id of the page before."""
    values = {"state": state, "after": after, "limit": limit}
    async with tenant_transaction(engine, tenant_id) as connection:
        return [dict(row._mapping) for row in await connection.execute(_LIST, values)]


async def confirm(engine: AsyncEngine, tenant_id: UUID, pairing_id: UUID, by: By) -> None:
    """Link what waits. Raises `Undecidable`."""
    async with _alone(engine, tenant_id) as connection:
        row = await _read(connection, pairing_id)
        if row.state != "waiting":
            raise Undecidable("Esta proposta já foi decidida.")
        charge = await _locked(connection, row.receivable_id)
        if charge.status in ("open", "overdue", "paid") and charge.due <= 0:
            raise Undecidable("A cobrança já está paga por outros lançamentos.")
        pairing = Pairing(row.transaction_id, charge.id, Rule(row.rule))
        if not await _link(connection, tenant_id, pairing, charge, by.actor):
            raise Undecidable("O lançamento já está vinculado a uma cobrança.")
        await connection.execute(_OTHERS, {"credit": row.transaction_id, "id": pairing_id})
        await audit.record(connection, tenant_id, by, "reconciliation.confirm", str(pairing_id))


async def refuse(engine: AsyncEngine, tenant_id: UUID, pairing_id: UUID, by: By) -> None:
    """Rule a pairing out, for good; one that was linked is undone. Raises `Undecidable`."""
    async with _alone(engine, tenant_id) as connection:
        row = await _read(connection, pairing_id)
        if row.state == "refused":
            raise Undecidable("Esta proposta já foi recusada.")
        if row.state == "matched":
            await _undo(connection, row)
        await connection.execute(_REFUSE, {"id": pairing_id, "by": by.actor})
        await audit.record(connection, tenant_id, by, "reconciliation.refuse", str(pairing_id))


async def _unlinked(connection: AsyncConnection) -> tuple[list[Credit], dict[UUID, Charge]]:
    found = await connection.execute(_CREDITS, {"days": DAYS})
    credits_ = [Credit(**row._mapping) for row in found]
    keys = {
        "txids": sorted({one.txid.strip() for one in credits_ if one.txid}),
        "numbers": sorted({number(one.our_number) for one in credits_} - {""}),
    }
    return credits_, await _charges(connection, _CHARGES, keys, None)


async def _pair(
    connection: AsyncConnection, tenant_id: UUID, sure: Sequence[Pairing], charges: Mapping[UUID, Charge]
) -> int:
    """Link what is sure, but for receivables that somebody changed meanwhile: the next run decides those."""
    ids = sorted({one.charge for one in sure})
    locked = await _charges(connection, _LOCKED, {"ids": ids}, ids)
    now = {id_: one for id_, one in locked.items() if one == charges[id_]}
    matched = 0
    for pairing in sure:
        charge = now.get(pairing.charge)
        linked = charge and await _link(connection, tenant_id, pairing, charge, BY_RULE)
        if linked:
            now[linked.id] = linked
            matched += 1
    return matched


async def _link(
    connection: AsyncConnection, tenant_id: UUID, pairing: Pairing, charge: Charge, by: str
) -> Charge | None:
    """The charge as it is then; None where the transaction was taken meanwhile."""
    ends = {"credit": pairing.credit, "charge": pairing.charge}
    row = (await connection.execute(_LINK, ends)).one_or_none()
    if row is None:
        return None
    values = ends | {"tenant": tenant_id, "rule": pairing.rule.value, "before": charge.status, "by": by}
    await connection.execute(_MATCHED, values)
    return await _settle(connection, charge, charge.received + row.amount, row.booked_on)


async def _undo(connection: AsyncConnection, row: Any) -> None:
    charge = await _locked(connection, row.receivable_id)
    ends = {"credit": row.transaction_id, "charge": row.receivable_id}
    amount = (await connection.execute(_UNLINK, ends)).scalar_one_or_none()
    if amount is None:
        raise Undecidable("O ERP já desfez o vínculo deste lançamento.")
    left = charge.received - amount
    if row.status_before == "paid" or (charge.status == "paid" and left >= charge.amount):
        return  # the bank calls it paid, or the rest is enough
    status = (row.status_before or "open") if charge.status == "paid" else charge.status
    values = {"id": charge.id, "status": status, "paid": left or None, "day": None}
    await connection.execute(_SETTLE, values)


async def _propose(connection: AsyncConnection, tenant_id: UUID, waiting: Sequence[Pairing]) -> None:
    ends = {"credits": [one.credit for one in waiting], "charges": [one.charge for one in waiting]}
    await connection.execute(_LAPSED, ends)
    rules = [one.rule.value for one in waiting]
    await connection.execute(_PROPOSED, ends | {"tenant": tenant_id, "rules": rules})


async def _catch_up(connection: AsyncConnection, charges: Iterable[Charge]) -> None:
    """An import writes what the bank says; what was received otherwise it does not know."""
    behind = [one.id for one in charges if one.status in OPEN and one.received not in (0, one.paid_amount)]
    ours = (await connection.execute(_OURS, {"ids": behind})).scalars().all() if behind else ()
    for id_ in ours:
        charge = await _locked(connection, id_)
        day = (await connection.execute(_LATEST, {"id": id_})).scalar_one()
        await _settle(connection, charge, charge.received, day)


async def _settle(connection: AsyncConnection, charge: Charge, received: Decimal, day: date) -> Charge:
    status, paid = settled(charge, received)
    values = {"id": charge.id, "status": status, "paid": paid, "day": day}
    await connection.execute(_SETTLE, values)
    return replace(charge, status=status, paid_amount=paid, received=received)


async def _locked(connection: AsyncConnection, id_: UUID) -> Charge:
    found = await _charges(connection, _LOCKED, {"ids": [id_]}, [id_])
    if id_ not in found:
        raise Undecidable("A cobrança foi excluída do ERP.")
    return found[id_]


async def _charges(
    connection: AsyncConnection, statement: Any, values: Mapping[str, Any], ids: Sequence[UUID] | None
) -> dict[UUID, Charge]:
    """With what is linked to them; `ids` where they are few."""
    rows = (await connection.execute(statement, values)).all()
    if ids is None:
        found = await connection.execute(_ALL_RECEIVED)
    else:
        found = await connection.execute(_RECEIVED_FOR, {"ids": list(ids)})
    received = {row[0]: row[1] for row in found}
    return {row.id: Charge(**row._mapping, received=received.get(row.id, Decimal(0))) for row in rows}


async def _read(connection: AsyncConnection, pairing_id: UUID) -> Any:
    row = (await connection.execute(_ONE, {"id": pairing_id})).one_or_none()
    if row is None:
        raise Undecidable("Não há conciliação com este id.")
    return row
