"""Where notices go: an e-mail address, a webhook, or a chat whose host the tenant cannot choose."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from core.address import Guard
from core.errors import Advice, ConfigurationError

CHATS = {"slack": "Slack", "discord": "Discord", "gchat": "Google Chat", "tgram": "Telegram"}
"""Schemes of the library that always call one host of their own, with the name people know them by."""
LONGEST = 2000
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?=.{4,253}$)([A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
# No query: it could name files to read, other hosts, or switch certificates off.
_CHAT = re.compile(r"(?P<scheme>[a-z]+)://(?P<tokens>[A-Za-z0-9:_/-]{8,})")


class ChannelKind(StrEnum):
    EMAIL = "email"
    WEBHOOK = "webhook"
    CHAT = "chat"


class ChannelRefused(ConfigurationError):
    advice = Advice(
        "Canal não aceito",
        "O endereço não é um e-mail, um webhook https:// nem um dos chats aceitos.",
        "Use um e-mail, uma URL https:// ou um endereço slack://A/B/C, discord://id/token, "
        "gchat://espaço/chave/token ou tgram://token/chat, sem parâmetros.",
    )


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked address. `label` says where it leads without what is secret or personal in it."""

    kind: ChannelKind
    address: str

    @property
    def label(self) -> str:
        match self.kind:
            case ChannelKind.EMAIL:
                return f"e-mail · {self.address.rpartition('@')[2]}"
            case ChannelKind.WEBHOOK:
                return f"webhook · {urlsplit(self.address).hostname}"
            case _:
                return CHATS[self.address.partition(":")[0]]


def destination(typed: str, guard: Guard) -> Destination:
    """What a tenant typed. Raises `ChannelRefused`, and `AddressRefused` for a webhook's host or scheme."""
    address = typed.strip()
    if len(address) > LONGEST:
        raise ChannelRefused("O endereço do canal é longo demais.")
    if _EMAIL.fullmatch(address):
        return Destination(ChannelKind.EMAIL, address)
    if address.lower().startswith(("https://", "http://")):
        guard.check_url(address)
        return Destination(ChannelKind.WEBHOOK, address)
    chat = _CHAT.fullmatch(address)
    if chat is None or chat["scheme"] not in CHATS:
        raise ChannelRefused("O endereço do canal não é aceito.")
    return Destination(ChannelKind.CHAT, address)
