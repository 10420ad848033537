"""Looks host names up, so that no name can hold up another (ADR 39).

The system's resolver blocks a thread for each lookup until it gives up. With a pool of threads, as many names as there
are threads block all others if their name servers are silent. c-ares waits for any number of answers in one thread.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiodns
import structlog

log = structlog.get_logger(__name__)

LOOKUP_SECONDS = 4.0
"""After that a name server counts as silent. Less than the 5 s to connect, so that an attempt reports the cause."""
QUERY_SECONDS = 0.5
QUERIES = 5
"""A query is sent up to five times, each time with twice as long to be answered, so that the deadline decides. c-ares
begins with as little as 0.25 s once it knows a name server as quick, and shortens each wait by up to a half; a name
that is not in the name server's cache may still take seconds."""
FAILED_SECONDS = 2.0
"""How long the answer is remembered that a name has no address. Another query costs little."""
SILENT_SECONDS = 10.0
SILENT_CAP_SECONDS = 60.0
"""How long a name is not looked up whose name server was silent: doubled each time, up to the cap."""
REMEMBERED = 10_000
"""Names whose last answer is remembered."""

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""From a name to its addresses. Raises OSError or UnicodeError if there are none, TimeoutError if no server answers."""


class UnresolvedNameError(OSError):
    """A name that has no address, or none that could be found out."""


class SystemLookup:
    """Looks names up as this machine is configured: hosts file, name servers and search domains.

    Args:
        name_servers: addresses, with ports, to ask instead of those of resolv.conf(5).
        search: the domains to look a name up in, instead of those of resolv.conf.
        ndots: a name with fewer dots is looked up in them first; as resolv.conf says if None.
    """

    # No argument for the file's path: pycares 5.2 frees it before c-ares reads it, and names are then looked up at
    # whatever name server c-ares takes without a file.
    def __init__(
        self,
        name_servers: Sequence[str] | None = None,
        *,
        search: Sequence[str] | None = None,
        ndots: int | None = None,
    ) -> None:
        self._name_servers = name_servers
        self._search = search
        self._ndots = ndots
        self._resolver: aiodns.DNSResolver | None = None

    async def __call__(self, name: str) -> Sequence[str]:
        """Return the addresses of a name. Raises OSError, and UnicodeError for an invalid name."""
        loop = asyncio.get_running_loop()
        if self._resolver is None or self._resolver.loop is not loop:
            self._resolver = aiodns.DNSResolver(
                self._name_servers,
                loop,
                timeout=QUERY_SECONDS,
                tries=QUERIES,
                domains=self._search,
                ndots=self._ndots,
            )
        try:
            found = await self._resolver.getaddrinfo(name, family=_family(), type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            code, explanation = error.args
            if code == aiodns.error.ARES_ETIMEOUT:
                raise TimeoutError(explanation) from None
            raise OSError(explanation) from None
        return [node.addr[0].decode("ascii") for node in found.nodes]

    async def aclose(self) -> None:
        """Cancel the queries in progress: an answer after the loop has closed would be an error on stderr."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """The cached answer for a name until an instant of the monotonic clock: addresses, or why there are none."""

    until: float
    addresses: Sequence[str] = ()
    failure: str = ""
    silent_seconds: float = 0.0


class NameResolver:
    """Looks up each name once at a time, with a deadline, and remembers the answer for a while.

    Args:
        lookup: looks one name up. It is cancelled at the deadline.
        cache_seconds: how long addresses are remembered.
        seconds: the deadline.
        clock: seconds of a monotonic clock, by which answers are remembered.
    """

    def __init__(
        self,
        lookup: Lookup | None = None,
        *,
        cache_seconds: float = 0.0,
        seconds: float = LOOKUP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup = lookup or SystemLookup()
        self._cache_seconds = cache_seconds
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asking: dict[str, asyncio.Task[_Answer]] = {}

    async def addresses(self, name: str) -> Sequence[str]:
        """Return the addresses of a name.

        Raises:
            UnresolvedNameError: it has none, its name server is silent, or that was so a moment ago.
        """
        answer = self._answers.get(name)
        if answer is None or self._clock() >= answer.until:
            asking = self._asking.get(name)
            if asking is None:
                asking = self._asking[name] = asyncio.create_task(self._ask(name))
            # A caller that gives up does not cancel the lookup of others that wait for the same name.
            answer = await asyncio.shield(asking)
        if answer.failure:
            raise UnresolvedNameError(f"{name} cannot be resolved: {answer.failure}")
        return answer.addresses

    async def aclose(self) -> None:
        """Cancel the lookups in progress."""
        for asking in list(self._asking.values()):
            asking.cancel()
        if isinstance(self._lookup, SystemLookup):
            await self._lookup.aclose()

    async def _ask(self, name: str) -> _Answer:
        try:
            answer = await self._find(name)
        finally:
            del self._asking[name]
        self._answers[name] = answer
        self._answers.move_to_end(name)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    async def _find(self, name: str) -> _Answer:
        try:
            async with asyncio.timeout(self._seconds):
                addresses = await self._lookup(name)
        except TimeoutError:
            before = self._answers.get(name)
            seconds = min(SILENT_CAP_SECONDS, 2 * before.silent_seconds if before else 0.0) or SILENT_SECONDS
            log.info("name server does not answer", name=name, next_lookup_seconds=seconds)
            return _Answer(self._clock() + seconds, failure="its name server does not answer", silent_seconds=seconds)
        except (OSError, UnicodeError) as error:
            return _Answer(self._clock() + FAILED_SECONDS, failure=str(error) or type(error).__name__)
        if not addresses:
            return _Answer(self._clock() + FAILED_SECONDS, failure="it has no address")
        return _Answer(self._clock() + self._cache_seconds, addresses)


def _family() -> socket.AddressFamily:
    """Return the family of addresses that this machine has a route for, as AI_ADDRCONFIG does.

    A machine without any route reaches only itself, by IPv4.
    """
    if not _has_route(socket.AF_INET6, "2001:db8::1"):
        return socket.AF_INET
    return socket.AF_UNSPEC if _has_route(socket.AF_INET, "192.0.2.1") else socket.AF_INET6


def _has_route(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Sends nothing: it only chooses a route.
            probe.connect((address, 53))
    except OSError:
        return False
    return True
