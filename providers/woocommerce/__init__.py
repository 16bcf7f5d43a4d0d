"""WooCommerce REST API v3, with the fields of "Brazilian Market on WooCommerce".

Docs: https://woocommerce.github.io/woocommerce-rest-api-docs/
Lists are read in ascending id order: their order by modification moves while it is read. Customers and
categories have no "modified since" filter. `modified_after` is strictly later and wants UTC without "Z"
beside `dates_are_gmt`. Basic authentication is refused on plain HTTP, where OAuth 1.0a signs instead.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from core.entities import Entity
from core.oauth1 import OAuth1
from core.spec import Incremental, Probe, Provider, RateLimit, Resource, Setting, Settings
from providers.woocommerce.batches import ERRORS
from providers.woocommerce.mapping import (
    LENGTH_CM,
    WEIGHT_KG,
    category_from,
    customer_from,
    gmt,
    order_from,
    product_from,
    stock_from,
    utc,
)
from providers.woocommerce.reading import (
    BY_ID,
    PAGES,
    STOCK_FIELDS,
    expand_products,
    expand_stock,
    read_products,
    read_stock,
    reader,
    split_stock,
)
from providers.woocommerce.webhooks import WEBHOOKS
from providers.woocommerce.writing import WRITING

CHANGED = Incremental(
    param="modified_after",
    field="date_modified_gmt",
    parse=utc,
    format=gmt,
    overlap=timedelta(minutes=5),
    # A product created with a past date never shows in modified_after.
    full_every=timedelta(days=1),
    until="modified_before",
    extra={"dates_are_gmt": "true"},
)


class QueryKeys(httpx.Auth):
    """The keys in the query, for web servers that strip the Authorization header."""

    def __init__(self, key: str, secret: str) -> None:
        self._keys = {"consumer_key": key, "consumer_secret": secret}

    def auth_flow(self, request: httpx.Request) -> Any:
        request.url = request.url.copy_merge_params(self._keys)
        yield request


def auth(settings: Settings) -> httpx.Auth:
    key, secret = settings["consumer_key"], settings["consumer_secret"]
    if urlsplit(settings["base_url"]).scheme == "http":
        return OAuth1(key, secret)
    if settings.get("auth_in_query") == "true":
        return QueryKeys(key, secret)
    return httpx.BasicAuth(key, secret)


def rate(settings: Settings) -> RateLimit:
    """WooCommerce documents no limit; hosts have their own, which the admin may type in."""
    requests = settings.get("requests_per_second")
    return RateLimit(requests=int(requests) if requests else None, concurrency=2)


def rate_key(settings: Settings) -> str:
    return f"woocommerce:{urlsplit(settings['base_url']).netloc.lower()}"


WOOCOMMERCE = Provider(
    key="woocommerce",
    name="WooCommerce",
    category="ecommerce",
    docs="https://woocommerce.github.io/woocommerce-rest-api-docs/",
    settings=(
        Setting(
            name="base_url",
            label="Endereço da loja",
            kind="url",
            placeholder="https://www.minhaloja.com.br",
            help="O endereço que se abre no navegador, sem /wp-json. Links permanentes devem estar ativos.",
        ),
        Setting(
            name="consumer_key",
            label="Consumer key",
            kind="secret",
            placeholder="ck_…",
            pattern=r"ck_\w+",
            help="WooCommerce › Configurações › Avançado › API REST, permissão Leitura/Escrita.",
        ),
        Setting(
            name="consumer_secret",
            label="Consumer secret",
            kind="secret",
            placeholder="cs_…",
            pattern=r"cs_\w+",
            help="Mostrado uma única vez, ao criar a chave.",
        ),
        Setting(
            name="auth_in_query",
            label="Enviar chaves na URL",
            kind="boolean",
            required=False,
            default="false",
            help="Só para servidores que removem o cabeçalho Authorization.",
        ),
        Setting(
            name="requests_per_second",
            label="Requisições por segundo",
            kind="integer",
            required=False,
            help="Limite da hospedagem, se houver. Vazio: sem limite, duas chamadas por vez.",
        ),
        Setting(
            name="weight_unit",
            label="Unidade de peso da loja",
            kind="choice",
            required=False,
            default="kg",
            choices=tuple((unit, unit) for unit in WEIGHT_KG),
        ),
        Setting(
            name="dimension_unit",
            label="Unidade de medida da loja",
            kind="choice",
            required=False,
            default="cm",
            choices=tuple((unit, unit) for unit in LENGTH_CM),
        ),
    ),
    base_url=lambda settings: f"{settings['base_url'].rstrip('/')}/wp-json/wc/v3/",
    auth=auth,
    # The index answers without a key; orders do not.
    probe=Probe(path="orders", params={"per_page": "1", "_fields": "id"}),
    rate=rate,
    rate_key=rate_key,
    errors=ERRORS,
    resources={
        Entity.CATEGORIES: Resource(
            path="products/categories",
            params=BY_ID,
            paging=PAGES,
            map=category_from,
            read=reader("products/categories", {}),
            writing=WRITING[Entity.CATEGORIES],
        ),
        Entity.PRODUCTS: Resource(
            path="products",
            params=BY_ID,
            paging=PAGES,
            incremental=CHANGED,
            expand=expand_products,
            map=product_from,
            read=read_products,
            writing=WRITING[Entity.PRODUCTS],
        ),
        Entity.CUSTOMERS: Resource(
            path="customers",
            params={**BY_ID, "role": "all"},
            paging=PAGES,
            map=customer_from,
            read=reader("customers", {"role": "all"}),
            writing=WRITING[Entity.CUSTOMERS],
        ),
        Entity.STOCK: Resource(
            path="products",
            params={**BY_ID, "_fields": STOCK_FIELDS},
            paging=PAGES,
            incremental=CHANGED,
            expand=expand_stock,
            split=split_stock,
            map=stock_from,
            read=read_stock,
            writing=WRITING[Entity.STOCK],
        ),
        Entity.ORDERS: Resource(
            path="orders",
            params=BY_ID,
            paging=PAGES,
            incremental=CHANGED,
            wanted=lambda raw: raw.get("status") != "checkout-draft",
            map=order_from,
            read=reader("orders", {}),
            writing=WRITING[Entity.ORDERS],
        ),
    },
    webhooks=WEBHOOKS,
)
