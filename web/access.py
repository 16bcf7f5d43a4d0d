"""Who asks, and whether they may: a session's cookie, the chosen tenant, *ver* and *editar*, and CSRF.

Reading needs *ver*; everything else needs *editar* and the session's own token. The router asks, so that no
page can forget it. https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request

from core.actor import Actor
from core.errors import Advice, ConfigurationError
from db import sessions
from db.audit import By
from db.people import Workplace
from web.wiring import Wiring

COOKIE = "__Host-sessao"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SignInNeeded(Exception):
    """Nobody is signed in, or no longer."""


class PasswordToChange(Exception):
    """The password was good for one sign-in; nothing else is done before there is another."""


class Homeless(ConfigurationError):
    advice = Advice(
        "Sem acesso",
        "Sua conta não tem permissão em nenhum tenant.",
        "Peça a quem administra a permissão de ver as Integrações.",
    )


class Forged(ConfigurationError):
    advice = Advice(
        "Página vencida",
        "O formulário não veio desta sessão: a página ficou aberta de antes, ou foi enviada por outro site.",
        "Volte à página, recarregue e repita.",
    )


class Unreadable(ConfigurationError):
    advice = Advice(
        "Pedido inválido",
        "O pedido traz um caractere que não é texto.",
        "Volte à página, digite de novo e repita.",
    )


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person at work in one tenant. With `must_change` they may only choose a password."""

    token: str = field(repr=False)
    user_id: UUID
    name: str
    email: str
    is_operator: bool
    tenant_id: UUID
    tenant: str
    can_edit: bool
    workplaces: tuple[Workplace, ...]
    must_change: bool = False

    @property
    def csrf(self) -> str:
        """Known to the session's own pages alone."""
        return hashlib.sha256(b"csrf:" + self.token.encode()).hexdigest()

    @property
    def actor(self) -> Actor:
        return Actor(self.email, can_edit=self.can_edit)

    def by(self, reason: str = "") -> By:
        """For the audit trail."""
        return By(self.email, reason)


def wiring(request: Request) -> Wiring:
    found: Wiring = request.app.state.wiring
    return found


async def visitor(request: Request) -> Visitor:
    """Raises `SignInNeeded`, and `Homeless` for who may work in no tenant."""
    token = request.cookies.get(COOKIE, "")
    signed_in = await sessions.read(wiring(request).engine, token) if token else None
    if signed_in is None:
        raise SignInNeeded
    place = next((p for p in signed_in.workplaces if p.id == signed_in.tenant_id), None)
    if place is None:
        raise Homeless("Você entrou, mas ainda não tem acesso a nenhum tenant.")
    found = Visitor(
        token=token,
        user_id=signed_in.user_id,
        name=signed_in.name,
        email=signed_in.email,
        is_operator=signed_in.is_operator,
        tenant_id=place.id,
        tenant=place.name,
        can_edit=place.can_edit,
        workplaces=signed_in.workplaces,
        must_change=signed_in.must_change,
    )
    request.state.visitor = found
    return found


Wired = Annotated[Wiring, Depends(wiring)]
Visiting = Annotated[Visitor, Depends(visitor)]


async def may(request: Request, person: Visiting) -> None:
    """Of every page of the console. Raises `NotAllowed`, `Forged`, `PasswordToChange`, `Unreadable`."""
    if person.must_change:
        raise PasswordToChange
    await own(request, person)
    if request.method not in SAFE:
        person.actor.require_edit()


async def own(request: Request, person: Visiting) -> None:
    """What is sent comes from a page of this session, and can be kept. Raises `Forged`, `Unreadable`."""
    if any("\0" in str(value) for value in (*request.query_params.values(), *request.path_params.values())):
        raise Unreadable("O endereço traz um caractere nulo.")
    if request.method in SAFE:
        return
    check_origin(request)
    form = await request.form()
    given = request.headers.get("x-csrf-token") or str(form.get("csrf", ""))
    if not hmac.compare_digest(given.encode(), person.csrf.encode()):
        raise Forged("O pedido não trouxe o código desta sessão.")
    if any("\0" in value for value in form.values() if isinstance(value, str)):
        raise Unreadable("O formulário traz um caractere nulo.")


def check_origin(request: Request) -> None:
    """Browsers say where a form is from; others say nothing. Raises `Forged`."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forged("O pedido veio de outro site.")
