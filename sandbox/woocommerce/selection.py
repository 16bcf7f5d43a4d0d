"""Which records a list holds and in what order, without walking the shop where that can be avoided."""

import json
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, overload

from sandbox.woocommerce.php import Record
from sandbox.woocommerce.shelf import Shelf
from sandbox.woocommerce.timeline import Key, Listed, Ordered

# Lists of ids kept for the next page: of a shop with a million products each takes 8 MB.
KEPT = 4
Span = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Filter:
    """`created` and `modified`: strictly between, in seconds. `tests`: (name, value) pairs on the record."""

    created: Span = (None, None)
    modified: Span = (None, None)
    tests: tuple[tuple[str, Any], ...] = ()

    @property
    def empty(self) -> bool:
        return not self.tests and self.created == self.modified == (None, None)

    @property
    def trash(self) -> bool:
        """Whether the list asks for the trash; no list shows it by itself."""
        return any(name == "status" and "trash" in wanted for name, wanted in self.tests)


class Selection(Sequence[int]):
    """The ids of one list, ascending in its order."""

    def __init__(self, base: Ordered, removed: Iterable[int], inserted: Iterable[tuple[Key, int]]) -> None:
        self._base = base
        self._removed = sorted(removed)
        self._shifted = [index - place for place, index in enumerate(self._removed)]
        self._inserted = sorted(inserted)
        self._places = []
        for place, (key, _) in enumerate(self._inserted):
            before = base.find(key)
            self._places.append(before - bisect_left(self._removed, before) + place)

    def __len__(self) -> int:
        return len(self._base) - len(self._removed) + len(self._inserted)

    def __iter__(self) -> Iterator[int]:
        return map(self.__getitem__, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...

    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            places = range(*index.indices(len(self)))
            untouched = not self._places and not self._removed
            return list(map(self._base.__getitem__ if untouched else self.__getitem__, places))
        place = bisect_left(self._places, index)
        if place < len(self._places) and self._places[place] == index:
            return self._inserted[place][1]
        index -= place
        return self._base[index + bisect_right(self._shifted, index)]


class Index:
    """The lists of one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._bases: OrderedDict[tuple[str, Filter], Ordered] = OrderedDict()
        self._selections: OrderedDict[tuple[str, Filter], tuple[int, Selection]] = OrderedDict()

    def ids(self, by: str, filter_: Filter, among: Sequence[int] | None = None) -> Sequence[int]:
        """Ids of all that pass, ascending by `by`; of `among` alone where the request names the records."""
        shelf = self._shelf
        if among is not None:
            key = self._key(by)
            return sorted((i for i in set(among) if i in shelf and self._passes(i, filter_)), key=key)
        known = self._selections.get((by, filter_))
        if known is None or known[0] != shelf.version:
            known = shelf.version, self._select(by, filter_)
            _keep(self._selections, (by, filter_), known)
        return known[1]

    def _select(self, by: str, filter_: Filter) -> Selection:
        shelf, key = self._shelf, self._key(by)
        base = self._base(by, filter_)
        removed = []
        begun = self._key(by, begun=True)
        for id_ in shelf.changes:
            if id_ in shelf.beginning:
                index = base.find(begun(id_))
                if index < len(base) and base[index] == id_:
                    removed.append(index)
        living = (id_ for id_ in shelf.living() if self._passes(id_, filter_))
        return Selection(base, removed, ((key(id_), id_) for id_ in living))

    def _base(self, by: str, filter_: Filter) -> Ordered:
        """The records as the shop began, in order; written down only where order or filter ask for it."""
        known = self._bases.get((by, filter_))
        if known is None:
            known = self._made(by, filter_)
            _keep(self._bases, (by, filter_), known)
        return known

    def _made(self, by: str, filter_: Filter) -> Ordered:
        beginning, key = self._shelf.beginning, self._key(by, begun=True)
        if not filter_.empty:
            found: Iterable[int] | None = None if filter_.tests else self._window(by, filter_)
            if found is None:
                whole = self._base(by, Filter())
                every = map(whole.__getitem__, range(len(whole)))
                found = filter(_dated(beginning.created, beginning.modified, filter_), every)
            if filter_.tests:
                found = (id_ for id_ in found if tested(beginning.facts(id_), filter_.tests))
            return Listed(array("Q", found), key)
        made = beginning.order(by)
        if made is not None:
            return made
        first = self._base("id", Filter())
        return Listed(array("Q", sorted(map(first.__getitem__, range(len(first))), key=key)), key)

    def _window(self, by: str, filter_: Filter) -> list[int] | None:
        """The few records of a short window of modification, found by their place in that order."""
        order = self._shelf.beginning.order("modified")
        if order is None or filter_.created != (None, None) or by not in {"id", "date", "modified"}:
            return None
        after, before = filter_.modified
        low = 0 if after is None else order.find((after + 1, 0))
        high = len(order) if before is None else order.find((before, 0))
        if (high - low) * 10 > len(order):
            return None
        found = [order[index] for index in range(low, high)]
        return found if by == "modified" else sorted(found)

    def _passes(self, id_: int, filter_: Filter) -> bool:
        shelf = self._shelf
        if shelf.trashed(id_) and not filter_.trash:
            return False
        if not _dated(shelf.created, shelf.modified, filter_)(id_):
            return False
        return not filter_.tests or tested(shelf.record(id_), filter_.tests)

    def _key(self, by: str, *, begun: bool = False) -> Callable[[int], Key]:
        shelf = self._shelf.beginning if begun else self._shelf
        if by in {"date", "registered_date"}:
            return lambda id_: (shelf.created(id_), id_)
        if by == "modified":
            return lambda id_: (shelf.modified(id_), id_)
        field = FIELDS.get(by)
        if field is None:
            return lambda id_: (id_,)
        return lambda id_: (field(_parsed(shelf.body(id_))), id_)


def _dated(
    created: Callable[[int], int], modified: Callable[[int], int], filter_: Filter
) -> Callable[[int], bool]:
    def passes(id_: int) -> bool:
        return _within(created, id_, filter_.created) and _within(modified, id_, filter_.modified)

    return passes


def _within(moment: Callable[[int], int], id_: int, span: Span) -> bool:
    after, before = span
    if after is None and before is None:
        return True
    at = moment(id_)
    return (after is None or at > after) and (before is None or at < before)


def _keep(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > KEPT:
        cache.popitem(last=False)


_parsed: Callable[[str], Record] = json.loads


def plain(text: str) -> str:
    """Without entities, accents and case, as the shop's collation compares."""
    bare = unicodedata.normalize("NFKD", unescape(text))
    return "".join(char for char in bare if not unicodedata.combining(char)).lower()


def tested(record: Record, tests: Sequence[tuple[str, Any]]) -> bool:
    return all(TESTS[name](record, value) for name, value in tests)


def _sought(record: Record, words: tuple[str, ...]) -> bool:
    texts = [record.get(field, "") for field in SEARCHED]
    texts += [part for name in ("billing",) for part in record.get(name, {}).values()]
    whole = plain(" ".join(str(text) for text in texts))
    return all(word in whole for word in words)


SEARCHED = (
    "name",
    "description",
    "short_description",
    "email",
    "username",
    "first_name",
    "last_name",
    "number",
)
TESTS: dict[str, Callable[[Record, Any], bool]] = {
    "status": lambda record, wanted: record["status"] in wanted,
    "not_status": lambda record, unwanted: record["status"] not in unwanted,
    "type": lambda record, wanted: record["type"] in wanted,
    "exclude": lambda record, ids: record["id"] not in ids,
    "parent": lambda record, wanted: record.get("parent", record.get("parent_id")) in wanted,
    "slug": lambda record, wanted: record["slug"] in wanted,
    "category": lambda record, wanted: any(item["id"] in wanted for item in record["categories"]),
    "stock_status": lambda record, wanted: record["stock_status"] == wanted,
    "customer": lambda record, wanted: record["customer_id"] == wanted,
    "product": lambda record, wanted: any(line["product_id"] == wanted for line in record["line_items"]),
    "role": lambda record, wanted: record["role"] == wanted,
    "email": lambda record, wanted: record["email"].lower() == wanted,
    "search": _sought,
}
FIELDS: dict[str, Callable[[Record], Any]] = {
    "title": lambda record: plain(str(record.get("name", record["id"]))),
    "name": lambda record: plain(str(record.get("name") or _person(record))),
    "slug": lambda record: record.get("slug", ""),
    "price": lambda record: float(record.get("price") or 0),
    "popularity": lambda record: int(record.get("total_sales") or 0),
    "rating": lambda record: float(record.get("average_rating") or 0),
    "menu_order": lambda record: int(record.get("menu_order") or 0),
    "description": lambda record: record.get("description", ""),
}


def _person(record: Record) -> str:
    return f"{record.get('first_name', '')} {record.get('last_name', '')}"
