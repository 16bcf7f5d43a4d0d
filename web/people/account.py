"""Acesso · Minha conta: one's own password and sessions, also of who may only see."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from core import passwords
from core.errors import Advice, ConfigurationError
from db import audit, people, sessions, throttle
from db.session import tenant_transaction
from web.access import COOKIE, Visiting, Visitor, Wired, own
from web.pages import page
from web.people import agents
from web.wiring import Wiring

DONE = {
    "senha": "Senha trocada. As outras sessões foram encerradas.",
    "sessao": "Sessão encerrada.",
    "sessoes": "As outras sessões foram encerradas.",
}

Password = Annotated[str, Form(max_length=1024)]

_verifying = asyncio.Semaphore(1)
"""One after the other: tries sent at once would be counted before any of them failed."""

router = APIRouter(prefix="/acesso/conta", include_in_schema=False, dependencies=[Depends(own)])


class PasswordRefused(ConfigurationError):
    advice = Advice(
        "Senha não trocada",
        "A senha atual não confere, ou a nova não pode ser usada.",
        "Digite a senha atual de novo e uma nova diferente dela.",
    )


@router.get("")
async def account(request: Request, wired: Wired, person: Visiting, feito: str = "") -> Response:
    return await _show(request, wired, person, done=DONE.get(feito, ""))


@router.post("/senha")
async def change_password(
    request: Request, wired: Wired, person: Visiting, atual: Password = "", nova: Password = ""
) -> Response:
    """All sessions end, and this one goes on under another token."""
    try:
        sealed = await _sealed(request, wired, person, atual, nova)
    except ConfigurationError as error:
        return await _show(request, wired, person, refused=error)
    await people.set_password(wired.engine, person.user_id, sealed)
    await _record(wired, person, "person.password")
    agent = request.headers.get("user-agent", "")
    token = await sessions.open_(wired.engine, person.user_id, person.tenant_id, agent)
    answer = RedirectResponse("/acesso/conta?feito=senha", status_code=303)
    answer.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/sessoes/encerrar")
async def close_session(
    wired: Wired, person: Visiting, sessao: Annotated[str, Form(max_length=64)]
) -> Response:
    """Raises `Absent` for one that is not the person's, and for this one: that is Sair."""
    await sessions.close_one(wired.engine, person.user_id, sessao, person.token)
    await _record(wired, person, "session.revoke", 1)
    return RedirectResponse("/acesso/conta?feito=sessao", status_code=303)


@router.post("/sessoes/encerrar-outras")
async def close_others(wired: Wired, person: Visiting) -> Response:
    closed = await sessions.close_others(wired.engine, person.user_id, person.token)
    await _record(wired, person, "session.revoke", closed)
    return RedirectResponse("/acesso/conta?feito=sessoes", status_code=303)


async def _sealed(request: Request, wired: Wiring, person: Visitor, old: str, new: str) -> str:
    """The new password's hash. Whoever guesses the old one waits as at Entrar."""
    address = request.client.host if request.client else ""
    async with _verifying:
        if await throttle.seconds_to_wait(wired.engine, person.email, address):
            raise PasswordRefused("Muitas tentativas. Tente de novo em alguns minutos.")
        kept = (await people.read(wired.engine, person.user_id)).password_hash
        if not await asyncio.to_thread(passwords.verify, old, kept):
            await throttle.failed(wired.engine, person.email, address)
            raise PasswordRefused("A senha atual não confere.")
    if new == old:
        raise PasswordRefused("A nova senha é igual à atual.")
    return await asyncio.to_thread(passwords.seal, new, person.name, person.email.partition("@")[0])


async def _show(
    request: Request,
    wired: Wiring,
    person: Visitor,
    *,
    done: str = "",
    refused: ConfigurationError | None = None,
) -> Response:
    found = await people.read(wired.engine, person.user_id)
    return page(
        request,
        "account.html",
        status=422 if refused else 200,
        tab="conta",
        rows=await sessions.listing(wired.engine, person.user_id, person.token),
        agent_words=agents.words,
        has_password=found.password_hash is not None,
        shortest=passwords.SHORTEST,
        done=done,
        refused=refused,
    )


async def _record(wired: Wiring, person: Visitor, action: str, count: int | None = None) -> None:
    details = {} if count is None else {"sessions": count}
    async with tenant_transaction(wired.engine, person.tenant_id) as connection:
        target = str(person.user_id)
        await audit.record(connection, person.tenant_id, person.by(), action, target, details)
