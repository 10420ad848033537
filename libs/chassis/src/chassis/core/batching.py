"""Group commit: concurrent callers share one round trip without waiting for a timer.

The first submission starts a flush at once; what arrives while it runs goes together into the next. So an idle system
has no added latency and a busy one has large batches.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Collects submissions and hands them to ``flush`` in batches of at most ``max_size``.

    ``flush`` returns one result for each item, in order. If it raises, every submission of that batch raises the same.
    """

    def __init__(
        self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, max_size: int, concurrency: int = 1
    ) -> None:
        self._flush = flush
        self._max_size = max_size
        self._free = concurrency
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, item: T) -> R:
        """Wait until ``item`` has been flushed and return its result."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._start()
        return await future

    def _start(self) -> None:
        if self._free > 0 and self._waiting:
            self._free -= 1
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self) -> None:
        # The task starts one turn of the loop later: what was submitted in the same turn is in this batch.
        batch = [self._waiting.popleft() for _ in range(min(self._max_size, len(self._waiting)))]
        self._start()
        try:
            if batch:
                await self._settle(batch)
        finally:
            self._free += 1
            self._start()

    async def _settle(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
            settled = list(zip(batch, results, strict=True))
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), result in settled:
                if not future.done():
                    future.set_result(result)
