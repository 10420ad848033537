"""Names are looked up by c-ares: of a name server on loopback, and of this machine's hosts file (ADR 39)."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from name_server import name_server

from delivery_service.adapters.names import NameResolver, SystemLookup, UnresolvedNameError
from delivery_service.adapters.ssrf_guard import ForbiddenAddressError, SsrfGuard
from delivery_service.domain.addresses import AllowList
from local_stack import ports
from testkit import eventually

SILENT = 64
HANGING = """
import asyncio, sys
from delivery_service.adapters.names import NameResolver, SystemLookup

async def main():
    resolver = NameResolver(SystemLookup([sys.argv[1]]))
    try:
        async with asyncio.timeout(0.2):
            await resolver.addresses("silent.example")
    except TimeoutError:
        print("gave up")
    await resolver.aclose()

asyncio.run(main())
"""

HOSTS = Path("/etc/hosts").read_text().splitlines()
SystemLookups = Callable[..., SystemLookup]


@pytest.fixture
async def system_lookup() -> AsyncIterator[SystemLookups]:
    """Makes SystemLookups, which are closed at the end."""
    made: list[SystemLookup] = []

    def make(*args: Any, **kwargs: Any) -> SystemLookup:
        made.append(SystemLookup(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


@asynccontextmanager
async def lookups_of(resolver: NameResolver, names: Sequence[str]) -> AsyncIterator[list[asyncio.Task[Sequence[str]]]]:
    """Lookups of all these names at once, which end with the block."""
    lookups = [asyncio.create_task(resolver.addresses(name)) for name in names]
    try:
        yield lookups
    finally:
        for each in lookups:
            each.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)


async def test_silent_names_do_not_block_a_healthy_one(system_lookup: SystemLookups) -> None:
    async with name_server({"healthy.example": "192.0.2.7"}) as (server, address):
        resolver = NameResolver(system_lookup([address]), seconds=60)
        async with lookups_of(resolver, [f"{number}.silent.example" for number in range(SILENT)]) as silent:
            await eventually(lambda: len(server.queries) == SILENT)
            assert await resolver.addresses("healthy.example") == ["192.0.2.7"]
            assert not any(each.done() for each in silent)
            assert len(server.queries) == SILENT + 1


async def test_silent_name_ends_at_the_deadline(system_lookup: SystemLookups) -> None:
    async with name_server({}) as (_, address):
        with pytest.raises(UnresolvedNameError, match="its name server does not answer"):
            await NameResolver(system_lookup([address]), seconds=0.3).addresses("silent.example")


async def test_name_that_takes_1_5_s_is_found_beside_quick_ones(system_lookup: SystemLookups) -> None:
    quick = {f"{number}.example": "192.0.2.1" for number in range(20)}
    async with name_server(quick | {"cold.example": "192.0.2.9"}, {"cold.example": 1.5}) as (_, address):
        resolver = NameResolver(system_lookup([address]), seconds=60)
        for name in quick:
            await resolver.addresses(name)
        assert await resolver.addresses("cold.example") == ["192.0.2.9"]


async def test_unknown_name_is_an_error(system_lookup: SystemLookups) -> None:
    async with name_server({}) as (_, address):
        with pytest.raises(UnresolvedNameError, match=r"^nowhere\.example cannot be resolved: "):
            await NameResolver(system_lookup([address])).addresses("nowhere.example")


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "a b.example", "..", ""])
async def test_text_that_cannot_be_a_name_is_an_error(name: str, system_lookup: SystemLookups) -> None:
    async with name_server({}) as (_, address):
        with pytest.raises(UnresolvedNameError):
            await NameResolver(system_lookup([address])).addresses(name)


@pytest.mark.parametrize(
    "name", ["receiver", "receiver.almanac", "receiver.almanac.svc", "receiver.almanac.svc.cluster.local"]
)
async def test_service_name_is_found_in_the_search_domains_of_kubernetes(
    name: str, system_lookup: SystemLookups
) -> None:
    search = ["almanac.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    async with name_server({"receiver.almanac.svc.cluster.local": "192.0.2.8"}) as (_, address):
        resolver = NameResolver(system_lookup([address], search=search, ndots=5))
        assert await resolver.addresses(name) == ["192.0.2.8"]


async def test_name_with_a_private_address_is_refused(system_lookup: SystemLookups) -> None:
    async with name_server({"inside.example": "10.0.0.1"}) as (_, address):
        with pytest.raises(ForbiddenAddressError, match="must be public"):
            await SsrfGuard(AllowList(), lookup=system_lookup([address])).resolve("inside.example")


async def test_localhost_is_found_without_a_name_server(system_lookup: SystemLookups) -> None:
    addresses = await NameResolver(system_lookup([f"{ports.LOOPBACK}:9"])).addresses("localhost")
    assert ports.LOOPBACK in addresses or "::1" in addresses


async def test_names_of_the_hosts_file_are_found_without_a_name_server(system_lookup: SystemLookups) -> None:
    resolver = NameResolver(system_lookup([f"{ports.LOOPBACK}:9"]))
    lines = [line.partition("#")[0].split() for line in HOSTS]
    hosts = [(address, name) for address, *aliases in filter(None, lines) for name in aliases if "." in address]
    assert hosts
    for address, name in hosts:
        known = {each for each, other in hosts if other == name}
        assert known & set(await resolver.addresses(name)), (address, name)


def test_lookup_that_hangs_does_not_keep_a_process_from_ending() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((ports.LOOPBACK, 0))
        address = f"{ports.LOOPBACK}:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", HANGING, address]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert (ended.stdout, ended.stderr) == ("gave up\n", "")
