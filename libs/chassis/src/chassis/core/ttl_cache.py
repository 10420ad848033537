"""A value that many ask for and that may be a moment old: asked of its source once, however many want it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """What ``load`` returned at most ``seconds`` ago. Readers at the same time share a load; its error is not kept."""

    def __init__(self, load: Callable[[], Awaitable[T]], *, seconds: float = 1.0) -> None:
        self._load = load
        self._seconds = seconds
        self._loading: asyncio.Task[T] | None = None
        self._good_until = 0.0

    async def read(self) -> T:
        """Raises what the load raises."""
        loading = self._loading
        if loading is None or (loading.done() and time.monotonic() >= self._good_until):
            loading = self._loading = asyncio.create_task(self._timed())
        # A reader that hangs up leaves the load to the others.
        return await asyncio.shield(loading)

    async def _timed(self) -> T:
        value = await self._load()
        self._good_until = time.monotonic() + self._seconds
        return value
