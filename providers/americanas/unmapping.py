"""Canonical fields as SkyHub takes them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.errors import RecordError
from core.records import Product, Variant
from core.spec import Raw, Settings
from providers.americanas.mapping import DISABLED, ENABLED

PRICES = frozenset({"price", "sale_price"})
PRICES_THERE = ("price", "promotional_price")
MEASURES = {"weight_kg": "weight", "length_cm": "length", "width_cm": "width", "height_cm": "height"}
PRODUCT = PRICES | {"name", "description", "gtin", "active", "image_urls", "variants", *MEASURES}
Attributes = Sequence[Mapping[str, Any]]
"""Of a category, one row for each value that an attribute may have."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`by_attribute`: options are ids of the category's attributes, brand and category are obligatory and no
    price is zero, as since 31 March 2025. Before that options were names, and the rest was free."""

    by_attribute: bool

    def new_product(self, record: Product, settings: Settings, attributes: Attributes) -> Raw:
        """Without stock: that is a record of its own."""
        if not record.sku:
            raise RecordError("Produto sem SKU: na SkyHub o SKU é o código do produto.", field="sku")
        body = {"sku": record.sku, "qty": 0, **self.product_body(record, PRODUCT)}
        body["variations"] = [self.new_variation(one, record, attributes) for one in record.variants]
        if self.by_attribute:
            body["brand"] = _brand(settings)
            name = settings.get("category_field") or "id"
            body["categories"] = [{name: id_} for id_ in _category(record)]
        else:
            options = [name for one in record.variants for name in one.options]
            body["variation_attributes"] = list(dict.fromkeys(options))
        return body

    def product_body(self, record: Product, fields: Collection[str]) -> Raw:
        body: Raw = {}
        values: Mapping[str, tuple[str, Any]] = {
            "name": ("name", record.name),
            "description": ("description", record.description),
            "active": ("status", ENABLED if record.active else DISABLED),
            "gtin": ("ean", record.gtin or ""),
            "image_urls": ("images", list(record.image_urls)),
        }
        for field, (name, value) in values.items():
            body |= {name: value} if field in fields else {}
        for field, name in MEASURES.items():
            value = getattr(record, field)
            body |= {name: float(value)} if field in fields and value is not None else {}
        return body | (self._prices(record.price, record.sale_price) if PRICES & set(fields) else {})

    def new_variation(self, variant: Variant, product: Product, attributes: Attributes) -> Raw:
        if not variant.sku:
            raise RecordError("Variação sem SKU: na SkyHub o SKU é o código dela.", field="variations.sku")
        options = [self._option(name, value, attributes) for name, value in variant.options.items()]
        return {
            "sku": variant.sku,
            "qty": 0,
            **self._variation(variant, product),
            "specifications": options,
        }

    def changed(self, variant: Variant, product: Product, known: Variant) -> Raw:
        """What differs from the variation as it is there; both prices go together."""
        old = self._variation(known, product, strict=False)
        new = self._variation(variant, product)
        body = {name: value for name, value in new.items() if old.get(name) != value}
        both = {name: new[name] for name in PRICES_THERE} if body.keys() & set(PRICES_THERE) else {}
        return body | both

    def _variation(self, variant: Variant, product: Product, *, strict: bool = True) -> Raw:
        """With the product's prices where it has none: it would take them once, and never again."""
        own = variant.price is not None
        priced = variant if own or not strict else product
        weight = {} if variant.weight_kg is None else {"weight": float(variant.weight_kg)}
        return {
            **self._prices(priced.price, priced.sale_price, strict=strict),
            "status": ENABLED if variant.active else DISABLED,
            "ean": variant.gtin or "",
            **weight,
        }

    def _prices(self, price: Decimal | None, sale_price: Decimal | None, *, strict: bool = True) -> Raw:
        if strict and self.by_attribute and not price:
            raise RecordError("A Americanas não aceita preço vazio ou zero.", field="price")
        selling = sale_price or (price if self.by_attribute else None)
        return {
            "price": None if price is None else float(price),
            "promotional_price": None if selling is None else float(selling),
        }

    def _option(self, name: str, value: str, attributes: Attributes) -> Raw:
        if not self.by_attribute:
            return {"key": name, "value": value}
        rows = [row for row in attributes if _same(row.get("name"), name)]
        if not rows:
            known = sorted({str(row.get("name")) for row in attributes if row.get("variant")})
            text = f"A categoria não tem o atributo {name!r}; os de variação: {', '.join(known) or 'nenhum'}."
            raise RecordError(text, field="specifications")
        option = next((row for row in rows if row.get("valueId") and _same(row.get("value"), value)), None)
        id_ = str(rows[0].get("nameId"))
        return {"id": id_, "idValue": str(option["valueId"])} if option else {"id": id_, "value": value}


def _same(one: Any, other: str) -> bool:
    return str(one or "").strip().casefold() == other.strip().casefold()


def _brand(settings: Settings) -> str:
    brand = settings.get("brand")
    if not brand:
        raise RecordError("Produto novo precisa de marca: preencha Marca dos produtos novos.", field="brand")
    return brand


def _category(record: Product) -> Sequence[str]:
    if not record.category_ids:
        text = (
            "Produto novo precisa de uma categoria da Americanas: importe as categorias e escolha uma no ERP."
        )
        raise RecordError(text, field="categories")
    return record.category_ids[:1]
