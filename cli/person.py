"""`cloudtosys person`: who may sign in to the console, and what each may do in which tenant."""

import asyncio
import getpass
import os
import secrets
import sys
from typing import Annotated

from sqlalchemy.ext.asyncio import AsyncEngine
from typer import Argument, Option

from cli import chosen, output, words
from cli.installation import database
from cli.portuguese import command, group
from core import passwords
from core.errors import Absent, ConfigurationError
from db import people
from db.admin import ACTOR
from db.audit import By

VARIABLE = "CLOUDTOSYS_PASSWORD"
GENERATED_BYTES = 15

app = group("Pessoas que entram no console, e o que podem em cada tenant.")

Email = Annotated[str, Argument(metavar="E-MAIL", help="E-mail com que a pessoa entra.")]
Edit = Annotated[bool, Option("--edit", help="Pode alterar; sem isto só vê.")]


@command(app)
def create(
    email: Email,
    name: Annotated[str, Argument(metavar="NOME", help="Nome da pessoa.")],
    tenant: words.Tenant = "",
    edit: Edit = False,
    operator: Annotated[bool, Option("--operator", help="Trabalha em todos os tenants.")] = False,
    without_password: Annotated[bool, Option("--sso", help="Sem senha: só entra pelo OpenID.")] = False,
) -> None:
    """Cria uma pessoa; a senha é pedida, ou vem de CLOUDTOSYS_PASSWORD."""
    if "@" not in email:
        raise ConfigurationError(f"{email!r} não é um e-mail.")
    sealed = None if without_password else passwords.seal(_password(), name, email.partition("@")[0])

    async def work() -> None:
        async with database() as engine:
            place = None if operator else await chosen.tenant(engine, tenant)
            found = await people.create(engine, email, name, sealed, operator=operator)
            if place:
                await people.grant(engine, place.id, found, can_edit=edit, by=By(ACTOR))
        print(f"{name} já pode entrar.")

    asyncio.run(work())


@command(app)
def grant(email: Email, tenant: words.Tenant = "", edit: Edit = False) -> None:
    """Dá acesso a um tenant, ou muda o que a pessoa pode nele."""

    async def work() -> None:
        async with database() as engine:
            person, place = await _found(engine, email), await chosen.tenant(engine, tenant)
            await people.grant(engine, place.id, person.id, can_edit=edit, by=By(ACTOR))
        print(f"{person.name} {'pode ver e editar' if edit else 'pode ver'} as integrações de {place.name}.")

    asyncio.run(work())


@command(app)
def revoke(email: Email, tenant: words.Tenant = "") -> None:
    """Tira o acesso a um tenant."""

    async def work() -> None:
        async with database() as engine:
            person, place = await _found(engine, email), await chosen.tenant(engine, tenant)
            await people.revoke(engine, place.id, person.id, by=By(ACTOR))
        print(f"{person.name} não tem mais acesso a {place.name}.")

    asyncio.run(work())


@command(app)
def password(email: Email) -> None:
    """Troca a senha; quem está conectado com a antiga é desconectado."""

    async def work() -> None:
        async with database() as engine:
            person = await _found(engine, email)
            sealed = passwords.seal(_password(), person.name, email.partition("@")[0])
            await people.set_password(engine, person.id, sealed)
        print("Senha trocada.")

    asyncio.run(work())


@command(app)
def disable(email: Email) -> None:
    """Impede a pessoa de entrar e a desconecta; o que ela fez fica na auditoria."""
    _set_disabled(email, disabled=True)
    print("Pessoa desativada.")


@command(app)
def enable(email: Email) -> None:
    """Permite de novo que a pessoa entre."""
    _set_disabled(email, disabled=False)
    print("Pessoa ativada.")


@command(app, "list")
def list_(tenant: words.Tenant = "", as_json: words.Json = False) -> None:
    """Lista quem tem acesso a um tenant."""

    async def work() -> list[people.Member]:
        async with database() as engine:
            return await people.members(engine, (await chosen.tenant(engine, tenant)).id)

    rows = [
        {
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "can_edit": row.can_edit,
            "disabled_at": row.disabled_at,
            "created_at": row.created_at,
        }
        for row in asyncio.run(work())
    ]
    columns = {"name": "Nome", "email": "E-mail", "can_edit": "Edita", "disabled_at": "Desativada em"}
    output.show(rows, columns, as_json=as_json, empty="Ninguém tem acesso a este tenant.")


async def made_for_this_run(engine: AsyncEngine, email: str, name: str) -> str:
    """An operator with a new random password, which is returned to be shown once."""
    made = secrets.token_urlsafe(GENERATED_BYTES)
    sealed = await asyncio.to_thread(passwords.seal, made)
    person = await people.find(engine, email)
    if person is None:
        await people.create(engine, email, name, sealed, operator=True)
    else:
        await people.set_password(engine, person.id, sealed)
    return made


def _set_disabled(email: str, *, disabled: bool) -> None:
    async def work() -> None:
        async with database() as engine:
            await people.set_disabled(engine, (await _found(engine, email)).id, disabled=disabled)

    asyncio.run(work())


async def _found(engine: AsyncEngine, email: str) -> people.Person:
    person = await people.find(engine, email)
    if person is None:
        raise Absent(f"Não há pessoa com o e-mail {email}.")
    return person


def _password() -> str:
    if given := os.environ.get(VARIABLE):
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass.getpass("Senha: ")
