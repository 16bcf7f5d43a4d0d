"""Lists by days: the statement and the charges, in windows that the bank takes.

A page is asked for by its number. A line that is booked while the list is read moves the others, so the last
days are read again by every run.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from core.errors import ConfigurationError, ContractError, NotFoundError
from core.reading import clock
from core.spec import Answer, Raw, Settings, Source, Span, Step
from providers.banco_inter.mapping import ZONE

SIZE = 1000
MOST_DAYS = 90
MOST = 10_000
"""Lines of one window that its pages can reach."""
CHARGES = "cobranca/v3/cobrancas"


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the days `first` to `last` in the list with filter number `filter`."""

    filter: int
    first: date
    last: date
    page: int = 0

    def __str__(self) -> str:
        return f"{self.filter} {self.first} {self.last} {self.page}"

    @classmethod
    def read(cls, text: str) -> "Place":
        filter_, first, last, page = text.split()
        return cls(int(filter_), date.fromisoformat(first), date.fromisoformat(last), int(page))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """`names` are the parameters of the first and last day, the page and its size. `whole` is the filter of a
    complete list, `changed` those that together give what is new."""

    path: str
    items: str
    names: tuple[str, str, str, str]
    whole: Mapping[str, str]
    changed: tuple[Mapping[str, str], ...]

    async def fetch(self, source: Source, span: Span, place: str | None) -> Step:
        """Raises `ConfigurationError` for a first day that is none."""
        end = today() if span.until is None else min(today(), span.until.astimezone(ZONE).date())
        begin = start_on(source.settings) if span.since is None else span.since.astimezone(ZONE).date()
        begin = min(begin, end)
        filters = self.changed if span.since else (self.whole,)
        here = Place.read(place) if place else _window(0, begin, end)
        days = zip(self.names, (here.first, here.last, here.page, SIZE), strict=True)
        asked = {name: str(value) for name, value in days}
        answer = await source.get(self.path, {**filters[here.filter], **asked})
        items, total = _page(answer, self.items)
        if total > MOST and here.first < here.last:
            half = here.first + (here.last - here.first) // 2
            return Step([], str(replace(here, last=half, page=0)), clock=clock(answer))
        if total > MOST:
            raise ContractError(f"O banco não entrega mais de {MOST} lançamentos de um dia ({here.first}).")
        return Step(items, _following(answer, here, items, begin, end, len(filters)), clock=clock(answer))


STATEMENT = Listed(
    path="banking/v2/extrato/completo",
    items="transacoes",
    names=("dataInicio", "dataFim", "pagina", "tamanhoPagina"),
    whole={},
    changed=({},),
)
RECEIVABLES = Listed(
    path=CHARGES,
    items="cobrancas",
    names=("dataInicial", "dataFinal", "paginacao.paginaAtual", "paginacao.itensPorPagina"),
    # Without an order of our own the list is sorted by payer, and equal ones may change places.
    whole={"filtrarDataPor": "EMISSAO", "ordenarPor": "CODIGO_COBRANCA"},
    changed=(
        {"filtrarDataPor": "EMISSAO", "ordenarPor": "CODIGO_COBRANCA"},
        {"filtrarDataPor": "PAGAMENTO", "ordenarPor": "CODIGO_COBRANCA"},
    ),
)


async def read_charges(source: Source, external_ids: Sequence[str]) -> dict[str, Raw]:
    ids = list(dict.fromkeys(external_ids))
    found = await asyncio.gather(*[_charge(source, id_) for id_ in ids])
    return {id_: raw for id_, raw in zip(ids, found, strict=True) if raw is not None}


def today() -> date:
    return datetime.now(ZONE).date()


def start_on(settings: Settings) -> date:
    try:
        return datetime.strptime(settings["start_on"], "%d/%m/%Y").replace(tzinfo=ZONE).date()
    except ValueError:
        raise ConfigurationError("Sincronizar desde: use uma data como 01/01/2026.") from None


async def _charge(source: Source, id_: str) -> Raw | None:
    try:
        raw: Raw = (await source.get(f"{CHARGES}/{id_}")).data
    except NotFoundError:
        return None
    return raw


def _page(answer: Answer, name: str) -> tuple[Sequence[Raw], int]:
    items = answer.data.get(name) if isinstance(answer.data, dict) else None
    if not isinstance(items, list):
        raise ContractError(f"A resposta do banco não tem a lista {name!r}.")
    return items, int(answer.data.get("totalElementos") or len(items))


def _following(
    answer: Answer, here: Place, items: Sequence[Raw], begin: date, end: date, filters: int
) -> str | None:
    pages = int(answer.data.get("totalPaginas") or 0)
    last = answer.data.get("ultimaPagina") or here.page + 1 >= pages
    if items and not last:
        return str(replace(here, page=here.page + 1))
    if here.last < end:
        return str(_window(here.filter, here.last + timedelta(days=1), end))
    if here.filter + 1 < filters:
        return str(_window(here.filter + 1, begin, end))
    return None


def _window(filter_: int, first: date, end: date) -> Place:
    return Place(filter_, first, min(end, first + timedelta(days=MOST_DAYS - 1)))
