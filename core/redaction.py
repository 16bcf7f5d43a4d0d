"""Secrets and personal data taken out of what people read: logs, errors, details, exports, raw answers.

By name (keys such as `authorization` or `cpf`, in nested data, in addresses and in JSON inside text) and by
value (every live secret of a run, also as it looks in an address or in a Basic header).
"""

import base64
import itertools
import logging
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

MASK = "•••"

_NAMES = (
    r"authorization|token|secret|senha|password|passwd|api[-_]?key|access[-_]?key|consumer[-_]?key|signature|"
    r"nonce|cookie|credential|certificado|certificate|private[-_]?key|pfx|cpf|cnpj|document|e?mail|telefone|"
    r"phone|cellphone|celular"
)
_SENSITIVE = re.compile(_NAMES, re.IGNORECASE)
_IN_TEXT = re.compile(
    rf"""(?P<key>["']?[\w-]*(?:{_NAMES})[\w-]*["']?\s*[=:]\s*)(?P<value>"[^"]*"|'[^']*'|[^\s&,;}}\]]+)""",
    re.IGNORECASE,
)
_SHORTEST = 6
"""Shorter values are not looked for in text: they would take harmless words with them."""


def redact(value: Any) -> Any:
    """A copy of JSON-like data without the values of sensitive keys."""
    if isinstance(value, dict):
        return {key: MASK if _hides(key, item) else redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Text without the values that follow sensitive names; JSON inside it is redacted as data."""
    if text[:1] in ("{", "["):
        try:
            return msgspec.json.encode(redact(msgspec.json.decode(text))).decode()
        except (msgspec.DecodeError, RecursionError):
            pass
    return _IN_TEXT.sub(lambda match: f"{match['key']}{MASK}", text)


class Redactor:
    """Takes the given live secrets out of any text, in every form they travel in."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = [value for value in secrets if len(value) >= _SHORTEST]
        pairs = [f"{user}:{password}" for user, password in itertools.permutations(values, 2)]
        forms = {form for value in [*values, *pairs] for form in _forms(value)}
        longest_first = sorted(map(re.escape, forms), key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first)) if forms else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text

    def data(self, value: Any) -> Any:
        """JSON-like data without sensitive keys and without live secrets."""
        return msgspec.json.decode(self(msgspec.json.encode(redact(value)).decode()))


class RedactingFilter(logging.Filter):
    """Applies a redactor to a record's message and traceback."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redactor(redact_text(record.getMessage())), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redactor(redact_text(record.exc_text))
            record.exc_info = None
        return True


def _hides(key: Any, value: Any) -> bool:
    return bool(_SENSITIVE.search(str(key))) and not isinstance(value, dict | list)


def _forms(value: str) -> set[str]:
    encoded = base64.b64encode(value.encode()).decode()
    return {
        value,
        quote(value, safe=""),
        quote_plus(value),
        encoded,
        encoded.rstrip("="),
        base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
        value.encode().hex(),
    }
