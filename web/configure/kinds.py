"""What the console says of a kind of system: its name, its fields' labels, what it allows."""

from dataclasses import dataclass

from core.capabilities import Capability, capabilities
from core.entities import Cadence, Entity
from core.errors import ConfigurationError
from core.form import allows
from core.oauth2 import TOKEN as OAUTH_TOKEN
from core.spec import CATEGORIES, Provider, Setting
from core.webhooks import TOKEN as WEBHOOK_TOKEN
from db.admin import IntegrationRow
from providers.registry import get


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A frequency; `refused` says why it cannot be chosen, where it cannot."""

    cadence: Cadence
    refused: str


def known(key: str) -> Provider | None:
    """None for a system that this installation does not have any more."""
    try:
        return get(key)
    except ConfigurationError:
        return None


def name_of(key: str) -> str:
    kind = known(key)
    return kind.name if kind else key


def category_of(kind: Provider | None) -> str:
    return CATEGORIES[kind.category] if kind else ""


def credential_label(kind: Provider | None, name: str) -> str:
    ours = {OAUTH_TOKEN: "Autorização da conta (OAuth)", WEBHOOK_TOKEN: "Token do webhook"}
    theirs = {setting.name: setting.label for setting in kind.settings} if kind else {}
    return ours.get(name) or theirs.get(name, name)


def filled(kind: Provider | None, row: IntegrationRow) -> list[tuple[str, str]]:
    """Fields that are no secret, as they are read: label and value."""
    fields = [s for s in kind.settings if s.name not in kind.secret_names] if kind else []
    given = row.settings | ({"base_url": row.base_url} if row.base_url else {})
    return [(field.label, _shown(field, given[field.name])) for field in fields if given.get(field.name)]


def rhythms(kind: Provider | None) -> list[Rhythm]:
    return [Rhythm(cadence, _refused(kind, cadence)) for cadence in Cadence]


def asks_consent(kind: Provider | None, row: IntegrationRow) -> bool:
    """Whether a person connects the account in the browser. Which credentials there are decides, not what
    they are."""
    if kind is None or kind.oauth is None or kind.oauth.authorize_url is None:
        return False
    stored = dict.fromkeys(row.secrets, "…")
    return kind.auth is None or kind.auth(row.settings | stored) is None


def able(kind: Provider) -> dict[Entity, Capability]:
    return {found.entity: found for found in capabilities(kind)}


def _shown(field: Setting, value: str) -> str:
    if field.kind == "boolean":
        return "sim" if value == "true" else "não"
    return dict(field.choices).get(value, value)


def _refused(kind: Provider | None, cadence: Cadence) -> str:
    if kind is None or allows(kind, cadence):
        return ""
    return f"No máximo {kind.fastest.label}. {kind.fastest_reason}".strip()
