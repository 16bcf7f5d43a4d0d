"""The mapping held against answers of a running WooCommerce 10.5, where the recordings are present."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import RecordError
from core.hashing import canonical
from core.records import Order, Product
from providers.woocommerce.mapping import category_from, customer_from, order_from, product_from, stock_from
from providers.woocommerce.reading import split_stock

RECORDED = Path(__file__).parents[3] / "shared" / "specs" / "woocommerce" / "recorded"
pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason="shared/specs/woocommerce/recorded is not here")
SETTINGS = {"base_url": "https://loja.exemplo.test"}


def records(marker: str, lacking: str = "") -> Iterator[dict[str, Any]]:
    """Every recorded object that has the field `marker`."""
    for path in sorted(RECORDED.glob("*.json")):
        exchange = msgspec.json.decode(path.read_bytes())
        if any(name == "_fields" for name, _ in exchange["request"].get("query") or ()):
            continue
        body = exchange.get("response", {}).get("body")
        for item in body if isinstance(body, list) else [body]:
            if isinstance(item, dict) and marker in item and (not lacking or lacking not in item):
                yield item


def test_every_recorded_product_is_mapped() -> None:
    seen = list(records("short_description"))
    for raw in seen:
        product = product_from(raw, SETTINGS)
        assert canonical(product)
        assert "&amp;" not in product.name
        assert product.price is None or product.price == Decimal(raw["regular_price"] or raw["price"])
    assert len(seen) > 30


def test_every_recorded_order_is_mapped_and_adds_up() -> None:
    seen = [raw for raw in records("line_items") if raw["status"] != "checkout-draft"]
    for raw in seen:
        order = order_from(raw, SETTINGS)
        assert isinstance(order, Order)
        assert order.total == order.items_total - order.discount + order.shipping + order.fees + order.tax
        assert sum(item.total for item in order.items) == order.items_total - order.discount
        assert order.buyer_document is None or len(order.buyer_document) in (11, 14)
    assert len(seen) > 5


def test_an_order_with_an_invalid_document_arrives_with_a_remark() -> None:
    invalid = [
        order for raw in records("line_items") if "inválido" in (order := order_from(raw, SETTINGS)).note
    ]
    assert invalid
    assert all(order.buyer_document is None for order in invalid)


def test_recorded_customers_are_mapped_or_say_which_field_is_wrong() -> None:
    fields = set()
    mapped = 0
    for raw in records("is_paying_customer"):
        try:
            customer = customer_from(raw, SETTINGS)
        except RecordError as error:
            fields.add(error.field)
            continue
        mapped += 1
        assert customer.name
    assert mapped > 1
    assert fields <= {"billing.cpf/cnpj"}


def test_recorded_variations_belong_to_their_product() -> None:
    product = next(raw for raw in records("short_description") if raw["id"] == 281)
    variations = [raw for raw in records("parent_id", "short_description") if raw["parent_id"] == 281]
    variations = [raw for raw in variations if raw.get("type") == "variation"]
    mapped = product_from({**product, "_variations": variations}, SETTINGS)
    assert isinstance(mapped, Product)
    assert {variant.options["Cor"] for variant in mapped.variants}
    stock = [stock_from(raw, SETTINGS) for raw in split_stock({**product, "_variations": variations})]
    assert stock
    assert all(level.product_id == "281" and level.variant_id for level in stock)


def test_recorded_categories_are_mapped() -> None:
    seen = [category_from(raw, SETTINGS) for raw in records("display", "sku")]
    assert {category.parent_id is None for category in seen} == {True, False}
