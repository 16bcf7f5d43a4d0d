"""`python -m tests.faults.nursery`: has everything imported, stops itself, bears a worker at each SIGCONT.

Killing a worker is then followed by the next one at once, without the seconds of imports.
"""

import os
import signal

import flows.sync
from deployments.warm.__main__ import main

__all__ = ["flows"]


def bear() -> bool:
    """Whether this is the worker."""
    os.kill(os.getpid(), signal.SIGSTOP)
    return os.fork() == 0


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what was killed leaves no zombie
    while not bear():
        pass
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    main()
