"""
A network where there is none: a proxy that passes everything on, later.

    client ──▶ read ──▶ wait N/2 ms ──▶ Redis ──▶ read ──▶ wait N/2 ms ──▶ client

On loopback a round trip looks free; with this it takes N milliseconds longer. Bandwidth is not limited: what is sent
together arrives together. Run as a process of its own: `python -m benchmarks.delay <port of Redis> <N>`; it prints the
port on which it listens.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: Bytes read at a time.
CHUNK = 1 << 18


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, each piece so many seconds after it came, until there is no more."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        data = b"-"
        while data:
            data = await reader.read(CHUNK)
            pieces.put_nowait((loop.time() + seconds, data))

    reading = asyncio.ensure_future(read())
    with suppress(ConnectionError):
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
    reading.cancel()
    writer.close()


async def _serve(port: int, seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, back, seconds / 2), _pump(there, writer, seconds / 2))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """Have such a proxy before the Redis on a port; yields the proxy's port."""
    command = [sys.executable, "-m", "benchmarks.delay", str(port), str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else 0)
        finally:
            process.kill()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
