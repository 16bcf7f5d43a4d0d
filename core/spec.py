"""How an external system is declared: frozen dataclasses, checked when the module is imported.

A provider module in `providers/` builds one `Provider`. What the declaration cannot say, a resource says
with its own `read` function of the same signature; rules, tables, flows and tests stay the same.
"""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import httpx

from core.certificate import Certificate
from core.entities import Cadence, Direction, Entity, Matching
from core.errors import SyncError
from core.oauth2 import OAuth2
from core.records import Record
from core.webhooks import Webhooks

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
    """A field of the form. `secret` ones are stored encrypted and never shown again, and so are a `file`'s
    contents, kept as base64."""

    name: str
    label: str
    kind: Literal["text", "url", "secret", "file", "choice", "integer", "boolean"] = "text"
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
    Values of `field` sort as text in the order of time; `parse` and `format` turn them to UTC and back.
    `until`, where there is one, asks for records changed before a moment.
    `paging` is the filtered list's own, where it differs.
    """

    param: str
    field: str
    parse: Callable[[str], datetime]
    format: Callable[[datetime], str]
    overlap: timedelta
    full_every: timedelta
    until: str = ""
    paging: "Paging | None" = None
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer of the external system: its data (JSON, or what the provider's `decode` makes of it)
    and headers."""

    data: Any
    headers: httpx.Headers


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a scan asks for: records changed at or after `since` and before `until`; None is open."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one answer of a list gave: new records, the following place (None = end), the total if told, and
    the external system's own time. `resume` is where a feed's next run goes on."""

    items: Sequence[Raw]
    next: str | None
    total: int | None = None
    clock: datetime | None = None
    resume: str | None = None


class Source(Protocol):
    """What a resource's own functions may use: signed, rate-limited, size-capped calls to one integration."""

    @property
    def settings(self) -> Settings: ...

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """One read, repeated on transient failures. Raises the classes of `core.errors`."""
        ...

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> Answer:
        """One write, or a read by POST; `body` as JSON, or bytes as they are. An answer without body has None
        for data.

        A `repeatable` one (the same again changes nothing more) is repeated as a read is. Of any other whose
        answer is lost, or says nothing certain, `UnknownOutcome` is raised.
        """
        ...

    async def download(self, url: str, start: int, size: int) -> bytes:
        """Up to `size` bytes, from byte `start`, of a file at an address that the external system gave out:
        unsigned, not counted, repeated as a read is. Empty behind its end."""
        ...

    async def reserve(self, name: str, rate: "RateLimit") -> None:
        """One call of a kind that has a limit of its own, counted under `name` by every process, before it
        is made: half of `rate` at once, the rest evenly. Raises `RateLimited` where it would pass."""
        ...


