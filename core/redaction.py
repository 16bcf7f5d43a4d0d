"""Secrets and personal data taken out of what people read: logs, errors, details, exports, raw answers.

By name (keys such as `authorization` or `cpf`, in nested data, in addresses and in JSON inside text) and by
value (every live secret of a run, also as it looks in an address or in a Basic header).
"""

import base64
import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

MASK = "•••"

_NAMES = (
    r"authorization|token|secret|senha|password|passwd|pwd|api[-_]?key|app[-_]?key|access[-_]?key|"
    r"consumer[-_]?key|manager[-_]?key|signature|nonce|cookie|credential|certificado|certificate|private[-_]?key|pfx|cpf|cnpj|"
    r"document|e?mail|telefone|phone|cellphone|celular"
)
_SENSITIVE = re.compile(_NAMES, re.IGNORECASE)
_COOKIES = re.compile(r"(?P<key>\b(?:set-)?cookie\s*:\s*)[^\r\n\"']+", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/\s:@]{0,200}:[^/\s@]{1,200}@")
# Looked for from the start of a word alone and in bounded steps: a long word costs linear time. The end of a
# quoted value may be missing, for the text may be cut.
_IN_TEXT = re.compile(
    rf"""(?P<key>(?<![\w-])[\w-]{{0,100}}?(?:{_NAMES})[\w-]{{0,100}}(?:\]|%5D){{0,4}}\\{{0,8}}["']?\s{{0,8}}
    (?:[=:]|%3D|%3A)\s{{0,8}})
    (?:\\+"[^"]*"?|"(?:[^"\\]|\\.)*"?|'[^']*'?|(?:(?:basic|bearer|digest|oauth|token)\s+)?[^\s&,;}}\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_SHORTEST = 6
"""Shorter values are not looked for in text: they would take harmless words with them."""

_DEEPEST = 64
_VALUES = ("value", "display_value")


def is_sensitive(name: str) -> bool:
    """Whether a key, header or parameter of this name holds a secret or personal data."""
    return _SENSITIVE.search(name) is not None


def redact(value: Any) -> Any:
    """A copy of JSON-like data without the values of sensitive keys, nested ones included."""
    return _redact(value, 0)


def _redact(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if not isinstance(value, dict | list | tuple):
        return value
    if depth > _DEEPEST:
        return MASK
    if isinstance(value, dict):
        # {"key": "_billing_cpf", "value": "…"}: what a value is, is a value itself.
        told = any(is_sensitive(str(value[key])) for key in ("key", "name") if key in value)
        hidden = _VALUES if told else ()
        return {
            key: MASK if is_sensitive(str(key)) or key in hidden else _redact(item, depth + 1)
            for key, item in value.items()
        }
    return [_redact(item, depth + 1) for item in value]


def redact_text(text: str) -> str:
    """Text without the values that follow sensitive names; JSON inside it is redacted as data."""
    if text[:1] in ("{", "["):
        try:
            return msgspec.json.encode(redact(msgspec.json.decode(text))).decode()
        except (msgspec.DecodeError, RecursionError):
            pass
    text = _USERINFO.sub(f"{MASK}@", text)
    text = _COOKIES.sub(_masked, text)
    return _IN_TEXT.sub(_masked, text)


class Redactor:
    """Takes the given live secrets out of any text, in every form they travel in."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for value in secrets if len(value) >= _SHORTEST for form in _forms(value)}
        longest_first = sorted(map(re.escape, forms), key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first)) if forms else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text

    def data(self, value: Any) -> Any:
        """JSON-like data without sensitive keys and without live secrets."""
        return self._clean(redact(value))

    def masked(self, value: Any) -> Any:
        """The same without live secrets alone: people's data stay, for who has to correct them."""
        return self._clean(value)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(str(key)): self._clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._clean(item) for item in value]
        text = str(value)
        return value if self(text) == text else MASK


class RedactingFilter(logging.Filter):
    """Applies a redactor to a record's message, traceback and stack."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # Wrong arguments of a log call must not end the caller, nor travel on unseen.
            message = f"{record.msg} {record.args}"
        record.msg, record.args = self._clean(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._clean(record.exc_text)
            record.exc_info = None
        if record.stack_info:
            record.stack_info = self._clean(record.stack_info)
        return True

    def _clean(self, text: str) -> str:
        return self._redactor(redact_text(text))


def _masked(match: re.Match[str]) -> str:
    return f"{match['key']}{MASK}"


def _forms(value: str) -> set[str]:
    """As typed, in addresses, in JSON, in HTML, in hexadecimal and inside base64."""
    data = value.encode(errors="surrogatepass")
    quoted = {quote(data, safe=""), quote_plus(data), quote(data)}
    lower = {re.sub(r"%..", lambda match: match[0].lower(), form) for form in quoted}
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value)}
    return {value, *quoted, *lower, *escaped, data.hex(), data.hex().upper(), *_base64_cores(data)}


def _base64_cores(data: bytes) -> Iterator[str]:
    """The characters that stand for `data` alone at each of its three places inside longer base64.

    So a secret is found in a Basic header whatever the user before it is.
    """
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data).decode()
        core = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        yield core
        yield core.translate({ord("+"): "-", ord("/"): "_"})
