"""Notifications: unsigned, without data, one address for an application, entered in its panel.

Docs: https://developers.mercadolivre.com.br/pt_br/produto-receba-notificacoes
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from core.entities import Entity
from core.spec import Raw, Settings
from core.webhooks import Delivery, Records, Webhooks

_TOPICS = {
    Entity.PRODUCTS: ("items", "items_prices"),
    Entity.STOCK: ("stock-location", "stock-locations", "fbm_stock_operations"),
    Entity.ORDERS: ("orders_v2", "shipments", "payments"),
    Entity.INVOICES: ("invoices",),
}
# Shipments, payments, invoices and stock go by ids of their own, which are none of the records'.
_NAMED = {"items": (Entity.PRODUCTS, r"/items/(MLB\d+)"), "orders_v2": (Entity.ORDERS, r"/orders/(\d+)")}


def told(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def ours(delivery: Delivery, settings: Settings) -> bool:
    """Beside our token: the message names our application."""
    client = settings.get("client_id")
    return bool(client) and str(told(delivery.body).get("application_id")) == client


def records(topic: str, data: Raw) -> Records:
    if topic not in _NAMED:
        return {}
    entity, pattern = _NAMED[topic]
    found = re.match(pattern, str(data["resource"]))
    return {entity: (found[1],)} if found else {}


WEBHOOKS = Webhooks(
    topics={topic: (entity,) for entity, topics in _TOPICS.items() for topic in topics},
    verify=ours,
    delivery=lambda body, _: str(told(body).get("_id") or ""),
    topic=lambda body, _: str(told(body).get("topic") or ""),
    records=records,
    proof="address",
    by_hand="No DevCenter do Mercado Livre, no aplicativo: URL de retorno de notificações e tópicos.",
)
