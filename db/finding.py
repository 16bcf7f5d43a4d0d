"""ERP records found by what a person types: their natural keys by index, names by reading, for a while.

Under row-level security an index on an expression (a lower-cased name, the end of a document) is not used:
such functions could leak what they are given. So keys are looked up as they are typed, and in capitals.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.errors import QueryCanceled
from sqlalchemy import TextClause, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.entities import Entity
from core.ports import VARIANTS
from db.naming import source
from db.session import tenant_transaction

PATIENCE = "1500ms"
MOST = 20
SHORTEST = 2
"""Letters of a name that are worth reading all records for."""

_ALIVE = "t.deleted_at IS NULL"
KEYS = {
    Entity.PRODUCTS.value: ("t.sku = ANY(:typed)", "t.gtin = ANY(:typed)"),
    VARIANTS: ("t.sku = ANY(:typed)",),
    Entity.STOCK.value: ("p.sku = ANY(:typed)", "v.sku = ANY(:typed)"),
    Entity.CATEGORIES.value: ("t.slug = ANY(:typed)",),
    Entity.CUSTOMERS.value: ("t.document = ANY(:typed)",),
    Entity.ORDERS.value: ("t.channel = ANY(:channels) AND t.number = ANY(:typed)",),
    Entity.INVOICES.value: ("t.number = ANY(:typed)", "t.access_key = ANY(:typed)"),
    Entity.RECEIVABLES.value: ("t.document_number = ANY(:typed)",),
}
"""Natural keys by kind, each with an index. `channels` of orders are those of `channels_of`."""
_TEXTS = {
    Entity.PRODUCTS.value: "concat_ws(' ', t.sku, t.gtin, t.name)",
    VARIANTS: "concat_ws(' ', t.sku, t.gtin, p.name)",
    Entity.STOCK.value: "concat_ws(' ', p.sku, v.sku, p.name)",
    Entity.CATEGORIES.value: "concat_ws(' ', t.slug, t.name)",
    Entity.CUSTOMERS.value: "concat_ws(' ', t.document, t.email, t.name)",
    Entity.ORDERS.value: "concat_ws(' ', t.number, t.buyer_name)",
    Entity.INVOICES.value: "concat_ws(' ', t.number, t.access_key)",
    Entity.SHIPMENTS.value: "concat_ws(' ', t.tracking_code, o.number)",
    Entity.BANK_TRANSACTIONS.value: "concat_ws(' ', t.reference, t.description)",
    Entity.RECEIVABLES.value: "concat_ws(' ', t.document_number, t.our_number, t.txid)",
}
_ACCENTS = ("áàâãäéèêëíìîïóòôõöúùûüçñ", "aaaaaeeeeiiiiooooouuuucn")
_CHANNELS = text("SELECT provider || ':' || id FROM sync.integration")


@dataclass(frozen=True, slots=True)
class Found:
    """`mapping_id`: linked already in the integration that was asked about."""

    id: UUID
    label: str
    mapping_id: UUID | None


@dataclass(frozen=True, slots=True)
class Findings:
    """`more` than these there are, or may be: the search was ended."""

    records: Sequence[Found]
    more: bool


def as_typed(words: str) -> list[str]:
    """What a key may be: as it was typed, in capitals, and a document or access key without its dots."""
    words = words.strip()
    bare = words.translate(str.maketrans("", "", " ./-"))
    return sorted({words, words.upper(), words.lower(), bare, bare.upper()} - {""})


def folded(words: str) -> str:
    """Small letters without accents."""
    plain = unicodedata.normalize("NFKD", words.strip().lower())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


async def channels_of(connection: AsyncConnection) -> list[str]:
    """Where orders have their numbers: in each integration, and those that come from none."""
    return ["", *(await connection.execute(_CHANNELS)).scalars()]


async def find(
    engine: AsyncEngine,
    tenant_id: UUID,
    integration_id: UUID,
    kind: str,
    words: str,
    *,
    whole: bool = False,
) -> Findings:
    """Living records of a kind by key, then by a part of their name. Raises `DatabaseUnavailable`."""
    if not words.strip():
        return Findings([], more=False)
    async with tenant_transaction(engine, tenant_id) as connection:
        values: dict[str, Any] = {
            "typed": as_typed(words),
            "part": folded(words),
            "integration": integration_id,
            "kind": kind,
            "limit": MOST + 1,
        }
        if kind == Entity.ORDERS:
            values["channels"] = await channels_of(connection)
        found: dict[UUID, Found] = {}
        for condition in KEYS.get(kind, ()):
            for row in await connection.execute(_select(kind, condition, whole), values):
                found[row.id] = Found(row.id, row.label, row.mapping_id)
        ended = False
        if len(found) <= MOST and len(folded(words)) >= SHORTEST:
            rows, ended = await _read(connection, kind, values, whole)
            found |= {row.id: row for row in rows}
    return Findings(list(found.values())[:MOST], more=ended or len(found) > MOST)


async def _read(
    connection: AsyncConnection, kind: str, values: dict[str, Any], whole: bool
) -> tuple[list[Found], bool]:
    """Names are read one after another; whether the time for it ran out."""
    accents, plain = _ACCENTS
    condition = f"position(:part IN translate(lower({_TEXTS[kind]}), '{accents}', '{plain}')) > 0"
    try:
        async with connection.begin_nested():
            await connection.execute(text(f"SET LOCAL statement_timeout = '{PATIENCE}'"))
            rows = (await connection.execute(_select(kind, condition, whole), values)).all()
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
    except OperationalError as error:
        if isinstance(error.orig, QueryCanceled):
            return [], True
        raise
    return [Found(row.id, row.label, row.mapping_id) for row in rows], False


def _select(kind: str, condition: str, whole: bool) -> TextClause:
    label, tables = source(kind, whole=whole)
    return text(
        f"SELECT t.id, {label} AS label, (SELECT m.id FROM sync.mapping m"  # noqa: S608
        " WHERE m.integration_id = :integration AND m.entity = :kind AND m.internal_id = t.id"
        f" AND m.state <> 'orphan') AS mapping_id FROM {tables} WHERE {_ALIVE} AND {condition} LIMIT :limit"
    )
