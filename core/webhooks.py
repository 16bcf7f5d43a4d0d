"""What external systems tell by themselves, and how it is proved and read.

A webhook is a hint: it says what to look at, and that is read again before anything is written. So deliveries
that are repeated, late or out of order do no harm.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

from core.entities import Entity

if TYPE_CHECKING:
    from core.spec import Provider, Settings, Source

TOKEN = "webhook_token"  # noqa: S105 - a name
"""Our token among an integration's secrets, and in the settings that `verify` is given."""
LONGEST = 200
"""Characters of a delivery's id, a topic or a record's id that are kept."""
MOST_RECORDS = 1000
"""Records that one event may name; of more it says only that something changed."""
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, LookupError)
"""What reading a message of unexpected shape raises."""

Records = Mapping[Entity, Sequence[str]]
"""Ids of records by entity; an entity without ids: something of it has changed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came. `url` as the sender called it, with our token where it travels there."""

    body: bytes
    headers: httpx.Headers
    url: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` is the same however often it is told."""

    id: str
    topic: str
    body: bytes
    records: Records


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic as it is registered at the external system; not `active`: it stopped telling."""

    id: str
    topic: str
    address: str
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """How topics are registered where the external system's API allows it. Each raises what the source
    raises.

    `every` lists all subscriptions of the account, also those of others. `create` takes a topic, our address
    and our token; `renew` makes a subscription active again, with this address and this token.
    """

    every: "Callable[[Source], Awaitable[Sequence[Subscription]]]"
    create: "Callable[[Source, str, str, str], Awaitable[None]]"
    renew: "Callable[[Source, Subscription, str, str], Awaitable[None]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """What the external system tells: `topics` and the entities that they are about.

    `verify` says whether a message is genuine, whose `proof` is a secret of `theirs` (the settings in `keys`
    hold it, if it is secret), a signature with our token (`ours`), or our token in the `address` alone, for
    systems that sign nothing. No secret: it is not genuine.

    `delivery` is the same however often one message is sent, `topic` the name of what happened; `split` takes
    apart a message that tells of several events. `records` finds what a message (its decoded JSON) is about,
    by topic; where it names nothing of an entity, that entity's changes are looked for. `ping` recognises an
    unsigned message that only wants to see an answer. `by_hand` tells an admin where the address is entered,
    where there is no `registration`.
    """

    topics: Mapping[str, tuple[Entity, ...]]
    verify: "Callable[[Delivery, Settings], bool]"
    delivery: Callable[[bytes, httpx.Headers], str]
    topic: Callable[[bytes, httpx.Headers], str]
    records: Callable[[str, Any], Records]
    proof: Literal["theirs", "ours", "address"] = "theirs"
    keys: tuple[str, ...] = ()
    split: Callable[[bytes], Sequence[bytes]] | None = None
    ping: Callable[[Delivery], bool] | None = None
    registration: Registration | None = None
    by_hand: str = ""

    @property
    def entities(self) -> frozenset[Entity]:
        return frozenset(entity for told in self.topics.values() for entity in told)


def genuine(webhooks: Webhooks, delivery: Delivery, settings: "Settings", tokens: Sequence[str]) -> bool:
    """Whether one of the accepted `tokens`, or the external system's own secret, proves it."""
    if webhooks.proof == "theirs":
        return webhooks.verify(delivery, settings)
    if webhooks.proof == "ours":
        return any(webhooks.verify(delivery, {**settings, TOKEN: token}) for token in tokens if token)
    given = parse_qs(urlsplit(delivery.url).query).get("token", [""])[0].encode()
    known = any(hmac.compare_digest(given, token.encode()) for token in tokens if token)
    return known and webhooks.verify(delivery, settings)


def events(provider: "Provider", delivery: Delivery) -> list[Event]:
    """What a genuine message tells of. One that cannot be read says only that something changed."""
    webhooks = provider.webhooks
    assert webhooks is not None  # noqa: S101 - nothing is received for others
    try:
        bodies = webhooks.split(delivery.body) if webhooks.split else [delivery.body]
    except MALFORMED:
        bodies = [delivery.body]
    return [_event(provider, webhooks, body, delivery.headers) for body in bodies]


def _event(provider: "Provider", webhooks: Webhooks, body: bytes, headers: httpx.Headers) -> Event:
    topic = _clean(webhooks.topic(body, headers))
    id_ = _clean(webhooks.delivery(body, headers))
    return Event(
        id_ or hashlib.sha256(topic.encode() + b"\n" + body).hexdigest(),
        topic,
        body,
        _records(provider, webhooks, topic, body),
    )


def _records(provider: "Provider", webhooks: Webhooks, topic: str, body: bytes) -> Records:
    """Only what can be read by id is named."""
    told = webhooks.topics.get(topic, ())
    try:
        found = webhooks.records(topic, msgspec.json.decode(body))
    except MALFORMED:
        found = {}
    named: dict[Entity, Sequence[str]] = dict.fromkeys(told, ())
    for entity, ids in found.items():
        resource = provider.resources.get(entity)
        if entity in named and resource is not None and resource.read is not None:
            kept = list(dict.fromkeys(filter(None, map(_clean, ids))))
            named[entity] = kept if len(kept) <= MOST_RECORDS else ()
    return named


def _clean(text: str) -> str:
    """As PostgreSQL can keep it."""
    return text.replace("\0", "").encode(errors="ignore").decode()[:LONGEST]


def freshness(last: datetime | None, now: datetime) -> str:
    """How long ago a topic was heard of, as an admin reads it."""
    if last is None:
        return "aguardando primeiro evento"
    return f"último webhook há {_span(now - last)}"


def _span(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 1:
        return "menos de 1 min"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} dias"
