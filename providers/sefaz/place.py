"""Where the distribution goes on: the last NSU, and those that were handed out and nobody here has kept."""

import re
from dataclasses import dataclass, replace

Range = tuple[int, int]
_TEXT = re.compile(r"([0-9]{15})((?: [0-9]+-[0-9]+)*)( \*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """`last` is ultNSU as the SEFAZ gave it. `missed` are ranges, ends included, to be asked for one by one;
    they `wait` while the list has its turn."""

    last: int = 0
    missed: tuple[Range, ...] = ()
    wait: bool = False

    @classmethod
    def read(cls, text: str | None) -> "Place":
        """Raises `ValueError`."""
        if text is None:
            return cls()
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError("o lugar guardado da distribuição não é legível")
        ranges = [part.split("-") for part in match[2].split()]
        return cls(int(match[1]), tuple([(int(a), int(b)) for a, b in ranges]), match[3] is not None)

    def __str__(self) -> str:
        ranges = "".join(f" {first}-{last}" for first, last in self.missed)
        return f"{self.last:015}{ranges}{' *' if self.wait else ''}"

    def to(self, nsu: int) -> "Place":
        """After an answer of the list; it never goes back."""
        return replace(self, last=max(self.last, nsu), wait=False)

    def beyond(self, nsu: int) -> "Place":
        """The SEFAZ is further on than we are: what lies between was given to somebody else, or got lost."""
        return Place(nsu, (*self.missed, (self.last + 1, nsu)), wait=True)

    @property
    def newest_missed(self) -> int:
        return self.missed[-1][1]

    def caught(self, *, wait: bool) -> "Place":
        """Without the newest one missed."""
        first, last = self.missed[-1]
        rest = ((first, last - 1),) if first < last else ()
        return replace(self, missed=(*self.missed[:-1], *rest), wait=wait)
