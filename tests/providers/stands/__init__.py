"""What the contract suite needs of each provider: `<key>.py` (dashes as underscores) with a function `stand`.

It is a context manager: the external system's stand-in runs inside it, and it gives a `Stand`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.entities import Entity
from core.oauth2 import Token


@dataclass(frozen=True, slots=True)
class Stand:
    """`settings` and secrets of an integration with the stand-in, `token` where somebody has to consent.

    `unlisted` are entities that need no record in the stand-in; `once` are fields that it takes only when
    they really change (the steps of an order), each with the reason. `ca_file` vouches for its certificate.
    """

    settings: Mapping[str, str]
    token: Token | None = None
    unlisted: frozenset[Entity] = frozenset()
    once: Mapping[Entity, str] = field(default_factory=dict)
    ca_file: str | None = None
