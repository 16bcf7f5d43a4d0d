"""Values of records as people in Brazil read and type them."""

from typing import Any

import pytest

from core.entities import Entity
from core.errors import ConfigurationError
from core.fields import NAMES, Shape, editable, name, shape, shown, typed
from core.records import RECORDS
from core.trees import OUTSIDE


def test_every_field_of_every_record_has_a_name() -> None:
    fields = {field for record in RECORDS.values() for field in record.__struct_fields__}
    assert fields - OUTSIDE - NAMES.keys() == set()


@pytest.mark.parametrize(
    ("entity", "steps", "expected"),
    [
        (Entity.PRODUCTS, ["price"], Shape.MONEY),
        (Entity.PRODUCTS, ["weight_kg"], Shape.NUMBER),
        (Entity.PRODUCTS, ["active"], Shape.FLAG),
        (Entity.PRODUCTS, ["name"], Shape.TEXT),
        (Entity.PRODUCTS, ["image_urls"], Shape.LIST),
        (Entity.PRODUCTS, ["variants", "CAN.1", "sale_price"], Shape.MONEY),
        (Entity.PRODUCTS, ["variants", "CAN.1"], Shape.LIST),
        (Entity.CATEGORIES, ["position"], Shape.COUNT),
        (Entity.ORDERS, ["placed_at"], Shape.MOMENT),
        (Entity.ORDERS, ["items"], Shape.LIST),
        (Entity.CUSTOMERS, ["addresses", "billing", "city"], Shape.TEXT),
        (Entity.RECEIVABLES, ["due_on"], Shape.DAY),
    ],
)
def test_the_shape_of_a_field_comes_from_its_record(
    entity: Entity, steps: list[str], expected: Shape
) -> None:
    assert shape(entity, steps) is expected


@pytest.mark.parametrize(
    ("value", "of", "field", "text"),
    [
        ("1234.50", Shape.MONEY, "price", "R$ 1.234,50"),
        ("0.0125", Shape.MONEY, "price", "R$ 0,0125"),
        ("0.35", Shape.NUMBER, "weight_kg", "0,35 kg"),
        ("1200", Shape.NUMBER, "on_hand", "1.200"),
        (False, Shape.FLAG, "active", "não"),
        ("2026-11-24T17:05:00Z", Shape.MOMENT, "paid_at", "24/11/2026 14:05"),
        ("2026-11-24", Shape.DAY, "due_on", "24/11/2026"),
        ("shipped", Shape.TEXT, "status", "enviado"),
        (["a", "b"], Shape.LIST, "image_urls", "a, b"),
        ([{"external_id": "9", "name": "Caneca", "unit_price": "9.90"}], Shape.LIST, "items",
         "nome: Caneca, preço unitário: R$ 9,90"),
        (None, Shape.MONEY, "price", "—"),
        ("novo", Shape.MONEY, "price", "novo"),
    ],
)  # fmt: skip
def test_values_are_read_as_in_brazil(value: Any, of: Shape, field: str, text: str) -> None:
    assert shown(value, of, field) == text


@pytest.mark.parametrize(
    ("value", "of"),
    [
        ("1234.50", Shape.MONEY),
        ("0.35", Shape.NUMBER),
        (1200, Shape.COUNT),
        (False, Shape.FLAG),
        ("2026-11-24T17:05:00Z", Shape.MOMENT),
        ("2026-11-24", Shape.DAY),
        ("Caneca, azul", Shape.TEXT),
        (None, Shape.TEXT),
    ],
)
def test_what_is_offered_for_typing_is_the_value_when_it_is_left_alone(value: Any, of: Shape) -> None:
    assert typed(editable(value, of), of, "name") == value


@pytest.mark.parametrize(
    ("words", "of"),
    [("dez", Shape.MONEY), ("1,2,3", Shape.NUMBER), ("talvez", Shape.FLAG), ("2026-11-24", Shape.DAY)],
)
def test_what_cannot_be_is_refused_with_an_example(words: str, of: Shape) -> None:
    with pytest.raises(ConfigurationError, match="use "):
        typed(words, of, "price")


def test_thousands_have_dots_and_reais_a_sign() -> None:
    assert typed("R$ 1.234,5", Shape.MONEY, "price") == "1234.50"
    assert typed("1234.5", Shape.MONEY, "price") == "1234.50"


def test_parts_are_named_with_their_key() -> None:
    assert name(["variants", "CAN.1", "price"]) == "variações › CAN.1 › preço"
    assert name(["addresses", "shipping", "city"]) == "endereços › entrega › cidade"
