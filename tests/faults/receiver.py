"""`python -m tests.faults.receiver --port …`: the web process, which dies at a commit where it is told to."""

import sys

from cli.web import main
from tests.faults import crash

if __name__ == "__main__":
    assert crash  # armed by being imported
    sys.exit(main())
