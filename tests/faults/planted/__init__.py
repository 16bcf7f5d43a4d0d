"""Bugs that a synchronisation must not have, as data: each is planted in a copy of the tree, and the tests
that are said to see it have to go red there.

`old` is a piece of `file` that occurs once. Where the code moved on, move the bug along with it; one that the
tests do not see is a test to write.
"""

from tests.faults.planted.bug import Bug
from tests.faults.planted.commits import COMMITS, CREATES
from tests.faults.planted.failures import FAILURES, SECRETS
from tests.faults.planted.sides import DELETIONS, TWO_WAY

__all__ = ["BUGS", "Bug"]

BUGS: tuple[Bug, ...] = (*COMMITS, *CREATES, *TWO_WAY, *DELETIONS, *FAILURES, *SECRETS)