class Paging(Protocol):
    """A style of paging. Stateless: the place travels as text and is stored with the data."""

    def params(self, place: str | None) -> dict[str, str]:
        """Query parameters of the page at `place`; None is the first."""
        ...

    def step(self, place: str | None, answer: Answer) -> Step:
        """Read an answer. Raises `ContractError` for an answer that is no page."""
        ...

    def ahead(self, place: str, total: int | None, count: int) -> list[dict[str, str]]:
        """Parameters of up to `count` pages after `place`; empty where only the answer tells."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One record to write. Without `external_id` it is created, with all its fields; else `fields` change.

    `reference` is our id of it as text: what the external system may keep beside it, and what `find` looks
    for. `key` is the idempotency key of a create, the same however often it is sent. `version` is what the
    external system said of the record when it was last seen, for a compare-and-set.
    """

    record: Record
    fields: frozenset[str]
    reference: str
    key: str
    external_id: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one: the record as the external system gave it back, if it did, or why not. Both: the
    record is there, and a part of it (a variant) was refused.

    `external_id` is that of a record of which no more is known: the next import reads what it became.
    `unfinished`: this step is to be on record before the next one is taken (`Writing.resumes`)."""

    raw: Raw | None = None
    error: SyncError | None = None
    external_id: str = ""
    unfinished: bool = False


def own_id(raw: Raw) -> str:
    return str(raw.get("id", ""))


Mapper = Callable[[Raw, Settings], Record]
Fetch = Callable[[Source, Span, str | None], Awaitable[Step]]
Expand = Callable[[Source, Sequence[Raw]], Awaitable[Sequence[Raw]]]
Read = Callable[[Source, Sequence[str]], Awaitable[Mapping[str, Raw]]]
Fold = Callable[[Any, Any], Record]
Acknowledge = Callable[[Source, Sequence[Raw]], Awaitable[None]]
Write = Callable[[Source, Sequence[Outgoing]], Awaitable[Sequence[Written]]]
Find = Callable[[Source, Sequence[Outgoing], Matching], Awaitable[Mapping[str, Sequence[Raw]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How one entity is written.

    `fields` are the canonical fields that the external system takes. `write` answers for up to `size`
    records in their order; what fails as a whole it raises, `UnknownOutcome` where creates may have been
    done. `find` looks for records that a create would double, by reference and with `Matching.SKU` by
    natural key too, and answers by reference. `repeatable_creates`: the system honours the idempotency key,
    so a create may be sent again. Without `creates` only linked records are written; records that are not
    `wanted` (an invoice received) are not created. `given` are fields that the external system gives to what
    it creates (numbers, codes): the next import brings them. `probe` is a path that takes an empty object by
    POST and changes nothing, so that Testar Conexão sees whether it may write.

    `resumes`: a create takes steps that must not be taken twice (a cart, then its payment). What was linked
    and not finished, also by a run that died, is written once more as an update with all its fields, and
    `write` goes on from where the external system says it is.
    """

    fields: frozenset[str]
    write: Write
    probe: str = ""
    find: Find | None = None
    wanted: Callable[[Record], bool] | None = None
    given: frozenset[str] = frozenset()
    size: int = 100
    creates: bool = True
    repeatable_creates: bool = False
    resumes: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """How one entity is read. `map` raises `RecordError` for a record that cannot be used.

    A list is read from `path` in the pages of `paging`, or by `fetch`: one page, or one portion of a queue,
    from its place. What a queue gave is acknowledged by `acknowledge` after it was committed; it is never a
    complete list, and for a backfill, whose span has an end, its `fetch` reads a list beside it. Without
    either the entity is only written.

    `expand` may fetch what the list leaves out (variations); `split` turns one raw record into several;
    raw records that are not `wanted` (drafts) are skipped. `version` goes into the record hash: raise it
    when `map` changes, and everything is written once more. `read` gives records by external id, complete as
    after `expand`; what is missing in its answer is gone outside. `fields` are the canonical fields that
    `map` can fill (None: all); the ERP keeps its own values of the others. `revision` is the raw record's
    version for a compare-and-set, `key` its external id, also of one that cannot be mapped. `rate` is for a
    system that counts this entity's calls by themselves.

    A `feed` gives each part once and goes on where the last run ended, never from the beginning; each step is
    committed before the next is asked for. Where it tells of one record in several parts (a summary, the
    whole, an event), `fold` makes one of two, whatever their order: it is associative, commutative and
    idempotent. `read_size` is the most records that `read` is asked for at a time.
    """

    map: Mapper
    path: str = ""
    paging: Paging | None = None
    fetch: Fetch | None = None
    acknowledge: Acknowledge | None = None
    feed: bool = False
    fold: Fold | None = None
    key: Callable[[Raw], str] = own_id
    params: Mapping[str, str] = dataclasses.field(default_factory=dict)
    incremental: Incremental | None = None
    expand: Expand | None = None
    split: Callable[[Raw], Sequence[Raw]] | None = None
    wanted: Callable[[Raw], bool] | None = None
    version: int = 1
    fields: frozenset[str] | None = None
    read: Read | None = None
    read_size: int | None = None
    writing: Writing | None = None
    revision: Callable[[Raw], str | None] | None = None
    rate: Callable[[Settings], RateLimit] | None = None

    @property
    def directions(self) -> frozenset[Direction]:
        reads = self.fetch is not None or self.paging is not None
        offered = {Direction.IMPORT: reads, Direction.EXPORT: self.writing is not None}
        offered[Direction.BOTH] = all(offered.values())
        return frozenset(direction for direction, can in offered.items() if can)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The cheapest call that needs the credential (Testar Conexão); `params` fit every resource's path.

    With a `body` it is a POST. `permissions` reads from the answer's data which directions the credential
    allows for each entity; without it each resource's path is tried. `note` is what an admin likes to know
    of the account (its balance), in one sentence.
    """

    path: str
    params: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    permissions: Callable[[Any], Mapping[Entity, frozenset[Direction]]] | None = None
    note: Callable[[Any], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """Before the general status table: `status` and, where given, the provider's `code` → an error class.

    `field` is the field on the external side that a `RecordError` is about.
    """

    status: int
    error: type[SyncError]
    code: str | None = None
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A kind of external system, signed by its own `auth`, or by tokens of `oauth` where that gives none,
    over mutual TLS where it has a `certificate`; `headers` go with every call, also for tokens. `error_code`
    and `error_message` are keys of its JSON error body.

    `decode` reads an answer that is no JSON; it raises ValueError for what it cannot read. `refusal` finds an
    error in a 2xx answer (nothing was done then, unless it is a `TransientError`), `pause` the seconds of
    silence that an answer asks for (a cost bucket that runs low), or a 429 without `Retry-After`.

    `by_migration`: a legacy system without HTTP, read once by the legacy migration from a file or database;
    its Testar Conexão is `check`, which says what it found and raises the classes of `core.errors`.
    """

    key: str
    name: str
    category: str
    docs: str
    settings: tuple[Setting, ...]
    base_url: Callable[[Settings], str]
    probe: Probe | Callable[[Settings], Probe]
    rate: Callable[[Settings], RateLimit]
    rate_key: Callable[[Settings], str]
    resources: Mapping[Entity, Resource]
    auth: Callable[[Settings], httpx.Auth | None] | None = None
    oauth: OAuth2 | None = None
    certificate: Callable[[Settings], Certificate | None] | None = None
    headers: Callable[[Settings], Mapping[str, str]] | None = None
    decode: Callable[[httpx.Response], Any] | None = None
    refusal: Callable[[Answer], SyncError | None] | None = None
    pause: Callable[[Answer], float] | None = None
    errors: tuple[ErrorRule, ...] = ()
    error_code: str = "code"
    error_message: str = "message"
    fastest: Cadence = Cadence.EVERY_5_MIN
    fastest_reason: str = ""
    by_migration: bool = False
    check: Callable[[Settings], Awaitable[str]] | None = None
    webhooks: Webhooks | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.key):
            raise ValueError(f"provider key {self.key!r} is not a slug")
        if self.category not in CATEGORIES:
            raise ValueError(f"{self.key}: unknown category {self.category!r}")
        names = [setting.name for setting in self.settings]
        if len(names) != len(set(names)):
            raise ValueError(f"{self.key}: a setting is declared twice")
        if self.auth is None and self.oauth is None and not self.by_migration:
            raise ValueError(f"{self.key}: neither auth nor oauth")
        if not self.resources:
            raise ValueError(f"{self.key}: no resource")

    def probing(self, settings: Settings) -> Probe:
        return self.probe if isinstance(self.probe, Probe) else self.probe(settings)

    @property
    def secret_names(self) -> frozenset[str]:
        return frozenset(s.name for s in self.settings if s.kind in ("secret", "file"))
