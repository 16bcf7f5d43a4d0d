"""The products that a shop of any size begins with: made from their id whenever they are asked for."""

import re
from collections.abc import Callable
from functools import cache

from sandbox.woocommerce import prices
from sandbox.woocommerce.dates import both
from sandbox.woocommerce.links import links
from sandbox.woocommerce.php import Record, Template, escape
from sandbox.woocommerce.timeline import TIE, ByCreated, ById, ByModified, Ordered, Timeline

VARIATION_BASE = 100_000_000
COLOURS = ("Azul", "Branco", "Preto")
SIZES = ("P", "M")
NCM = ("6912.00.00", "0901.21.00", "6403.99.90", "6109.10.00")
_SKU = re.compile(r"sku-(\d{7,})(?:-(\d))?")


def mixed(id_: int, seed: int) -> int:
    """32 well-spread bits of an id."""
    number = (id_ * 0x9E3779B1 + seed * 0x85EBCA6B) & 0xFFFFFFFF
    return (number ^ number >> 15) * 0x2C1B3C6D >> 7 & 0xFFFFFFFF


def sample(base: str) -> Record:
    """Every field of a product, with what most have in common."""
    return {
        "id": "{#id}",
        "name": "{name}",
        "slug": "{slug}",
        "permalink": f"{base}/product/{{slug}}/",
        "date_created": "{created_local}",
        "date_created_gmt": "{created}",
        "date_modified": "{modified_local}",
        "date_modified_gmt": "{modified}",
        "type": "simple",
        "status": "{status}",
        "featured": False,
        "catalog_visibility": "visible",
        "description": "<p>{name}: produto de demonstração nº {id}. Garantia de 90 dias.</p>\n",
        "short_description": "<p>{name}</p>\n",
        "sku": "{sku}",
        "price": "{price}",
        "regular_price": "{regular_price}",
        "sale_price": "{sale_price}",
        "date_on_sale_from": None,
        "date_on_sale_from_gmt": None,
        "date_on_sale_to": None,
        "date_on_sale_to_gmt": None,
        "on_sale": "{#on_sale}",
        "purchasable": True,
        "total_sales": "{#total_sales}",
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "external_url": "",
        "button_text": "",
        "tax_status": "taxable",
        "tax_class": "",
        "manage_stock": True,
        "stock_quantity": "{#stock}",
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "sold_individually": False,
        "weight": "{weight}",
        "dimensions": {"length": "{length}", "width": "{width}", "height": "7.5"},
        "shipping_required": True,
        "shipping_taxable": True,
        "shipping_class": "",
        "shipping_class_id": 0,
        "reviews_allowed": True,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": 0,
        "purchase_note": "",
        "categories": [
            {"id": "{#category}", "name": "Categoria {category} &amp; cia", "slug": "categoria-{category}"}
        ],
        "brands": [],
        "tags": [],
        "images": [],
        "attributes": [],
        "default_attributes": [],
        "variations": [],
        "grouped_products": [],
        "menu_order": 0,
        "price_html": "{price_html}",
        "related_ids": [],
        "meta_data": [{"id": "{#id}", "key": "ncm", "value": "{ncm}"}],
        "stock_status": "{stock_status}",
        "has_options": False,
        "post_password": "",
        "global_unique_id": "{gtin}",
        "_links": links(base, "products", "{id}"),
    }


def image(base: str, id_: object, alt: str, *, name: object = None) -> Record:
    name = id_ if name is None else name
    folder = f"{base}/wp-content/uploads/2026/11"
    moment = {"date_created": "2026-11-23T21:43:23", "date_created_gmt": "2026-11-24T00:43:23"}
    return {
        "id": id_,
        **moment,
        **{name.replace("created", "modified"): value for name, value in moment.items()},
        "src": f"{folder}/foto-{name}.png",
        "name": f"foto-{name}.png",
        "alt": alt,
        "srcset": f"{folder}/foto-{name}.png 400w, {folder}/foto-{name}-300x300.png 300w",
        "sizes": "(max-width: 400px) 100vw, 400px",
        "thumbnail": f"{folder}/foto-{name}-300x300.png",
    }


def variable_sample(base: str) -> Record:
    colour, size = (
        {"id": id_, "name": name, "slug": slug, "position": 0, "visible": True, "variation": True}
        for id_, name, slug in ((1, "Cor", "pa_cor"), (2, "Tamanho", "pa_tamanho"))
    )
    return sample(base) | {
        "type": "variable",
        "regular_price": "",
        "sale_price": "",
        "on_sale": False,
        "manage_stock": False,
        "stock_quantity": None,
        "stock_status": "instock",
        "weight": "",
        "dimensions": {"length": "", "width": "", "height": ""},
        "attributes": [colour | {"options": list(COLOURS)}, size | {"options": list(SIZES)}],
        "default_attributes": [{"id": 1, "name": "Cor", "option": "azul"}],
        "variations": ["{#variations}"],
        "has_options": True,
    }


ORDERS: dict[str, Callable[[Timeline], Ordered]] = {"id": ById, "date": ByCreated, "modified": ByModified}


