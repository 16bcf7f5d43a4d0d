"""Dates of records that are never stored: functions of the id with an inverse, for any number of records."""

from collections.abc import Callable, Sequence
from math import gcd
from typing import Any, Protocol

from sandbox.woocommerce.dates import DAY, seconds

CREATED_FROM = seconds("2025-03-01T11:00:00")
MODIFIED_FROM = CREATED_FROM + 200 * DAY
CREATED_SPAN, MODIFIED_SPAN = 200 * DAY, 60 * DAY
TIE = 5
"""Records that share one second of modification, as after an import."""
Key = tuple[Any, ...]


class Ordered(Protocol):
    """Ids in some order, with random access both ways."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> int: ...

    def find(self, key: Key) -> int:
        """How many stand before `key`."""


class Timeline:
    """Created in the order of the ids; modified later, in an order of its own, `tie` at a time."""

    def __init__(self, first: int, count: int, seed: int, tie: int = TIE) -> None:
        self.first, self.count, self.tie = first, count, tie
        size = max(1, count)
        self._factor = _coprime(size, int(size * 0.618) + seed % 97)
        self._inverse = pow(self._factor, -1, size) if size > 1 else 0
        self._shift = seed % size
        self.created_step = max(1, min(3600, CREATED_SPAN // size))
        self.modified_step = max(1, min(600, MODIFIED_SPAN // (size // tie + 1)))

    def __contains__(self, id_: int) -> bool:
        return self.first <= id_ < self.first + self.count

    def created(self, id_: int) -> int:
        return CREATED_FROM + (id_ - self.first) * self.created_step

    def modified(self, id_: int) -> int:
        return MODIFIED_FROM + self._rank(id_) // self.tie * self.modified_step

    def block(self, number: int) -> list[int]:
        """Ascending ids that were modified in the second of that number."""
        ranks = range(number * self.tie, min(self.count, number * self.tie + self.tie))
        return sorted((rank - self._shift) * self._inverse % self.count + self.first for rank in ranks)

    def _rank(self, id_: int) -> int:
        return ((id_ - self.first) * self._factor + self._shift) % self.count


class ById:
    def __init__(self, timeline: Timeline) -> None:
        self._time = timeline

    def __len__(self) -> int:
        return self._time.count

    def __getitem__(self, index: int) -> int:
        return self._time.first + index

    def find(self, key: Key) -> int:
        id_: int = key[-1]
        return min(max(0, id_ - self._time.first), self._time.count)


class ByCreated(ById):
    def find(self, key: Key) -> int:
        moment: int = key[0]
        id_: int = key[1]
        earlier, rest = divmod(moment - CREATED_FROM, self._time.created_step)
        index = min(max(0, earlier + (rest > 0)), self._time.count)
        same = not rest and 0 <= earlier < self._time.count
        return index + (same and self[index] < id_)


class ByModified:
    def __init__(self, timeline: Timeline) -> None:
        self._time = timeline

    def __len__(self) -> int:
        return self._time.count

    def __getitem__(self, index: int) -> int:
        number, place = divmod(index, self._time.tie)
        return self._time.block(number)[place]

    def find(self, key: Key) -> int:
        moment: int = key[0]
        id_: int = key[1]
        number, rest = divmod(moment - MODIFIED_FROM, self._time.modified_step)
        if number < 0:
            return 0
        if rest:
            return min((number + 1) * self._time.tie, len(self))
        first = number * self._time.tie
        before = sum(other < id_ for other in self._time.block(number)) if first < len(self) else 0
        return min(first + before, len(self))


class Listed:
    """Ids written down, with the function that gives their keys."""

    def __init__(self, ids: Sequence[int], key: Callable[[int], Key]) -> None:
        self._ids, self._key = ids, key

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> int:
        return self._ids[index]

    def find(self, key: Key) -> int:
        low, high = 0, len(self._ids)
        # What was written last comes last in most orders.
        if high and self._key(self._ids[-1]) < key:
            return high
        while low < high:
            middle = (low + high) // 2
            if self._key(self._ids[middle]) < key:
                low = middle + 1
            else:
                high = middle
        return low


def _coprime(size: int, wanted: int) -> int:
    number = max(1, wanted % size) if size > 1 else 1
    while gcd(number, size) != 1:
        number += 1
    return number
