"""The three ways a new external record finds its ERP record: SKU, id, and our id in a field of its own."""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from core import engine as rules
from core.entities import Entity, Matching
from core.records import Product, Record
from core.spec import Raw
from tests.providers.conftest import Shop, write

SKU = "SKU-0000007"


def product(shop: Shop, sku: str | None = None, **more: Any) -> str:
    values = {"id": uuid.uuid4(), "sku": sku, "deleted": False} | more
    shop.query(
        "INSERT INTO erp.product (id, tenant_id, sku, name, deleted_at)"
        " VALUES (:id, :tenant, :sku, 'Do ERP', CASE WHEN :deleted THEN now() END)",
        tenant=shop.tenant.id,
        **values,
    )
    return str(values["id"])


async def import_all(shop: Shop, matching: Matching, references: Mapping[str, str]) -> dict[str, str]:
    """Import the products, these of them with a reference; returns internal ids by external id."""
    shop.query("UPDATE sync.integration SET matching = :matching", matching=matching.value)
    async with shop.open(Entity.PRODUCTS) as run:
        job = run.job
        assert job is not None
        plain = job.resource.map

        def with_reference(raw: Raw, settings: Mapping[str, str]) -> Record:
            record = plain(raw, settings)
            assert isinstance(record, Product)
            variants = [
                msgspec.structs.replace(v, reference=references.get(v.external_id)) for v in record.variants
            ]
            return msgspec.structs.replace(
                record, reference=references.get(record.external_id), variants=tuple(variants)
            )

        job.resource = dataclasses.replace(job.resource, map=with_reference)
        cursor = job.cursor
        while (following := await write(run, await rules.fetch(job, cursor))) is not None:
            cursor = following
    assert run.error is None
    rows = shop.query("SELECT external_id, internal_id FROM sync.mapping")
    return {row[0]: str(row[1]) for row in rows}


async def test_our_id_in_a_field_of_its_own_links(shop: Shop) -> None:
    mine, gone = product(shop, "ERP-1"), product(shop, "ERP-2", deleted=True)
    references = {"7": mine, "8": gone, "9": "sem-uuid", "10": str(uuid.uuid4())}
    links = await import_all(shop, Matching.CUSTOM_FIELD, references)
    assert links["7"] == mine
    assert not {gone, mine} & {links[id_] for id_ in ("8", "9", "10")}
    assert shop.query("SELECT count(*) FROM erp.product WHERE deleted_at IS NULL")[0][0] == 230
    assert shop.query("SELECT sku FROM erp.product WHERE id = :id", id=mine) == [(SKU,)]
    assert shop.query("SELECT count(*) FROM sync.issue") == [(0,)]


async def test_one_of_our_ids_in_two_records_is_a_question(shop: Shop) -> None:
    """A product copied in the shop carries the field of the one it was copied from."""
    mine = product(shop, "ERP-1")
    links = await import_all(shop, Matching.CUSTOM_FIELD, {"7": mine, "8": mine})
    assert links["7"] == mine
    assert "8" not in links
    issue = shop.query("SELECT external_id, error_class, message FROM sync.issue")
    assert [row[:2] for row in issue] == [("8", "ConflictError")]
    assert "ID de referência" in issue[0].message
    shop.query("UPDATE sync.pair SET last_full_at = NULL")
    await import_all(shop, Matching.CUSTOM_FIELD, {"7": mine, "8": mine})
    again = shop.query("SELECT message FROM sync.issue WHERE attempt = 2")
    assert "já está vinculado" in again[0].message


async def test_variants_are_linked_by_their_field(shop: Shop) -> None:
    variable = next(p for p in shop.store.truth("products") if p["variations"])
    id_, variation = str(variable["id"]), str(variable["variations"][0])
    mine, variant = product(shop, "ERP-V"), str(uuid.uuid4())
    shop.query(
        "INSERT INTO erp.product_variant (id, tenant_id, product_id) VALUES (:id, :tenant, :product)",
        id=variant,
        tenant=shop.tenant.id,
        product=mine,
    )
    links = await import_all(shop, Matching.CUSTOM_FIELD, {id_: mine, variation: variant})
    assert (links[id_], links[variation]) == (mine, variant)


async def test_the_field_means_nothing_where_records_are_matched_otherwise(shop: Shop) -> None:
    mine = product(shop, "ERP-1")
    same = product(shop, SKU)
    links = await import_all(shop, Matching.SKU, {"7": mine})
    assert links["7"] == same


async def test_by_id_a_record_with_the_same_sku_is_a_question_not_a_link(shop: Shop) -> None:
    same = product(shop, SKU)
    links = await import_all(shop, Matching.ID, {})
    assert "7" not in links
    assert same not in links.values()
    message = shop.query("SELECT message FROM sync.issue WHERE external_id = '7'")[0].message
    assert "pareamento não é por SKU" in message
    assert len({id_ for id_ in links if id_ in ("1", "2", "3")}) == 3, "others are made anew"
