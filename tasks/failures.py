"""What is none of our errors must not reach Prefect as it is: its text and traceback could hold data."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from core.errors import SyncError

ROOT = Path(__file__).parents[1]


@contextmanager
def without_data() -> Iterator[None]:
    """Turn an unforeseen failure into a `SyncError` that names its kind and place alone."""
    try:
        yield
    except SyncError:
        raise
    except Exception as exc:
        raise SyncError(f"Erro interno ({type(exc).__name__}{_place(exc)}).") from None


def _place(exc: Exception) -> str:
    """The innermost line of ours: " em db/store.py:10"."""
    ours = [frame for frame in extract_tb(exc.__traceback__) if Path(frame.filename).is_relative_to(ROOT)]
    mine = [frame for frame in ours if "site-packages" not in frame.filename]
    return f" em {Path(mine[-1].filename).relative_to(ROOT)}:{mine[-1].lineno}" if mine else ""


def _untraced(record: logging.LogRecord) -> bool:
    """Admins read these logs in Prefect: the message says what went wrong, a traceback tells them nothing."""
    if record.exc_info and isinstance(record.exc_info[1], SyncError):
        record.exc_info = None
    return True


logging.getLogger("prefect.task_runs").addFilter(_untraced)
