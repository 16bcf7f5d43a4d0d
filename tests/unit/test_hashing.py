"""Equal records have equal bytes; any change shows in the hash."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.hashing import canonical, money, quantity, record_hash
from core.records import Product, Variant

amounts = st.decimals(-99999, 99999, places=4)
optional_text = st.none() | st.text(max_size=20)
moments = st.none() | st.datetimes(timezones=st.just(UTC))
options = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4)
variants = st.builds(
    Variant,
    external_id=st.text(max_size=5),
    updated_at=moments,
    sku=optional_text,
    price=st.none() | amounts.map(money),
    options=options,
)
products = st.builds(
    Product,
    external_id=st.text(max_size=5),
    updated_at=moments,
    sku=optional_text,
    name=st.text(max_size=20),
    price=st.none() | amounts.map(money),
    active=st.booleans(),
    weight_kg=st.none() | amounts.map(quantity),
    category_ids=st.lists(st.text(max_size=3), max_size=3).map(tuple),
    variants=st.lists(variants, max_size=2).map(tuple),
)


@given(amounts, st.integers(0, 6))
def test_equal_amounts_are_written_alike(value: Decimal, zeros: int) -> None:
    forms: list[Any] = [value, str(value), f"{value:f}" + "0" * zeros, f" {value} ", f"{value:E}"]
    for read in (money, quantity):
        assert {str(read(form)) for form in forms} == {str(read(value))}
        assert read(value) == value


@given(st.decimals(-99999, 99999, places=2))
def test_a_float_counts_as_it_is_written(value: Decimal) -> None:
    assert money(float(value)) == value
    assert str(money(float(value))) == str(money(value))


@pytest.mark.parametrize(
    ("given", "as_money", "as_quantity"),
    [
        ("59.9", "59.90", "59.9"),
        ("59.90", "59.90", "59.9"),
        (59.9, "59.90", "59.9"),
        (0.1 + 0.2, "0.30", "0.3"),
        ("100", "100.00", "100"),
        (100, "100.00", "100"),
        ("1E+2", "100.00", "100"),
        ("0.125", "0.125", "0.125"),
        ("0.00005", "0.00", "0"),
        ("-0", "0.00", "0"),
        ("-0.00", "0.00", "0"),
        ("-0.00001", "0.00", "0"),
        (-0.0, "0.00", "0"),
        ("-3.50", "-3.50", "-3.5"),
        ("99999999999.99", "99999999999.99", "99999999999.99"),
    ],
)
def test_the_one_form_of_an_amount(given: str | float, as_money: str, as_quantity: str) -> None:
    assert (str(money(given)), str(quantity(given))) == (as_money, as_quantity)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "abc", "1.234,56", "1,5", "--1", "1 0", "1_000", "１２", "0x10", "R$ 10", "10%"),
        *("NaN", "sNaN", "Infinity", "-inf", "1e40", "1e999999999999999999999", "9" * 400),
        *(float("nan"), float("inf"), True, None, [], {}, "\ud800"),
    ],
)
def test_what_is_no_amount_is_refused(value: Any) -> None:
    for read in (money, quantity):
        with pytest.raises(ValueError, match=r"não é um número|fora do intervalo"):
            read(value)


@given(products)
def test_the_bytes_come_back_as_the_same_record(product: Product) -> None:
    written = canonical(product)
    again = msgspec.json.decode(written, type=Product)
    assert again == product
    assert canonical(again) == written


@given(products, products)
def test_hashes_are_equal_where_records_are(one: Product, other: Product) -> None:
    hashes = [record_hash(canonical(product), 1) for product in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)
    assert len(hashes[0]) == 32


@given(options)
def test_the_order_of_options_does_not_count(given_options: dict[str, str]) -> None:
    turned = dict(reversed(given_options.items()))
    one, other = (Variant(external_id="1", sku="A", options=order) for order in (given_options, turned))
    assert canonical(one) == canonical(other)


CHANGES: dict[str, Any] = {
    "external_id": "2",
    "updated_at": datetime(2026, 4, 20, 12, 0, 1, tzinfo=UTC),
    "reference": "0193-a",
    "sku": None,
    "name": "Outro",
    "description": "Outra",
    "price": Decimal("59.91"),
    "sale_price": Decimal("0.00"),
    "gtin": "7891000315507",
    "active": False,
    "weight_kg": Decimal("1.5001"),
    "length_cm": Decimal(1),
    "width_cm": Decimal(1),
    "height_cm": Decimal(1),
    "category_ids": ("2", "1"),
    "image_urls": ("https://loja.example/2.png",),
    "variants": (Variant(external_id="9", sku=None),),
}
PRODUCT = Product(
    external_id="1",
    updated_at=datetime(2026, 4, 20, 12, tzinfo=UTC),
    sku="CAF-1",
    name="Café",
    price=Decimal("59.90"),
    weight_kg=Decimal("1.5"),
    category_ids=("1", "2"),
)


@pytest.mark.parametrize("field", Product.__struct_fields__)
def test_a_change_of_any_field_changes_the_hash(field: str) -> None:
    changed = msgspec.structs.replace(PRODUCT, **{field: CHANGES[field]})
    assert record_hash(canonical(changed), 1) != record_hash(canonical(PRODUCT), 1)


def test_the_version_counts() -> None:
    written = canonical(PRODUCT)
    hashes = {record_hash(written, version) for version in range(1, 30)}
    assert len(hashes) == 29
    # "1:" + "1…" must not read like version 11.
    assert record_hash(b"1:x", 1) != record_hash(b"x", 11)


def test_hashes_last_between_releases() -> None:
    """They are stored: another encoding would write every record once more."""
    assert canonical(PRODUCT).startswith(
        b'{"external_id":"1","updated_at":"2026-04-20T12:00:00Z","reference":null,"sku":"CAF-1",'
        b'"name":"Caf\xc3\xa9","description":"","price":"59.90","sale_price":null'
    )
