import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from bench.sink import Sink


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as sink:
        yield sink


async def post(sink: Sink, *ids: str, header: str = "webhook-id") -> list[int]:
    async with aiohttp.ClientSession() as session:
        statuses = []
        for webhook_id in ids:
            async with session.post(sink.url, data=b"{}", headers={header: webhook_id}) as response:
                statuses.append(response.status)
        return statuses


async def test_each_webhook_counts_once_and_its_repeats_as_duplicates(sink: Sink) -> None:
    assert await post(sink, "a", "b", "a") == [204, 204, 204]
    stats = await sink.stats()
    assert (stats.received, stats.unique, stats.duplicates) == (3, 2, 1)


async def test_a_receipt_is_the_first_time_that_an_id_came(sink: Sink) -> None:
    await post(sink, "a", "b", "a")
    receipts, stats = await sink.receipts(), await sink.stats()
    assert list(receipts) == ["a", "b"]
    assert (receipts["a"], receipts["b"]) == (stats.first_at, stats.last_at)
    assert receipts["a"] <= receipts["b"]


async def test_a_bench_id_serves_as_well_as_a_webhook_id(sink: Sink) -> None:
    await post(sink, "a", header="X-Bench-Id")
    assert list(await sink.receipts()) == ["a"]


async def test_a_post_without_an_id_is_refused_and_not_counted(sink: Sink) -> None:
    async with aiohttp.ClientSession() as session, session.post(sink.url, data=b"{}") as response:
        assert response.status == 400
    assert (await sink.stats()).received == 0


async def test_reset_deletes_all_receipts(sink: Sink) -> None:
    await post(sink, "a")
    await sink.reset()
    stats = await sink.stats()
    assert (stats.received, stats.unique, stats.first_at, stats.last_at) == (0, 0, None, None)


async def test_waiting_ends_with_the_last_webhook_that_was_awaited(sink: Sink) -> None:
    waiting = asyncio.create_task(sink.wait_for(2, timeout=10))
    await post(sink, "a", "a", "b")
    assert (await waiting).unique == 2


async def test_wait_timeout_reports_how_many_arrived(sink: Sink) -> None:
    await post(sink, "a")
    with pytest.raises(TimeoutError, match="1 of 2"):
        await sink.wait_for(2, timeout=0.05)
