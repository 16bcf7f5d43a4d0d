"""Files that pages load: our own, and htmx from its installed package, at addresses that change with them."""

import hashlib
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter, Response

from core.errors import Absent

HERE = Path(__file__).parent / "static"
HTMX = "django_htmx/static/django_htmx"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
PACKAGED = {"htmx.js": f"{HTMX}/htmx-2.min.js", "sse.js": f"{HTMX}/ext/hx-sse-2.min.js"}
FOREVER = "public, max-age=31536000, immutable"

router = APIRouter()


def address(name: str) -> str:
    """With a part of the content's hash, so that it may be kept for ever."""
    return f"/static/{hashlib.sha256(content(name)).hexdigest()[:12]}/{name}"


@cache
def content(name: str) -> bytes:
    """Raises `Absent` for what is not ours to give."""
    if packaged := PACKAGED.get(name):
        return Path(str(distribution("django-htmx").locate_file(packaged))).read_bytes()
    path = HERE / name
    if path.parent != HERE or path.suffix not in TYPES or not path.is_file():
        raise Absent(f"Não há arquivo {name}.")
    return path.read_bytes()


@router.get("/static/{version}/{name}", include_in_schema=False)
def asset(version: str, name: str) -> Response:
    headers = {"Cache-Control": FOREVER if address(name).split("/")[2] == version else "no-cache"}
    return Response(content(name), media_type=TYPES[Path(name).suffix], headers=headers)
