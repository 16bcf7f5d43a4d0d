"""`python -m tests.faults.spare`: a worker with everything imported that stops itself until SIGCONT.

Killing a worker is then followed by the next one at once, not by seconds of imports.
"""

import os
import signal

import flows.sync
from deployments.warm.__main__ import main

__all__ = ["flows"]

if __name__ == "__main__":
    os.kill(os.getpid(), signal.SIGSTOP)
    main()
