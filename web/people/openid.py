"""Entrar com …: a person comes back from the OpenID provider with what it vouches for.

A person is known by issuer and subject. The first time, by an e-mail that the provider has verified, and only
who was created without a password: nobody takes over an account that has one.
"""

import secrets

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.errors import Absent, SyncError
from core.openid import Identity, Provider, SignInRefused
from db import people, under_way
from web.access import Wired
from web.pages import page
from web.people.sign_in import enter, local, openid_name
from web.wiring import Wiring

COOKIE = "__Host-entrada"
RETURN = "/entrar/openid/retorno"

router = APIRouter(include_in_schema=False)


@router.get("/entrar/openid")
async def begin(request: Request, wired: Wired, volta: str = "/") -> Response:
    """Raises `Absent` where no provider is set up."""
    try:
        attempt = await _provider(wired).begin(wired.public_url + RETURN)
    except SyncError as error:
        if isinstance(error, Absent):
            raise
        return _refused(request, error)
    browser = secrets.token_urlsafe(32)
    kept = under_way.Attempt(attempt.nonce, attempt.verifier, local(volta))
    await under_way.keep(wired.engine, attempt.state, browser, kept)
    answer = RedirectResponse(attempt.url, status_code=303)
    seconds = int(under_way.LONGEST.total_seconds())
    answer.set_cookie(COOKIE, browser, max_age=seconds, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.get(RETURN)
async def finish(request: Request, wired: Wired) -> Response:
    provider, asked = _provider(wired), request.query_params
    browser = request.cookies.get(COOKIE, "")
    try:
        attempt = await under_way.take(wired.engine, asked.get("state", ""), browser)
        if attempt is None:
            raise SignInRefused("Esta entrada não começou neste navegador, já foi usada ou passou do prazo.")
        identity = await provider.finish(
            dict(asked),
            nonce=attempt.nonce,
            verifier=attempt.verifier,
            redirect_uri=wired.public_url + RETURN,
        )
        person = await _person(wired, identity)
    except SyncError as error:
        answer = _refused(request, error)
    else:
        answer = await enter(request, wired, person, attempt.back)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return answer


async def _person(wired: Wiring, identity: Identity) -> people.Person:
    """Raises `SignInRefused` for who may not enter."""
    person = await people.find_subject(wired.engine, identity.issuer, identity.subject)
    if person is None and identity.email:
        named = await people.find(wired.engine, identity.email)
        if named is not None and await people.link_subject(
            wired.engine, named.id, identity.issuer, identity.subject
        ):
            person = named
    if person is None or person.disabled_at is not None:
        raise SignInRefused("Sua conta do provedor de identidade não tem acesso a esta instalação.")
    return person


def _provider(wired: Wiring) -> Provider:
    if wired.openid is None:
        raise Absent("Esta instalação não tem entrada por OpenID.")
    return wired.openid


def _refused(request: Request, error: SyncError) -> Response:
    status, name = 503 if error.retryable else 401, openid_name(request)
    words = error.message
    return page(request, "sign_in.html", status=status, back="/", email="", refused=words, openid=name)
