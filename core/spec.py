"""How an external system is declared: frozen dataclasses, checked when the module is imported.

A provider module in `providers/` builds one `Provider`. What the declaration cannot say, a resource says
with its own `read` function of the same signature; rules, tables, flows and tests stay the same.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import httpx

from core.entities import Cadence, Direction, Entity
from core.errors import SyncError
from core.records import Record

Raw = dict[str, Any]
"""One record as the external system sends it: decoded JSON."""

Settings = Mapping[str, str]
"""Settings and secrets of one integration, by `Setting.name`; all values are text."""

CATEGORIES = {
    "ecommerce": "E-commerce",
    "marketplace": "Marketplaces",
    "legacy": "ERP legado",
    "marketing": "Marketing",
    "logistics": "Logística",
    "bank": "Bancos",
    "fiscal": "Fiscais",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A field of the form. `secret` ones are stored encrypted and never shown again."""

    name: str
    label: str
    kind: Literal["text", "url", "secret", "choice", "integer", "boolean"] = "text"
    required: bool = True
    help: str = ""
    placeholder: str = ""
    pattern: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Allowed speed: `requests` in each `seconds`, `concurrency` at a time; none = no known limit."""

    requests: int | None = None
    seconds: float = 1.0
    concurrency: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Incremental:
    """`param` asks for records changed after a moment; `field` is that moment in a record, as UTC.

    `overlap` is asked again on every run: late commits and equal timestamps are found by it, and repeats
    cost one hash comparison. `full_every`: a complete scan at least so often, for what the filter misses.
    """

    param: str
    field: str
    overlap: timedelta
    full_every: timedelta
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list. `next` is the place of the following page, None at the end.

    `total` counts all records of the scan where the system tells it; `clock` is the system's own time.
    """

    items: Sequence[Raw]
    next: str | None
    total: int | None = None
    clock: datetime | None = None


class Source(Protocol):
    """What a `read` function may use: signed, rate-limited, size-capped HTTP to one integration."""

    settings: Settings

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Response: ...


class Paging(Protocol):
    """A style of paging. Stateless: the place travels as text and is stored with the data."""

    def params(self, place: str | None) -> dict[str, str]:
        """Query parameters of the page at `place`; None is the first."""
        ...

    def next(self, place: str | None, items: Sequence[Raw], response: httpx.Response) -> str | None:
        """The following place; None at the end."""
        ...

    def ahead(self, place: str | None, response: httpx.Response, count: int) -> list[str]:
        """Up to `count` later places that can be asked for at once; empty where only the answer tells."""
        ...


Mapper = Callable[[Raw], Record]
Expand = Callable[[Source, Sequence[Raw]], Awaitable[Sequence[Raw]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """How one entity is read. `map` raises `RecordError` for a record that cannot be used.

    `expand` may fetch what the list leaves out (variations); `map_many` turns one raw record into several.
    `version` goes into the record hash: raise it when `map` changes, and everything is written once more.
    """

    path: str
    paging: Paging
    map: Mapper
    params: Mapping[str, str] = field(default_factory=dict)
    incremental: Incremental | None = None
    expand: Expand | None = None
    split: Callable[[Raw], Sequence[Raw]] | None = None
    version: int = 1
    directions: frozenset[Direction] = frozenset({Direction.IMPORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The cheapest call that needs the credential (Testar Conexão), and one for each entity."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """Before the general status table: `status` and, where given, the provider's `code` → an error class."""

    status: int
    error: type[SyncError]
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A kind of external system. `error_code` and `error_message` are keys of its JSON error body."""

    key: str
    name: str
    category: str
    docs: str
    settings: tuple[Setting, ...]
    base_url: Callable[[Settings], str]
    auth: Callable[[Settings], httpx.Auth]
    probe: Probe
    rate: Callable[[Settings], RateLimit]
    rate_key: Callable[[Settings], str]
    resources: Mapping[Entity, Resource]
    errors: tuple[ErrorRule, ...] = ()
    error_code: str = "code"
    error_message: str = "message"
    fastest: Cadence = Cadence.EVERY_5_MIN
    fastest_reason: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.key):
            raise ValueError(f"provider key {self.key!r} is not a slug")
        if self.category not in CATEGORIES:
            raise ValueError(f"{self.key}: unknown category {self.category!r}")
        names = [setting.name for setting in self.settings]
        if len(names) != len(set(names)):
            raise ValueError(f"{self.key}: a setting is declared twice")
        if not self.resources:
            raise ValueError(f"{self.key}: no resource")

    @property
    def secret_names(self) -> frozenset[str]:
        return frozenset(s.name for s in self.settings if s.kind == "secret")
