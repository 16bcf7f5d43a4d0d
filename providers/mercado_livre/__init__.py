"""Mercado Livre Brasil.

Docs: https://developers.mercadolivre.com.br
The seller consents once; the refresh token works once only. Each item is a product, whether the account has
variations or user products. Items have no filter by date: changes are the head of a sorted list, and the
whole list comes by a scroll.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from core.entities import Direction, Entity
from core.oauth2 import OAuth2
from core.spec import (
    Incremental,
    Probe,
    Provider,
    RateLimit,
    Resource,
    Setting,
    Settings,
    Writing,
)
from providers.mercado_livre import invoices, reading, stock, writing
from providers.mercado_livre.calls import ERRORS, SITE, decode
from providers.mercado_livre.mapping import (
    in_full,
    invoice_from,
    invoice_key,
    order_from,
    product_from,
    stock_from,
    stock_key,
    utc,
)
from providers.mercado_livre.unmapping import PRODUCT
from providers.mercado_livre.webhooks import WEBHOOKS

API = "https://api.mercadolibre.com"
CONSENT = "https://auth.mercadolivre.com.br/authorization"


def base_url(settings: Settings) -> str:
    """One host for every country."""
    return (settings.get("base_url") or API).rstrip("/") + "/"


def permissions(data: Any) -> Mapping[Entity, frozenset[Direction]]:
    """What an application may do is not told; the account has to be of Brazil."""
    fits = isinstance(data, dict) and data.get("site_id") == SITE
    return {entity: resource.directions if fits else frozenset() for entity, resource in RESOURCES.items()}


def rate(settings: Settings) -> RateLimit:
    """No figure is published; an application shows its own (`max_requests_per_hour`)."""
    hourly = settings.get("requests_per_hour")
    return (
        RateLimit(requests=max(1, int(hourly) // 60), seconds=60, concurrency=4)
        if hourly
        else RateLimit(concurrency=4)
    )


RESOURCES = {
    Entity.PRODUCTS: Resource(
        fetch=reading.fetch_products,
        incremental=Incremental(
            param="orders",
            field="last_updated",
            parse=utc,
            format=lambda moment: moment.isoformat(),
            overlap=timedelta(minutes=10),
            full_every=timedelta(days=1),
        ),
        map=product_from,
        fields=PRODUCT | {"sku", "gtin", "sale_price", "image_urls"},
        read=reading.read_products,
        writing=Writing(fields=PRODUCT, write=writing.write_products, find=writing.find_products, size=20),
    ),
    Entity.STOCK: Resource(
        fetch=reading.fetch_stock,
        split=stock.split,
        key=stock_key,
        wanted=lambda raw: not in_full(raw),
        map=stock_from,
        read=stock.read_stock,
        revision=stock.revision,
        # A stock level is part of its item, so there is nothing to double.
        writing=Writing(
            fields=frozenset({"on_hand"}), write=stock.write_stock, size=20, repeatable_creates=True
        ),
    ),
    Entity.ORDERS: Resource(
        fetch=reading.fetch_orders,
        incremental=Incremental(
            param="order.date_last_updated.from",
            field="last_updated",
            parse=utc,
            format=lambda moment: moment.isoformat(),
            overlap=timedelta(minutes=15),
            # The list forgets orders after a year: what a complete scan does not see is not gone.
            full_every=timedelta(days=365),
            until="order.date_last_updated.to",
        ),
        expand=reading.with_papers,
        map=order_from,
        read=reading.read_orders,
    ),
    Entity.INVOICES: Resource(
        key=invoice_key,
        map=invoice_from,
        writing=Writing(
            # What a corrected invoice is written with.
            fields=frozenset({"access_key", "order_id", "xml"}),
            wanted=invoices.wanted,
            write=invoices.write_invoices,
            find=invoices.find_invoices,
            size=10,
        ),
    ),
}
MERCADO_LIVRE = Provider(
    key="mercado-livre",
    name="Mercado Livre",
    category="marketplace",
    docs="https://developers.mercadolivre.com.br",
    settings=(
        Setting(
            name="client_id",
            label="ID do aplicativo",
            pattern=r"\d+",
            placeholder="1234567890123456",
            help="DevCenter › Minhas aplicações › App ID.",
        ),
        Setting(name="client_secret", label="Chave secreta", kind="secret", help="Fica ao lado do App ID."),
        Setting(
            name="store_id",
            label="Depósito",
            required=False,
            pattern=r"\d+",
            help="Só para contas com estoque por depósito, quando há mais de um. Corresponde à filial da"
            " integração.",
        ),
        Setting(
            name="listing_type",
            label="Tipo dos anúncios novos",
            kind="choice",
            required=False,
            default="gold_special",
            choices=(("gold_special", "Clássico"), ("gold_pro", "Premium")),
        ),
        Setting(
            name="category_id",
            label="Categoria padrão",
            required=False,
            pattern=r"MLB\d+",
            help="Dos anúncios novos. Vazio: a que o Mercado Livre reconhece pelo nome.",
        ),
        Setting(
            name="first_quantity",
            label="Quantidade inicial",
            kind="integer",
            required=False,
            default="1",
            pattern=r"\d{1,4}",
            help="De um anúncio novo, até a primeira exportação de estoque.",
        ),
        Setting(
            name="requests_per_hour",
            label="Chamadas por hora",
            kind="integer",
            required=False,
            pattern=r"[1-9]\d{0,6}",
            help="O limite do aplicativo, se houver um. Vazio: o CloudToSys espera quando for recusado.",
        ),
    ),
    base_url=base_url,
    oauth=OAuth2(
        token_url=lambda settings: f"{base_url(settings)}oauth/token",
        authorize_url=lambda _: CONSENT,
        scopes=("offline_access", "read", "write"),
        pkce=True,
        lifetime=timedelta(hours=6),
    ),
    probe=Probe(path="users/me", permissions=permissions),
    rate=rate,
    rate_key=lambda settings: f"mercado-livre:{settings['client_id']}",
    decode=decode,
    errors=ERRORS,
    error_code="error",
    resources=RESOURCES,
    webhooks=WEBHOOKS,
)
