"""The fields of records as people read and type them: names in Portuguese, values as in Brazil.

Values are JSON as trees hold them (core/trees.py): amounts and times are text there.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from core import formats
from core.entities import Entity
from core.errors import ConfigurationError
from core.hashing import money, quantity
from core.records import RECORDS, Address, OrderItem, Parcel, TrackingEvent, Variant
from core.trees import PARTS

PART_TYPES = {"variants": Variant, "addresses": Address}
_STRUCTS = {"items": OrderItem, "contents": Parcel, "events": TrackingEvent}
AMOUNTS = frozenset(
    {
        *("price", "sale_price", "total", "items_total", "discount", "shipping", "tax", "fees"),
        *("unit_price", "cost", "amount", "paid_amount", "insured_value"),
    }
)
UNITS = {"kg": "kg", "cm": "cm"}
NAMES = {
    **{"sku": "SKU", "name": "nome", "description": "descrição", "price": "preço"},
    **{"sale_price": "preço promocional", "gtin": "GTIN", "active": "ativo", "weight_kg": "peso"},
    **{"length_cm": "comprimento", "width_cm": "largura", "height_cm": "altura"},
    **{"category_ids": "categorias", "image_urls": "imagens", "variants": "variações"},
    **{"options": "opções", "product_id": "produto", "variant_id": "variação", "on_hand": "em estoque"},
    **{"slug": "slug", "parent_id": "categoria mãe", "position": "posição", "kind": "tipo"},
    **{"street": "logradouro", "number": "número", "complement": "complemento", "district": "bairro"},
    **{"city": "cidade", "state": "UF", "postal_code": "CEP", "country": "país"},
    **{"person_type": "tipo de pessoa", "document": "CPF/CNPJ", "state_registration": "IE"},
    **{"email": "e-mail", "phone": "telefone", "addresses": "endereços", "quantity": "quantidade"},
    **{"unit_price": "preço unitário", "discount": "desconto", "total": "total", "status": "situação"},
    **{"external_status": "situação no externo", "currency": "moeda", "items_total": "total dos itens"},
    **{"shipping": "frete", "tax": "impostos", "fees": "taxas", "customer_id": "cliente"},
    **{"buyer_name": "comprador", "buyer_document": "CPF/CNPJ do comprador"},
    **{"buyer_email": "e-mail do comprador", "buyer_phone": "telefone do comprador"},
    **{"payment_method": "forma de pagamento", "shipping_method": "forma de envio", "note": "observação"},
    **{"placed_at": "feito em", "paid_at": "pago em", "items": "itens", "access_key": "chave de acesso"},
    **{"series": "série", "direction": "sentido", "issuer_document": "CNPJ do emitente"},
    **{"issuer_name": "emitente", "recipient_document": "CPF/CNPJ do destinatário"},
    **{"recipient_name": "destinatário", "issued_at": "emitida em", "protocol": "protocolo"},
    **{"order_id": "pedido", "order_number": "número do pedido", "xml": "XML"},
    **{"carrier": "transportadora", "service": "serviço", "tracking_code": "rastreio", "cost": "custo"},
    **{"label_url": "etiqueta", "shipped_at": "enviado em", "delivered_at": "entregue em"},
    **{"events": "eventos", "invoice_key": "chave da NF", "recipient_email": "e-mail do destinatário"},
    **{"recipient_phone": "telefone do destinatário", "address": "endereço", "contents": "conteúdo"},
    **{"insured_value": "valor segurado", "account": "conta", "amount": "valor", "booked_on": "lançado em"},
    **{"txid": "txid", "our_number": "nosso número", "counterpart_name": "contraparte"},
    **{"counterpart_document": "CPF/CNPJ da contraparte", "document_number": "número do documento"},
    **{"paid_amount": "valor pago", "due_on": "vencimento", "payer_name": "pagador"},
    **{"payer_document": "CPF/CNPJ do pagador", "payer_email": "e-mail do pagador"},
    **{"payer_address": "endereço do pagador", "barcode": "código de barras", "pix_code": "código Pix"},
}
_STATUSES = {
    **{"pending": "pendente", "paid": "pago", "on_hold": "em espera", "shipped": "enviado"},
    **{"completed": "concluído", "cancelled": "cancelado", "refunded": "reembolsado", "failed": "falhou"},
    **{"other": "outra", "authorized": "autorizada", "denied": "denegada", "rejected": "rejeitada"},
    **{"quoted": "cotado", "posted": "postado", "in_transit": "em trânsito", "delivered": "entregue"},
    **{"returned": "devolvido", "open": "aberta", "overdue": "vencida", "expired": "expirada"},
}
_KINDS = {"billing": "cobrança", "shipping": "entrega"}
NOTHING = "—"


class Shape(StrEnum):
    """How a value is read and typed."""

    TEXT = "text"
    MONEY = "money"
    NUMBER = "number"
    COUNT = "count"  # a whole number
    FLAG = "flag"
    MOMENT = "moment"
    DAY = "day"
    LIST = "list"  # of texts or parts: shown, and taken from a side as a whole

    @property
    def typed(self) -> bool:
        """Whether a person may type one."""
        return self is not Shape.LIST


def shape(entity: Entity, steps: Sequence[str]) -> Shape:
    """Of the field at the keys of a path; a part as a whole is a list."""
    kind: Any = RECORDS[entity]
    rest = list(steps)
    if rest[0] in PART_TYPES:
        kind, rest = PART_TYPES[rest[0]], rest[2:]
    if not rest:
        return Shape.LIST
    found = _hints(kind).get(rest[0])
    if found is None or len(rest) > 1:
        return Shape.TEXT
    return _shape(rest[0], found)


def name(steps: Sequence[str]) -> str:
    """ "preço"; of parts "variações › CAN-01 › preço"."""
    words = [NAMES.get(step, step) for step in steps]
    if steps[0] == "addresses" and len(steps) > 1:
        words[1] = _KINDS.get(steps[1].partition("#")[0], steps[1])
    elif steps[0] in PARTS and len(steps) > 1:
        words[1] = steps[1]
    return " › ".join(words)


def shown(value: Any, shape_: Shape, field: str = "") -> str:
    """As a person reads it. What is not of its shape is shown as it is."""
    if value is None or value in ("", [], {}):
        return NOTHING
    try:
        return _SHOWN[shape_](value, field)
    except (ValueError, TypeError, ArithmeticError):
        return raw(value)


def raw(value: Any) -> str:
    """As JSON holds it; text without quotes."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def editable(value: Any, shape_: Shape) -> str:
    """What a field for typing begins with: as `shown`, without sign and unit."""
    if value is None:
        return ""
    match shape_:
        case Shape.FLAG:
            return "sim" if value else "não"
        case Shape.MONEY | Shape.NUMBER:
            return str(value).replace(".", ",")
        case Shape.MOMENT | Shape.DAY:
            return shown(value, shape_)
        case _:
            return raw(value)


