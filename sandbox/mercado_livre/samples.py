"""Invented records in the shape of the documentation's samples."""

from datetime import UTC, datetime, timedelta

from sandbox.mercado_livre.items import Items
from sandbox.mercado_livre.store import SELLER, Object, Store

SIZES = ("P", "M")
LONG_AGO = datetime(2026, 9, 1, 12, tzinfo=UTC)
PEOPLE = (
    ("Ana", "Teste Silva", "CPF", "52998224725"),
    ("Loja Exemplo Ltda", "", "CNPJ", "11222333000181"),
    ("Bia", "Sem Documento", "CPF", "12345678900"),
)


def populate(store: Store, items: Items, counts: Object) -> None:
    for number in range(1, counts.get("items", 0) + 1):
        items.add(item(store, number))["last_updated"] = (LONG_AGO + timedelta(hours=number)).isoformat()
    for number in range(1, counts.get("orders", 0) + 1):
        order(store, number)


def item(store: Store, number: int) -> Object:
    families = "user_product_seller" in store.tags
    body: Object = {
        "family_name" if families else "title": f"Caneca {number}",
        "category_id": "MLB31447",
        "price": 20 + number + 0.9,
        "currency_id": "BRL",
        "available_quantity": number,
        "buying_mode": "buy_it_now",
        "listing_type_id": "gold_special",
        "condition": "new",
        "pictures": [{"source": f"https://img.example.com/{number}.jpg"}],
        "attributes": [{"id": "BRAND", "value_name": "Acme"}],
        "seller_custom_field": None,
    }
    if number % 3 == 0 and not families:
        body["variations"] = [_variation(number, size, body["price"]) for size in SIZES]
        body["available_quantity"] = 2 * number
    else:
        body["attributes"] += [
            {"id": "SELLER_SKU", "value_name": f"CAN-{number}"},
            {"id": "GTIN", "value_name": "7891234567895"},
        ]
    return body


def _variation(number: int, size: str, price: float) -> Object:
    return {
        "attribute_combinations": [{"id": "SIZE", "name": "Tamanho", "value_name": size}],
        "price": price,
        "available_quantity": number,
        "attributes": [{"id": "SELLER_SKU", "value_name": f"CAN-{number}-{size}"}],
    }


def order(store: Store, number: int) -> Object:
    """The third and fourth are one cart; the fifth is cancelled, the sixth not paid."""
    id_, shipment, bill = (
        2_000_003_000_000_000 + number,
        43_000_000_000 + number - (number == 4),
        f"B{number}",
    )
    name, last, kind, document = PEOPLE[number % 3]
    status = {5: "cancelled", 6: "payment_required"}.get(number, "paid")
    listed = list(store.items.values())
    alone: Object = {"id": "MLB1", "title": "Avulso", "price": 10.0}
    sold = listed[(number - 1) % len(listed)] if listed else alone
    variation = (sold.get("variations") or [None])[0]
    cost = 20.0 if number != 4 else 0.0
    # The account's clock runs ahead of ours while it is filled.
    moment = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds")
    store.orders[str(id_)] = {
        "id": id_,
        "pack_id": 2_000_009_000_000_000 if number in (3, 4) else None,
        "status": status,
        "status_detail": None,
        "date_created": "2026-09-01T10:01:50.000-04:00",
        "date_closed": "2026-09-01T10:04:07.000-04:00",
        "last_updated": moment,
        "order_items": [
            {
                "item": {
                    "id": sold["id"],
                    "title": sold["title"],
                    "variation_id": variation["id"] if variation else None,
                    "seller_sku": f"CAN-{number}",
                },
                "quantity": 2,
                "unit_price": sold["price"],
                "full_unit_price": sold["price"],
                "currency_id": "BRL",
                "sale_fee": 3.5,
            }
        ],
        "total_amount": round(sold["price"] * 2, 2),
        "paid_amount": round(sold["price"] * 2 + cost, 2),
        "currency_id": "BRL",
        "buyer": {"id": 987 + number, "nickname": f"COMPRADOR{number}", "billing_info": {"id": bill}},
        "seller": {"id": SELLER},
        "payments": [
            {
                "id": 5000 + number,
                "status": "approved" if status == "paid" else "cancelled",
                "transaction_amount": round(sold["price"] * 2, 2),
                "shipping_cost": cost,
                "payment_method_id": "pix",
                "date_approved": "2026-09-01T10:04:00.000-04:00",
            }
        ],
        "shipping": {"id": shipment},
        "taxes": {"amount": None},
        "coupon": {"amount": 0},
        "tags": [status],
    }
    store.bills[bill] = _bill(number, name, last, kind, document)
    store.shipments.setdefault(str(shipment), _shipment(shipment, f"{name} {last}".strip(), status))
    return store.orders[str(id_)]


def _bill(number: int, name: str, last: str, kind: str, document: str) -> Object:
    address = {
        "street_name": "Rua das Flores",
        "street_number": str(number),
        "city_name": "Bom Jardim",
        "comment": "7b",
        "neighborhood": "Jardim Ornelas",
        "state": {"name": "Rio de Janeiro"},
        "zip_code": "28660000",
        "country_id": "BR",
    }
    info = {
        "name": name,
        "last_name": last,
        "identification": {"type": kind, "number": document},
        "address": address,
        "attributes": {"cust_type": "BU" if kind == "CNPJ" else "CO"},
    }
    buyer = {"cust_id": 987 + number, "billing_info": info}
    return {"site_id": "MLB", "buyer": buyer, "seller": {"cust_id": SELLER}}


def _shipment(id_: int, receiver: str, status: str) -> Object:
    paid = status == "paid"
    address = {
        "street_name": "Avenida Brasil",
        "street_number": "100",
        "comment": "Casa",
        "zip_code": "01001-000",
        "neighborhood": {"id": None, "name": "Centro"},
        "city": {"id": "BR-SP-44", "name": "São Paulo"},
        "state": {"id": "BR-SP", "name": "São Paulo"},
        "country": {"id": "BR", "name": "Brasil"},
    }
    # Masked until the sale is paid.
    shown = address if paid else dict.fromkeys(address)
    return {
        "id": id_,
        "status": "ready_to_ship" if paid else "pending",
        "substatus": "invoice_pending" if paid else None,
        "logistic": {"direction": "forward", "mode": "me2", "type": "xd_drop_off"},
        "tracking_number": None,
        "destination": {"receiver_name": receiver, "shipping_address": shown},
    }
