"""Acesso · Pessoas: who may see and change the tenant's integrations.

Whoever may edit gives and takes access, by e-mail and never their own: there is always somebody left who may.
People are made by operators, with a password that is shown once and good for one sign-in.
"""

import asyncio
import secrets
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from core import passwords
from core.actor import NotAllowed
from core.errors import Absent, Advice, ConfigurationError
from db import audit, people
from db.session import tenant_transaction
from web.access import Visiting, Visitor, Wired
from web.pages import page
from web.wiring import Wiring

GENERATED_BYTES = 12
LONGEST_NAME = 120
DONE = {
    "concedido": "Acesso concedido.",
    "alterado": "Permissão alterada.",
    "retirado": "Acesso retirado.",
    "criada": "Pessoa criada.",
}

Permission = Annotated[Literal["ver", "editar"], Form()]
Email = Annotated[str, Form(max_length=320)]

router = APIRouter(prefix="/acesso")


class OwnAccess(ConfigurationError):
    advice = Advice(
        "Seu próprio acesso",
        "Ninguém muda o próprio acesso: assim o tenant nunca fica sem quem o administre.",
        "Peça a outra pessoa com permissão de editar.",
    )


@router.get("")
async def listing(request: Request, wired: Wired, person: Visiting, feito: str = "") -> Response:
    return await _show(request, wired, person, done=DONE.get(feito, ""))


@router.post("/pessoas")
async def grant(wired: Wired, person: Visiting, email: Email, permissao: Permission) -> Response:
    """Raises `Absent` for an address of nobody."""
    found = await people.find(wired.engine, email)
    if found is None or found.disabled_at is not None:
        raise Absent("Nenhuma pessoa entra com este e-mail. Peça ao operador da instalação para criá-la.")
    _not_oneself(person, found.id)
    edit = permissao == "editar"
    await people.grant(wired.engine, person.tenant_id, found.id, can_edit=edit, by=person.by())
    return _done("concedido")


@router.post("/pessoas/nova")
async def create(
    request: Request,
    wired: Wired,
    person: Visiting,
    email: Email,
    nome: Annotated[str, Form(max_length=LONGEST_NAME)],
    permissao: Permission,
    sem_senha: Annotated[bool, Form()] = False,
) -> Response:
    """Raises `NotAllowed` for who is no operator, and `ConfigurationError`."""
    _operators_only(person)
    email, name = email.strip(), nome.strip()
    if "@" not in email or not email.isprintable() or not name:
        raise ConfigurationError("Informe o nome e o e-mail da pessoa.")
    made = "" if sem_senha else secrets.token_urlsafe(GENERATED_BYTES)
    sealed = await asyncio.to_thread(passwords.seal, made) if made else None
    found = await people.create(wired.engine, email, name, sealed, must_change=bool(made))
    async with tenant_transaction(wired.engine, person.tenant_id) as connection:
        await audit.record(connection, person.tenant_id, person.by(), "person.create", str(found))
    edit = permissao == "editar"
    await people.grant(wired.engine, person.tenant_id, found, can_edit=edit, by=person.by())
    return await _show(request, wired, person, done=DONE["criada"], secret=made, secret_of=email)


@router.post("/pessoas/{person_id}")
async def change(wired: Wired, person: Visiting, person_id: UUID, permissao: Permission) -> Response:
    _not_oneself(person, person_id)
    await _member(wired, person, person_id)
    edit = permissao == "editar"
    await people.grant(wired.engine, person.tenant_id, person_id, can_edit=edit, by=person.by())
    return _done("alterado")


@router.post("/pessoas/{person_id}/retirar")
async def revoke(wired: Wired, person: Visiting, person_id: UUID) -> Response:
    _not_oneself(person, person_id)
    await people.revoke(wired.engine, person.tenant_id, person_id, by=person.by())
    return _done("retirado")


@router.post("/pessoas/{person_id}/senha")
async def new_password(request: Request, wired: Wired, person: Visiting, person_id: UUID) -> Response:
    """For who forgot theirs; raises `NotAllowed` for who is no operator."""
    _operators_only(person)
    _not_oneself(person, person_id)
    member = await _member(wired, person, person_id)
    made = secrets.token_urlsafe(GENERATED_BYTES)
    sealed = await asyncio.to_thread(passwords.seal, made)
    await people.set_password(wired.engine, person_id, sealed, must_change=True)
    async with tenant_transaction(wired.engine, person.tenant_id) as connection:
        await audit.record(connection, person.tenant_id, person.by(), "person.password", str(person_id))
    return await _show(request, wired, person, secret=made, secret_of=member.email)


async def _show(
    request: Request, wired: Wiring, person: Visitor, *, done: str = "", secret: str = "", secret_of: str = ""
) -> Response:
    rows = await people.members(wired.engine, person.tenant_id)
    return page(
        request, "members.html", tab="pessoas", rows=rows, done=done, secret=secret, secret_of=secret_of
    )


async def _member(wired: Wiring, person: Visitor, person_id: UUID) -> people.Member:
    """Raises `Absent` for who is no member of this tenant."""
    for member in await people.members(wired.engine, person.tenant_id):
        if member.id == person_id:
            return member
    raise Absent("Esta pessoa não tem acesso a este tenant.")


def _not_oneself(person: Visitor, person_id: UUID) -> None:
    if person.user_id == person_id:
        raise OwnAccess("Você não pode mudar o próprio acesso.")


def _operators_only(person: Visitor) -> None:
    if not person.is_operator:
        raise NotAllowed("Só operadores da instalação criam pessoas e senhas.")


def _done(what: str) -> Response:
    return RedirectResponse(f"/acesso?feito={what}", status_code=303)
