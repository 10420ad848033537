"""A name server on loopback: it knows some names, is slow with some, and silent about others (RFC 1035)."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from local_stack import ports

TYPE_A = 1
NXDOMAIN = 3


class NameServer(asyncio.DatagramProtocol):
    """Answers for ``addresses``; never for ``silent.example`` and below it.

    As a recursive name server does, it answers the first query for a name of ``delays`` after that many seconds,
    and later queries at once.
    """

    def __init__(self, addresses: dict[str, str], delays: dict[str, float]) -> None:
        self.queries: Counter[str] = Counter()
        self._addresses = addresses
        self._delays = delays
        self._known_at: dict[str, float] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's datagram transport is not an instance of asyncio.DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        name, question_end = _question(data)
        self.queries[name] += 1
        if name.endswith("silent.example"):
            return
        reply = self._reply(data[:question_end], name)
        loop = asyncio.get_running_loop()
        known_at = self._known_at.setdefault(name, loop.time() + self._delays.get(name, 0))
        loop.call_at(max(known_at, loop.time()), self._send, reply, peer)

    def _send(self, reply: bytes, peer: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, peer)

    def _reply(self, query: bytes, name: str) -> bytes:
        address = self._addresses.get(name)
        [kind] = struct.unpack("!H", query[-4:-2])
        record = b""
        if address is not None and kind == TYPE_A:
            # The name of the question (offset 12), class IN, no time to live.
            record = struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, 0, 4) + socket.inet_aton(address)
        flags = 0x8180 | (NXDOMAIN if address is None else 0)
        return query[:2] + struct.pack("!HHHHH", flags, 1, bool(record), 0, 0) + query[12:] + record


@asynccontextmanager
async def name_server(
    addresses: dict[str, str], delays: dict[str, float] | None = None
) -> AsyncIterator[tuple[NameServer, str]]:
    """Run a name server; gives it and its address with port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(addresses, delays or {}), (ports.LOOPBACK, 0)
    )
    try:
        yield server, f"{ports.LOOPBACK}:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


def _question(query: bytes) -> tuple[str, int]:
    """The name of a query, in small letters, and where its question ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += length + 1
    return ".".join(labels), at + 5
