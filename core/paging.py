"""Styles of paging. None holds state: the place of the next page is text, committed with the data."""

from dataclasses import dataclass

from core.errors import ContractError, TransientError
from core.spec import Answer, Raw, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetById:
    """`offset` and `per_page` over a list in ascending id order, each page overlapping the last by one.

    A record removed while the scan runs moves the rest to the left, and a page number would jump over one.
    The overlap shows it: where a page does not start at or before the last id seen, the page before it is
    read again. A server that repeats a page is found the same way. The place is `offset:last id`.
    """

    size: int
    total_header: str
    offset: str = "offset"
    limit: str = "per_page"

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError("pages of one record cannot overlap")

    def params(self, place: str | None) -> dict[str, str]:
        return {self.limit: str(self.size), self.offset: str(_parse(place)[0])}

    def step(self, place: str | None, answer: Answer) -> Step:
        offset, last = _parse(place)
        items = _items(answer)
        total = _number(answer.headers.get(self.total_header))
        if offset and (not items or _id(items[0]) > last):
            return Step([], f"{max(0, offset - self.size + 1)}:{last}", total)
        if len(items) < self.size:
            if total is not None and offset + len(items) < total:
                raise TransientError("A lista veio incompleta: menos registros do que o total informado.")
            return Step(_after(items, last), None, total)
        return Step(_after(items, last), f"{offset + self.size - 1}:{max(last, _id(items[-1]))}", total)

    def ahead(self, place: str, total: int | None, count: int) -> list[dict[str, str]]:
        if total is None:
            return []
        step = self.size - 1
        offsets = [_parse(place)[0] + step * n for n in range(count)]
        return [self.params(f"{offset}:0") for offset in offsets if offset + 1 < total]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHeader:
    """A header names the next page, by an id or an opaque cursor that goes back as the parameter `next`.

    With `total_header` the end is believed only when as many records came as the list has; records that move
    to the end while it is read come twice, so never too few. The place is `records so far:next`.
    """

    size: int
    header: str
    next: str
    limit: str = "limit"
    total_header: str = ""

    def params(self, place: str | None) -> dict[str, str]:
        size = {self.limit: str(self.size)}
        return size if place is None else {**size, self.next: place.partition(":")[2]}

    def step(self, place: str | None, answer: Answer) -> Step:
        items = _items(answer)
        total = _number(answer.headers.get(self.total_header)) if self.total_header else None
        seen = len(items) + (int(place.partition(":")[0]) if place else 0)
        following = answer.headers.get(self.header)
        if following:
            return Step(items, f"{seen}:{following}", total)
        if total is not None and seen < total:
            raise TransientError("A lista veio incompleta: menos registros do que o total informado.")
        return Step(items, None, total)

    def ahead(self, place: str, total: int | None, count: int) -> list[dict[str, str]]:
        return []


def _parse(place: str | None) -> tuple[int, int]:
    if place is None:
        return 0, 0
    offset, _, last = place.partition(":")
    return int(offset), int(last)


def _items(answer: Answer) -> list[Raw]:
    if not isinstance(answer.data, list):
        raise ContractError("A resposta não é uma lista de registros.")
    return answer.data


def _id(item: Raw) -> int:
    try:
        return int(item["id"])
    except (KeyError, TypeError, ValueError):
        raise ContractError("Um registro da lista veio sem id numérico.") from None


def _after(items: list[Raw], last: int) -> list[Raw]:
    return [item for item in items if _id(item) > last]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
