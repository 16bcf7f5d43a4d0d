"""What a new account holds. Invented; the CPF is a valid number of nobody."""

from typing import Any

Object = dict[str, Any]
CPF = "52998224725"
BRANDS = ("Acme", "Genérica")
ATTRIBUTES = (("11", "Cor", (("111", "Azul"), ("112", "Verde"))), ("12", "Tamanho", ()))


def category(number: int) -> Object:
    return {
        "id": str(number),
        "channel": "AMERICANAS",
        "eanRequired": number % 2 == 0,
        "categoryData": {
            "tag": f"tag-{number}",
            "id": str(number),
            "name": "Moda",
            "id1": f"1{number}",
            "name1": f"Camisetas {number}",
        },
        "attributes": [row for id_, name, values in ATTRIBUTES for row in _rows(id_, name, values)],
    }


def _rows(id_: str, name: str, values: Any) -> list[Object]:
    common = {"name": name, "nameId": id_, "toSKU": True, "variant": True, "required": False, "active": True}
    return [{**common, "value": value, "valueId": value_id} for value_id, value in values] or [
        {**common, "value": None, "valueId": None}
    ]


def product(number: int, *, classic: bool) -> Object:
    """Each second one has two variations."""
    sku = f"CAM-{number}"
    made: Object = {
        "sku": sku,
        "name": f"Camiseta {number}",
        "description": "<p>Algodão</p>",
        "status": "enabled",
        "qty": 0 if number % 2 else 4 + number,
        "price": 59.9,
        "promotional_price": 49.9,
        "brand": BRANDS[0],
        "ean": "7891234567895",
        "nbm": "61091000",
        "weight": 0.3,
        "height": 2,
        "width": 20,
        "length": 30,
        "crossdocking": 1,
        "categories": [{"id": "1"}],
        "images": [f"https://img.example.com/{sku}.jpg"],
        "specifications": [],
        "variations": [],
    }
    if number % 2:
        made["variations"] = [
            variation(f"{sku}-{size}", size, qty, classic=classic) for size, qty in (("P", 3), ("M", 5))
        ]
    return made


def variation(sku: str, size: str, qty: int, *, classic: bool) -> Object:
    option = {"key": "Tamanho", "value": size} if classic else {"id": "12", "value": size}
    return {
        "sku": sku,
        "qty": qty,
        "status": "enabled",
        "ean": "7891234567895",
        "price": 59.9,
        "promotional_price": 49.9,
        "weight": 0.3,
        "images": [],
        "specifications": [option],
    }


def order(code: str, **fields: Any) -> Object:
    made: Object = {
        "code": code,
        "channel": "Lojas Americanas",
        "placed_at": "2026-04-02T10:00:00-03:00",
        "updated_at": "2026-04-02T10:05:00-03:00",
        "approved_date": "2026-04-02T10:05:00-03:00",
        "status": {"code": "payment_received", "label": "Pagamento aprovado", "type": "APPROVED"},
        "total_ordered": 119.8,
        "interest": 0.0,
        "discount": 0.0,
        "shipping_cost": 20.0,
        "seller_shipping_cost": 12.5,
        "shipping_method": "Correios PAC",
        "calculation_type": "correios",
        "customer": {
            "name": "Comprador Teste",
            "email": "comprador@example.com",
            "vat_number": CPF,
            "phones": ["11999990000"],
        },
        "shipping_address": address(),
        "billing_address": address(),
        "items": [
            {
                "id": "CAM-1-P",
                "product_id": "CAM-1",
                "name": "Camiseta 1 P",
                "qty": 2,
                "original_price": 59.9,
                "special_price": 49.9,
            }
        ],
        "payments": [{"method": "CREDIT_CARD", "value": 119.8, "parcels": 1}],
        "invoices": [],
        "shipments": [],
        "sync_status": "NOT_SYNCED",
    }
    return made | fields


def address() -> Object:
    return {
        "full_name": "Comprador Teste",
        "street": "Rua de teste",
        "number": "1234",
        "detail": "Portão azul",
        "complement": "Apto 2",
        "reference": "",
        "neighborhood": "Bairro",
        "city": "São Paulo",
        "region": "SP",
        "country": "BR",
        "postcode": "01000000",
    }