class Products:
    """Ids 1 to `count`. Every `variable_every`th is variable, every `bad_every`th has no SKU.

    One in eight has a picture, one in sixteen a promotional price, one in forty is a draft.
    """

    kind = "products"

    def __init__(
        self,
        base: str,
        *,
        count: int,
        seed: int,
        categories: range,
        variable_every: int = 10,
        bad_every: int = 0,
        tie: int = TIE,
    ) -> None:
        self.base, self.seed, self.categories = base, seed, categories
        self.variable_every, self.bad_every = variable_every, bad_every
        self.time = Timeline(1, count, seed, tie)
        pictured = sample(base) | {"images": [image(base, "{#id}", "{name}", name="{id}")]}
        self._simple, self._pictured = Template(sample(base)), Template(pictured)
        self._variable = Template(variable_sample(base))

    def __contains__(self, id_: int) -> bool:
        return id_ in self.time

    def order(self, by: str) -> Ordered | None:
        found = ORDERS.get(by)
        return found(self.time) if found else None

    def created(self, id_: int) -> int:
        return self.time.created(id_)

    def modified(self, id_: int) -> int:
        return self.time.modified(id_)

    def price(self, id_: int) -> str:
        return f"{5 + id_ % 900}.90"

    def sku(self, id_: int) -> str:
        return "" if self.bad_every and id_ % self.bad_every == 0 else f"SKU-{id_:07d}"

    def name(self, id_: int) -> str:
        return f"Caneca &amp; pires Araucária {id_}"

    def category(self, id_: int) -> int:
        return self.categories[id_ % len(self.categories)] if self.categories else 15

    def is_variable(self, id_: int) -> bool:
        return bool(self.variable_every) and id_ % self.variable_every == 0

    def variations(self, id_: int) -> range:
        if not self.is_variable(id_):
            return range(0)
        first = VARIATION_BASE + id_ * 10
        return range(first, first + 2 + id_ // self.variable_every % 5)

    def images(self, id_: int) -> list[Record]:
        pictured = id_ % 8 == 0 and not self.is_variable(id_)
        return [image(self.base, id_, self.name(id_))] if pictured else []

    def by_sku(self, sku: str) -> int | None:
        """The id behind a SKU in lower case, of a product or of a variation."""
        found = _SKU.fullmatch(sku)
        if not found or int(found[1]) not in self or self.sku(int(found[1])).lower() != sku[: found.end(1)]:
            return None
        id_ = int(found[1])
        if found[2] is None:
            return id_
        variation = VARIATION_BASE + id_ * 10 + int(found[2])
        return variation if variation in self.variations(id_) else None

    def status(self, id_: int) -> str:
        return "draft" if id_ % 40 == 39 else "publish"

    def stock(self, id_: int) -> int:
        return mixed(id_, self.seed) % 53 - 2

    def facts(self, id_: int) -> Record:
        variable = self.is_variable(id_)
        return {
            "id": id_,
            "name": self.name(id_),
            "slug": f"caneca-pires-araucaria-{id_}",
            "type": "variable" if variable else "simple",
            "status": self.status(id_),
            "stock_status": "instock" if variable or self.stock(id_) > 0 else "outofstock",
            "categories": [{"id": self.category(id_)}],
            "parent_id": 0,
        }

    def body(self, id_: int) -> str:
        spread = mixed(id_, self.seed)
        created_local, created = both(self.time.created(id_))
        modified_local, modified = both(self.time.modified(id_))
        amount = 5 + id_ % 900
        price, sale = f"{amount}.90", f"{amount - 1}.50" if id_ % 16 == 5 else ""
        stock = spread % 53 - 2
        weight, length, width, ncm = MEASURES[spread % 89]
        variable = self.is_variable(id_)
        values: dict[str, object] = {
            "id": id_,
            "name": f"Caneca &amp; pires Arauc\\u00e1ria {id_}",
            "slug": f"caneca-pires-araucaria-{id_}",
            "created_local": created_local,
            "created": created,
            "modified_local": modified_local,
            "modified": modified,
            "status": "draft" if id_ % 40 == 39 else "publish",
            "sku": self.sku(id_),
            "price": sale or price,
            "regular_price": price,
            "sale_price": sale,
            "on_sale": "true" if sale else "false",
            "total_sales": spread % 41,
            "stock": stock,
            "weight": weight,
            "length": length,
            "width": width,
            "category": self.category(id_),
            "ncm": ncm,
            "stock_status": "instock" if stock > 0 else "outofstock",
            "gtin": gtin(id_) if id_ % 4 == 0 else "",
        }
        if variable:
            variations = self.variations(id_)
            values["price"] = price
            values["price_html"] = _html(price, "", len(variations))
            values["variations"] = ",".join(map(str, variations))
            return self._variable.fill(values)
        values["price_html"] = _html(price, sale, 0)
        return (self._pictured if id_ % 8 == 0 else self._simple).fill(values)


def gtin(id_: int) -> str:
    """An invented EAN-13 with a valid check digit."""
    twelve = f"789{id_ % 1_000_000_000:09d}"
    total = sum(map(int, twelve[::2])) + 3 * sum(map(int, twelve[1::2]))
    return f"{twelve}{-total % 10}"


def variation_price(parent: str, place: int) -> str:
    return f"{int(parent[:-3]) + 5 * place}.90"


@cache
def _html(price: str, sale: str, variations: int) -> str:
    """A few for each of the 900 prices."""
    if variations:
        return escape(prices.html_range(price, variation_price(price, variations - 1)))
    return escape(prices.html(sale or price, price))


# Weight, length, width and NCM.
MEASURES = tuple(
    (f"{(n * 43 + 100) / 1000:.3f}", str(10 + n % 50), str(5 + n % 30), NCM[n % len(NCM)]) for n in range(89)
)
