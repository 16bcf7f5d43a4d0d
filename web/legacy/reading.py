"""A file that a stranger may have made is opened by a process of its own, without our secrets."""

import asyncio
import os
import sys
from pathlib import Path

from core.errors import ConfigurationError
from providers.legacy import opened
from providers.legacy.opened import MOST_SECONDS, TOO_MUCH, Opened
from providers.legacy.sheets import Options

AT_ONCE = 2
_reading = asyncio.Semaphore(AT_ONCE)
UNREADABLE = (
    "O arquivo não pôde ser lido: abra-o no seu programa de planilhas, salve como .xlsx e envie de novo."
)


async def open_file(path: Path, asked: Options) -> Opened:
    """Raises `ConfigurationError`."""
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LANG": "C.UTF-8"}
    async with _reading:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", opened.__name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        try:
            async with asyncio.timeout(MOST_SECONDS):
                written, _ = await process.communicate(opened.request(path, asked))
        except TimeoutError:
            raise ConfigurationError(TOO_MUCH) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        # Told by a signal: out of time or of memory.
        raise ConfigurationError(TOO_MUCH if process.returncode < 0 else UNREADABLE)
    return opened.answer(written)
