"""Where an admin finds a system's credentials: the page of our manual about it."""

from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

MANUAL = Path(__file__).parents[2] / "docs" / "providers"
"""Not in an installed package: then the provider's own documentation is all there is."""
SECTION = "## Credenciais"


@cache
def credentials(key: str) -> Markup:
    """The manual's words about them, up to the table of fields, which the form shows itself."""
    words: list[str] = []
    for line in _page(key).partition(SECTION)[2].splitlines():
        if line.startswith(("#", "|")):
            break
        words.append(line)
    return Markup(_markdown.render("\n".join(words)))  # noqa: S704 - our own manual; HTML in it is escaped


@cache
def manual(key: str) -> Markup:
    """The whole page, without its title."""
    text = _page(key)
    return Markup(_markdown.render(text.partition("\n")[2]))  # noqa: S704


def _page(key: str) -> str:
    try:
        return (MANUAL / f"{key}.md").read_text()
    except OSError:
        return ""


_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
