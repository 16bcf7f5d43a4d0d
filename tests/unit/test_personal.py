"""A record that leaves the company keeps its shape and loses its people."""

import json
from typing import Any

import pytest

from core.entities import Entity
from core.personal import scrub, scrubbed, without_people
from core.redaction import MASK

CPF, CNPJ = "52998224725", "11222333000181"
PEOPLE = (
    *("Maria", "Souza", "Rua das Flores", "São José", "88000-000", "maria@exemplo.test", "1990-05-17"),
    *(CPF, "529.982.247-25", CNPJ, "11.222.333/0001-81", "(48) 99999-0000", "48999990000", "203.0.113.7"),
    *("Deixar na portaria", "Mozilla"),
)
ORDER: dict[str, Any] = {
    "id": 727,
    "number": "727",
    "status": "processing",
    "currency": "BRL",
    "total": "119.80",
    "date_created_gmt": "2026-11-20T10:00:00",
    "customer_id": 26,
    "customer_ip_address": "203.0.113.7",
    "customer_user_agent": "Mozilla/5.0",
    "customer_note": "Deixar na portaria",
    "payment_method": "pix",
    "billing": {
        "first_name": "Maria",
        "last_name": "Souza",
        "address_1": "Rua das Flores, 10",
        "city": "São José",
        "state": "SC",
        "postcode": "88000-000",
        "country": "BR",
        "email": "maria@exemplo.test",
        "phone": "(48) 99999-0000",
        "cpf": "529.982.247-25",
        "birthdate": "1990-05-17",
        "date_of_birth": "1990-05-17",
    },
    "meta_data": [
        {"id": 1, "key": "_billing_cnpj", "value": "11.222.333/0001-81"},
        {"id": 2, "key": "_observacao", "value": "Maria Souza, maria@exemplo.test"},
        {"id": 3, "key": "maria@exemplo.test", "value": 48999990000},
    ],
    "line_items": [{"id": 9, "product_id": 93, "sku": "CAM-P", "quantity": 2, "price": 59.9}],
    "document_number": int(CPF),
    "whatever": int(CPF),
}


def test_nobody_is_left_in_an_order_and_its_shape_stays() -> None:
    clean = without_people(ORDER, Entity.ORDERS)
    text = json.dumps(clean, ensure_ascii=False)
    assert [word for word in PEOPLE if word in text] == []
    assert list(clean) == list(ORDER)
    for name in ("id", "number", "status", "currency", "total", "date_created_gmt", "customer_id"):
        assert clean[name] == ORDER[name]
    assert clean["line_items"] == ORDER["line_items"]
    assert (clean["billing"]["state"], clean["billing"]["first_name"]) == ("SC", MASK)


def test_a_product_keeps_its_words() -> None:
    product = {"id": 93, "sku": "CAM-P", "name": "Camiseta", "description": "fale com vendas@exemplo.test"}
    clean = without_people(product, Entity.PRODUCTS)
    assert clean == product | {"description": f"fale com {MASK}"}


def test_a_record_that_is_no_json_is_not_shown() -> None:
    assert without_people("Maria Souza; Rua das Flores", Entity.CUSTOMERS) == MASK


@pytest.mark.parametrize("person", ["maria@exemplo.test", CPF, "529.982.247-25", CNPJ, "+55 48 99999-0000"])
def test_people_vanish_from_texts(person: str) -> None:
    assert person not in scrub(f"Recusado: {person}, tente de novo.")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T03:51:19.123456+00:00",
        "019ac3f0-5e3c-7c2a-9a52-0f4d2f3c1a11",
        "loja.exemplo.com.br respondeu 500.",
        "Pedido 1034: frete 12,90; total 99",
        "52998224726",
    ],
)
def test_what_names_nobody_stays(text: str) -> None:
    assert scrub(text) == text
    assert scrubbed({"log": [text, None, True, 1.5, 7]}) == {"log": [text, None, True, 1.5, 7]}
