"""The invented world of a WooCommerce shop: products, variations, categories, customers, orders.

Records are made from their id when asked for, so a shop of any size takes no memory; what was changed
since lies in an overlay. Shapes follow https://woocommerce.github.io/woocommerce-rest-api-docs/ and what a
running WooCommerce 10.5 answered.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

Record = dict[str, Any]
BEGAN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SHOP_OFFSET = timedelta(hours=-3)
DESCRIPTION = "<p>" + "Produto de demonstração com garantia de noventa dias. " * 16 + "</p>\n"
CITIES = (("São Paulo", "SP", "01001-000"), ("Maceió", "AL", "57020-000"), ("Curitiba", "PR", "80010-000"))
FIRST_CUSTOMER, FIRST_ORDER, FIRST_CATEGORY = 1, 500_000_001, 15
VARIATION_BASE = 100_000_000


def cpf(number: int) -> str:
    """An invented CPF with valid check digits."""
    digits = [int(char) for char in f"{100_000_000 + number:09d}"]
    for count in (10, 11):
        rest = sum(d * w for d, w in zip(digits, range(count, 1, -1), strict=True)) * 10 % 11
        digits.append(rest % 10)
    return "".join(map(str, digits))


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


class Shop:
    """`overlay` holds changed and created records by (kind, id); a None there is a deleted one."""

    def __init__(
        self,
        *,
        products: int,
        categories: int = 20,
        customers: int = 50,
        orders: int = 80,
        variable_every: int = 10,
    ) -> None:
        self.sizes = {
            "products": (1, products),
            "categories": (FIRST_CATEGORY, categories),
            "customers": (FIRST_CUSTOMER, customers),
            "orders": (FIRST_ORDER, orders),
        }
        self.variable_every = variable_every
        self.overlay: dict[tuple[str, int], Record | None] = {}
        self.clock_offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_offset

    def count(self, kind: str) -> int:
        first, size = self.sizes[kind]
        return size + sum(
            (record is not None) - (first <= id_ < first + size)
            for (other, id_), record in self.overlay.items()
            if other == kind
        )

    def ids(self, kind: str) -> Iterator[int]:
        """Ascending ids of all that exists."""
        first, size = self.sizes[kind]
        gone = {id_ for (other, id_), record in self.overlay.items() if other == kind and record is None}
        made = sorted(
            id_ for (other, id_), r in self.overlay.items() if other == kind and r and id_ >= first + size
        )
        return itertools.chain((id_ for id_ in range(first, first + size) if id_ not in gone), made)

    def page(self, kind: str, offset: int, limit: int) -> list[int]:
        if not any(other == kind for other, _ in self.overlay):
            first, size = self.sizes[kind]
            return list(range(first + offset, min(first + size, first + offset + limit)))
        return list(itertools.islice(self.ids(kind), offset, offset + limit))

    def get(self, kind: str, id_: int) -> Record | None:
        if (kind, id_) in self.overlay:
            return self.overlay[kind, id_]
        first, size = self.sizes[kind]
        if not first <= id_ < first + size:
            return None
        maker = {
            "products": self._product,
            "categories": self._category,
            "customers": self._customer,
            "orders": self._order,
        }
        return maker[kind](id_)

    def change(self, kind: str, id_: int, **fields: Any) -> Record:
        """Edit a record; its modification date moves, as every write of a shop does."""
        record = self.get(kind, id_)
        if record is None:
            raise KeyError(id_)
        now = self.now()
        fields |= {"date_modified_gmt": stamp(now), "date_modified": stamp(now + SHOP_OFFSET)}
        self.overlay[kind, id_] = record | fields
        return record | fields

    def create(self, kind: str, **fields: Any) -> Record:
        first, size = self.sizes[kind]
        highest = max((id_ for other, id_ in self.overlay if other == kind), default=0)
        id_ = max(first + size - 1, highest) + 1
        maker = {"products": self._product, "orders": self._order, "customers": self._customer}
        self.overlay[kind, id_] = maker[kind](id_)
        return self.change(kind, id_, **fields)

    def delete(self, kind: str, id_: int) -> None:
        self.overlay[kind, id_] = None

    def variations(self, product_id: int) -> list[Record]:
        product = self.get("products", product_id)
        return [self._variation(product_id, id_) for id_ in (product or {}).get("variations", [])]

    def _dates(self, id_: int) -> Record:
        created = BEGAN + timedelta(minutes=id_ % 200_000)
        return {
            "date_created": stamp(created + SHOP_OFFSET),
            "date_created_gmt": stamp(created),
            "date_modified": stamp(created + SHOP_OFFSET + timedelta(hours=1)),
            "date_modified_gmt": stamp(created + timedelta(hours=1)),
        }

    def _product(self, id_: int) -> Record:
        variable = bool(self.variable_every) and id_ % self.variable_every == 0
        price = f"{5 + id_ % 900}.90"
        count = 2 + id_ % 4
        return {
            "id": id_,
            "name": f"Caneca &amp; pires Araucária {id_}",
            "slug": f"caneca-pires-araucaria-{id_}",
            "permalink": f"https://loja.exemplo.test/product/caneca-pires-araucaria-{id_}/",
            **self._dates(id_),
            "type": "variable" if variable else "simple",
            "status": "publish",
            "catalog_visibility": "visible",
            "description": DESCRIPTION,
            "short_description": f"<p>Caneca {id_}</p>\n",
            "sku": f"SKU-{id_:07d}",
            "price": price,
            "regular_price": "" if variable else price,
            "sale_price": "",
            "on_sale": False,
            "total_sales": id_ % 40,
            "tax_status": "taxable",
            "tax_class": "",
            "manage_stock": not variable,
            "stock_quantity": None if variable else id_ % 50 - 2,
            "backorders": "no",
            "weight": "0.350",
            "dimensions": {"length": "14", "width": "11", "height": "7.5"},
            "shipping_class": "",
            "shipping_class_id": 0,
            "parent_id": 0,
            "categories": [
                {"id": FIRST_CATEGORY + id_ % max(1, self.sizes["categories"][1]), "name": "Canecas"}
            ],
            "images": [{"id": id_, "src": f"https://loja.exemplo.test/wp-content/{id_}.png", "alt": ""}],
            "attributes": [],
            "variations": [VARIATION_BASE + id_ * 10 + n for n in range(count)] if variable else [],
            "meta_data": [{"id": id_, "key": "ncm", "value": "6912.00.00"}],
            "stock_status": "instock",
            "global_unique_id": "",
        }

    def _variation(self, product_id: int, id_: int) -> Record:
        edited = self.overlay.get(("variations", id_))
        return edited or {
            "id": id_,
            "type": "variation",
            **self._dates(product_id),
            "sku": f"SKU-{product_id:07d}-{id_ % 10}",
            "global_unique_id": "",
            "price": "19.90",
            "regular_price": "19.90",
            "sale_price": "",
            "status": "publish",
            "manage_stock": True,
            "stock_quantity": id_ % 30,
            "weight": "0.3",
            "dimensions": {"length": "", "width": "", "height": ""},
            "attributes": [{"id": 1, "name": "Cor", "option": ("Azul", "Branco", "Preto")[id_ % 3]}],
            "name": "Azul",
            "parent_id": product_id,
        }

    def _category(self, id_: int) -> Record:
        root = id_ < FIRST_CATEGORY + 5
        return {
            "id": id_,
            "name": f"Categoria {id_} &amp; cia",
            "slug": f"categoria-{id_}",
            "parent": 0 if root else FIRST_CATEGORY + id_ % 5,
            "description": "",
            "display": "default",
            "image": None,
            "menu_order": 0,
            "count": 3,
        }

    def _person(self, id_: int) -> Record:
        city, state, postcode = CITIES[id_ % 3]
        return {
            "first_name": f"Ana {id_}",
            "last_name": "Teste",
            "company": "",
            "address_1": f"Rua Inventada, {id_}",
            "address_2": "",
            "city": city,
            "state": state,
            "postcode": postcode,
            "country": "BR",
            "email": f"cliente{id_}@cliente.exemplo.test",
            "phone": f"(11) 90000-{id_ % 10000:04d}",
        }

    def _customer(self, id_: int) -> Record:
        person = self._person(id_)
        return {
            "id": id_,
            **self._dates(id_),
            "email": person["email"],
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "role": "customer",
            "username": f"cliente{id_}",
            "billing": person,
            "shipping": {key: value for key, value in person.items() if key != "email"},
            "is_paying_customer": True,
            "meta_data": [
                {"id": 1, "key": "billing_cpf", "value": cpf(id_)},
                {"id": 2, "key": "billing_number", "value": str(id_)},
                {"id": 3, "key": "billing_neighborhood", "value": "Centro"},
            ],
        }

    def _order(self, id_: int) -> Record:
        customers, products = self.sizes["customers"][1], self.sizes["products"][1]
        customer = 0 if id_ % 7 == 0 or not customers else FIRST_CUSTOMER + id_ % customers
        lines = [self._line(id_ * 10 + n, 1 + (id_ * 3 + n) % max(1, products)) for n in range(1 + id_ % 3)]
        items = sum(round(float(line["total"]) * 100) for line in lines)
        person = self._person(customer or id_ % 1000)
        return {
            "id": id_,
            "parent_id": 0,
            "number": str(id_),
            "order_key": f"wc_order_{id_}",
            "status": ("processing", "completed", "pending", "cancelled")[id_ % 4],
            "currency": "BRL",
            **self._dates(id_),
            "date_paid_gmt": None,
            "prices_include_tax": False,
            "discount_total": "0.00",
            "shipping_total": "20.00",
            "total": f"{(items + 2000) / 100:.2f}",
            "total_tax": "0.00",
            "customer_id": customer,
            "customer_note": "",
            "billing": person,
            "shipping": person,
            "payment_method": "pix",
            "payment_method_title": "Pix",
            "line_items": lines,
            "shipping_lines": [{"id": 1, "method_title": "PAC", "method_id": "flat_rate", "total": "20.00"}],
            "fee_lines": [],
            "coupon_lines": [],
            "refunds": [],
            "meta_data": [{"id": 1, "key": "_billing_cpf", "value": cpf(customer or id_ % 1000)}],
        }

    def _line(self, line_id: int, product_id: int) -> Record:
        product = self.get("products", product_id) or self._product(product_id)
        variation = (product["variations"] or [0])[0]
        price = "19.90" if variation else product["price"]
        total = f"{float(price) * 2:.2f}"
        return {
            "id": line_id,
            "name": product["name"],
            "product_id": product_id,
            "variation_id": variation,
            "quantity": 2,
            "subtotal": total,
            "total": total,
            "sku": f"{product['sku']}-{variation % 10}" if variation else product["sku"],
            "price": float(price),
            "meta_data": [],
        }


encode = msgspec.json.Encoder().encode
