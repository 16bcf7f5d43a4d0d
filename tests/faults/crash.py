"""Death at a commit, for a process that imports this module: the `CRASH_AT`th one, and nothing less.

`CRASH_WHEN` is `before` (all statements were sent, the commit was not) or `after` (the database has it, the
program never hears). Commits are counted over the whole process, those of reads too, so that counting up from
1 until the process survives is every place there is. A worker imports it through CLOUDTOSYS_FLOW_PACKAGES;
`python -m tests.faults.once` is a whole run in a process of its own.
"""

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine.default import DefaultDialect


def arm(at: int, when: str) -> None:
    numbers = itertools.count(1)
    commit: Callable[..., None] = DefaultDialect.do_commit

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        dying = next(numbers) == at
        if dying and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        commit(dialect, connection)
        if dying:
            os.kill(os.getpid(), signal.SIGKILL)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


if place := int(os.environ.get("CRASH_AT", "0")):
    arm(place, os.environ.get("CRASH_WHEN", "after"))
