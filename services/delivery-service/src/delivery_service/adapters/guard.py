"""The guard against being sent where nobody outside may reach (server-side request forgery, design §5).

It sits where connections are made, so that what was checked is what is connected to: a name is resolved once, all its
addresses are checked, and each socket's own address is checked again. aiohttp resolves no literal addresses; the second
check is the one for them.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from delivery_service.adapters.names import Lookup, Names, look_up
from delivery_service.domain.addresses import Reach
from delivery_service.domain.endpoints import host_and_port
from delivery_service.domain.errors import UrlRefusedError

DNS_CACHE_SECONDS = 10
"""How long new connections go to the addresses that were found and checked."""


class ForbiddenAddressError(OSError):
    """A connection to where nothing may be sent."""


class Guard:
    """Lets connections through to where ``reach`` allows."""

    def __init__(self, reach: Reach, *, lookup: Lookup = look_up, cache_seconds: int = DNS_CACHE_SECONDS) -> None:
        self._reach = reach
        self._names = Names(lookup)
        self._cache_seconds = cache_seconds

    def connector(self, *, limit: int, tls: SSLContext) -> aiohttp.TCPConnector:
        """A pool of at most ``limit`` connections that all pass this guard. To be called in a running loop."""
        return aiohttp.TCPConnector(
            limit=limit,
            keepalive_timeout=60,
            resolver=_Resolver(self),
            use_dns_cache=self._cache_seconds > 0,
            ttl_dns_cache=self._cache_seconds,
            socket_factory=self._open_socket,
            ssl=tls,
        )

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
        addresses = [host] if _is_address(host) else await self._names.addresses(host)
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            if rule := self._reach.address_rule(address):
                raise ForbiddenAddressError(rule)
        return addresses

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        if rule := self._reach.address_rule(str(sockaddr[0])) or self._reach.port_rule(int(sockaddr[1])):
            raise ForbiddenAddressError(rule)
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """aiohttp's view of the guard."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._guard.resolve(host)
        ]

    async def close(self) -> None:
        """Nothing is held open."""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
