"""The guard against being sent where nobody outside may reach (server-side request forgery, design §5).

It opens the connections, so that what was checked is what is connected to: a name is resolved once, all its addresses
are checked, and each socket's own address is checked again (ADR 11).
"""

import asyncio
import socket
import time
from collections.abc import Sequence

from aiohappyeyeballs import AddrInfoType, start_connection

from delivery_service.adapters.destinations import is_address
from delivery_service.adapters.names import Lookup, Names, look_up
from delivery_service.domain.addresses import Reach
from delivery_service.domain.endpoints import host_and_port
from delivery_service.domain.errors import UrlRefusedError

DNS_CACHE_SECONDS = 10
"""How long new connections go to the addresses that were found and checked."""

MAX_KNOWN = 10_000
"""Names whose addresses are remembered."""
HAPPY_EYEBALLS_SECONDS = 0.25
"""After that the next address is tried beside the one that has not accepted yet (RFC 8305 §5)."""


class ForbiddenAddressError(OSError):
    """A connection to where nothing may be sent."""


class UnresolvedNameError(OSError):
    """A name that has no address, or none that could be found out."""


class Guard:
    """Lets connections through to where ``reach`` allows."""

    def __init__(self, reach: Reach, *, lookup: Lookup = look_up, cache_seconds: int = DNS_CACHE_SECONDS) -> None:
        self._reach = reach
        self._names = Names(lookup)
        self._cache_seconds = cache_seconds
        self._known: dict[str, tuple[Sequence[str], float]] = {}

    async def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first of a host's addresses that accepts, IPv6 and IPv4 by turns (RFC 8305).

        Raises:
            ForbiddenAddressError: nothing may be sent to this port, or to one of the addresses.
            UnresolvedNameError: it has no address.
            OSError: no address accepts.
        """
        if rule := self._reach.port_rule(port):
            raise ForbiddenAddressError(rule)
        addresses = [_address_info(address, port) for address in await self._addresses(host)]
        try:
            return await start_connection(
                addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_SECONDS, socket_factory=self._open_socket
            )
        except RuntimeError as error:
            # uvloop's, where a socket ends while it connects.
            raise OSError(str(error)) from error

    async def check(self, url: str, *, seconds: float) -> None:
        """Say early, while a client can still correct it, that nothing would ever be sent to ``url``.

        Raises:
            UrlRefusedError: its port is closed, it has no address, or one that must not be sent to.
        """
        host, port = host_and_port(url)
        if rule := self._reach.port_rule(port):
            raise UrlRefusedError(rule)
        try:
            async with asyncio.timeout(seconds):
                await self.resolve(host)
        except ForbiddenAddressError as error:
            raise UrlRefusedError(str(error)) from None
        except (OSError, UnicodeError):
            raise UrlRefusedError(f"{host!r} has no address: its name cannot be resolved") from None

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses of ``host``, all of which may be sent to. Raises ForbiddenAddressError or OSError."""
        addresses = [host] if is_address(host) else await self._names.addresses(host)
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            if rule := self._reach.address_rule(address):
                raise ForbiddenAddressError(rule)
        return addresses

    async def _addresses(self, host: str) -> Sequence[str]:
        now = time.monotonic()
        addresses, until = self._known.get(host, ((), now))
        if until > now:
            return addresses
        try:
            addresses = await self.resolve(host)
        except ForbiddenAddressError:
            raise
        except (OSError, UnicodeError) as error:
            raise UnresolvedNameError(f"{host} cannot be resolved: {error}") from None
        if self._cache_seconds > 0:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[host] = addresses, now + self._cache_seconds
        return addresses

    def _open_socket(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        if rule := self._reach.address_rule(str(sockaddr[0])) or self._reach.port_rule(int(sockaddr[1])):
            raise ForbiddenAddressError(rule)
        return socket.socket(family, kind, protocol)


def _address_info(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
