"""What the console needs of the outside; cli/web.py connects it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from core.openid import Provider
from core.ports import Orchestrator
from core.probe import ProbeResult
from db.admin import IntegrationRow
from db.settings import Environment
from db.vault import Vault
from web.pulse import TakePulse


@dataclass(frozen=True, slots=True)
class Wiring:
    """`probe` is Testar Conexão. `register` makes the webhooks' subscriptions at the external system, and
    returns an error by topic, empty where it stands. `ask_consent` gives the address at which a person lets
    us use an account, `take_consent` takes up the address that they come back to, in the name of who did it.

    `public_url`: where browsers and external systems reach this process, without a slash at its end; empty
    where nobody has said it. `openid` is the provider that people may sign in with, if any.
    """

    engine: AsyncEngine
    vault: Vault
    environment: Environment
    orchestrator: Orchestrator
    take_pulse: TakePulse
    probe: Callable[[IntegrationRow], Awaitable[ProbeResult]]
    register: Callable[[IntegrationRow], Awaitable[Mapping[str, str]]]
    ask_consent: Callable[[IntegrationRow, str], Awaitable[str]]
    take_consent: Callable[[IntegrationRow, str, str], Awaitable[None]]
    public_url: str
    openid: Provider | None = None
