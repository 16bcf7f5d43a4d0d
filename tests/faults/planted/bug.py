"""A bug, and where tests are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """`tests` are files or single tests that have to see it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


UNIT, DATABASE, FAULTS = "tests/unit/test_", "tests/database/test_", "tests/faults/test_"
PAIRS, NOTICES = "tests/providers/test_", "tests/notices/test_"
