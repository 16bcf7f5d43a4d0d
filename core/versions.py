"""Which versions were at work: what support asks first."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from core.spec import Provider

PACKAGE = "cloudtosys-integracoes"


def versions(provider: Provider) -> dict[str, Any]:
    """Of ours, of the provider's module (a mapping's version is raised when it changes), of what runs it."""
    return {
        "cloudtosys": _installed(PACKAGE),
        "provider": provider.key,
        "mappings": {entity.value: resource.version for entity, resource in provider.resources.items()},
        "prefect": _installed("prefect"),
        "python": platform.python_version(),
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
