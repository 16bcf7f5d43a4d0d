"""`python -m tests.faults.storm`: deliveries at a steady rate, whatever the receiver does.

A process of its own. Reads one JSON line from stdin: {"url", "rate", "deliveries": [[path, headers, body in
base64], …]}. Writes one for each delivery: [status, seconds from the moment it was due to its answer]; status
0: no answer.
"""

import asyncio
import base64
import gc
import json
import sys
import time
from urllib.parse import urlsplit

CONNECTIONS = 64


class Line:
    """One kept connection."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, head: bytes, body: bytes) -> int:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
            reader, writer = self._streams
            writer.write(head + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            lines = answer.lower().split(b"\r\n")
            length = next((int(one[15:]) for one in lines if one.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            return int(answer[9:12])
        except (OSError, asyncio.IncompleteReadError):
            self._streams = None
            return 0


async def blow(url: str, rate: float, deliveries: list[tuple[bytes, bytes]]) -> list[tuple[int, float]]:
    place = urlsplit(url)
    free: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(Line(place.hostname or "", place.port or 80))
    begun = time.perf_counter() + 0.5

    async def deliver(number: int) -> tuple[int, float]:
        due = begun + number / rate
        line = await free.get()
        status = await line.post(*deliveries[number])
        free.put_nowait(line)
        return status, time.perf_counter() - due

    tasks = []
    for number in range(len(deliveries)):
        wait = begun + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(deliver(number)))
    return await asyncio.gather(*tasks)


def raw(host: str, path: str, headers: dict[str, str], body: bytes) -> tuple[bytes, bytes]:
    fields = {"Host": host, "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode(), body


def main() -> None:
    said = json.loads(sys.stdin.readline())
    host = urlsplit(said["url"]).netloc
    deliveries = [
        raw(host, path, headers, base64.b64decode(body)) for path, headers, body in said["deliveries"]
    ]
    gc.disable()
    for status, seconds in asyncio.run(blow(said["url"], said["rate"], deliveries)):
        print(json.dumps([status, round(seconds, 5)]))


if __name__ == "__main__":
    main()
