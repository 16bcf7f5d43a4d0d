"""What a provider is that only the legacy migration reads: no address to call, nothing to sign."""

from typing import Any

from core.errors import ConfigurationError
from core.records import Record
from core.spec import Probe, RateLimit, Raw, Resource, Settings, Source, Span, Step

ONLY_BY_MIGRATION = (
    "Este sistema legado é lido uma vez, pela migração: use `cloudtosys migrate-legacy`, ou o deployment "
    "Migração de legado no Prefect com o id de uma migração."
)


async def _fetch(_source: Source, _span: Span, _place: str | None) -> Step:
    raise ConfigurationError(ONLY_BY_MIGRATION)


def _map(_raw: Raw, _settings: Settings) -> Record:
    raise ConfigurationError(ONLY_BY_MIGRATION)


def once() -> Resource:
    """Stands for the resource that a migration makes of its mapping."""
    return Resource(map=_map, fetch=_fetch)


def nothing() -> dict[str, Any]:
    """The parts of a `Provider` that are about calls."""
    return {
        "base_url": lambda _settings: "",
        "probe": Probe(path=""),
        "rate": lambda _settings: RateLimit(),
        "rate_key": lambda _settings: "legacy",
    }
