"""HubSpot's objects, and in which of their properties things are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from core.errors import ConfigurationError
from core.spec import Settings
from providers.hubspot.calls import REFERENCE

NUMBER = "cloudtosys_number"
STATUSES = (
    *("pending", "paid", "on_hold", "shipped", "completed", "cancelled", "refunded", "failed", "other"),
)
ADDRESS = ("name", "street", "city", "state", "postal_code", "country")


@dataclass(frozen=True, slots=True)
class Kind:
    """An object type. `modified` is the property with the time of its last change: contacts have a name of
    their own for it, under which others find nothing."""

    type: str
    properties: tuple[str, ...]
    modified: str = "hs_lastmodifieddate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """An object that holds orders, and its property for each field; empty: it has none."""

    kind: Kind
    number: str
    name: str
    total: str
    currency: str
    placed_at: str
    stage: str
    pipeline: str
    note: str
    discount: str = ""
    shipping: str = ""
    tax: str = ""
    status: str = ""
    addresses: Mapping[str, str]
    default_stages: str = ""


CONTACTS = Kind(
    "contacts",
    (
        *("email", "firstname", "lastname", "phone", "mobilephone", "company"),
        *("address", "city", "state", "zip", "country"),
    ),
    modified="lastmodifieddate",
)
PRODUCTS = Kind("products", ("name", "description"))
LINE_ITEMS = Kind(
    "line_items",
    (
        *("name", "price", "quantity", "hs_sku", "hs_product_id", "discount", "amount"),
        "hs_position_on_quote",
    ),
)
_BILLING, _SHIPPING = "hs_billing_address_", "hs_shipping_address_"
ORDERS = Sale(
    kind=Kind(
        "orders",
        (
            *("hs_external_order_id", "hs_order_name", "hs_total_price", "hs_currency_code"),
            *("hs_external_created_date", "hs_pipeline", "hs_pipeline_stage", "hs_order_note"),
            *("hs_order_discount", "hs_shipping_cost", "hs_tax", "hs_external_order_status"),
            *(prefix + part for prefix in (_BILLING, _SHIPPING) for part in ADDRESS),
        ),
    ),
    number="hs_external_order_id",
    name="hs_order_name",
    total="hs_total_price",
    currency="hs_currency_code",
    placed_at="hs_external_created_date",
    stage="hs_pipeline_stage",
    pipeline="hs_pipeline",
    note="hs_order_note",
    discount="hs_order_discount",
    shipping="hs_shipping_cost",
    tax="hs_tax",
    status="hs_external_order_status",
    addresses={"billing": _BILLING, "shipping": _SHIPPING},
)
# The specification knows deals by the id of their type.
DEALS = Sale(
    kind=Kind(
        "0-3",
        (
            *(NUMBER, "dealname", "amount", "deal_currency_code", "closedate"),
            *("pipeline", "dealstage", "description"),
        ),
    ),
    number=NUMBER,
    name="dealname",
    total="amount",
    currency="deal_currency_code",
    placed_at="closedate",
    stage="dealstage",
    pipeline="pipeline",
    note="description",
    addresses={},
    default_stages="closedwon=paid",
)


def sale(settings: Settings) -> Sale:
    return DEALS if settings.get("orders_object") == "deals" else ORDERS


def document_property(settings: Settings) -> str:
    return settings.get("document_property") or "cpf_cnpj"


def sku_property(settings: Settings) -> str:
    return settings.get("sku_property") or "hs_sku"


def price_property(settings: Settings) -> str:
    return settings.get("price_property") or "price"


def asked(kind: Kind, settings: Settings) -> tuple[str, ...]:
    """All that is read of it; HubSpot passes over names that it does not know."""
    typed = {
        CONTACTS.type: (document_property(settings),),
        PRODUCTS.type: (sku_property(settings), price_property(settings)),
    }
    return (*kind.properties, *typed.get(kind.type, ()), REFERENCE, kind.modified)


def stages(settings: Settings) -> Mapping[str, str]:
    """The ERP's status by the id of a pipeline's stage, which every account has of its own.

    Raises `ConfigurationError` for what is no such list.
    """
    return _stages(settings.get("stages") or sale(settings).default_stages)


@lru_cache(maxsize=64)
def _stages(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        stage, _, status = (part.strip() for part in pair.partition("="))
        if not stage or status not in STATUSES:
            known = ", ".join(STATUSES)
            raise ConfigurationError(f"Etapas: {pair!r} não é um par etapa=status. Os status são: {known}.")
        found[stage] = status
    return found
