"""The lookup of names: once at a time, with a deadline, and failures remembered (ADR 39)."""

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence

import pytest

from delivery_service.adapters import names
from delivery_service.adapters.names import NameResolver, UnresolvedNameError
from testkit import eventually


class Asked:
    """A lookup that answers once ``open`` is set, and counts its queries by name."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self.open = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, name: str) -> Sequence[str]:
        self.names[name] += 1
        if name.startswith("silent"):
            await asyncio.Event().wait()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return ["192.0.2.1"]

    async def received(self, count: int) -> None:
        """Wait for ``count`` queries. Lookups that were begun together have by then asked, or joined one that did."""
        await eventually(lambda: self.names.total() >= count)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def clock() -> list[float]:
    """The time in seconds, which a test changes."""
    return [1_000.0]


async def test_lookups_of_one_name_at_a_time_are_one_query(asked: Asked) -> None:
    resolver = NameResolver(asked)
    lookups = [asyncio.create_task(resolver.addresses("a.example")) for _ in range(20)]
    await asked.received(1)
    asked.open.set()
    assert await asyncio.gather(*lookups) == [["192.0.2.1"]] * 20
    assert asked.names == {"a.example": 1}


async def test_caller_that_gives_up_does_not_cancel_the_lookup_of_others(asked: Asked) -> None:
    resolver = NameResolver(asked)
    first, second = [asyncio.create_task(resolver.addresses("a.example")) for _ in range(2)]
    await asked.received(1)
    first.cancel()
    await asyncio.wait([first])
    asked.open.set()
    assert await second == ["192.0.2.1"]
    assert asked.names == {"a.example": 1}


async def test_addresses_are_remembered_for_the_cache_seconds(asked: Asked, clock: list[float]) -> None:
    asked.open.set()
    resolver = NameResolver(asked, cache_seconds=10, clock=lambda: clock[0])
    for now, queries in ((1_000.0, 1), (1_009.0, 1), (1_010.0, 2)):
        clock[0] = now
        await resolver.addresses("a.example")
        assert asked.names["a.example"] == queries


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (OSError("Domain name not found"), "Domain name not found"),
        (UnicodeError("label too long"), "label too long"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
    ],
    ids=["not found", "no name", "gaierror"],
)
async def test_failure_is_an_error_and_remembered_for_two_seconds(
    asked: Asked, clock: list[float], failure: Exception, reason: str
) -> None:
    asked.failure = failure
    asked.open.set()
    resolver = NameResolver(asked, clock=lambda: clock[0])
    for now, queries in ((1_000.0, 1), (1_001.9, 1), (1_002.0, 2)):
        clock[0] = now
        with pytest.raises(UnresolvedNameError, match=rf"^a\.example cannot be resolved: .*{reason}"):
            await resolver.addresses("a.example")
        assert asked.names["a.example"] == queries
    asked.failure = None
    clock[0] += 2
    assert await resolver.addresses("a.example") == ["192.0.2.1"]


async def test_name_without_any_address_is_an_error() -> None:
    async def nothing(name: str) -> Sequence[str]:
        return []

    with pytest.raises(UnresolvedNameError, match="it has no address"):
        await NameResolver(nothing).addresses("a.example")


async def test_silent_name_is_asked_again_after_10_20_40_and_at_most_60_seconds(
    asked: Asked, clock: list[float]
) -> None:
    resolver = NameResolver(asked, seconds=0.01, clock=lambda: clock[0])
    for queries, pause in enumerate((10, 20, 40, 60, 60), start=1):
        with pytest.raises(UnresolvedNameError, match="its name server does not answer"):
            await resolver.addresses("silent.example")
        clock[0] += pause - 0.1
        # Nothing waits for a second deadline meanwhile.
        with pytest.raises(UnresolvedNameError, match="its name server does not answer"):
            await resolver.addresses("silent.example")
        assert asked.names["silent.example"] == queries
        clock[0] += 0.1


async def test_hundreds_of_silent_names_do_not_delay_another(asked: Asked) -> None:
    asked.open.set()
    resolver = NameResolver(asked, seconds=60)
    silent = [asyncio.create_task(resolver.addresses(f"silent-{number}.example")) for number in range(500)]
    await asked.received(500)
    assert await resolver.addresses("a.example") == ["192.0.2.1"]
    assert not any(each.done() for each in silent)
    for each in silent:
        each.cancel()
    await asyncio.gather(*silent, return_exceptions=True)


async def test_answers_are_remembered_of_a_bounded_number_of_names(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "REMEMBERED", 3)
    asked.open.set()
    resolver = NameResolver(asked, cache_seconds=60)
    for name in "abcda":
        await resolver.addresses(name)
    assert asked.names == {"a": 2, "b": 1, "c": 1, "d": 1}
