"""Quotes: what each carrier asks for an order's shipment, and the one that is taken.

https://docs.melhorenvio.com.br/docs/cotacao-de-fretes
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from core.errors import RecordError
from core.records import Parcel, Shipment
from core.spec import Raw, Settings, Source
from providers.melhor_envio.mapping import amount, company, reais

PATH = "me/shipment/calculate"
ONE_VOLUME = ("correios", "j&t", "loggi")
"""Carriers that take one volume a label."""
_SIDES = ("length", "width", "height")


async def quote(source: Source, record: Shipment) -> list[Raw]:
    """The services that would take it, cheapest first. Raises `RecordError` where none does."""
    body = {
        "from": {"postal_code": source.settings.get("sender_postal_code", "")},
        "to": {"postal_code": record.address.postal_code if record.address else ""},
        "products": [product(part, source.settings) for part in record.contents],
    }
    found = await offers(source, body)
    if not found:
        raise RecordError("Nenhuma transportadora atende este envio.", field="service")
    return found


async def offers(source: Source, body: Raw) -> list[Raw]:
    """Services that refuse say why and have no price."""
    answer = await source.send("POST", PATH, body, repeatable=True)
    said = answer.data if isinstance(answer.data, list) else [answer.data]
    found = [one for one in said if isinstance(one, dict) and not one.get("error") and _price(one)]
    return sorted(found, key=_price)


def chosen(found: Sequence[Raw], record: Shipment, settings: Settings) -> Raw:
    """What the ERP's row names, by number or name; else the cheapest or the fastest, as set."""
    wanted = record.service.strip().casefold()
    if wanted:
        named = [one for one in found if wanted in _names(one)]
        if not named:
            offered = ", ".join(str(one.get("name")) for one in found)[:200]
            raise RecordError(
                f"O serviço {record.service[:40]} não atende este envio; atendem: {offered}.", field="service"
            )
        return named[0]
    return min(found, key=_days) if settings.get("choice") == "fastest" else found[0]


def described(offer: Raw) -> str:
    name, days = offer.get("name") or offer.get("id"), _days(offer)
    return f"{company({'company': offer.get('company')})} {name}: {reais(_price(offer))}, {days} dias".strip()


def product(part: Parcel, settings: Settings) -> Raw:
    """Centimetres and kilograms."""
    sides: tuple[Decimal | None, ...] = (part.length_cm, part.width_cm, part.height_cm)
    if not all(sides):
        sides = _box(settings)
    if not all(sides) or not part.weight_kg:
        raise RecordError(
            f"O produto {(part.sku or part.name)[:60]} não tem peso ou medidas: preencha o cadastro.",
            field="weight",
        )
    measures = dict(zip(_SIDES, map(_number, sides), strict=True))
    return measures | {
        "id": part.sku or part.name,
        "weight": _number(part.weight_kg),
        "insurance_value": float(part.unit_price),
        "quantity": int(part.quantity),
    }


def volumes(offer: Raw, record: Shipment, settings: Settings) -> list[Raw]:
    """The packages that the quote was made for, else one in which the products lie on each other."""
    found = [
        {side: package["dimensions"][side] for side in _SIDES} | {"weight": float(package["weight"])}
        for package in offer.get("packages") or ()
        if package.get("dimensions") and package.get("weight")
    ]
    if len(found) > 1 and company({"company": offer.get("company")}).casefold().startswith(ONE_VOLUME):
        raise RecordError(
            f"O envio ocupa {len(found)} volumes e esta transportadora aceita um por etiqueta: divida-o.",
            field="volumes",
        )
    if found:
        return found
    parts = [(product(part, settings), int(part.quantity)) for part in record.contents]
    return [
        {
            "length": max(part["length"] for part, _ in parts),
            "width": max(part["width"] for part, _ in parts),
            "height": sum(part["height"] * count for part, count in parts),
            "weight": sum(part["weight"] * count for part, count in parts),
        }
    ]


def _price(offer: Raw) -> Decimal:
    return amount(offer.get("custom_price") or offer.get("price"))


def _days(offer: Raw) -> int:
    return int(offer.get("custom_delivery_time") or offer.get("delivery_time") or 99)


def _names(offer: Raw) -> set[str]:
    name, by = str(offer.get("name") or ""), company({"company": offer.get("company")})
    return {text.casefold() for text in (str(offer.get("id")), name, f"{by} {name}")}


def _box(settings: Settings) -> tuple[Decimal | None, ...]:
    typed = settings.get("box", "").replace(",", ".")
    return tuple([Decimal(side) for side in typed.lower().split("x")]) if typed else (None,) * 3


def _number(value: Any) -> float:
    return float(value)
