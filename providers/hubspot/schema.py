"""Which properties an account has. One unknown name refuses a whole record, so what it lacks is left out, and
what we need ourselves is made."""

from collections.abc import Mapping

from core.errors import AuthorizationError, ConfigurationError, ConflictError
from core.spec import Raw, Settings, Source
from providers.hubspot.calls import REFERENCE, results
from providers.hubspot.kinds import CONTACTS, NUMBER, Kind, document_property

_UNIQUE = frozenset({REFERENCE})


async def writable(source: Source, kind: Kind) -> frozenset[str] | None:
    """Names of the properties that may be written; None where the token may not see them.

    Raises `ConfigurationError` where one of ours is missing and the token may not make it.
    """
    path = f"crm/v3/properties/{kind.type}"
    try:
        known = {one["name"]: one for one in results(await source.get(path))}
    except AuthorizationError:
        return None
    ours = _ours(kind, source.settings)
    for name in ours.keys() - known.keys():
        await _define(source, path, name, ours[name], known)
    return frozenset(ours) | {name for name, one in known.items() if not _read_only(one)}


def _ours(kind: Kind, settings: Settings) -> Mapping[str, str]:
    labels = {REFERENCE: "CloudToSys ID"}
    if kind is CONTACTS:
        labels[document_property(settings)] = "CPF/CNPJ"
    if NUMBER in kind.properties:
        labels[NUMBER] = "CloudToSys Número do pedido"
    return labels


def _read_only(definition: Raw) -> bool:
    return bool((definition.get("modificationMetadata") or {}).get("readOnlyValue"))


async def _define(source: Source, path: str, name: str, label: str, known: Mapping[str, Raw]) -> None:
    group = next((one["groupName"] for one in known.values() if one.get("groupName")), "")
    body = {
        "name": name,
        "label": label,
        "type": "string",
        "fieldType": "text",
        "groupName": group,
        "hasUniqueValue": name in _UNIQUE,
    }
    try:
        await source.send("POST", path, body, repeatable=True)
    except ConflictError:
        pass  # another run made it
    except AuthorizationError:
        unique = ", com valores únicos" if name in _UNIQUE else ""
        raise ConfigurationError(
            f"O HubSpot não tem a propriedade {name} em {path.rpartition('/')[2]}, e o token não pode"
            f" criá-la: crie-a (texto de uma linha{unique}) ou conceda ao app o escopo crm.schemas."
        ) from None
