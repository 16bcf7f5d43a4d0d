"""Settings and credentials of an integration as a person gives them; credentials never as an argument.

A certificate or key is given as the path of its file.
"""

import getpass
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from core import form
from core.errors import ConfigurationError
from core.spec import Provider, Setting

OPEN_TO_OTHERS = 0o077


def credentials(provider: Provider, file: Path | None, *, ask: bool = True) -> dict[str, str]:
    """Secrets by name: from the file, else the environment, else typed without echo.

    Raises `ConfigurationError` for one that is missing or malformed; its value is never repeated.
    """
    given = read_file(file) if file else {}
    unknown = sorted(given.keys() - {setting.name for setting in provider.settings})
    if unknown:
        raise ConfigurationError(f"Campo desconhecido no arquivo de credenciais: {', '.join(unknown)}.")
    found: dict[str, str] = {}
    for setting in (s for s in provider.settings if s.kind in ("secret", "file")):
        value = given.get(setting.name) or os.environ.get(variable(provider, setting))
        if not value and ask:
            value = _typed(provider, setting)
        if value:
            form.check(setting, value)
            found[setting.name] = _contents(setting, Path(value)) if setting.kind == "file" else value
    return found


def variable(provider: Provider, setting: Setting) -> str:
    """The environment variable of a setting, such as CLOUDTOSYS_WOOCOMMERCE_CONSUMER_KEY."""
    return f"CLOUDTOSYS_{provider.key}_{setting.name}".replace("-", "_").upper()


def settings(provider: Provider, pairs: Iterable[str]) -> dict[str, str]:
    """Settings that are no secret, from `name=value` words. Raises `ConfigurationError`."""
    fields = {setting.name: setting for setting in provider.settings}
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        setting = fields.get(name)
        if setting is None or not equals or name == "base_url":
            known = ", ".join(n for n in fields if n not in {*provider.secret_names, "base_url"})
            raise ConfigurationError(f"--set espera campo=valor; campos de {provider.name}: {known}.")
        if name in provider.secret_names:
            raise ConfigurationError(
                f"{setting.label} é uma credencial e não pode ser um argumento: ficaria no histórico do "
                "terminal. Use --credentials-file, a variável de ambiente ou digite quando for pedido."
            )
        form.check(setting, value)
        found[name] = value
    return found


def read_file(path: Path) -> dict[str, str]:
    """JSON object or `name=value` lines. Raises `ConfigurationError`."""
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"O arquivo de credenciais {path} não pôde ser lido.") from None
    if mode & OPEN_TO_OTHERS:
        print(f"Aviso: {path} pode ser lido por outros usuários; use chmod 600.", file=sys.stderr)
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError:
            raise ConfigurationError(
                f'O arquivo de credenciais {path} não é um objeto JSON como {{"campo": "valor"}}.'
            ) from None
    return dict(_lines(path, text))


def _lines(path: Path, text: str) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals:
            raise ConfigurationError(f"Linha {number} de {path}: esperado campo=valor.")
        yield name.strip().lower(), value.strip().strip("\"'")


def _typed(provider: Provider, setting: Setting) -> str:
    if not sys.stdin.isatty():
        if not setting.required:
            return ""
        raise ConfigurationError(
            f"Falta a credencial {setting.label}: use --credentials-file com {setting.name}, ou a variável "
            f"{variable(provider, setting)}."
        )
    if setting.help:
        print(setting.help, file=sys.stderr)
    return getpass.getpass(f"{setting.label}: ").strip()


def _contents(setting: Setting, path: Path) -> str:
    try:
        content = path.expanduser().read_bytes()
    except OSError:
        raise ConfigurationError(f"{setting.label}: o arquivo {path} não pôde ser lido.") from None
    return form.contents(setting, content)
