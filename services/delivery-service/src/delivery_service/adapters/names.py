"""Looking names up. The system's resolver blocks, for many seconds where a name server does not answer."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

MAX_LOOKUPS = 16
"""At a time. One that hangs keeps its place until the system gives up."""

Lookup = Callable[[str], Sequence[str]]
"""From a name to its addresses; OSError where there are none."""


def look_up(name: str) -> Sequence[str]:
    """The addresses of a name as the system knows them. It blocks."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Names:
    """Runs ``lookup`` in threads that nobody waits for: neither the event loop nor the end of the process."""

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup
        self._places = asyncio.Semaphore(MAX_LOOKUPS)

    async def addresses(self, name: str) -> Sequence[str]:
        """Raises OSError where there are none, UnicodeError for what is no name."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str]] = loop.create_future()

        def tell(addresses: Sequence[str], error: Exception | None) -> None:
            self._places.release()
            if found.done():
                return
            if error is None:
                found.set_result(addresses)
            else:
                found.set_exception(error)

        def look() -> None:
            addresses: Sequence[str] = ()
            fault: Exception | None = None
            try:
                addresses = self._lookup(name)
            except Exception as error:
                fault = error
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(tell, addresses, fault)

        await self._places.acquire()
        Thread(target=look, name="dns", daemon=True).start()
        return await found
