"""Providers: what can be connected, the fields that each asks for, and what it can do with each entity."""

from fastapi import APIRouter
from pydantic import Field

from core.capabilities import capabilities
from core.entities import Cadence, Direction, Entity
from core.errors import Absent
from core.spec import Provider as Declared
from providers.registry import PROVIDERS
from web.api.gate import Calling, Guarded
from web.api.shapes import Shown

router = APIRouter(prefix="/providers", tags=["Sistemas"], route_class=Guarded)


class Capability(Shown):
    entity: Entity
    directions: list[Direction]
    reading: str = Field(description="alterações, lista inteira, fila ou uma vez; vazio onde nada é lido.")
    webhook: bool


class Setting(Shown):
    name: str
    label: str
    kind: str
    required: bool
    secret: bool
    help: str
    default: str
    choices: list[str]


class Provider(Shown):
    key: str
    name: str
    category: str
    fastest: Cadence = Field(description="A frequência mais alta que aceita.")
    fastest_reason: str
    by_migration: bool
    docs: str
    settings: list[Setting]
    capabilities: list[Capability]


class Providers(Shown):
    data: list[Provider]


@router.get("", summary="Lista os sistemas com sua matriz de capacidades")
async def listing(calling: Calling) -> Providers:
    return Providers(data=[_provider(one) for one in PROVIDERS])


@router.get("/{key}", summary="Lê um sistema")
async def read(calling: Calling, key: str) -> Provider:
    for one in PROVIDERS:
        if one.key == key:
            return _provider(one)
    raise Absent("Não há este sistema.")


def _provider(one: Declared) -> Provider:
    return Provider(
        key=one.key,
        name=one.name,
        category=one.category,
        fastest=one.fastest,
        fastest_reason=one.fastest_reason,
        by_migration=one.by_migration,
        docs=one.docs,
        settings=[
            Setting(
                name=setting.name,
                label=setting.label,
                kind=setting.kind,
                required=setting.required,
                secret=setting.name in one.secret_names,
                help=setting.help,
                default=setting.default,
                choices=[value for value, _ in setting.choices],
            )
            for setting in one.settings
        ],
        capabilities=[Capability.model_validate(found) for found in capabilities(one)],
    )
