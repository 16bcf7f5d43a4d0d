"""The steps of setting up an integration, and which of them can be gone to."""

from dataclasses import dataclass

from core.spec import Provider
from db.admin import IntegrationRow
from web.configure.kinds import known

TITLES = {
    "sistema": "Sistema",
    "acesso": "Acesso",
    "dados": "Entidades",
    "agenda": "Frequência",
    "inicio": "Início",
}


@dataclass(frozen=True, slots=True)
class Step:
    """`address` is empty where it cannot be gone to yet."""

    title: str
    address: str
    current: bool


def steps(row: IntegrationRow | None, current: str) -> list[Step]:
    """None for an integration that is set up already: it has pages, no steps. Without `row` there is nothing
    to go back to but the choice of the system."""
    if row is not None and not row.draft:
        return []
    wanted = _of(known(row.provider) if row else None)
    return [
        Step(
            TITLES[slug],
            f"/integracoes/{row.id}/{slug}" if row and slug != "sistema" else "",
            slug == current,
        )
        for slug in wanted
    ]


def _of(kind: Provider | None) -> list[str]:
    once = kind is not None and kind.by_migration
    return [slug for slug in TITLES if not once or slug not in ("dados", "agenda")]
