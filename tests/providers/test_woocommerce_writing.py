"""WooCommerce writes: a shop in a process of its own, over signed HTTP, through the source of a run."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from core.address import Guard
from core.entities import Direction, Entity, Matching
from core.errors import (
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    NotFoundError,
    RateLimited,
    RecordError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from core.http import client
from core.probe import ProbeResult, probe
from core.records import Address, Category, Customer, Product, Record, StockLevel, Variant
from core.source import HttpSource
from core.spec import Outgoing, RateLimit, Raw, Resource, Settings, Written
from core.trees import tree
from providers.woocommerce import WOOCOMMERCE
from providers.woocommerce.batches import PICTURES
from providers.woocommerce.mapping import product_from
from sandbox.process import Store, start

ALL: frozenset[str] = frozenset({"*"})
"""All the fields that the entity declares."""


class Unlimited:
    async def acquire(self) -> Callable[[], None]:
        return lambda: None

    async def block(self, until: datetime) -> None: ...

    async def reserve(self, name: str, rate: RateLimit) -> None: ...


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with start(products=60, categories=10, customers=20, orders=30) as running:
        yield running


@pytest.fixture
async def source(store: Store) -> AsyncIterator[HttpSource]:
    store.clear_faults()
    async with sourced(store) as made:
        yield made
    store.clear_faults()


@asynccontextmanager
async def signed(store: Store, **other: str) -> AsyncIterator[tuple[Settings, httpx.AsyncClient]]:
    keys = {"consumer_key": store.consumer_key, "consumer_secret": store.consumer_secret}
    settings = {"base_url": store.url, **keys, **other}
    guard = Guard(private=frozenset({store.url.removeprefix("http://")}))
    assert WOOCOMMERCE.auth is not None
    async with client(WOOCOMMERCE.base_url(settings), WOOCOMMERCE.auth(settings), guard) as http:
        yield settings, http


@asynccontextmanager
async def sourced(store: Store, **other: str) -> AsyncIterator[HttpSource]:
    """As a run has it, without a speed limit."""
    async with signed(store, **other) as (settings, http):
        yield HttpSource(
            WOOCOMMERCE,
            settings,
            http,
            Unlimited(),
            concurrency=WOOCOMMERCE.rate(settings).concurrency,
            retry_seconds=(0.01, 0.01),
        )


def resource(entity: Entity) -> Resource:
    return WOOCOMMERCE.resources[entity]


def out(record: Record, fields: frozenset[str] = ALL, reference: str = "") -> Outgoing:
    """An update of what has an external id, else a create."""
    reference = reference or str(uuid.uuid4())
    external_id = record.external_id or None
    return Outgoing(record=record, fields=fields, reference=reference, key=reference, external_id=external_id)


async def write(source: HttpSource, entity: Entity, *outgoing: Outgoing) -> Sequence[Written]:
    writing = resource(entity).writing
    assert writing is not None
    whole = [replace(o, fields=writing.fields) if o.fields is ALL else o for o in outgoing]
    written = await writing.write(source, whole)
    assert len(written) == len(outgoing)
    return written


async def find(
    source: HttpSource, entity: Entity, *outgoing: Outgoing, matching: Matching = Matching.ID
) -> Mapping[str, Sequence[Raw]]:
    writing = resource(entity).writing
    assert writing is not None
    assert writing.find is not None
    return await writing.find(source, outgoing, matching)


async def read(source: HttpSource, entity: Entity, *ids: str) -> Mapping[str, Any]:
    """Records of the shop, mapped."""
    found = resource(entity)
    assert found.read is not None
    return {id_: found.map(raw, source.settings) for id_, raw in (await found.read(source, ids)).items()}


def product(sku: str | None, name: str = "Caneca & pires", **fields: Any) -> Product:
    return Product(
        external_id="", sku=sku, name=name, **{"price": Decimal("10.90"), "category_ids": ("16",), **fields}
    )


def shirt(sku: str | None, *sizes: str, prefix: str = "") -> Product:
    return product(
        sku,
        f"Camiseta {prefix}",
        price=None,
        variants=tuple(
            Variant(
                external_id="",
                sku=f"{prefix}-{size}",
                price=Decimal("49.90"),
                options={"Cor": "Azul", "Tamanho": size},
                weight_kg=Decimal("0.2"),
            )
            for size in sizes
        ),
    )


def mapped(entity: Entity, answer: Written, settings: Mapping[str, str]) -> Any:
    assert answer.error is None, answer.error
    assert answer.raw is not None
    return resource(entity).map(answer.raw, settings)


def writes(store: Store) -> list[tuple[str, str]]:
    """Method and path of what was written, below the API."""
    found = [(entry["method"], entry["path"].partition("/wc/v3/")[2]) for entry in store.requests()]
    return [entry for entry in found if entry[0] != "GET"]


async def test_products_are_created_in_one_call_and_given_back_whole(
    store: Store, source: HttpSource
) -> None:
    records = [product(f"NOVO-{n}", description="<p>Olá & <b>viva</b></p>") for n in range(100)]
    full = msgspec.structs.replace(
        records[0],
        sale_price=Decimal("9.50"),
        gtin="7891234567895",
        active=False,
        weight_kg=Decimal("0.35"),
        length_cm=Decimal(10),
        width_cm=Decimal("5.5"),
        height_cm=Decimal(3),
    )
    outgoing = [out(full), *map(out, records[1:])]
    store.clear_requests()
    answers = await write(source, Entity.PRODUCTS, *outgoing)
    assert writes(store) == [("POST", "products/batch")]
    fields = resource(Entity.PRODUCTS).writing.fields  # type: ignore[union-attr]
    for sent, answer in zip(outgoing, answers, strict=True):
        got = mapped(Entity.PRODUCTS, answer, source.settings)
        assert tree(got, fields) == tree(sent.record, fields)
        assert got.reference == sent.reference
    ids = [str(answer.raw["id"]) for answer in answers if answer.raw]
    known = await read(source, Entity.PRODUCTS, *ids)
    assert known == {
        id_: mapped(Entity.PRODUCTS, a, source.settings) for id_, a in zip(ids, answers, strict=True)
    }


async def test_an_update_changes_the_named_fields_alone(store: Store, source: HttpSource) -> None:
    before = (await read(source, Entity.PRODUCTS, "7"))["7"]
    other = msgspec.structs.replace(
        before, name="Outro nome", price=Decimal("99.90"), sale_price=Decimal("89.90"), description=""
    )
    fields = frozenset({"price", "sale_price"})
    [answer] = await write(source, Entity.PRODUCTS, out(other, fields))
    got = mapped(Entity.PRODUCTS, answer, source.settings)
    assert (got.name, got.description) == (before.name, before.description)
    assert (got.price, got.sale_price) == (Decimal("99.90"), Decimal("89.90"))
    cleared = msgspec.structs.replace(other, sale_price=None)
    [answer] = await write(source, Entity.PRODUCTS, out(cleared, fields))
    assert mapped(Entity.PRODUCTS, answer, source.settings).sale_price is None


async def test_each_record_of_a_batch_has_its_own_answer(source: HttpSource) -> None:
    known = (await read(source, Entity.PRODUCTS, "8"))["8"]
    price = frozenset({"price"})
    answers = await write(
        source,
        Entity.PRODUCTS,
        out(product("LOTE-1")),
        out(product("sku-0000007")),
        out(msgspec.structs.replace(known, external_id="999999"), price),
        out(msgspec.structs.replace(known, price=Decimal("5.55")), price),
        out(product("LOTE-2", image_urls=("http://127.0.0.1/nada.png",))),
    )
    assert [type(answer.error) for answer in answers] == [
        type(None),
        ConflictError,
        NotFoundError,
        type(None),
        RecordError,
    ]
    taken, picture = answers[1].error, answers[4].error
    assert taken is not None
    assert (taken.provider_code, taken.status) == ("product_invalid_sku", 400)
    assert isinstance(picture, RecordError)
    assert picture.field == "images"
    assert mapped(Entity.PRODUCTS, answers[3], source.settings).price == Decimal("5.55")


async def test_pictures_of_the_shop_are_kept_and_new_ones_go_in_small_calls(
    store: Store, source: HttpSource
) -> None:
    [made] = await write(
        source, Entity.PRODUCTS, out(product("FOTO-1", image_urls=("https://cdn.exemplo.test/a.png",)))
    )
    assert made.raw is not None
    [first] = made.raw["images"]
    record = mapped(Entity.PRODUCTS, made, source.settings)
    more = msgspec.structs.replace(record, image_urls=(*record.image_urls, "https://cdn.exemplo.test/b.png"))
    [answer] = await write(source, Entity.PRODUCTS, out(more, frozenset({"image_urls"})))
    assert answer.raw is not None
    assert [image["id"] == first["id"] for image in answer.raw["images"]] == [True, False]
    store.clear_requests()
    pictures = tuple(f"https://cdn.exemplo.test/{n}.png" for n in range(PICTURES // 2))
    await write(source, Entity.PRODUCTS, *(out(product(f"FOTOS-{n}", image_urls=pictures)) for n in range(4)))
    assert writes(store) == [("POST", "products/batch")] * 2


async def test_variants_are_created_below_their_product(source: HttpSource) -> None:
    sent = shirt("CAM", "P", "M", "G", prefix="CAM")
    [answer] = await write(source, Entity.PRODUCTS, out(sent))
    got = mapped(Entity.PRODUCTS, answer, source.settings)
    assert [variant.sku for variant in got.variants] == ["CAM-P", "CAM-M", "CAM-G"]
    assert [variant.options for variant in got.variants] == [v.options for v in sent.variants]
    assert {variant.price for variant in got.variants} == {Decimal("49.90")}
    assert answer.raw is not None
    assert answer.raw["type"] == "variable"
    # The same as the next import reads: price and date of the product moved with its variations.
    assert (await read(source, Entity.PRODUCTS, got.external_id))[got.external_id] == got


async def test_of_variants_only_the_difference_is_written(store: Store, source: HttpSource) -> None:
    [answer] = await write(source, Entity.PRODUCTS, out(shirt("VAR", "P", "M", "G", prefix="VAR")))
    got = mapped(Entity.PRODUCTS, answer, source.settings)
    small, medium, _ = got.variants
    dear = msgspec.structs.replace(medium, price=Decimal("59.90"))
    wide = Variant(
        external_id="", sku="VAR-GG", price=Decimal("69.90"), options={"Cor": "Preto", "Tamanho": "GG"}
    )
    changed = msgspec.structs.replace(got, variants=(small, dear, wide))
    [answer] = await write(source, Entity.PRODUCTS, out(changed, frozenset({"variants"})))
    now = mapped(Entity.PRODUCTS, answer, source.settings)
    found = {variant.sku: variant for variant in now.variants}
    assert (found["VAR-M"].price, found["VAR-GG"].price) == (Decimal("59.90"), Decimal("69.90"))
    assert found["VAR-P"] == small
    assert [sku for sku, variant in found.items() if not variant.active] == ["VAR-G"]
    assert answer.raw is not None
    options = {item["name"]: item["options"] for item in answer.raw["attributes"]}
    assert options == {"Cor": ["Azul", "Preto"], "Tamanho": ["P", "M", "G", "GG"]}
    assert (await read(source, Entity.PRODUCTS, now.external_id))[now.external_id] == now
    store.clear_requests()
    [again] = await write(source, Entity.PRODUCTS, out(now, frozenset({"variants", "price"})))
    assert writes(store) == []
    assert mapped(Entity.PRODUCTS, again, source.settings) == now


async def test_an_update_of_a_product_with_variations_is_given_back_whole(source: HttpSource) -> None:
    [answer] = await write(source, Entity.PRODUCTS, out(shirt("INT", "P", "M", prefix="INT")))
    got = mapped(Entity.PRODUCTS, answer, source.settings)
    renamed = msgspec.structs.replace(got, name="Camiseta nova")
    [answer] = await write(source, Entity.PRODUCTS, out(renamed, frozenset({"name"})))
    now = mapped(Entity.PRODUCTS, answer, source.settings)
    assert now.name == "Camiseta nova"
    assert now.variants == got.variants


async def test_a_variant_that_is_refused_does_not_undo_its_product(source: HttpSource) -> None:
    taken = msgspec.structs.replace(shirt(None, "P", prefix="DUP").variants[0], sku="SKU-0000007")
    record = shirt("DUP", "M", prefix="DUP")
    mixed = msgspec.structs.replace(record, variants=(taken, *record.variants))
    outgoing = out(mixed)
    [answer] = await write(source, Entity.PRODUCTS, outgoing)
    assert isinstance(answer.error, ConflictError)
    assert answer.raw is not None
    assert [item["sku"] for item in answer.raw["_variations"]] == ["DUP-M"]
    found = await find(source, Entity.PRODUCTS, outgoing)
    assert [raw["id"] for raw in found[outgoing.reference]] == [answer.raw["id"]]


async def test_what_is_in_the_trash_is_gone_and_stays_there(store: Store, source: HttpSource) -> None:
    before = await read(source, Entity.PRODUCTS, "9", "13")
    store.control("change", kind="products", id=9, fields={"status": "trash"})
    assert list(await read(source, Entity.PRODUCTS, "9", "13", "999999", "x")) == ["13"]
    answers = [
        (await write(source, Entity.PRODUCTS, out(before["9"], frozenset({name}))))[0]
        for name in ("active", "name", "variants")
    ]
    assert [type(answer.error) for answer in answers] == [NotFoundError] * 3
    orders = await read(source, Entity.ORDERS, "1000")
    id_ = next(iter(store.truth("orders")))["id"]
    order = (await read(source, Entity.ORDERS, str(id_)))[str(id_)]
    store.control("change", kind="orders", id=id_, fields={"status": "trash"})
    paid = msgspec.structs.replace(order, status="completed")
    [answer] = await write(source, Entity.ORDERS, out(paid))
    assert isinstance(answer.error, NotFoundError)
    assert orders == await read(source, Entity.ORDERS, str(id_)) == {}


async def test_stock_of_products_and_variations(store: Store, source: HttpSource) -> None:
    [made] = await write(source, Entity.PRODUCTS, out(shirt("EST", "P", "M", prefix="EST")))
    got = mapped(Entity.PRODUCTS, made, source.settings)
    [plain] = await write(source, Entity.PRODUCTS, out(product("EST-S")))
    assert plain.raw is not None
    single = str(plain.raw["id"])
    ids = [single, *(variant.external_id for variant in got.variants)]
    assert await read(source, Entity.STOCK, *ids) == {}
    levels = [
        StockLevel(external_id=id_, product_id=single if id_ == single else got.external_id, on_hand=amount)
        for id_, amount in zip(ids, map(Decimal, ("7", "0", "3.5")), strict=True)
    ]
    levels[1:] = [msgspec.structs.replace(level, variant_id=level.external_id) for level in levels[1:]]
    # The first time a level is a create outside: nothing counts there yet.
    outgoing = [
        Outgoing(record=level, fields=frozenset({"on_hand"}), reference=str(n), key=str(n))
        for n, level in enumerate(levels)
    ]
    store.clear_requests()
    answers = await write(source, Entity.STOCK, *outgoing)
    assert sorted(writes(store)) == [
        ("POST", f"products/{got.external_id}/variations/batch"),
        ("POST", "products/batch"),
    ]
    found = [mapped(Entity.STOCK, answer, source.settings) for answer in answers]
    assert [(level.external_id, level.on_hand) for level in found] == [
        (ids[0], Decimal(7)),
        (ids[1], Decimal(0)),
        (ids[2], Decimal(3)),
    ]
    assert await read(source, Entity.STOCK, *ids) == dict(zip(ids, found, strict=True))
    gone = msgspec.structs.replace(levels[0], external_id="999999", product_id="999999")
    answers = await write(source, Entity.STOCK, out(levels[0]), out(gone))
    assert [type(answer.error) for answer in answers] == [type(None), NotFoundError]


async def test_stock_is_sent_again_when_an_answer_is_lost(store: Store, source: HttpSource) -> None:
    store.faults({"kind": "lost", "path": "batch$", "times": 1})
    [answer] = await write(
        source, Entity.STOCK, out(StockLevel(external_id="7", product_id="7", on_hand=Decimal(41)))
    )
    assert mapped(Entity.STOCK, answer, source.settings).on_hand == Decimal(41)
    assert len(store.requests()) > 1


async def test_categories(source: HttpSource) -> None:
    parent = out(Category(external_id="", name="Bebidas & sucos", slug="bebidas", position=3))
    [answer] = await write(source, Entity.CATEGORIES, parent)
    top = mapped(Entity.CATEGORIES, answer, source.settings)
    assert (top.name, top.slug, top.parent_id, top.position) == ("Bebidas & sucos", "bebidas", None, 3)
    child = Category(external_id="", name="Cafés", parent_id=top.external_id, description="<b>Quentes</b>")
    [answer] = await write(source, Entity.CATEGORIES, out(child))
    below = mapped(Entity.CATEGORIES, answer, source.settings)
    assert (below.parent_id, below.slug, below.description) == (top.external_id, "cafes", "<b>Quentes</b>")
    moved = msgspec.structs.replace(below, parent_id=None, name="Cafés e chás")
    answers = await write(
        source,
        Entity.CATEGORIES,
        out(moved, frozenset({"parent_id"})),
        out(msgspec.structs.replace(moved, external_id="999999"), frozenset({"name"})),
        parent,
        out(Category(external_id="", name="Perdida", parent_id="999999")),
    )
    assert mapped(Entity.CATEGORIES, answers[0], source.settings) == msgspec.structs.replace(
        below, parent_id=None
    )
    assert [type(answer.error) for answer in answers[1:]] == [NotFoundError, ConflictError, RecordError]


async def test_customers(source: HttpSource) -> None:
    home = Address(
        kind="shipping",
        name="Ana da Silva",
        street="Rua Inventada",
        number="10",
        complement="Apto 3",
        district="Centro",
        city="São Paulo",
        state="SP",
        postal_code="01310100",
    )
    person = Customer(
        external_id="",
        name="Ana da Silva",
        person_type="F",
        document="52998224725",
        email="ana@exemplo.test",
        phone="(11) 90000-0001",
        addresses=(msgspec.structs.replace(home, kind="billing", number="20"), home),
    )
    company = Customer(
        external_id="",
        name="Padaria Fictícia Ltda.",
        person_type="J",
        document="12ABC34501DE35",
        state_registration="ISENTO",
        email="padaria@exemplo.test",
    )
    outgoing = [out(person), out(company)]
    answers = await write(
        source,
        Entity.CUSTOMERS,
        *outgoing,
        out(msgspec.structs.replace(person, email=None)),
        out(msgspec.structs.replace(person, document=None)),
    )
    made = [mapped(Entity.CUSTOMERS, answer, source.settings) for answer in answers[:2]]
    for sent, got in zip(outgoing, made, strict=True):
        assert got == msgspec.structs.replace(
            sent.record, external_id=got.external_id, updated_at=got.updated_at, reference=sent.reference
        )
    assert [type(answer.error) for answer in answers[2:]] == [RecordError, ConflictError]
    assert await read(source, Entity.CUSTOMERS, made[0].external_id) == {made[0].external_id: made[0]}
    other = msgspec.structs.replace(
        made[0], document="11222333000181", name="Ana Comércio Ltda.", addresses=()
    )
    [answer] = await write(source, Entity.CUSTOMERS, out(other, frozenset({"document", "name"})))
    now = mapped(Entity.CUSTOMERS, answer, source.settings)
    assert (now.document, now.person_type, now.name) == ("11222333000181", "J", "Ana Comércio Ltda.")
    assert now.addresses == made[0].addresses
    [answer] = await write(source, Entity.CUSTOMERS, out(made[1], frozenset({"email"})))
    assert answer.error is None
    taken = msgspec.structs.replace(made[1], email="ana@exemplo.test")
    [answer] = await write(source, Entity.CUSTOMERS, out(taken, frozenset({"email"})))
    assert isinstance(answer.error, ConflictError)


async def test_of_orders_the_status_is_written(store: Store, source: HttpSource) -> None:
    orders = [raw for raw in store.truth("orders") if raw["status"] != "trash"][5:8]
    ids = [str(raw["id"]) for raw in orders]
    known = await read(source, Entity.ORDERS, *ids)
    words = ("paid", "shipped", "other")
    sent = [
        msgspec.structs.replace(known[id_], status=word, note="x")
        for id_, word in zip(ids, words, strict=True)
    ]
    gone = msgspec.structs.replace(sent[0], external_id="999999")
    answers = await write(source, Entity.ORDERS, *map(out, (*sent, gone)))
    statuses = [answer.raw["status"] if answer.raw else type(answer.error) for answer in answers]
    assert statuses == ["processing", "completed", RecordError, NotFoundError]
    after = await read(source, Entity.ORDERS, *ids)
    assert after[ids[2]] == known[ids[2]]
    assert after[ids[0]].note == known[ids[0]].note
    writing = resource(Entity.ORDERS).writing
    assert writing is not None
    assert not writing.creates


def new(entity: Entity, key: str) -> Record:
    match entity:
        case Entity.CATEGORIES:
            return Category(external_id="", name=f"Categoria {key} & cia")
        case Entity.CUSTOMERS:
            return Customer(external_id="", name="Rui Teste", email=f"{key}@exemplo.test".lower())
        case _:
            return product(key, f"Caneca {key}")


@pytest.mark.parametrize("fault", ["lost", "truncate", "500", "html"])
@pytest.mark.parametrize("entity", [Entity.PRODUCTS, Entity.CATEGORIES, Entity.CUSTOMERS])
async def test_a_create_whose_answer_is_lost_is_found(
    store: Store, source: HttpSource, entity: Entity, fault: str
) -> None:
    outgoing = out(new(entity, f"PERDIDO-{fault}"))
    store.faults({"kind": fault, "method": "POST", "times": 1})
    with pytest.raises(UnknownOutcome):
        await write(source, entity, outgoing)
    assert store.requests()[-1]["method"] == "POST"
    found = await find(source, entity, outgoing)
    # A 500 and a page of HTML come from in front of the shop here: nothing was made.
    assert len(found.get(outgoing.reference, ())) == (fault in {"lost", "truncate"})
    for raw in found.get(outgoing.reference, ()):
        assert resource(entity).map(raw, source.settings).reference in {outgoing.reference, None}


@pytest.mark.parametrize("record", [product(None, "Vaso 'único' & raro"), shirt(None, "P", prefix="SEM")])
async def test_a_product_without_sku_is_found_by_our_id(
    store: Store, source: HttpSource, record: Product
) -> None:
    outgoing, twin = out(record), out(record)
    store.faults({"kind": "lost", "method": "POST", "times": 1})
    with pytest.raises(UnknownOutcome):
        await write(source, Entity.PRODUCTS, outgoing)
    found = await find(source, Entity.PRODUCTS, outgoing, twin)
    assert list(found) == [outgoing.reference]
    assert len(found[outgoing.reference]) == 1


async def test_a_connection_that_never_was_leaves_no_doubt(source: HttpSource) -> None:
    with start(products=1) as other:
        async with sourced(other) as closed:
            other.stop()
            with pytest.raises(TransientError):
                await write(closed, Entity.PRODUCTS, out(product("X")))


async def test_the_variants_of_a_created_product_whose_answer_is_lost(
    store: Store, source: HttpSource
) -> None:
    outgoing = out(shirt("PAR", "P", "M", prefix="PAR"))
    store.faults({"kind": "lost", "path": "variations/batch$", "times": 1})
    [answer] = await write(source, Entity.PRODUCTS, outgoing)
    assert isinstance(answer.error, UnknownOutcome)
    [raw] = (await find(source, Entity.PRODUCTS, outgoing))[outgoing.reference]
    got = product_from(raw, source.settings)
    assert [variant.sku for variant in got.variants] == ["PAR-P", "PAR-M"]
    missing = msgspec.structs.replace(
        got, variants=(*got.variants, *shirt("PAR", "G", prefix="PAR").variants)
    )
    store.faults({"kind": "lost", "path": "variations/batch$", "times": 1})
    [answer] = await write(source, Entity.PRODUCTS, out(missing, frozenset({"variants"})))
    assert isinstance(answer.error, TransientError)
    [answer] = await write(source, Entity.PRODUCTS, out(missing, frozenset({"variants"})))
    assert len(mapped(Entity.PRODUCTS, answer, source.settings).variants) == 3


async def test_records_are_found_by_natural_key_where_pairs_are_matched_so(source: HttpSource) -> None:
    known = (await read(source, Entity.CUSTOMERS, "3"))["3"]
    customer = Customer(external_id="", name="Outro", document=known.document, email=known.email.upper())
    stranger = msgspec.structs.replace(customer, document="52998224725")
    category = Category(external_id="", name="Com outro nome", slug="categoria-17")
    variable = shirt(None, "P", prefix="SKU-X")
    below = msgspec.structs.replace(
        variable, variants=(msgspec.structs.replace(variable.variants[0], sku="SKU-0000010-0"),)
    )
    cases: list[tuple[Entity, Record, str | None]] = [
        (Entity.PRODUCTS, product("sku-0000007"), "7"),
        (Entity.PRODUCTS, product("SKU-0000010-0"), None),
        (Entity.PRODUCTS, below, "10"),
        (Entity.PRODUCTS, product("NENHUM"), None),
        (Entity.CUSTOMERS, customer, "3"),
        (Entity.CUSTOMERS, stranger, None),
        (Entity.CATEGORIES, category, "17"),
    ]
    for entity, record, external_id in cases:
        outgoing = out(record)
        by_key = await find(source, entity, outgoing, matching=Matching.SKU)
        ids = [str(raw["id"]) for raw in by_key.get(outgoing.reference, ())]
        assert ids == ([external_id] if external_id else []), record
        assert await find(source, entity, outgoing, matching=Matching.ID) == {}


async def test_a_hundred_records_are_found_in_few_calls(store: Store, source: HttpSource) -> None:
    outgoing = [out(product(f"SKU-{n:07d}")) for n in range(1, 61)]
    store.clear_requests()
    found = await find(source, Entity.PRODUCTS, *outgoing, matching=Matching.SKU)
    simple = [raw for raw in store.truth("products") if raw["id"] <= 60 and raw["status"] != "trash"]
    assert {str(raws[0]["id"]) for raws in found.values()} == {str(raw["id"]) for raw in simple}
    lists = [entry for entry in store.requests() if entry["path"].endswith("/products")]
    assert len(lists) == 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "429", "retry_after": 3600}, RateLimited),
        ({"kind": "reset", "times": 9}, TransientError),
        ({"kind": "500", "times": 9}, TransientError),
    ],
)
async def test_what_fails_as_a_whole_is_raised(
    store: Store, source: HttpSource, fault: dict[str, Any], error: type[SyncError]
) -> None:
    store.faults({"method": "POST", **fault})
    level = StockLevel(external_id="7", product_id="7", on_hand=Decimal(1))
    with pytest.raises(error):
        await write(source, Entity.STOCK, out(level))


async def test_an_update_is_repeated_where_a_create_is_not(store: Store, source: HttpSource) -> None:
    known = (await read(source, Entity.PRODUCTS, "7"))["7"]
    store.faults({"kind": "500", "method": "POST", "times": 2})
    [answer] = await write(source, Entity.PRODUCTS, out(known, frozenset({"price"})))
    assert answer.error is None


async def test_a_price_is_not_written_to_a_product_with_variations(store: Store, source: HttpSource) -> None:
    known = (await read(source, Entity.PRODUCTS, "10"))["10"]
    assert known.variants
    store.clear_requests()
    dear = msgspec.structs.replace(known, price=Decimal("1.00"))
    [answer] = await write(source, Entity.PRODUCTS, out(dear, frozenset({"price"})))
    assert mapped(Entity.PRODUCTS, answer, source.settings) == known
    assert writes(store) == []


async def probed(store: Store) -> ProbeResult:
    async with signed(store) as (settings, http):
        return await probe(WOOCOMMERCE, settings, http)


async def test_a_key_that_may_only_read_is_told_from_a_wrong_one(store: Store) -> None:
    before = list(store.truth("products"))
    result = await probed(store)
    assert {check.directions for check in result.checks} == {tuple(Direction)}
    assert list(store.truth("products")) == before
    with start(products=3, permission="read") as reading:
        result = await probed(reading)
        assert result.ok
        assert {check.directions for check in result.checks} == {(Direction.IMPORT,)}
        assert all("não pode gravar" in check.message for check in result.checks)
        async with sourced(reading) as source:
            with pytest.raises(AuthorizationError, match="Leitura"):
                await write(source, Entity.PRODUCTS, out(product("X")))
        async with sourced(reading, consumer_secret="cs_" + "0" * 40) as source:
            with pytest.raises(AuthenticationError):
                await write(source, Entity.PRODUCTS, out(product("X")))


async def test_errors_of_items_hold_no_credential_and_no_person(store: Store, source: HttpSource) -> None:
    person = Customer(external_id="", name="Ana", email="cliente3@cliente.exemplo.test")
    [answer] = await write(source, Entity.CUSTOMERS, out(person))
    error = answer.error
    assert error is not None
    assert error.provider_message is not None
    assert "already registered" in error.provider_message
    shown = repr((error.message, error.provider_message))
    assert store.consumer_key not in shown
    assert "cliente3" not in shown


def test_every_entity_goes_both_ways() -> None:
    for found in WOOCOMMERCE.resources.values():
        assert found.directions == frozenset(Direction)
        assert found.read is not None
