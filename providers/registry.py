"""Every external system that an admin can connect.

An installation adds its own with `CLOUDTOSYS_PROVIDERS`: modules, separated by commas, each with a tuple
`PROVIDERS`.
"""

import os
from importlib import import_module

from core.entities import Entity
from core.errors import ConfigurationError
from core.ports import VARIANTS
from core.spec import Provider
from providers.americanas import AMERICANAS
from providers.b2w import B2W
from providers.banco_inter import BANCO_INTER
from providers.hubspot import HUBSPOT
from providers.legacy_excel import LEGACY_EXCEL
from providers.legacy_sql import LEGACY_SQL
from providers.melhor_envio import MELHOR_ENVIO
from providers.mercado_livre import MERCADO_LIVRE
from providers.sefaz import SEFAZ
from providers.shopify import SHOPIFY
from providers.woocommerce import WOOCOMMERCE

_ADDED = filter(None, os.environ.get("CLOUDTOSYS_PROVIDERS", "").split(","))
PROVIDERS: tuple[Provider, ...] = (
    WOOCOMMERCE,
    SHOPIFY,
    MERCADO_LIVRE,
    SEFAZ,
    AMERICANAS,
    B2W,
    HUBSPOT,
    BANCO_INTER,
    MELHOR_ENVIO,
    LEGACY_EXCEL,
    LEGACY_SQL,
    *(provider for name in _ADDED for provider in import_module(name).PROVIDERS),
)

_BY_KEY = {provider.key: provider for provider in PROVIDERS}


def get(key: str) -> Provider:
    """Raises `ConfigurationError` for a key that is not in the registry."""
    try:
        return _BY_KEY[key]
    except KeyError:
        known = ", ".join(sorted(_BY_KEY))
        raise ConfigurationError(f"Provedor desconhecido: {key!r}. Disponíveis: {known}.") from None


def reads_one(key: str, kind: str) -> bool:
    """Whether a record of a mapping's kind can be read there by its id."""
    resource = get(key).resources.get(Entity(kind)) if kind != VARIANTS else None
    return resource is not None and resource.read is not None
