"""What a provider can do with each entity, as its declaration says."""

from collections.abc import Iterator
from dataclasses import dataclass

from core.entities import Direction, Entity
from core.spec import Provider, Resource


@dataclass(frozen=True, slots=True)
class Capability:
    """`reading` is how changes are found, in words; empty where nothing is read."""

    entity: Entity
    directions: tuple[Direction, ...]
    reading: str
    webhook: bool


def capabilities(provider: Provider) -> Iterator[Capability]:
    told = provider.webhooks.entities if provider.webhooks else frozenset()
    for entity, resource in provider.resources.items():
        offered = tuple([direction for direction in Direction if direction in resource.directions])
        yield Capability(entity, offered, _reading(provider, resource), entity in told)


def _reading(provider: Provider, resource: Resource) -> str:
    if Direction.IMPORT not in resource.directions:
        return ""
    if provider.by_migration:
        return "uma vez"
    if resource.feed or resource.acknowledge is not None:
        return "fila"
    return "alterações" if resource.incremental is not None else "lista inteira"
