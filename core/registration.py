"""How this installation is registered at an OpenID provider."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Client:
    """`name` is what people call the provider: Entrar com …"""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
