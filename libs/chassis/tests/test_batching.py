"""Concurrent callers share one flush."""

import asyncio
from collections.abc import Sequence

import pytest

from chassis.core.batching import Batcher
from testkit import eventually


class Flush:
    """Doubles numbers; waits for its gate, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = self.most_running = 0

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if 13 in items:
            raise ValueError("13")
        return [item * 2 for item in items]


async def test_what_is_submitted_together_is_flushed_together_in_batches_of_at_most_the_maximum() -> None:
    flush = Flush()
    batcher = Batcher(flush, max_size=4)
    assert await asyncio.gather(*map(batcher.submit, range(10))) == [n * 2 for n in range(10)]
    assert flush.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert flush.most_running == 1


async def test_what_arrives_during_a_flush_goes_together_into_the_next() -> None:
    flush = Flush()
    flush.gate.clear()
    batcher = Batcher(flush, max_size=100)
    async with asyncio.TaskGroup() as group:
        group.create_task(batcher.submit(0))
        await eventually(lambda: flush.running)
        later = [group.create_task(batcher.submit(n)) for n in (1, 2, 3)]
        flush.gate.set()
    assert flush.batches == [[0], [1, 2, 3]]
    assert [task.result() for task in later] == [2, 4, 6]


async def test_no_more_flushes_run_at_once_than_allowed() -> None:
    flush = Flush()
    flush.gate.clear()
    batcher = Batcher(flush, max_size=2, concurrency=3)
    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(batcher.submit(number))
        await eventually(lambda: flush.running == 3)
        flush.gate.set()
    assert flush.most_running == 3
    assert sum(map(len, flush.batches)) == 12


async def test_an_error_reaches_every_submission_of_its_batch_and_no_other() -> None:
    batcher = Batcher(Flush(), max_size=2)
    results = await asyncio.gather(*map(batcher.submit, (12, 13, 14, 15)), return_exceptions=True)
    assert [str(result) for result in results] == ["13", "13", "28", "30"]
    assert await batcher.submit(1) == 2


async def test_a_submission_that_is_cancelled_does_not_touch_the_others() -> None:
    flush = Flush()
    flush.gate.clear()
    batcher = Batcher(flush, max_size=10)
    async with asyncio.TaskGroup() as group:
        impatient, patient = (group.create_task(batcher.submit(n)) for n in (1, 2))
        await eventually(lambda: flush.running)
        impatient.cancel()
        flush.gate.set()
    assert patient.result() == 4
    assert impatient.cancelled()


async def test_a_flush_that_returns_too_few_results_fails_its_submissions() -> None:
    async def forgetful(items: Sequence[int]) -> Sequence[int]:
        return list(items)[:-1]

    batcher = Batcher(forgetful, max_size=10)
    async with asyncio.timeout(5):
        results = await asyncio.gather(*map(batcher.submit, range(3)), return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)


async def test_an_idle_batcher_adds_no_wait() -> None:
    batcher = Batcher(Flush(), max_size=10)
    for number in range(3):
        assert await batcher.submit(number) == number * 2


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_every_submission_gets_its_own_result(concurrency: int) -> None:
    batcher = Batcher(Flush(), max_size=7, concurrency=concurrency)
    numbers = range(100, 400)
    assert await asyncio.gather(*map(batcher.submit, numbers)) == [n * 2 for n in numbers]
