"""What is written means what was read: `map` of `unmap` gives the declared fields back."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entities import Entity
from core.errors import RecordError
from core.records import Address, Category, Customer, Order, Product, StockLevel, Variant
from core.spec import Raw
from core.trees import tree
from providers.woocommerce.mapping import (
    LENGTH_CM,
    REFERENCE,
    WEIGHT_KG,
    category_from,
    customer_from,
    order_from,
    product_from,
    stock_from,
)
from providers.woocommerce.reading import split_stock
from providers.woocommerce.unmapping import (
    CATEGORY,
    CUSTOMER,
    PRODUCT,
    attributes_with,
    category_body,
    customer_body,
    order_body,
    product_body,
    stock_body,
    variant_bodies,
)
from providers.woocommerce.writing import WRITING
from sandbox.process import Store

RECORDED = Path(__file__).parents[3] / "shared" / "specs" / "woocommerce" / "recorded"
SETTINGS = {"base_url": "https://loja.exemplo.test", "weight_unit": "kg", "dimension_unit": "cm"}
MINIMAL = {"id": 1, "status": "publish", "name": "", "attributes": []}


def put(raw: Raw, body: Raw) -> Raw:
    """As the shop takes a write: objects are joined, free fields go by key, the rest is replaced."""
    found = dict(raw)
    for name, value in body.items():
        if name == "meta_data":
            rows = {item["key"]: item for item in found.get(name, ())} | {item["key"]: item for item in value}
            found[name] = [item for item in rows.values() if item["value"] is not None]
        elif isinstance(value, dict):
            found[name] = {**found.get(name, {}), **value}
        else:
            found[name] = value
    return found


def created(record: Product, settings: Mapping[str, str]) -> Raw:
    raw = put(MINIMAL, product_body(record, PRODUCT, settings))
    if record.variants:
        raw["attributes"] = attributes_with((), record.variants)
    bodies = variant_bodies(record.variants, (), raw["attributes"], settings)
    return raw | {"_variations": [{"id": place, **body} for place, body in enumerate(bodies, 1)]}


def kept(record: Product) -> dict[str, Any]:
    """The declared fields; a product with variants has no price of its own."""
    found = tree(record, PRODUCT)
    if record.variants:
        del found["price"], found["sale_price"]
    return found


def with_variations(products: Sequence[Raw], variations: Sequence[Raw]) -> Iterator[Raw]:
    for raw in products:
        parts = [item for item in variations if item["parent_id"] == raw["id"]]
        yield raw | ({"_variations": parts} if raw["type"] == "variable" else {})


def recorded(marker: str, lacking: str = "") -> list[Raw]:
    if not RECORDED.exists():
        return []
    found: list[Raw] = []
    for path in sorted(RECORDED.glob("*.json")):
        body = msgspec.json.decode(path.read_bytes()).get("response", {}).get("body")
        rows = body if isinstance(body, list) else [body]
        found += [row for row in rows if isinstance(row, dict) and marker in row and lacking not in row]
    return found


def check_product(raw: Raw, settings: Mapping[str, str] = SETTINGS) -> None:
    record = product_from(raw, settings)
    assert kept(product_from(created(record, settings), settings)) == kept(record)
    updated = put(raw, product_body(record, PRODUCT, settings))
    assert tree(product_from(updated, settings), PRODUCT) == tree(record, PRODUCT)
    current = raw.get("_variations", ())
    assert variant_bodies(record.variants, current, raw["attributes"], settings) == []
    assert attributes_with(raw["attributes"], record.variants) == raw["attributes"]


def check_customer(raw: Raw) -> None:
    try:
        record = customer_from(raw, SETTINGS)
    except RecordError:
        return
    if raw["first_name"] or raw["last_name"]:
        again = put({"id": 1}, customer_body(record, CUSTOMER, new=True))
        assert tree(customer_from(again, SETTINGS), CUSTOMER) == tree(record, CUSTOMER)
    updated = put(raw, customer_body(record, CUSTOMER, new=False))
    assert tree(customer_from(updated, SETTINGS), CUSTOMER) == tree(record, CUSTOMER)


def test_records_of_the_stand_in_come_back(store: Store) -> None:
    products = list(with_variations(list(store.truth("products")), list(store.truth("variations"))))
    for raw in products:
        check_product(raw)
        for level in split_stock(raw):
            stock = stock_from(level, SETTINGS)
            assert stock_from(put(level, stock_body(stock)), SETTINGS) == stock
    for raw in store.truth("customers"):
        check_customer(raw)
    for raw in store.truth("categories"):
        category = category_from(raw, SETTINGS)
        assert (
            category_from(put({"id": category.external_id}, category_body(category, CATEGORY)), {})
            == category
        )
    for raw in store.truth("orders"):
        order = order_from(raw, SETTINGS)
        assert order_from(put(raw, order_body(order)), SETTINGS) == order
    assert sum(bool(raw.get("_variations")) for raw in products) > 10


@pytest.mark.skipif(not RECORDED.exists(), reason="shared/specs/woocommerce/recorded is not here")
def test_recorded_records_come_back() -> None:
    variations = [raw for raw in recorded("parent_id", "price_html") if raw.get("type") == "variation"]
    products = [raw for raw in recorded("price_html") if "_links" in raw]
    for raw in with_variations(products, variations):
        if raw["type"] != "variable" or raw["_variations"]:
            check_product(raw)
    customers = recorded("is_paying_customer")
    for raw in customers:
        check_customer(raw)
    for raw in recorded("display", "sku"):
        category = category_from(raw, SETTINGS)
        assert category_from(put(raw, category_body(category, CATEGORY)), SETTINGS) == category
    assert len(products) > 30
    assert len(customers) > 5


amounts = st.none() | st.decimals(0, 10_000_000, places=2)
measures = st.none() | st.decimals(0, 10_000, places=4).map(lambda value: value.normalize() + 0)
words = st.text("aáç &Z-9", max_size=20).map(str.strip)


@given(
    amounts,
    amounts,
    st.tuples(measures, measures, measures, measures),
    st.booleans(),
    st.sampled_from(list(WEIGHT_KG)),
    st.sampled_from(list(LENGTH_CM)),
)
def test_any_price_and_size_comes_back_in_every_unit(
    price: Decimal | None,
    sale_price: Decimal | None,
    sizes: tuple[Decimal | None, ...],
    active: bool,
    weight: str,
    length: str,
) -> None:
    weight_kg, length_cm, width_cm, height_cm = sizes
    record = Product(
        external_id="1",
        sku="A",
        name="Caneca",
        price=price,
        sale_price=sale_price,
        active=active,
        weight_kg=weight_kg,
        length_cm=length_cm,
        width_cm=width_cm,
        height_cm=height_cm,
    )
    settings = SETTINGS | {"weight_unit": weight, "dimension_unit": length}
    raw = created(record, settings)
    assert all(isinstance(raw[name], str) for name in ("regular_price", "sale_price", "weight"))
    assert product_from(raw, settings) == record


addresses = st.builds(
    Address,
    kind=st.just("billing"),
    name=words,
    street=words.filter(bool),
    number=words,
    complement=words,
    district=words,
    postal_code=st.from_regex(r"[0-9]{8}", fullmatch=True),
)


@given(
    st.sampled_from([None, "52998224725", "11222333000181", "12ABC34501DE35"]),
    words.filter(bool),
    st.sampled_from([None, "ISENTO", "123456"]),
    st.sampled_from([None, "(11) 90000-0001"]),
    addresses | st.none(),
    addresses.map(lambda address: msgspec.structs.replace(address, kind="shipping")) | st.none(),
)
def test_any_customer_comes_back_also_over_another_one(
    document: str | None,
    name: str,
    registration: str | None,
    phone: str | None,
    billing: Address | None,
    shipping: Address | None,
) -> None:
    record = Customer(
        external_id="1",
        name=name,
        document=document,
        state_registration=registration,
        email="ana@exemplo.test",
        phone=phone,
        addresses=tuple(address for address in (billing, shipping) if address is not None),
    )
    expected = tree(record, CUSTOMER)
    another = Customer(
        external_id="1",
        name="Outra Empresa Ltda.",
        document="45997418000153",
        state_registration="9",
        email="outra@exemplo.test",
        phone="1",
        addresses=tuple(
            Address(kind=kind, name="Outra Empresa", street="Rua", number="1", district="Centro", state="SP")
            for kind in ("billing", "shipping")
        ),
    )
    for start in ({"id": 1}, put({"id": 1}, customer_body(another, CUSTOMER, new=True))):
        raw = put(start, customer_body(record, CUSTOMER, new="email" not in start))
        assert tree(customer_from(raw, SETTINGS), CUSTOMER) == expected


def test_only_the_fields_that_changed_are_in_a_body() -> None:
    record = Product(external_id="1", sku=None, name="Caneca", price=Decimal("5.00"), length_cm=Decimal(3))
    assert product_body(record, {"sale_price"}, SETTINGS) == {"sale_price": ""}
    assert product_body(record, {"price", "length_cm"}, SETTINGS) == {
        "regular_price": "5.00",
        "dimensions": {"length": "3"},
    }
    customer = Customer(external_id="1", name="Ana da Silva", document="52998224725", phone="1")
    assert customer_body(customer, {"name"}, new=False) == {"first_name": "Ana", "last_name": "da Silva"}
    assert customer_body(customer, {"phone"}, new=False) == {"billing": {"phone": "1"}}
    assert category_body(Category(external_id="1", name="A"), {"slug"}) == {}


def test_variations_are_told_apart_by_id_by_sku_and_by_their_choices() -> None:
    def raw(id_: int, sku: str, size: str) -> Raw:
        attributes = [{"id": 7, "name": "Tamanho", "option": size}]
        return {"id": id_, "sku": sku, "regular_price": "5", "status": "publish", "attributes": attributes}

    current = [raw(1, "A", "P"), raw(2, "b", "M"), raw(3, "", "G"), raw(4, "D", "GG")]
    price = Decimal("5.00")
    wanted = (
        Variant(external_id="1", sku="A-1", price=price, options={"Tamanho": "P"}),
        Variant(external_id="", sku="B", price=Decimal("6.00"), options={"Tamanho": "M"}),
        Variant(external_id="", sku="C", price=price, options={"Tamanho": "G"}),
        Variant(external_id="", sku="E", price=price, options={"Tamanho": "XG"}),
    )
    attributes = [{"id": 7, "name": "Tamanho", "options": ["P", "M", "G", "GG", "XG"]}]
    assert variant_bodies(wanted, current, attributes, SETTINGS) == [
        {"id": 1, "sku": "A-1"},
        {"id": 2, "sku": "B", "regular_price": "6.00"},
        {"id": 3, "sku": "C"},
        {
            "sku": "E",
            "regular_price": "5.00",
            "sale_price": "",
            "global_unique_id": "",
            "status": "publish",
            "attributes": [{"id": 7, "name": "Tamanho", "option": "XG"}],
            "weight": "",
        },
        {"id": 4, "status": "private"},
    ]


def test_an_order_in_a_status_the_shop_does_not_have_is_refused(store: Store) -> None:
    order = order_from(next(store.truth("orders")), SETTINGS)
    shipped = msgspec.structs.replace(order, status="shipped")
    assert order_body(shipped) == {"status": "completed"}
    with pytest.raises(RecordError, match="other"):
        order_body(msgspec.structs.replace(order, status="other"))


def test_our_id_is_read_from_its_free_field(store: Store) -> None:
    mine = {"id": 1, "key": REFERENCE, "value": "0190-abc"}
    kinds = {"products": product_from, "customers": customer_from, "orders": order_from}
    for kind, mapper in kinds.items():
        raw = next(store.truth(kind))
        assert mapper(raw, SETTINGS).reference is None
        assert mapper(raw | {"meta_data": [*raw["meta_data"], mine]}, SETTINGS).reference == "0190-abc"


def test_what_is_declared_exists() -> None:
    records = {
        Entity.CATEGORIES: Category,
        Entity.PRODUCTS: Product,
        Entity.CUSTOMERS: Customer,
        Entity.STOCK: StockLevel,
        Entity.ORDERS: Order,
    }
    for entity, writing in WRITING.items():
        assert writing.fields <= set(records[entity].__struct_fields__)
