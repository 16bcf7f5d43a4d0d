"""Proposals from a list to mappings: unambiguous ones at once, ambiguous ones by a person, none twice."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.discovering import Findings, Portion, Rule, Search, propose, words
from core.entities import Entity
from core.errors import ConfigurationError
from core.paging import OffsetById
from core.records import Category, Customer, Order, Product, Record, Variant
from core.spec import Raw, Resource
from db import discovery, mappings
from db.audit import By
from db.finder import PgFinder
from tests.conftest import Database, Tenant
from tests.database.test_mappings import Ground

BY = By("ana", "carga inicial")
CPF, OTHER_CPF = "52998224725", "11144477735"


class Nothing:
    """No source: portions are given."""

    settings: Mapping[str, str] = {}


@pytest.fixture
def ground(database: Database, tenant: Tenant) -> Ground:
    return Ground(database, tenant)


async def begun(engine: AsyncEngine, ground: Ground, entity: Entity = Entity.PRODUCTS) -> uuid.UUID:
    return await discovery.begin(engine, ground.tenant.id, ground.integration, entity, BY)


async def found(
    engine: AsyncEngine, ground: Ground, records: Sequence[Record], entity: Entity = Entity.PRODUCTS
) -> Findings:
    by_id = {record.external_id: record for record in records}

    def map_(raw: Raw, _settings: Any) -> Record:
        return by_id[raw["id"]]

    channel = f"woocommerce:{ground.integration}"
    finder = PgFinder(engine, ground.tenant.id, ground.integration, entity, channel)
    resource = Resource(path="", paging=OffsetById(size=10, total_header="x"), map=map_)
    search = Search(uuid.uuid4(), entity, resource, Nothing(), finder)  # type: ignore[arg-type]
    return await propose(search, Portion([{"id": id_} for id_ in by_id], None))


async def discover(
    engine: AsyncEngine, ground: Ground, records: Sequence[Record], entity: Entity = Entity.PRODUCTS
) -> tuple[uuid.UUID, dict[str, int]]:
    id_ = await begun(engine, ground, entity)
    await discovery.add(engine, ground.tenant.id, id_, await found(engine, ground, records, entity))
    return id_, await discovery.conclude(engine, ground.tenant.id, id_)


def states(ground: Ground) -> dict[str, str]:
    return dict(tuple(row) for row in ground.sql("SELECT external_id, state FROM sync.proposal"))


def links(ground: Ground) -> dict[str, uuid.UUID]:
    rows = ground.sql("SELECT external_id, internal_id FROM sync.mapping WHERE state <> 'orphan'")
    return dict(tuple(row) for row in rows)


async def test_products_by_sku_then_gtin_and_their_variants(engine: AsyncEngine, ground: Ground) -> None:
    plain, coded, parent = ground.product("A"), ground.product("ERP-B"), ground.product("C")
    ground.sql("UPDATE erp.product SET gtin = '7891000100103' WHERE sku = 'ERP-B'")
    ground.sql(
        "INSERT INTO erp.product_variant (tenant_id, product_id, sku)"
        " SELECT :tenant, :parent, sku FROM unnest(ARRAY['C-P', 'C-M', 'C-G']) sku",
        parent=parent,
    )
    skus = ("C-P", "C-X", "C-M", "C-M", "C-G")
    variants = tuple(Variant(external_id=f"3{n}", sku=sku) for n, sku in enumerate(skus))
    id_, counts = await discover(
        engine,
        ground,
        [
            Product(external_id="1", sku="A", name="Caneca"),
            Product(external_id="2", sku="LOJA-B", gtin="7891000100103", name="Pires"),
            Product(external_id="3", sku="C", name="Camisa", variants=variants),
            Product(external_id="4", sku=None, name="Sem código"),
        ],
    )
    assert counts == {"sku": 2, "gtin": 1, "unmatched": 1, "linked": 0, "invalid": 0}
    assert words(counts) == "2 por SKU, 1 por GTIN, 0 ambíguos, 1 sem par"
    assert links(ground) == {}, "a discovery alone links nothing"
    done = await discovery.apply(engine, ground.tenant.id, id_, BY)
    assert (done.linked, done.passed) == (3, 0)
    made = links(ground)
    assert {key: made[key] for key in ("1", "2", "3")} == {"1": plain, "2": coded, "3": parent}
    rows = ground.sql(
        "SELECT m.external_id, m.parent_external_id, v.sku FROM sync.mapping m"
        " JOIN erp.product_variant v ON v.id = m.internal_id WHERE m.entity = 'variants' ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("30", "3", "C-P"), ("34", "3", "C-G")], "C-M is there twice"
    never = ground.sql("SELECT count(*) FROM sync.mapping WHERE external_hash IS NULL AND synced_at IS NULL")
    assert never == [(5,)]
    assert ground.actions()[-1] == ("discovery.apply", str(id_), "ana", "carga inicial")
    assert await discovery.apply(engine, ground.tenant.id, id_, BY) == discovery.Applied(0, 0)


async def test_an_erp_record_that_two_claim_is_ambiguous_for_both(
    engine: AsyncEngine, ground: Ground
) -> None:
    wanted = ground.product("A")
    ground.sql("UPDATE erp.product SET gtin = '7891000100103'")
    id_ = await begun(engine, ground)
    for records in (
        [Product(external_id="1", sku="A", name="Caneca")],
        [Product(external_id="2", sku="Z", gtin="7891000100103", name="Caneca?")],
    ):
        await discovery.add(engine, ground.tenant.id, id_, await found(engine, ground, records))
    counts = await discovery.conclude(engine, ground.tenant.id, id_)
    assert counts["ambiguous"] == 2
    assert (await discovery.apply(engine, ground.tenant.id, id_, BY)).linked == 0
    first, second = ground.sql("SELECT id, candidates FROM sync.proposal ORDER BY external_id")
    assert first.candidates == second.candidates == [wanted]
    with pytest.raises(ConfigurationError, match="não é candidato"):
        await discovery.pick(engine, ground.tenant.id, first.id, ground.product("B"), BY)
    await discovery.pick(engine, ground.tenant.id, first.id, wanted, BY)
    assert links(ground) == {"1": wanted}
    with pytest.raises(mappings.MappingExists, match="já está vinculado"):
        await discovery.pick(engine, ground.tenant.id, second.id, wanted, BY)
    assert await discovery.dismiss(engine, ground.tenant.id, [first.id, second.id], BY) == 1
    assert states(ground) == {"1": "applied", "2": "dismissed"}
    with pytest.raises(discovery.ProposalUnknown):
        await discovery.pick(engine, ground.tenant.id, second.id, wanted, BY)
    assert [action[0] for action in ground.actions()] == [
        *("discovery.begin", "discovery.apply", "proposal.pick", "proposal.dismiss"),
    ]


async def test_linked_records_on_either_side_are_left_alone(engine: AsyncEngine, ground: Ground) -> None:
    for n, state in enumerate(("active", "conflict", "orphan")):
        ground.sql(
            "INSERT INTO sync.mapping (tenant_id, integration_id, entity, external_id, internal_id, state)"
            " VALUES (:tenant, :integration, 'products', :external, :internal, :state)",
            external=f"x{n}",
            internal=ground.product(f"S{n}"),
            state=state,
        )
    ground.product("B")
    records = [Product(external_id=f"y{n}", sku=f"S{n}", name="P") for n in range(3)]
    records.append(Product(external_id="x2", sku="B", name="P"))
    _, counts = await discover(engine, ground, records)
    assert states(ground) == {"y0": "unmatched", "y1": "unmatched", "y2": "matched"}
    assert counts["linked"] == 1


async def test_customers_by_document_then_e_mail_and_never_against_a_document(
    engine: AsyncEngine, ground: Ground
) -> None:
    ground.sql(
        "INSERT INTO erp.customer (tenant_id, name, document, email) VALUES"
        " (:tenant, 'A', :cpf, 'familia@exemplo.invalid'), (:tenant, 'B', NULL, 'Bia@Exemplo.invalid'),"
        " (:tenant, 'C', NULL, 'dois@exemplo.invalid'), (:tenant, 'D', NULL, 'dois@exemplo.invalid')",
        cpf=CPF,
    )
    mails = {"2": "familia@exemplo.invalid", "3": "BIA@exemplo.invalid ", "4": "dois@exemplo.invalid"}
    records: list[Record] = [Customer(external_id="1", name="A", document=CPF, email="novo@exemplo.invalid")]
    records += [Customer(external_id=id_, name="X", document=OTHER_CPF, email=m) for id_, m in mails.items()]
    id_, counts = await discover(engine, ground, records, Entity.CUSTOMERS)
    assert states(ground) == {"1": "matched", "2": "unmatched", "3": "matched", "4": "ambiguous"}
    assert (counts["document"], counts["email"]) == (1, 1)
    await discovery.apply(engine, ground.tenant.id, id_, BY)
    assert set(links(ground)) == {"1", "3"}
    shown = ground.sql("SELECT string_agg(label, ' ') FROM sync.proposal")[0][0]
    assert CPF not in shown
    assert OTHER_CPF not in shown
    notes = ground.sql("SELECT notes FROM sync.mapping ORDER BY external_id")
    assert [row[0] for row in notes] == ["Descoberta por CPF/CNPJ", "Descoberta por e-mail"]


async def test_orders_of_other_channels_have_numbers_of_their_own(
    engine: AsyncEngine, ground: Ground
) -> None:
    for channel, number in (("", "10"), ("outra:1", "11"), (f"woocommerce:{ground.integration}", "12")):
        ground.sql(
            'INSERT INTO erp."order" (tenant_id, channel, number, status, placed_at)'
            " VALUES (:tenant, :channel, :number, 'paid', now())",
            channel=channel,
            number=number,
        )
    zero = {"total": 0, "items_total": 0, "discount": 0, "shipping": 0, "tax": 0}
    made: dict[str, Any] = {"status": "paid", "external_status": "x", "currency": "BRL", "placed_at": None}
    records = [Order(external_id=n, number=n, **made, **zero) for n in ("10", "11", "12")]  # type: ignore[arg-type]
    await discover(engine, ground, records, Entity.ORDERS)
    assert states(ground) == {"10": "matched", "11": "unmatched", "12": "matched"}


async def test_categories_by_slug_then_name(engine: AsyncEngine, ground: Ground) -> None:
    ground.sql(
        "INSERT INTO erp.category (tenant_id, name, slug) VALUES (:tenant, 'Copos', 'copos'),"
        " (:tenant, 'Pratos', ''), (:tenant, 'Outros', 'a'), (:tenant, 'Outros', 'b')"
    )
    records = [
        Category(external_id="1", name="Copo", slug="copos"),
        Category(external_id="2", name="PRATOS", slug="pratos-3"),
        Category(external_id="3", name="Outros", slug="outros"),
        Category(external_id="4", name="Panelas"),
    ]
    _, counts = await discover(engine, ground, records, Entity.CATEGORIES)
    assert counts == {"slug": 1, "name": 1, "ambiguous": 1, "unmatched": 1, "linked": 0, "invalid": 0}
    assert words({"name": 1, "ambiguous": 1, "linked": 3, "invalid": 1}) == (
        "1 por nome, 1 ambíguo, 0 sem par, 3 já vinculados, 1 inválido"
    )


async def test_what_changed_since_is_passed_over_and_the_rest_is_read_again(
    engine: AsyncEngine, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "BATCH", 2)
    kept = {f"P{n}": ground.product(f"P{n}") for n in range(7)}
    ground.sql(
        "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction, last_full_at)"
        " VALUES (:tenant, :integration, 'products', 'import', now())"
    )
    id_, _ = await discover(
        engine, ground, [Product(external_id=f"x{n}", sku=f"P{n}", name="P") for n in range(7)]
    )
    ground.sql("UPDATE erp.product SET deleted_at = now() WHERE sku = 'P1'")
    await mappings.create(
        engine,
        ground.tenant.id,
        ground.integration,
        "products",
        internal_id=kept["P2"],
        external_id="à mão",
        by=BY,
    )
    done = await asyncio.gather(*(discovery.apply(engine, ground.tenant.id, id_, BY) for _ in range(2)))
    assert sum(one.linked for one in done) == 5
    assert set(links(ground)) == {"x0", "x3", "x4", "x5", "x6", "à mão"}
    assert ground.sql("SELECT last_full_at FROM sync.pair") == [(None,)]


async def test_what_is_linked_is_exported_where_the_erp_is_exported(
    engine: AsyncEngine, ground: Ground
) -> None:
    for sku in ("A", "B"):
        ground.product(sku)
    ground.sql(
        "INSERT INTO sync.pair (tenant_id, integration_id, entity, direction)"
        " VALUES (:tenant, :integration, 'products', 'export')"
    )
    last = ground.sql("SELECT max(change_seq) FROM erp.product")[0][0]
    id_, _ = await discover(engine, ground, [Product(external_id="1", sku="A", name="P")])
    await discovery.apply(engine, ground.tenant.id, id_, BY)
    assert ground.sql("SELECT sku FROM erp.product WHERE change_seq > :last", last=last) == [("A",)]


async def test_a_newer_discovery_ends_the_one_before(engine: AsyncEngine, ground: Ground) -> None:
    first = await begun(engine, ground)
    second = await begun(engine, ground)
    other = await begun(engine, ground, Entity.CUSTOMERS)
    nothing = Findings([], linked=0, invalid=0)
    with pytest.raises(discovery.Superseded):
        await discovery.add(engine, ground.tenant.id, first, nothing)
    with pytest.raises(discovery.Superseded):
        await discovery.conclude(engine, ground.tenant.id, first)
    with pytest.raises(discovery.ProposalUnknown):
        await discovery.apply(engine, ground.tenant.id, second, BY)
    for id_ in (second, other):
        await discovery.add(engine, ground.tenant.id, id_, nothing)
        await discovery.conclude(engine, ground.tenant.id, id_)
    assert await discovery.latest(engine, ground.tenant.id, ground.integration, Entity.PRODUCTS) == second
    row = await discovery.read(engine, ground.tenant.id, first)
    assert (row["state"], row["message"]) == ("failed", "Outra descoberta começou depois desta.")
    assert Rule.SKU.label == "SKU"
    with pytest.raises(ConfigurationError, match="estoque"):
        await begun(engine, ground, Entity.STOCK)
