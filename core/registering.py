"""Our topics at the external system: those that are missing made, those that stopped made active again."""

from collections.abc import Mapping, Sequence

from core.errors import SyncError
from core.spec import Source
from core.webhooks import Registration, Subscription


async def keep(
    registration: Registration,
    source: Source,
    topics: Sequence[str],
    address: str,
    token: str,
    *,
    place: str,
    current: frozenset[str],
) -> Mapping[str, str]:
    """Bring `topics` in line; returns an error by topic, empty where it stands.

    A subscription is ours where its address holds `place`, also one that a lost answer left behind or whose
    host was another. Topics in `current` have this address and this token already. Raises what listing the
    subscriptions raises.
    """
    ours: dict[str, Subscription] = {}
    for found in await registration.every(source):
        if place in found.address and (found.topic not in ours or found.active):
            ours[found.topic] = found
    outcomes: dict[str, str] = {}
    for topic in topics:
        try:
            await _keep_one(registration, source, topic, ours.get(topic), address, token, topic in current)
        except SyncError as error:
            outcomes[topic] = error.message
        else:
            outcomes[topic] = ""
    return outcomes


async def _keep_one(
    registration: Registration,
    source: Source,
    topic: str,
    known: Subscription | None,
    address: str,
    token: str,
    is_current: bool,
) -> None:
    if known is None:
        await registration.create(source, topic, address, token)
    elif not (known.active and known.address == address and is_current):
        await registration.renew(source, known, address, token)
