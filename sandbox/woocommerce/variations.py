"""The variations of the products that a shop begins with."""

import json
from array import array
from functools import cached_property

from sandbox.woocommerce import prices
from sandbox.woocommerce.dates import local, text
from sandbox.woocommerce.links import links
from sandbox.woocommerce.php import Record, Template
from sandbox.woocommerce.products import (
    COLOURS,
    SIZES,
    VARIATION_BASE,
    Products,
    mixed,
    variation_price,
)
from sandbox.woocommerce.timeline import Key, Listed, Ordered

# The first products of five have 3, 4, 5, 6 and 2 variations.
_BEFORE = (0, 3, 7, 12, 18)
_FIVE = 20


def sample(base: str) -> Record:
    place = f"{base}/product/{{slug}}/?attribute_pa_cor={{colour_slug}}&attribute_pa_tamanho={{size_slug}}"
    return {
        "id": "{#id}",
        "type": "variation",
        "date_created": "{created_local}",
        "date_created_gmt": "{created}",
        "date_modified": "{modified_local}",
        "date_modified_gmt": "{modified}",
        "description": "",
        "permalink": place,
        "sku": "{sku}",
        "global_unique_id": "",
        "price": "{price}",
        "regular_price": "{price}",
        "sale_price": "",
        "date_on_sale_from": None,
        "date_on_sale_from_gmt": None,
        "date_on_sale_to": None,
        "date_on_sale_to_gmt": None,
        "on_sale": False,
        "status": "publish",
        "purchasable": True,
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "tax_status": "taxable",
        "tax_class": "",
        "manage_stock": True,
        "stock_quantity": "{#stock}",
        "stock_status": "{stock_status}",
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "weight": "0.3",
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_class": "",
        "shipping_class_id": 0,
        "image": None,
        "attributes": [
            {"id": 1, "name": "Cor", "slug": "pa_cor", "option": "{colour}"},
            {"id": 2, "name": "Tamanho", "slug": "pa_tamanho", "option": "{size}"},
        ],
        "menu_order": 0,
        "meta_data": [{"id": "{#id}", "key": "codigo_cor", "value": "0{place}"}],
        "name": "{colour}, {size}",
        "parent_id": "{#parent}",
        "_links": links(base, "products/{parent}/variations", "{id}", up="products/{parent}"),
    }


class Variations:
    """Ids `100_000_000 + 10 * product + 0…5`; dates are those of the product."""

    kind = "variations"

    def __init__(self, products: Products) -> None:
        self._products = products
        self._template = Template(sample(products.base))

    def __contains__(self, id_: int) -> bool:
        parent = self.parent(id_)
        return parent in self._products and id_ in self._products.variations(parent)

    def parent(self, id_: int) -> int:
        return (id_ - VARIATION_BASE) // 10

    def order(self, by: str) -> Ordered | None:
        if by == "id":
            return _ById(self._products)
        if by == "date":
            return Listed(_ById(self._products), lambda id_: (self.created(id_), id_))  # type: ignore[arg-type]
        if by == "modified":
            return Listed(self._by_modified, lambda id_: (self.modified(id_), id_))
        return None

    def created(self, id_: int) -> int:
        return self._products.created(self.parent(id_))

    def modified(self, id_: int) -> int:
        return self._products.modified(self.parent(id_))

    def sku(self, id_: int) -> str:
        sku = self._products.sku(self.parent(id_))
        return f"{sku}-{id_ % 10}" if sku else ""

    def price(self, id_: int) -> str:
        return variation_price(self._products.price(self.parent(id_)), id_ % 10)

    def name(self, id_: int) -> str:
        return f"{COLOURS[id_ % 10 % 3]}, {SIZES[id_ % 10 // 3]}"

    def body(self, id_: int) -> str:
        parent = self.parent(id_)
        created, modified = self.created(id_), self.modified(id_)
        stock = mixed(id_, self._products.seed) % 40 - 1
        colour, size = COLOURS[id_ % 10 % 3], SIZES[id_ % 10 // 3]
        return self._template.fill(
            {
                "id": id_,
                "parent": parent,
                "place": id_ % 10,
                "slug": f"caneca-pires-araucaria-{parent}",
                "created_local": local(created),
                "created": text(created),
                "modified_local": local(modified),
                "modified": text(modified),
                "sku": self.sku(id_),
                "price": self.price(id_),
                "stock": stock,
                "stock_status": "instock" if stock > 0 else "outofstock",
                "colour": colour,
                "colour_slug": colour.lower(),
                "size": size,
                "size_slug": size.lower(),
            }
        )

    def facts(self, id_: int) -> Record:
        record: Record = json.loads(self.body(id_))
        return record

    @cached_property
    def _by_modified(self) -> "array[int]":
        every = self._products.variable_every
        parents = self._products.order("modified")
        if not every or parents is None:
            return array("Q")
        variable = (id_ for id_ in map(parents.__getitem__, range(len(parents))) if id_ % every == 0)
        return array("Q", (id_ for parent in variable for id_ in self._products.variations(parent)))


def as_product(variation: Record, parent: Record, base: str) -> Record:
    """A variation as `GET /products?sku=` and webhooks show it: in the shape of a product."""
    own = {key: value for key, value in variation.items() if key not in {"image", "_links"}}
    return {
        "slug": f"{parent['slug']}-{variation['id']}",
        "featured": False,
        "catalog_visibility": "visible",
        "short_description": "",
        "total_sales": "0",
        "external_url": "",
        "button_text": "",
        "sold_individually": False,
        "shipping_required": True,
        "shipping_taxable": True,
        "reviews_allowed": False,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "purchase_note": "",
        "categories": [],
        "brands": [],
        "tags": [],
        "images": [],
        "default_attributes": [],
        "variations": [],
        "grouped_products": [],
        "price_html": prices.html(variation["price"], variation["regular_price"]),
        "related_ids": [],
        "has_options": False,
        "post_password": "",
        **own,
        "name": f"{parent['name']} - {variation['name']}",
        "_links": links(base, "products", variation["id"], up=f"products/{parent['id']}"),
    }


class _ById:
    """Variable products in the order of their ids, and the variations of each."""

    def __init__(self, products: Products) -> None:
        self._products = products
        every, count = products.variable_every, products.time.count
        self._fives, self._rest = divmod(count // every if every else 0, 5)

    def __len__(self) -> int:
        return self._fives * _FIVE + _BEFORE[self._rest]

    def __getitem__(self, index: int) -> int:
        if index < 0:
            index += len(self)
        fives, rest = divmod(index, _FIVE)
        place = sum(before <= rest for before in _BEFORE) - 1
        parent = (fives * 5 + place + 1) * self._products.variable_every
        return self._products.variations(parent)[rest - _BEFORE[place]]

    def find(self, key: Key) -> int:
        id_: int = key[-1]
        parent, place = divmod(id_ - VARIATION_BASE, 10)
        every = self._products.variable_every
        if parent < 0 or not every:
            return 0
        whole = min((parent - 1) // every if parent else 0, self._products.time.count // every)
        fives, rest = divmod(whole, 5)
        before = fives * _FIVE + _BEFORE[rest]
        return min(before + min(place, len(self._products.variations(parent))), len(self))
