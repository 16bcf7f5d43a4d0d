"""What a person fills in to connect a system: each field, the whole, and what the account is to do.

All raise `ConfigurationError` for what cannot be so; a value is never repeated.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence

from core.address import Guard
from core.entities import Cadence, Direction, Entity
from core.errors import ConfigurationError
from core.spec import Provider, Setting

LARGEST_FILE = 1_000_000
LONGEST_VALUE = 20_000
"""Of a field that is no file; private keys are pasted into some."""


def check(setting: Setting, value: str) -> None:
    """One field that was filled in."""
    choices = dict(setting.choices)
    if setting.pattern and not re.fullmatch(setting.pattern, value):
        shape = f" Formato: {setting.placeholder}" if setting.placeholder else ""
        raise ConfigurationError(f"{setting.label} não tem o formato esperado.{shape}")
    if choices and value not in choices:
        raise ConfigurationError(f"{setting.label}: use um de {', '.join(choices)}.")
    if setting.kind == "integer" and not value.isdecimal():
        raise ConfigurationError(f"{setting.label} deve ser um número inteiro.")
    if setting.kind == "boolean" and value not in ("true", "false"):
        raise ConfigurationError(f"{setting.label} deve ser true ou false.")
    if setting.kind != "file" and len(value) > LONGEST_VALUE:
        raise ConfigurationError(f"{setting.label} é longo demais.")
    if "\0" in value:
        raise ConfigurationError(f"{setting.label} contém caracteres inválidos.")


def contents(setting: Setting, data: bytes) -> str:
    """A file as it is kept: base64."""
    if not data or len(data) > LARGEST_FILE:
        raise ConfigurationError(f"{setting.label}: o arquivo está vazio ou passa de 1 MB.")
    return base64.b64encode(data).decode()


def defaults(provider: Provider) -> dict[str, str]:
    """What a setting is where nobody says otherwise."""
    return {setting.name: setting.default for setting in provider.settings if setting.default}


def complete(provider: Provider, given: Mapping[str, str]) -> None:
    """Names what is still missing."""
    missing = [s.label for s in provider.settings if s.required and not given.get(s.name)]
    if missing:
        raise ConfigurationError(f"Falta preencher: {', '.join(missing)}.")


def check_addresses(provider: Provider, guard: Guard, given: Mapping[str, str]) -> None:
    """Every address that will be called, of complete settings. Raises `AddressRefused`."""
    if provider.by_migration:
        return
    for setting in provider.settings:
        if setting.kind == "url" and given.get(setting.name):
            guard.check_url(given[setting.name])
    guard.check_url(provider.base_url(given))


def directions(
    provider: Provider, entities: Sequence[Entity] | None, wanted: Direction
) -> dict[Entity, Direction]:
    """Each entity's own direction: in a two-way integration what cannot be written is imported. Without
    `entities` those that the provider offers."""
    found: dict[Entity, Direction] = {}
    for entity in entities or provider.resources:
        offered = provider.resources[entity].directions if entity in provider.resources else frozenset()
        if wanted in offered:
            found[entity] = wanted
        elif wanted is Direction.BOTH and Direction.IMPORT in offered:
            found[entity] = Direction.IMPORT
        elif entities:
            labels = ", ".join(item.label for item in provider.resources)
            raise ConfigurationError(
                f"{provider.name} não oferece {wanted.label} {entity.label}. Entidades: {labels}."
            )
    if not found:
        raise ConfigurationError(f"{provider.name} não oferece {wanted.label} nenhuma entidade.")
    return found


def overall(chosen: Iterable[Direction]) -> Direction:
    """The integration's direction, of those of its entities."""
    ways = set(chosen)
    return ways.pop() if len(ways) == 1 else Direction.BOTH


def check_cadence(provider: Provider, cadence: Cadence) -> None:
    """Whether the provider allows it."""
    if not allows(provider, cadence):
        reason = f" {provider.fastest_reason}" if provider.fastest_reason else ""
        raise ConfigurationError(f"{provider.name} aceita no máximo {provider.fastest.label}.{reason}")


def allows(provider: Provider, cadence: Cadence) -> bool:
    return cadence.seconds is None or cadence.seconds >= (provider.fastest.seconds or 0)


def may_simulate(provider: Provider, entity: Entity) -> bool:
    """What is handed out once would be lost to a simulation."""
    return not provider.resources[entity].feed
