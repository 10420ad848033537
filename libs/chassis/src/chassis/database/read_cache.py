"""An optional cache for API reads that may be slightly stale. Nothing depends on it.

Values are kept as JSON, never pickled: who can write to the cache must not be able to run code here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from opentelemetry import metrics
from pydantic import TypeAdapter, ValidationError

# Imported where a cache is used: cashews brings the client of redis along, which takes twenty megabytes.
if TYPE_CHECKING:
    from cashews import Cache

log = structlog.get_logger(__name__)
T = TypeVar("T")
_reads = metrics.get_meter("almanac.cache").create_counter(
    "almanac_cache_reads", description="Reads through the cache, by result: hit, miss, or away"
)

TIMEOUT_SECONDS = 0.25
RETRY_SECONDS = 1.0
"""A cache that did not answer is bypassed for this time, so that reads do not wait for it repeatedly."""


class ReadCache:
    """Keeps what a loader returned for a short time, in this process (``mem://``) or shared (``redis://``).

    Args:
        url: None for no cache: every read loads.
        prefix: begins every key, so that services may share a server.
    """

    def __init__(self, url: str | None, *, prefix: str) -> None:
        self._prefix = prefix
        self._cache = None if url is None else _open(url)
        self._away = False
        self._retry_at = 0.0
        self._loading: dict[str, asyncio.Task[Any]] = {}

    async def read(self, key: str, shape: TypeAdapter[T], load: Callable[[], Awaitable[T]], *, ttl_seconds: float) -> T:
        """What ``load`` returns or returned at most ``ttl_seconds`` ago under this key.

        Concurrent reads of one key in this process share one load, and its result: do not change it. If the
        cache is unreachable, each such group loads. What ``load`` raises is raised, and not kept.
        """
        if self._cache is None:
            return await load()
        loading: asyncio.Task[T] | None = self._loading.get(key)
        if loading is None:
            loading = asyncio.create_task(self._find_or_load(self._cache, key, shape, load, ttl_seconds))
            self._loading[key] = loading
            loading.add_done_callback(lambda done: self._forget(key, done))
        # A reader that is cancelled, as with a client that hung up, leaves the load to the others.
        return await asyncio.shield(loading)

    async def close(self) -> None:
        for loading in self._loading.values():
            loading.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        if self._cache is not None and self._cache.is_init:
            await self._cache.close()

    async def _find_or_load(
        self, cache: "Cache", key: str, shape: TypeAdapter[T], load: Callable[[], Awaitable[T]], ttl_seconds: float
    ) -> T:
        name = f"{self._prefix}:{key}"
        kept: bytes | None = await self._ask(lambda: cache.get(name))
        _reads.add(1, {"result": "away" if self._away else "miss" if kept is None else "hit"})
        if kept is not None:
            try:
                return shape.validate_json(kept)
            except ValidationError as error:  # another version of the code has written it
                log.info("cached value not understood", key=name, errors=error.error_count())
        value = await load()
        await self._ask(lambda: cache.set(name, shape.dump_json(value, by_alias=True), expire=ttl_seconds))
        return value

    async def _ask(self, command: Callable[[], Awaitable[Any]]) -> Any:
        from cashews import CacheBackendInteractionError

        if time.monotonic() < self._retry_at:
            return None
        try:
            answer = await command()
        except CacheBackendInteractionError as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if not self._away:
                log.warning("cache away; reads do without", error=repr(error.__cause__))
            self._away = True
            return None
        if self._away:
            log.info("cache back")
        self._away = False
        return answer

    def _forget(self, key: str, done: asyncio.Task[Any]) -> None:
        del self._loading[key]
        if not done.cancelled():
            done.exception()  # seen, where all its readers have gone


def _open(url: str) -> "Cache":
    from cashews import Cache
    from cashews.picklers import PicklerType

    cache = Cache()
    cache.setup(
        url,
        pickle_type=PicklerType.NULL,
        check_repr=False,
        suppress=False,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        wait_for_connection_timeout=TIMEOUT_SECONDS,
    )
    return cache
