"""HubSpot CRM, API v3 (associations v4).

Docs: https://developers.hubspot.com/docs/api-reference
A private app of the account has a token that does not end. Contacts are customers; orders are those of
HubSpot Commerce, or deals.
"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx

from core.entities import Entity
from core.spec import Incremental, Probe, Provider, RateLimit, Resource, Setting, Settings
from providers.hubspot.calls import ERRORS, pause
from providers.hubspot.kinds import CONTACTS, PRODUCTS, Kind
from providers.hubspot.mapping import customer_from, order_from, product_from, utc
from providers.hubspot.reading import CATALOGUE, CUSTOMERS, SALES, milliseconds
from providers.hubspot.webhooks import WEBHOOKS
from providers.hubspot.writing import WRITING

HOST = "https://api.hubapi.com"


class BearerToken(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def changed(field: str) -> Incremental:
    """The search is behind by some seconds, and knows nothing of records that were archived."""
    return Incremental(
        param="since",
        field=f"properties.{field}",
        parse=utc,
        format=lambda moment: str(milliseconds(moment)),
        overlap=timedelta(minutes=5),
        full_every=timedelta(days=1),
        until="until",
    )


def app_key(settings: Mapping[str, str]) -> str:
    """HubSpot counts by app: its token stands for it."""
    return f"hubspot:{hashlib.sha256(settings['access_token'].encode()).hexdigest()[:16]}"


def rate(settings: Settings) -> RateLimit:
    return RateLimit(requests=int(settings.get("requests_per_10s") or 100), seconds=10.0, concurrency=4)


def path(kind: Kind) -> str:
    return f"crm/v3/objects/{kind.type}"


HUBSPOT = Provider(
    key="hubspot",
    name="HubSpot",
    category="marketing",
    docs="https://developers.hubspot.com/docs/api-reference",
    settings=(
        Setting(
            name="access_token",
            label="Token de acesso do app privado",
            kind="secret",
            placeholder="pat-na1-…",
            help="Configurações › Integrações › Apps privados › app › Autenticação.",
        ),
        Setting(
            name="orders_object",
            label="Pedidos são",
            kind="choice",
            required=False,
            default="orders",
            choices=(("orders", "Pedidos do HubSpot Commerce"), ("deals", "Negócios")),
        ),
        Setting(
            name="stages",
            label="Etapas",
            required=False,
            placeholder="closedwon=paid, 12345678=shipped",
            help="ID interno da etapa = status no ERP, separados por vírgula. Só negócios em uma destas "
            "etapas são importados; vazio: closedwon=paid.",
        ),
        Setting(
            name="pipeline",
            label="Pipeline",
            required=False,
            help="ID interno do pipeline destas etapas; vazio: o padrão da conta.",
        ),
        Setting(
            name="document_property",
            label="Propriedade do CPF/CNPJ",
            required=False,
            default="cpf_cnpj",
            pattern=r"[a-z][a-z0-9_]*",
            help="Nome interno, em contatos. É criada na primeira exportação se não existir.",
        ),
        Setting(
            name="sku_property",
            label="Propriedade do SKU",
            required=False,
            default="hs_sku",
            pattern=r"[a-z][a-z0-9_]*",
        ),
        Setting(
            name="price_property",
            label="Propriedade do preço",
            required=False,
            default="price",
            pattern=r"[a-z][a-z0-9_]*",
            help="Em contas cuja moeda não é o real, a propriedade do preço em reais.",
        ),
        Setting(
            name="requests_per_10s",
            label="Requisições por 10 segundos",
            kind="integer",
            required=False,
            default="100",
            help="100 nos planos Free e Starter, 190 no Professional e no Enterprise.",
        ),
        Setting(
            name="webhook_secret",
            label="Segredo do app",
            kind="secret",
            required=False,
            help="Só para webhooks: assina os avisos do HubSpot. Apps privados › app › Autenticação.",
        ),
        Setting(
            name="base_url",
            label="Endereço da API",
            kind="url",
            required=False,
            default=HOST,
        ),
    ),
    base_url=lambda settings: f"{(settings.get('base_url') or HOST).rstrip('/')}/",
    auth=lambda settings: BearerToken(settings["access_token"]),
    probe=Probe(path="account-info/v3/details"),
    rate=rate,
    rate_key=app_key,
    pause=pause,
    errors=ERRORS,
    error_code="category",
    resources={
        Entity.CUSTOMERS: Resource(
            path=path(CONTACTS),
            fetch=CUSTOMERS.fetch,
            incremental=changed(CONTACTS.modified),
            map=customer_from,
            fields=WRITING[Entity.CUSTOMERS].fields | {"person_type"},
            read=CUSTOMERS.read,
            writing=WRITING[Entity.CUSTOMERS],
        ),
        Entity.PRODUCTS: Resource(
            path=path(PRODUCTS),
            fetch=CATALOGUE.fetch,
            incremental=changed(PRODUCTS.modified),
            map=product_from,
            fields=WRITING[Entity.PRODUCTS].fields,
            read=CATALOGUE.read,
            writing=WRITING[Entity.PRODUCTS],
        ),
        Entity.ORDERS: Resource(
            fetch=SALES.fetch,
            incremental=changed("hs_lastmodifieddate"),
            map=order_from,
            wanted=lambda raw: bool(raw["wanted"]),
            fields=WRITING[Entity.ORDERS].fields
            | {
                "external_status",
                "items_total",
                "buyer_name",
                "buyer_document",
                "buyer_email",
                "buyer_phone",
            },
            read=SALES.read,
            writing=WRITING[Entity.ORDERS],
        ),
    },
    webhooks=WEBHOOKS,
)
