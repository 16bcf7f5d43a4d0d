"""Every external system that an admin can connect."""

from core.errors import ConfigurationError
from core.spec import Provider
from providers.woocommerce import WOOCOMMERCE

PROVIDERS: tuple[Provider, ...] = (WOOCOMMERCE,)

_BY_KEY = {provider.key: provider for provider in PROVIDERS}


def get(key: str) -> Provider:
    """Raises `ConfigurationError` for a key that is not in the registry."""
    try:
        return _BY_KEY[key]
    except KeyError:
        known = ", ".join(sorted(_BY_KEY))
        raise ConfigurationError(f"Provedor desconhecido: {key!r}. Disponíveis: {known}.") from None
