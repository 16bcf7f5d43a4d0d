"""Pages from templates: what each finds there, and Brazilian formats as filters."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core import formats
from core.entities import (
    Cadence,
    ConflictPolicy,
    Direction,
    Entity,
    IntegrationStatus,
    Matching,
    RequestKind,
    RunStatus,
    Trigger,
)
from core.errors import Fault, title_of
from core.freshness import Freshness
from web import assets

THEMES = ("light", "dark")
THEME_COOKIE = "__Host-tema"
KINDS = {
    kind.__name__.lower(): kind
    for kind in (
        Entity,
        Direction,
        Trigger,
        Cadence,
        IntegrationStatus,
        RunStatus,
        Matching,
        ConflictPolicy,
        Freshness,
        Fault,
        RequestKind,
    )
}
GLYPHS = {
    "success": "✓",
    "active": "✓",
    "partial": "◐",
    "error": "✕",
    "running": "▸",
    "deferred": "◷",
    "skipped": "↷",
    "cancelled": "■",
    "interrupted": "!",
    "paused": "‖",
    "disabled": "○",
    "draft": "✎",
    "orphan": "◌",
    "conflict": "⇄",
    "open": "✕",
    "on_time": "✓",
    "syncing": "▸",
    "queued": "◷",
    "recovering": "↻",
    "late": "!",
    "new": "○",
    "resolved": "✓",
}


def page(
    request: Request, template: str, *, status: int = 200, block: str | None = None, **context: Any
) -> HTMLResponse:
    """The template as an answer, or one `block` of it for htmx to put into the page that is open."""
    found = _templates.get_template(template)
    values = _common(request) | context
    if block is None:
        return HTMLResponse(found.render(values), status_code=status)
    parts = found.blocks[block](found.new_context(values))
    return HTMLResponse("".join(parts), status_code=status)


def fragment(template: str, **context: Any) -> str:
    """A part of a page for nobody in particular."""
    return _templates.get_template(template).render(now=datetime.now(UTC), visitor=None, **context)


def is_htmx(request: Request) -> bool:
    """Whether a part of a page is wanted."""
    return request.headers.get("hx-request") == "true" and "hx-boosted" not in request.headers


def _common(request: Request) -> dict[str, Any]:
    theme = request.cookies.get(THEME_COOKIE, "")
    return {
        "request": request,
        "path": request.url.path,
        "visitor": getattr(request.state, "visitor", None),
        "theme": theme if theme in THEMES else "",
        "now": datetime.now(UTC),
    }


def _label(value: str, kind: str) -> str:
    """The word that people read for one of ours: `{{ row.entity | label("entity") }}`."""
    return KINDS[kind](value).label


def _moment(value: datetime | None) -> str:
    return formats.moment(value) if value else "—"


def _time(value: datetime | None, now: datetime) -> Markup:
    """How long ago, with the moment itself on hover and for machines."""
    if value is None:
        return Markup("—")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.astimezone(UTC).isoformat(timespec="seconds"),
        f"{formats.moment(value)} (horário de São Paulo)",
        formats.since(value, now),
    )


def _number(value: float | Decimal | None, places: int = 0) -> str:
    return "—" if value is None else formats.number(value, places)


def _sentence(value: str) -> str:
    """Begun with a capital, the rest as it is: NFs, Prefect."""
    return value[:1].upper() + value[1:]


def _duration(seconds: float | None) -> str:
    return "—" if seconds is None else formats.duration(seconds)


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {"asset": assets.address, "glyphs": GLYPHS}
    found.filters |= {
        "number": _number,
        "moment": _moment,
        "time": _time,
        "duration": _duration,
        "label": _label,
        "later": lambda value, days: value + timedelta(days=days),
        "since": formats.since,
        "sentence": _sentence,
        "error_title": title_of,
    }
    return found


_templates = _environment()
