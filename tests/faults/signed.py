"""The world behind OAuth, for a process that imports this module (CLOUDTOSYS_PROVIDERS)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from core.oauth2 import TOKEN, OAuth2, Token
from core.spec import Setting
from tests.world.provider import PROVIDERS as WORLDS

if TYPE_CHECKING:
    # The room imports the registry, which imports this.
    from tests.world.room import Room

OAUTH = replace(
    WORLDS[0],
    key="world-oauth",
    auth=None,
    oauth=OAuth2(
        token_url=lambda settings: f"{settings['base_url']}/oauth/token",
        authorize_url=lambda settings: settings["base_url"],
    ),
    settings=(
        Setting(name="base_url", label="Endereço", kind="url"),
        Setting(name="client_id", label="Cliente"),
        Setting(name="client_secret", label="Segredo do cliente", kind="secret"),
    ),
)
PROVIDERS = (OAUTH,)


def sign_in(room: Room) -> None:
    """As after a person has agreed in the external system."""
    room.world.switch(oauth=True)
    given = room.world.consent()
    token = Token(
        access=given["access_token"],
        refresh=given["refresh_token"],
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    keep(room, "client_secret", room.world.client_secret)
    keep(room, TOKEN, msgspec.json.encode(token).decode())


def keep(room: Room, name: str, secret: str) -> None:
    sealed = room.vault.seal(room.tenant.id, room.integration_id, name, secret)
    room.query(
        "INSERT INTO sync.credential VALUES (:tenant, :id, :name, :secret, :key)",
        tenant=room.tenant.id,
        id=room.integration_id,
        name=name,
        secret=sealed.ciphertext,
        key=sealed.key_id,
    )
