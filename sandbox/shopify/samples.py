"""Invented records."""

from typing import Any

from sandbox.shopify import views
from sandbox.shopify.store import Record, Store

JOINER = "\u2060"
SIZES = ("P", "M", "G")
DOCUMENTS = ("529.982.247-25", "11.222.333/0001-81", "000.000.001-91")


def populate(
    store: Store,
    products: int = 0,
    collections: int = 0,
    customers: int = 0,
    orders: int = 0,
    variants: int = 3,
) -> None:
    """Every third product has variants; every second order is paid."""
    for number in range(1, collections + 1):
        fields = {"title": f"Coleção {number}", "handle": f"colecao-{number}", "descriptionHtml": ""}
        store.add("Collection", smart=number % 5 == 0, **fields)
    groups = list(store.kinds["Collection"])
    for number in range(1, products + 1):
        sizes = (
            [*SIZES, *(str(size) for size in range(34, 34 + variants))][:variants] if number % 3 == 0 else []
        )
        _product(store, number, sizes, groups[number % len(groups) :][:1] if groups else [])
    for number in range(1, customers + 1):
        _customer(store, number)
    for number in range(1, orders + 1):
        _order(store, number)


def _product(store: Store, number: int, sizes: list[str], groups: list[str]) -> None:
    record = store.add(
        "Product",
        title=f"Caneca & pires {number}",
        handle=f"caneca-{number}",
        status="ACTIVE",
        descriptionHtml=f"<p>Caneca de número {number}</p>",
        collections=groups,
        media=[{"id": store.gid("MediaImage"), "url": f"https://cdn.shopify.com/caneca-{number}.jpg"}],
        variants=[],
    )
    options = [{"Tamanho": size} for size in sizes] or [dict(views.DEFAULT)]
    for position, chosen in enumerate(options, start=1):
        variant = store.new_variant(position, chosen)
        variant |= {"sku": f"CAN-{number}" + (f"-{position}" if sizes else ""), "price": f"{9 + number}.90"}
        variant["compareAtPrice"] = f"{19 + number}.90" if number % 4 == 0 else None
        variant["barcode"] = "7891234567895" if number == 1 else None
        variant["item"] |= {"tracked": True, "weight": {"value": 200.0, "unit": "GRAMS"}}
        for place in store.kinds["Location"]:
            stock_at = {"available": number, "committed": 2, "updatedAt": store.now()}
            variant["item"]["levels"][place] = stock_at
        record["variants"].append(variant)


def _customer(store: Store, number: int) -> None:
    addresses = [_address(store, number), _address(store, number + 1)][: 1 + number % 2]
    store.add(
        "Customer",
        firstName="Ana",
        lastName=f"Teste {number}",
        email=f"ana{number}@example.com",
        phone=f"+55119{number:08d}",
        addresses=addresses,
        default=addresses[0]["id"],
    )


def _address(store: Store, number: int) -> Record:
    return {
        "id": store.gid("MailingAddress") + "?model_name=CustomerAddress",
        "firstName": "Ana",
        "lastName": "Teste",
        "address1": f"Rua das Flores, {JOINER}{number}",
        "address2": f"Apto 4, {JOINER}Centro",
        "city": "São Paulo",
        "provinceCode": "SP",
        "zip": "01001-000",
        "countryCode": "BR",
    }


def _order(store: Store, number: int) -> None:
    products, customers = list(store.kinds["Product"].values()), list(store.kinds["Customer"])
    lines, total = [], 0.0
    for extra in range(2 if products else 0):
        product = products[(number + extra) % len(products)]
        variant, price = product["variants"][0], 10.5 + extra
        total += price * 2
        lines.append(
            {
                "id": store.gid("LineItem"),
                "name": product["title"],
                "sku": variant["sku"],
                "quantity": 2,
                "currentQuantity": 2,
                "variant": {"id": variant["id"]},
                "product": {"id": product["id"], "hasOnlyDefaultVariant": views.only_default(product)},
                "originalUnitPriceSet": views.money(f"{price:.2f}"),
                "discountedTotalSet": views.money(f"{price * 2:.2f}"),
            }
        )
    place = views.address(_address(store, number))
    now, zero = store.now(), views.money("0.00")
    whole, freight = views.money(f"{total + 20:.2f}"), views.money("20.00")
    store.add(
        "Order",
        name=f"#{1000 + number}",
        processedAt=now,
        cancelledAt=None,
        closedAt=None,
        displayFinancialStatus="PAID" if number % 2 == 0 else "PENDING",
        displayFulfillmentStatus="UNFULFILLED",
        currencyCode="BRL",
        note=None,
        email="ana@example.com",
        phone=None,
        taxesIncluded=True,
        paymentGatewayNames=["pix"],
        customer=customers[number % len(customers)] if customers and number % 4 else None,
        shippingLine={"title": "PAC"},
        totalPriceSet=whole,
        currentTotalPriceSet=whole,
        totalDiscountsSet=zero,
        currentTotalDiscountsSet=zero,
        totalShippingPriceSet=freight,
        currentShippingPriceSet=freight,
        totalTaxSet=zero,
        currentTotalTaxSet=zero,
        billingAddress=place,
        shippingAddress=place,
        localizedFields=[{"key": "TAX_CREDENTIAL_BR", "value": DOCUMENTS[number % len(DOCUMENTS)]}],
        lines=lines,
        fulfillments=[{"id": store.gid("FulfillmentOrder"), "status": "OPEN"}],
    )


def stock(store: Store, sku: str, **amounts: Any) -> None:
    """A sale, or a correction by hand, at every location."""
    for _, variant in store.variants():
        if variant["sku"] == sku:
            for level in variant["item"]["levels"].values():
                level.update(amounts, updatedAt=store.now())
