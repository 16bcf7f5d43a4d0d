"""What an admin reads when something could not be done: cause and remedy, and never a traceback."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from core.actor import NotAllowed
from core.errors import Absent, ConflictError, DatabaseUnavailable, SyncError
from web.access import Forged, Homeless, PasswordToChange, SignInNeeded
from web.headers import SECURITY
from web.pages import is_htmx, page

STATUSES: dict[type[SyncError], int] = {
    Absent: 404,
    NotAllowed: 403,
    Forged: 403,
    Homeless: 403,
    ConflictError: 409,
    DatabaseUnavailable: 503,
}


def install(app: FastAPI) -> None:
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(PasswordToChange, _change_password)
    app.add_exception_handler(SyncError, _refuse)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _broken)


def status_of(error: SyncError) -> int:
    """Of the nearest class that says one; 422 for what can be put right by who asked."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 422)


def _sign_in(request: Request, _: Exception) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = here if request.method == "GET" else "/"
    target = str(request.url.replace(path="/entrar", query="").include_query_params(volta=back))
    if is_htmx(request):
        return Response(status_code=401, headers={"HX-Redirect": target})
    return RedirectResponse(target, status_code=303)


def _change_password(request: Request, _: Exception) -> Response:
    if is_htmx(request):
        return Response(status_code=403, headers={"HX-Redirect": "/acesso/conta"})
    return RedirectResponse("/acesso/conta", status_code=303)


def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, SyncError)  # noqa: S101 - the handler's own class
    return _answer(
        request, status_of(error), error.advice.title, error.message, error.advice.cause, error.advice.remedy
    )


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    title, cause, remedy = _HTTP.get(error.status_code, _HTTP[400])
    return _answer(request, error.status_code, title, "", cause, remedy)


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # An id that is none is an address that does not exist.
    if any(found["loc"][0] == "path" for found in error.errors()):
        return _answer(request, 404, *_HTTP[404][:1], "", *_HTTP[404][1:])
    fields = ", ".join(sorted({str(found["loc"][-1]) for found in error.errors()}))
    return _answer(request, 422, "Pedido inválido", f"Confira: {fields}.", *_HTTP[400][1:])


def _broken(request: Request, _: Exception) -> Response:
    """Given outside of every middleware, so with the headers of its own; the traceback is logged."""
    advice = SyncError.advice
    answer = _answer(request, 500, advice.title, "", advice.cause, advice.remedy)
    answer.headers.update(SECURITY)
    return answer


def _answer(request: Request, status: int, title: str, message: str, cause: str, remedy: str) -> Response:
    block = "refusal" if is_htmx(request) else None
    return page(
        request,
        "refusal.html",
        status=status,
        block=block,
        title=title,
        message=message,
        cause=cause,
        remedy=remedy,
    )


_HTTP = {
    400: (
        "Pedido inválido",
        "O endereço ou o formulário tem um valor que não é aceito.",
        "Volte à página, confira e repita.",
    ),
    404: (
        "Não encontrado",
        "O endereço não existe, ou não é deste tenant.",
        "Volte à lista e procure de novo.",
    ),
    405: ("Não encontrado", "Este endereço não aceita esta ação.", "Volte à página e use seus botões."),
    413: ("Arquivo grande demais", "O envio passa do limite.", "Divida o arquivo e repita."),
}
