"""Guards against server-side request forgery (SSRF): checks every address before connecting (ADR 11).

It opens the connections, so that what was checked is what is connected to: a name is resolved once, all its addresses
are checked, and each socket's own address is checked again (ADR 11).
"""

import asyncio
import socket
from collections.abc import Sequence

from aiohappyeyeballs import AddrInfoType, start_connection

from delivery_service.adapters.destinations import is_address
from delivery_service.adapters.names import Lookup, NameResolver
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.endpoints import host_and_port
from delivery_service.domain.errors import UrlRefusedError

DNS_CACHE_SECONDS = 10
"""How long new connections go to the addresses that were found."""
HAPPY_EYEBALLS_SECONDS = 0.25
"""After that the next address is tried beside the one that has not accepted yet (RFC 8305 §5)."""


class ForbiddenAddressError(OSError):
    """A connection to where nothing may be sent."""


class SsrfGuard:
    """Lets connections through to where ``allow_list`` allows."""

    def __init__(
        self, allow_list: AllowList, *, lookup: Lookup | None = None, cache_seconds: float = DNS_CACHE_SECONDS
    ) -> None:
        self._allow_list = allow_list
        self._names = NameResolver(lookup, cache_seconds=cache_seconds)

    async def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first of a host's addresses that accepts, IPv6 and IPv4 by turns (RFC 8305).

        Raises:
            ForbiddenAddressError: nothing may be sent to this port, or to one of the addresses.
            UnresolvedNameError: it has no address.
            OSError: no address accepts.
        """
        if rule := self._allow_list.port_rule(port):
            raise ForbiddenAddressError(rule)
        addresses = [_address_info(address, port) for address in await self.resolve(host)]
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
        if rule := self._allow_list.port_rule(port):
            raise UrlRefusedError(rule)
        try:
            async with asyncio.timeout(seconds):
                await self.resolve(host)
        except ForbiddenAddressError as error:
            raise UrlRefusedError(str(error)) from None
        except OSError:
            raise UrlRefusedError(f"{host!r} has no address: its name cannot be resolved") from None

    async def aclose(self) -> None:
        """Cancel the lookups in progress. It can be used again."""
        await self._names.aclose()

    async def resolve(self, host: str) -> Sequence[str]:
        """Return the addresses of ``host``, all of which may be sent to.

        Raises:
            ForbiddenAddressError: one of them may not.
            UnresolvedNameError: there is none.
        """
        addresses = [host] if is_address(host) else await self._names.addresses(host)
        for address in addresses:
            if rule := self._allow_list.address_rule(address):
                raise ForbiddenAddressError(rule)
        return addresses

    def _open_socket(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        if rule := self._allow_list.address_rule(str(sockaddr[0])) or self._allow_list.port_rule(int(sockaddr[1])):
            raise ForbiddenAddressError(rule)
        return socket.socket(family, kind, protocol)


def _address_info(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
