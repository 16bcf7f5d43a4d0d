"""Entrar, Sair, and the tenant that a person works in."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from core import passwords
from core.errors import Absent
from db import people, sessions, throttle
from db.audit import By, record
from db.session import tenant_transaction
from web.access import COOKIE, Visiting, Wired, check_origin, own, wiring
from web.pages import THEME_COOKIE, THEMES, page
from web.wiring import Wiring

YEAR = 31_536_000
AT_ONCE = 2
"""Each verification takes 64 MiB (argon2id): a flood of sign-ins waits instead of filling the memory."""
MOST_WAITING = 64
"""Who comes after these is told to come back: nobody waits behind a flood for minutes."""

open_router = APIRouter(include_in_schema=False)
router = APIRouter(include_in_schema=False, dependencies=[Depends(own)])
_verifying = asyncio.Semaphore(AT_ONCE)
_waiting = asyncio.Semaphore(MOST_WAITING)


@open_router.get("/entrar")
async def form(request: Request, volta: str = "/") -> Response:
    return page(request, "sign_in.html", back=local(volta), email="", refused="", openid=openid_name(request))


@open_router.post("/entrar")
async def sign_in(
    request: Request,
    wired: Wired,
    email: Annotated[str, Form(max_length=320)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    volta: Annotated[str, Form()] = "/",
) -> Response:
    """The same words and the same time whether the account exists or not."""
    check_origin(request)
    address = request.client.host if request.client else ""
    if _waiting.locked():
        return _refused(request, email, volta, 429, "Muita gente está entrando. Tente de novo em um minuto.")
    async with _waiting, _verifying:
        # Counted here and not before: tries sent all at once would be counted before any of them failed.
        wait = await throttle.seconds_to_wait(wired.engine, email, address)
        if wait:
            minutes = -(-wait // 60)
            return _refused(request, email, volta, 429, f"Muitas tentativas. Tente de novo em {minutes} min.")
        person = await people.find(wired.engine, email)
        right = await asyncio.to_thread(passwords.verify, password, person.password_hash if person else None)
        if not right or person is None or person.disabled_at is not None:
            await throttle.failed(wired.engine, email, address)
            return _refused(request, email, volta, 401, "E-mail ou senha não conferem.")
    await throttle.succeeded(wired.engine, email)
    return await enter(request, wired, person, volta)


async def enter(request: Request, wired: Wiring, person: people.Person, back: str) -> Response:
    """A new session, and an end to the one that the browser brought along: nobody can choose one for
    somebody else."""
    if brought := request.cookies.get(COOKIE):
        await sessions.close(wired.engine, brought)
    token = await sessions.open_(wired.engine, person.id, None, request.headers.get("user-agent", ""))
    found = await sessions.read(wired.engine, token)
    if found is not None and found.tenant_id is not None:
        await _record(wired, found.tenant_id, person.email, "session.open")
    answer = RedirectResponse(local(back), status_code=303)
    answer.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/sair")
async def sign_out(wired: Wired, person: Visiting) -> Response:
    await sessions.close(wired.engine, person.token)
    await _record(wired, person.tenant_id, person.email, "session.close")
    answer = RedirectResponse("/entrar", status_code=303)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/tenant")
async def choose(wired: Wired, person: Visiting, tenant: Annotated[UUID, Form()]) -> Response:
    """Raises `Absent` for a tenant that the person does not work in."""
    if tenant not in {place.id for place in person.workplaces}:
        raise Absent("Não há este tenant entre os seus.")
    await sessions.choose(wired.engine, person.token, tenant)
    return RedirectResponse("/", status_code=303)


@router.post("/tema")
async def theme(
    person: Visiting, tema: Annotated[str, Form()], volta: Annotated[str, Form()] = "/"
) -> Response:
    """Light or dark, whatever the system says; anything else follows the system again."""
    answer = RedirectResponse(local(volta), status_code=303)
    if tema in THEMES:
        answer.set_cookie(THEME_COOKIE, tema, max_age=YEAR, secure=True, httponly=True, samesite="lax")
    else:
        answer.delete_cookie(THEME_COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


def local(path: str) -> str:
    """A path of ours, or the first page: never another site's."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ours and "\\" not in path else "/"


def _refused(request: Request, email: str, back: str, status: int, words: str) -> Response:
    return page(
        request,
        "sign_in.html",
        status=status,
        back=local(back),
        email=email,
        refused=words,
        openid=openid_name(request),
    )


def openid_name(request: Request) -> str:
    """What people call the OpenID provider; empty where there is none."""
    provider = wiring(request).openid
    return provider.client.name if provider else ""


async def _record(wired: Wiring, tenant_id: UUID, email: str, action: str) -> None:
    async with tenant_transaction(wired.engine, tenant_id) as connection:
        await record(connection, tenant_id, By(email), action, email)
