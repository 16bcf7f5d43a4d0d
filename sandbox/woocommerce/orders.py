"""The orders that a shop begins with: lines of products that exist, totals that add up."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from sandbox.woocommerce import people
from sandbox.woocommerce.customers import Customers
from sandbox.woocommerce.dates import local, text
from sandbox.woocommerce.links import API, links
from sandbox.woocommerce.php import Record, encode
from sandbox.woocommerce.products import COLOURS, SIZES, Products, mixed
from sandbox.woocommerce.timeline import ByCreated, ById, ByModified, Ordered, Timeline
from sandbox.woocommerce.variations import Variations

FIRST_ORDER = 500_000_001
STATUSES = ("processing", "completed", "pending", "cancelled", "on-hold", "completed", "refunded", "failed")
PAID = {"processing", "completed", "refunded"}
PAYMENTS = (("pix", "Pix"), ("boleto", "Boleto bancário"), ("cartao", "Cartão de crédito"))
FREIGHT = (("correios-pac", "PAC"), ("correios-sedex", "SEDEX"))
CENT = Decimal("0.01")
ORDERS: dict[str, Callable[[Timeline], Ordered]] = {"id": ById, "date": ByCreated, "modified": ByModified}


class Orders:
    """Ids from 500_000_001. One in seven was bought by a guest, one in eleven has a fee.

    Every `coupon_every`th has a discount of 10 % on its lines.
    """

    kind = "orders"

    def __init__(
        self, products: Products, customers: Customers, *, count: int, seed: int, coupon_every: int = 0
    ) -> None:
        self._products, self._variations, self._customers = products, Variations(products), customers
        self.base, self.coupon_every = products.base, coupon_every
        self.time = Timeline(FIRST_ORDER, count, seed)

    def __contains__(self, id_: int) -> bool:
        return id_ in self.time

    def order(self, by: str) -> Ordered | None:
        found = ORDERS.get(by)
        return found(self.time) if found else None

    def created(self, id_: int) -> int:
        return self.time.created(id_)

    def modified(self, id_: int) -> int:
        return self.time.modified(id_)

    def customer(self, id_: int) -> int:
        """0 for a guest."""
        count = self._customers.time.count
        return 0 if id_ % 7 == 0 or not count else self._customers.time.first + id_ * 31 % count

    def record(self, id_: int) -> Record:
        spread = mixed(id_, self._products.seed)
        created, modified = self.created(id_), self.modified(id_)
        status = STATUSES[id_ % len(STATUSES)]
        customer = self.customer(id_)
        buyer = customer or 1_000_000 + id_ % 1_000_000
        payment, payment_title = PAYMENTS[spread % len(PAYMENTS)]
        percent = 10 if self.coupon_every and id_ % self.coupon_every == 0 else 0
        lines = [self._line(id_, place, percent) for place in range(1 + spread % 4)]
        extras = id_ % 1_000_000 * 10
        method, title = FREIGHT[spread % len(FREIGHT)]
        freight = {"id": extras + 7, "method_title": title, "method_id": method, "instance_id": ""}
        money = {"total_tax": "0.00", "taxes": [], "tax_status": "taxable", "meta_data": []}
        fee = {"id": extras + 8, "name": "Embalagem para presente", "tax_class": "", "amount": ""}
        record = blank(id_) | {
            "status": status,
            "customer_id": customer,
            "billing": people.billing(buyer),
            "shipping": people.shipping(buyer),
            "payment_method": payment,
            "payment_method_title": payment_title,
            "created_via": "checkout",
            "customer_note": "Entregar após as 18h, por favor." if spread % 9 == 0 else "",
            "meta_data": people.brazilian(buyer, "_billing_", extras),
            "line_items": lines,
            "shipping_lines": [freight | {"total": "20.00"} | money],
            "fee_lines": [fee | {"total": "7.50"} | money] if id_ % 11 == 0 else [],
            "coupon_lines": [coupon(extras + 9, lines)] if percent else [],
        }
        dates: dict[str, int | None] = {
            "created": created,
            "modified": modified,
            "paid": created + 300 if status in PAID else None,
            "completed": modified if status == "completed" else None,
        }
        return finished(record, dates, self.base)

    def facts(self, id_: int) -> Record:
        return self.record(id_)

    def body(self, id_: int) -> str:
        return encode(self.record(id_))

    def _line(self, id_: int, place: int, percent: int) -> Record:
        product = 1 + (id_ * 3 + place * 7) % max(1, self._products.time.count)
        variations = self._products.variations(product)
        variation = variations[(id_ + place) % len(variations)] if variations else 0
        price = self._variations.price(variation) if variation else self._products.price(product)
        name = self._products.name(product)
        return line(
            id_ % 1_000_000 * 10 + place,
            name=f"{name} - {self._variations.name(variation)}" if variation else name,
            product_id=product,
            variation_id=variation,
            quantity=1 + (id_ + place) % 4,
            price=price,
            percent=percent,
            sku=self._variations.sku(variation) if variation else self._products.sku(product),
            parent_name=name if variation else None,
            image=line_image(self._products.images(product)) if not variation else None,
            meta_data=_options(variation, id_ % 1_000_000 * 10 + place) if variation else [],
        )


def blank(id_: int) -> Record:
    """Every field of an order, in the order of the recordings."""
    person = dict.fromkeys(("first_name", "last_name", "company", "address_1", "address_2"), "")
    person |= dict.fromkeys(("city", "state", "postcode", "country"), "")
    return {
        "id": id_,
        "parent_id": 0,
        "status": "pending",
        "currency": "BRL",
        "version": "10.5.0",
        "prices_include_tax": False,
        "date_created": None,
        "date_modified": None,
        **dict.fromkeys(("discount_total", "discount_tax", "shipping_total", "shipping_tax"), "0.00"),
        **dict.fromkeys(("cart_tax", "total", "total_tax"), "0.00"),
        "customer_id": 0,
        "order_key": f"wc_order_{mixed(id_, 1):08x}{id_ % 100_000:05d}",
        "billing": person | {"email": "", "phone": ""},
        "shipping": person | {"phone": ""},
        **dict.fromkeys(("payment_method", "payment_method_title", "transaction_id"), ""),
        **dict.fromkeys(("customer_ip_address", "customer_user_agent"), ""),
        "created_via": "rest-api",
        "customer_note": "",
        "date_completed": None,
        "date_paid": None,
        "cart_hash": "",
        "number": str(id_),
        "meta_data": [],
        **{f"{name}_lines" if name != "items" else "line_items": [] for name in ("items", "tax", "shipping")},
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
    }


def line(
    id_: int,
    *,
    name: str,
    product_id: int,
    variation_id: int,
    quantity: int,
    price: str,
    sku: str | None,
    percent: int = 0,
    parent_name: str | None = None,
    meta_data: Sequence[Record] = (),
    image: Record | None = None,
) -> Record:
    """Pictures of products come with their id as text; without one it is empty, or 0 for variations."""
    subtotal = Decimal(price or "0") * quantity
    total = (subtotal * (100 - percent) / 100).quantize(CENT)
    return {
        "id": id_,
        "name": name,
        "product_id": product_id,
        "variation_id": variation_id,
        "quantity": quantity,
        "tax_class": "",
        "subtotal": f"{subtotal:.2f}",
        "subtotal_tax": "0.00",
        "total": f"{total:.2f}",
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": list(meta_data),
        "sku": sku,
        "global_unique_id": "" if sku is not None else None,
        "price": _number(total / quantity) if quantity else 0,
        "image": image or {"id": 0 if variation_id or not product_id else "", "src": ""},
        "parent_name": parent_name,
    }


def line_image(images: Sequence[Record]) -> Record | None:
    return {"id": str(images[0]["id"]), "src": images[0]["src"]} if images else None


def coupon(id_: int, lines: Sequence[Record]) -> Record:
    discount = sum(Decimal(item["subtotal"]) - Decimal(item["total"]) for item in lines)
    return {
        "id": id_,
        "code": "bemvindo10",
        "discount": f"{discount:.2f}",
        "discount_tax": "0",
        "meta_data": [],
        "discount_type": "percent",
        "nominal_amount": 10,
        "free_shipping": False,
    }


def finished(record: Record, dates: dict[str, int | None], base: str) -> Record:
    """The order with totals, dates and links worked out from the rest of it."""
    goods = _sum(record["line_items"], "total")
    freight = _sum(record["shipping_lines"], "total")
    fees = _sum(record["fee_lines"], "total")
    id_, customer = record["id"], record["customer_id"]
    more = {"customer": f"customers/{customer}"} if customer else {}
    found = links(base, "orders", id_, **more)
    templates = f"{base}{API}/orders/{id_}/actions/email_templates"
    shown: Record = {}
    for name, moment in dates.items():
        shown[f"date_{name}"] = None if moment is None else local(moment)
        shown[f"date_{name}_gmt"] = None if moment is None else text(moment)
    payment = f"{base}/checkout/order-pay/{id_}/?pay_for_order=true&key={record['order_key']}"
    waits = record["status"] in {"pending", "failed"} and goods + freight + fees > 0
    return {
        **record,
        "discount_total": f"{_sum(record['line_items'], 'subtotal') - goods:.2f}",
        "shipping_total": f"{freight:.2f}",
        "total": f"{goods + freight + fees:.2f}",
        "payment_url": payment,
        "is_editable": record["status"] in {"pending", "on-hold", "auto-draft"},
        "needs_payment": waits,
        "needs_processing": True,
        **shown,
        "currency_symbol": "R$",
        "_links": found | {"email_templates": [{"embeddable": True, "href": templates}]},
    }


def _options(variation: int, line_id: int) -> list[Record]:
    place = variation % 10
    pairs = (("pa_cor", "Cor", COLOURS[place % 3]), ("pa_tamanho", "Tamanho", SIZES[place // 3]))
    return [
        {
            "id": line_id * 2 + n,
            "key": key,
            "value": value.lower(),
            "display_key": shown,
            "display_value": value,
        }
        for n, (key, shown, value) in enumerate(pairs)
    ]


def _sum(lines: Sequence[Record], field: str) -> Decimal:
    return sum((Decimal(item[field]) for item in lines), Decimal(0))


def _number(value: Decimal) -> float | int:
    rounded = round(float(value), 6)
    return int(rounded) if rounded.is_integer() else rounded
