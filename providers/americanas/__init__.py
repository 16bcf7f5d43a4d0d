"""Americanas Marketplace, on SkyHub's API and, since 31 March 2025, the OMNIK platform.

Docs: https://desenvolvedores.skyhub.com.br
Orders come from a queue that hides what it gave for five minutes. All codes and paths still speak of B2W;
`providers.b2w` is the same for accounts of that time.
"""

from collections.abc import Generator

import httpx

from core.entities import Entity
from core.errors import RecordError
from core.spec import ErrorRule, Probe, Provider, RateLimit, Resource, Setting, Settings
from providers.americanas import orders, products
from providers.americanas.mapping import (
    category_from,
    code,
    invoice_from,
    order_from,
    product_from,
    shipment_from,
    shipment_key,
    sku,
    stock_from,
    stock_parts,
)
from providers.americanas.unmapping import PRODUCT, Shape

ADDRESS = "https://api.skyhub.com.br"
CATALOGUE = products.Products(Shape(by_attribute=True))
CREDENTIALS = (
    Setting(
        name="base_url",
        label="Endereço da API",
        kind="url",
        required=False,
        default=ADDRESS,
        placeholder=ADDRESS,
    ),
    Setting(
        name="user_email",
        label="E-mail do usuário",
        placeholder="loja@exemplo.com.br",
        help="O do usuário da conta no painel da SkyHub.",
    ),
    Setting(
        name="api_key",
        label="Chave de API (X-Api-Key)",
        kind="secret",
        help="Painel da SkyHub › Integração › Token de integração.",
    ),
    Setting(
        name="accountmanager_key",
        label="Chave do integrador (X-Accountmanager-Key)",
        kind="secret",
        help="A do integrador homologado. Sem ela a resposta é 401, como se a chave de API fosse errada.",
    ),
)
LIMITS = (
    Setting(
        name="tracking_url",
        label="Endereço de rastreio",
        required=False,
        placeholder="https://rastreio.exemplo.com.br/{code}",
        help="Vai com cada envio; {code} é o código de rastreio.",
    ),
    Setting(
        name="requests",
        label="Chamadas por segundo",
        kind="integer",
        required=False,
        default="9",
        help="O limite da SkyHub é 9 para cada recurso.",
    ),
)


class Headers(httpx.Auth):
    """The three headers of every call. A call without body has to name its type as well."""

    def __init__(self, settings: Settings) -> None:
        self._headers = {
            "X-User-Email": settings["user_email"],
            "X-Api-Key": settings["api_key"],
            "X-Accountmanager-Key": settings["accountmanager_key"],
        }

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self._headers)
        request.headers.setdefault("Content-Type", "application/json")
        yield request


RESOURCES = {
    Entity.PRODUCTS: Resource(
        fetch=products.fetch_products,
        key=sku,
        map=product_from,
        # Brand and category are not told by the list.
        fields=PRODUCT | {"sku"},
        read=products.read_products,
        writing=CATALOGUE.writing,
    ),
    Entity.STOCK: Resource(
        fetch=products.fetch_products,
        split=lambda raw: list(stock_parts(raw)),
        key=sku,
        map=stock_from,
        read=products.read_stock,
        writing=products.STOCK,
    ),
    Entity.ORDERS: Resource(
        fetch=orders.fetch_orders,
        acknowledge=orders.acknowledge,
        key=code,
        map=order_from,
        read=orders.read_orders,
        writing=orders.ORDERS,
    ),
    Entity.INVOICES: Resource(key=lambda raw: str(raw["key"]), map=invoice_from, writing=orders.INVOICES),
    Entity.SHIPMENTS: Resource(key=shipment_key, map=shipment_from, writing=orders.SHIPMENTS),
}

AMERICANAS = Provider(
    key="americanas",
    name="Americanas Marketplace",
    category="marketplace",
    docs="https://desenvolvedores.skyhub.com.br",
    settings=(
        *CREDENTIALS,
        Setting(
            name="brand",
            label="Marca dos produtos novos",
            required=False,
            help="Exatamente como na lista de marcas da Americanas. Obrigatória para criar produtos.",
        ),
        Setting(
            name="category_field",
            label="Campo da categoria no produto",
            kind="choice",
            required=False,
            default="id",
            choices=(("id", "id"), ("code", "code")),
            help="Só mude se a Americanas recusar a categoria dos produtos novos.",
        ),
        Setting(
            name="omnik_url",
            label="Endereço das categorias (OMNIK)",
            kind="url",
            required=False,
            default="https://omnik.skyhub.com.br",
        ),
        *LIMITS,
    ),
    base_url=lambda settings: f"{(settings.get('base_url') or ADDRESS).rstrip('/')}/",
    auth=Headers,
    # Proves the new platform too. Not the queue: that would hide an order for five minutes.
    probe=Probe(path="brands", params={"limit": "1", "offset": "0"}),
    rate=lambda settings: RateLimit(requests=int(settings.get("requests") or 9), concurrency=4),
    rate_key=lambda settings: f"skyhub:{settings['user_email'].lower()}",
    errors=(ErrorRule(status=422, error=RecordError),),
    error_message="error",
    resources={
        Entity.CATEGORIES: Resource(
            fetch=products.fetch_categories,
            map=category_from,
            fields=frozenset({"name"}),
        ),
        **RESOURCES,
    },
)