def typed(words: str, shape_: Shape, field: str) -> Any:
    """The JSON value of what a person typed; nothing is no value. Raises `ConfigurationError`."""
    words = words.strip()
    if not words:
        return None
    try:
        return _TYPED[shape_](words)
    except ValueError:
        raise ConfigurationError(
            f"{words[:40]!r} não serve para {NAMES.get(field, field)}: use {_EXAMPLES[shape_]}."
        ) from None


def _shape(field: str, hint: Any) -> Shape:
    kinds = {get_origin(one) or one for one in (get_args(hint) or (hint,))}
    if get_origin(hint) in (tuple, dict) or kinds & {Address, tuple}:
        return Shape.LIST
    for kind, found in ((datetime, Shape.MOMENT), (date, Shape.DAY), (bool, Shape.FLAG)):
        if kind in kinds:
            return found
    if Decimal in kinds:
        return Shape.MONEY if field in AMOUNTS else Shape.NUMBER
    if int in kinds:
        return Shape.COUNT
    return Shape.TEXT


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _money(value: Any, _: str) -> str:
    return f"R$ {formats.number(Decimal(str(value)), max(2, _places(value)))}"


def _number(value: Any, field: str) -> str:
    unit = UNITS.get(field.rpartition("_")[2], "")
    return f"{formats.number(Decimal(str(value)), _places(value))} {unit}".strip()


def _listed(value: Any, field: str) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    if isinstance(value, list):
        return "; ".join(_part(one, _STRUCTS.get(field)) for one in value)
    return _part(value, PART_TYPES.get(field)) if isinstance(value, dict) else raw(value)


def _part(part: Any, kind: type | None) -> str:
    if not isinstance(part, dict):
        return raw(part)
    hints = _hints(kind) if kind else {}
    said = []
    for key, value in part.items():
        if value in (None, "", [], {}) or key == "external_id":
            continue
        if isinstance(value, dict):
            said.append(f"{NAMES.get(key, key)}: {_part(value, None)}")
        else:
            said.append(f"{NAMES.get(key, key)}: {shown(value, _shape(key, hints.get(key, str)), key)}")
    return ", ".join(said)


def _places(value: Any) -> int:
    exponent = Decimal(str(value)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _flag(words: str) -> bool:
    if words.lower() not in ("sim", "não", "nao"):
        raise ValueError(words)
    return words.lower() == "sim"


def _moment(words: str) -> Any:
    found = datetime.strptime(words, "%d/%m/%Y %H:%M").replace(tzinfo=formats.ZONE)
    return msgspec.json.decode(msgspec.json.encode(found.astimezone(UTC)))


def _plain(words: str) -> str:
    """ "R$ 1.234,56" and "1234.56" as the latter; with a comma dots part thousands."""
    bare = words.removeprefix("R$").strip()
    return bare.replace(".", "").replace(",", ".") if "," in bare else bare


_EXAMPLES = {
    Shape.TEXT: "um texto",
    Shape.MONEY: "um valor como 1.234,56",
    Shape.NUMBER: "um número como 1,5",
    Shape.COUNT: "um número inteiro",
    Shape.FLAG: "sim ou não",
    Shape.MOMENT: "uma data e hora como 24/11/2026 14:05",
    Shape.DAY: "uma data como 24/11/2026",
    Shape.LIST: "um dos lados",
}
_SHOWN: dict[Shape, Callable[[Any, str], str]] = {
    Shape.TEXT: lambda value, field: _STATUSES.get(value, value) if field == "status" else raw(value),
    Shape.MONEY: _money,
    Shape.NUMBER: _number,
    Shape.COUNT: lambda value, _: formats.number(value),
    Shape.FLAG: lambda value, _: "sim" if value else "não",
    Shape.MOMENT: lambda value, _: formats.moment(datetime.fromisoformat(value)),
    Shape.DAY: lambda value, _: date.fromisoformat(value).strftime("%d/%m/%Y"),
    Shape.LIST: _listed,
}
_TYPED: dict[Shape, Callable[[str], Any]] = {
    Shape.TEXT: str,
    Shape.MONEY: lambda words: str(money(_plain(words))),
    Shape.NUMBER: lambda words: str(quantity(_plain(words))),
    Shape.COUNT: lambda words: int(_plain(words)),
    Shape.FLAG: _flag,
    Shape.MOMENT: _moment,
    Shape.DAY: lambda words: datetime.strptime(words, "%d/%m/%Y").date().isoformat(),  # noqa: DTZ007
    Shape.LIST: str,
}
