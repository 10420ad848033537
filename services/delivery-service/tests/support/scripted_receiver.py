"""A receiver that follows a script, byte for byte: what no HTTP server would let a test send."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from local_stack import ports

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection of a receiver. `number` counts its connections, the first is 1."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.requests: list[bytes] = []
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """One whole request, head and body. Raises IncompleteReadError at the end of the connection."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        request = head + await self._reader.readexactly(length)
        self.requests.append(request)
        return request

    async def write(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def wait_closed(self) -> None:
        """Return once the other side has closed the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(2**16):
                continue

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with a RST."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class ScriptedReceiver:
    """`peers` are its connections in their order, each with the requests that came over it."""

    def __init__(self, port: int, *, tls: bool = False) -> None:
        self.port = port
        self.url = f"{'https' if tls else 'http'}://{ports.LOOPBACK}:{port}/"
        self.peers: list[Peer] = []

    @property
    def requests(self) -> list[bytes]:
        return [request for peer in self.peers for request in peer.requests]


@asynccontextmanager
async def scripted(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedReceiver]:
    """Run `script` for each connection, which is closed when it returns."""
    receiver: ScriptedReceiver

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(receiver.peers) + 1, reader, writer)
        receiver.peers.append(peer)
        # uvloop raises RuntimeError where a closed connection is written to.
        with suppress(ConnectionError, RuntimeError, asyncio.IncompleteReadError, ssl.SSLError):
            await script(peer)
        writer.close()

    async with await asyncio.start_server(connected, ports.LOOPBACK, 0, ssl=tls) as server:
        receiver = ScriptedReceiver(server.sockets[0].getsockname()[1], tls=tls is not None)
        yield receiver


def answering_always(content: bytes) -> Script:
    """Answers every request of a connection with these bytes."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.read()
            await peer.write(content)

    return script
