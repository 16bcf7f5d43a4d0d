"""Who does something, and whether they may."""

from dataclasses import dataclass

from core.errors import Advice, ConfigurationError


class NotAllowed(ConfigurationError):
    advice = Advice(
        "Sem permissão",
        "A pessoa pode ver as integrações deste tenant, mas não alterá-las.",
        "Peça a quem administra o tenant a permissão de editar.",
    )


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is what the audit trail keeps."""

    name: str
    can_edit: bool

    def require_edit(self) -> None:
        """Raises `NotAllowed`."""
        if not self.can_edit:
            raise NotAllowed("Esta ação precisa da permissão de editar.")


OPERATOR = Actor("cli", can_edit=True)
"""Whoever has a shell on the machine has the keys, too."""
