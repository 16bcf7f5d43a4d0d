"""Shopify, GraphQL Admin API 2026-04.

Docs: https://shopify.dev/docs/api/admin-graphql
An app of the shop's own organisation asks for a token by its client credentials; it lasts a day and is asked
for again. Stock is that of one location, which stands for the integration's branch.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from core.entities import Direction, Entity
from core.errors import ConfigurationError
from core.oauth2 import OAuth2
from core.spec import (
    Incremental,
    Probe,
    Provider,
    RateLimit,
    Resource,
    Setting,
    Settings,
)
from providers.shopify import operations, reading
from providers.shopify.answers import ERRORS, PATH, pause, refusal
from providers.shopify.mapping import (
    category_from,
    customer_from,
    key,
    order_from,
    product_from,
    quantity_of,
    stock_from,
    stock_key,
    utc,
)
from providers.shopify.webhooks import WEBHOOKS
from providers.shopify.writing import WRITING

VERSION = "2026-04"
CHANGED = Incremental(
    param="updated_at",
    field="updatedAt",
    parse=utc,
    format=lambda moment: moment.isoformat(),
    overlap=timedelta(minutes=5),
    full_every=timedelta(days=7),
    until="updated_at",
)
_SCOPES = {
    Entity.CATEGORIES: ("read_products", "write_products"),
    Entity.PRODUCTS: ("read_products", "write_products"),
    Entity.CUSTOMERS: ("read_customers", "write_customers"),
    Entity.STOCK: ("read_inventory", "write_inventory"),
    Entity.ORDERS: ("read_orders", "write_orders"),
}


class AccessToken(httpx.Auth):
    """The token of an app that was made in the shop's own admin, before 2026."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["X-Shopify-Access-Token"] = self._token
        yield request


def auth(settings: Settings) -> httpx.Auth | None:
    if token := settings.get("access_token"):
        return AccessToken(token)
    if settings.get("client_id") and settings.get("client_secret"):
        return None
    raise ConfigurationError("Preencha Client ID e Client secret, ou o Token de acesso de um app antigo.")


def permissions(data: Any) -> Mapping[Entity, frozenset[Direction]]:
    """A scope to write holds the one to read."""
    granted = {scope["handle"] for scope in data["data"]["currentAppInstallation"]["accessScopes"]}
    found = {}
    for entity, (read, write) in _SCOPES.items():
        may = {Direction.IMPORT} if granted & {read, write} else set()
        found[entity] = frozenset(may | ({Direction.EXPORT, Direction.BOTH} if write in granted else set()))
    return found


SHOPIFY = Provider(
    key="shopify",
    name="Shopify",
    category="ecommerce",
    docs="https://shopify.dev/docs/api/admin-graphql",
    settings=(
        Setting(
            name="base_url",
            label="Endereço da loja",
            kind="url",
            placeholder="https://minha-loja.myshopify.com",
            help="O domínio .myshopify.com, não o domínio próprio da loja.",
        ),
        Setting(
            name="client_id",
            label="Client ID",
            required=False,
            help="Dev Dashboard › app › Settings. O app e a loja são da mesma organização.",
        ),
        Setting(
            name="client_secret",
            label="Client secret",
            kind="secret",
            required=False,
            help="Também assina os webhooks.",
        ),
        Setting(
            name="access_token",
            label="Token de acesso",
            kind="secret",
            required=False,
            placeholder="shpat_…",
            help="Só para apps criados no admin da loja até 2025, no lugar de Client ID e Client secret.",
        ),
        Setting(
            name="location_id",
            label="Local de estoque",
            required=False,
            pattern=r"\d+",
            help="O número no fim do endereço do local (Configurações › Locais). Corresponde à filial da "
            "integração. Vazio: o único local da loja.",
        ),
        Setting(
            name="quantity",
            label="Quantidade sincronizada",
            kind="choice",
            required=False,
            default="available",
            choices=(("available", "Disponível (sem o vendido e não enviado)"), ("on_hand", "Em mãos")),
        ),
        Setting(
            name="api_version",
            label="Versão da API",
            required=False,
            default=VERSION,
            pattern=r"20\d\d-(01|04|07|10)",
        ),
    ),
    base_url=lambda settings: (
        f"{settings['base_url'].rstrip('/')}/admin/api/{settings.get('api_version') or VERSION}/"
    ),
    auth=auth,
    oauth=OAuth2(
        token_url=lambda settings: f"{settings['base_url'].rstrip('/')}/admin/oauth/access_token",
        lifetime=timedelta(hours=24),
        header="X-Shopify-Access-Token",
        scheme="",
    ),
    probe=Probe(path=PATH, body={"query": operations.PROBE}, permissions=permissions),
    # Shopify counts points, not calls: `pause` keeps the bucket from running dry.
    rate=lambda _: RateLimit(concurrency=4),
    rate_key=lambda settings: (
        f"shopify:{urlsplit(settings['base_url']).netloc.lower()}:{settings.get('client_id') or 'admin'}"
    ),
    refusal=refusal,
    pause=pause,
    errors=ERRORS,
    error_message="errors",
    resources={
        Entity.CATEGORIES: Resource(
            fetch=reading.COLLECTIONS.fetch,
            key=key,
            incremental=CHANGED,
            map=category_from,
            fields=frozenset({"name", "slug", "description"}),
            read=reading.COLLECTIONS.read,
            writing=WRITING[Entity.CATEGORIES],
        ),
        Entity.PRODUCTS: Resource(
            fetch=reading.PRODUCTS.fetch,
            key=key,
            incremental=CHANGED,
            map=product_from,
            fields=WRITING[Entity.PRODUCTS].fields | {"image_urls"},
            read=reading.PRODUCTS.read,
            writing=WRITING[Entity.PRODUCTS],
        ),
        Entity.CUSTOMERS: Resource(
            fetch=reading.CUSTOMERS.fetch,
            key=key,
            incremental=CHANGED,
            map=customer_from,
            fields=WRITING[Entity.CUSTOMERS].fields | {"person_type"},
            read=reading.CUSTOMERS.read,
            writing=WRITING[Entity.CUSTOMERS],
        ),
        Entity.STOCK: Resource(
            fetch=reading.fetch_stock,
            key=stock_key,
            wanted=lambda raw: bool(raw["inventoryItem"]["tracked"]) and quantity_of(raw) is not None,
            map=stock_from,
            read=reading.read_stock,
            revision=lambda raw: str(quantity_of(raw)),
            writing=WRITING[Entity.STOCK],
        ),
        Entity.ORDERS: Resource(
            fetch=reading.ORDERS.fetch,
            key=key,
            incremental=CHANGED,
            map=order_from,
            read=reading.ORDERS.read,
            writing=WRITING[Entity.ORDERS],
        ),
    },
    webhooks=WEBHOOKS,
)
