"""The form that a system's declaration draws, as it came back: what is right of it, and where it is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import FormData, UploadFile

from core import form
from core.address import Guard
from core.errors import ConfigurationError
from core.spec import Provider, Setting
from db.admin import IntegrationRow

PREFIX = "campo."
LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Filled:
    """`settings` and `secrets` passed their own checks; `wrong` says by field why others did not, under ""
    what is wrong with the whole. Secrets that were left empty are not here: they stay as they are."""

    name: str
    base_url: str
    settings: dict[str, str]
    secrets: dict[str, str] = field(repr=False)
    typed: dict[str, str]
    wrong: dict[str, str]

    @property
    def given(self) -> dict[str, str]:
        """Settings as a provider reads them, without secrets."""
        return self.settings | ({"base_url": self.base_url} if self.base_url else {})


async def read(kind: Provider, data: FormData, guard: Guard, before: IntegrationRow | None) -> Filled:
    """`before` is the integration as it is kept, if it is."""
    wrong: dict[str, str] = {}
    name = str(data.get("nome", "")).strip()
    if not name or len(name) > LONGEST_NAME:
        wrong["nome"] = "Dê um nome à integração." if not name else "O nome é longo demais."
    plain: dict[str, str] = {}
    secrets: dict[str, str] = {}
    typed: dict[str, str] = {}
    kept = set(before.secrets) if before else set()
    for setting in kind.settings:
        is_secret = setting.name in kind.secret_names
        value = await _value(setting, data, wrong)
        if not is_secret:
            typed[setting.name] = value
        value = value or setting.default
        if setting.name in wrong or not value:
            if setting.required and setting.name not in wrong and setting.name not in kept:
                wrong[setting.name] = "Falta preencher."
            continue
        try:
            if setting.kind != "file":
                form.check(setting, value)
            if setting.kind == "url":
                guard.check_url(value)
        except ConfigurationError as error:
            wrong[setting.name] = error.message
        else:
            (secrets if is_secret else plain)[setting.name] = value
    base_url = plain.pop("base_url", "")
    return Filled(name, base_url, plain, secrets, typed, wrong)


def judge(kind: Provider, found: Filled, stored: Mapping[str, str], guard: Guard) -> None:
    """What can only be said of the whole, with the secrets that are `stored`. Adds to `found.wrong`."""
    if found.wrong:
        return
    whole = {**stored, **found.given, **found.secrets}
    try:
        form.complete(kind, whole)
        form.check_addresses(kind, guard, whole)
        if kind.certificate is not None:
            kind.certificate(whole)
    except ConfigurationError as error:
        found.wrong[""] = error.message


async def _value(setting: Setting, data: FormData, wrong: dict[str, str]) -> str:
    given = data.get(f"{PREFIX}{setting.name}", "")
    if setting.kind == "file":
        if not isinstance(given, UploadFile) or not given.filename:
            return ""
        try:
            return form.contents(setting, await given.read(form.LARGEST_FILE + 1))
        except ConfigurationError as error:
            wrong[setting.name] = error.message
            return ""
    if not isinstance(given, str):
        return ""
    # Pasted text brings spaces and line ends along.
    value = given.strip()
    if setting.kind == "boolean":
        return "true" if value else "false"
    return value
