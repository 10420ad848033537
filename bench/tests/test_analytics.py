import io
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from bench.analytics import FeedResult, _batches, run_feed, write_messages
from bench.rollups import fill

from analytics_service.main import SERVICE
from chassis.database.migrations import upgrade
from chassis.messaging.consumer import BATCH_BYTES
from contracts.messages.parsing import parse_message
from contracts.messages.spec import MessageType
from local_stack.postgres import PostgresServer

START = datetime(2026, 11, 23, 14, tzinfo=UTC)


def _messages(items: int) -> io.StringIO:
    file = io.StringIO()
    write_messages(items, file, START)
    file.seek(0)
    return file


def test_as_many_items_as_asked_for_are_packed_as_relays_do() -> None:
    counts: Counter[MessageType] = Counter()
    for line in _messages(810):
        message = parse_message(line)
        counts[message.type] += len(message.items)
    assert counts.total() == 810
    assert counts[MessageType.EVENT_SCHEDULED] == 203
    assert counts[MessageType.EVENT_COMPLETED] == 202


def test_batches_are_as_large_as_the_consumer_makes_them() -> None:
    batches = list(_batches(_messages(4_000)))
    assert sum(map(len, batches)) == 40
    weights = [sum(len(message.body) for message in batch) for batch in batches]
    assert BATCH_BYTES / 2 < weights[0] <= BATCH_BYTES


def test_cpu_is_the_consumers_own_without_its_childs() -> None:
    result = FeedResult(1_000, 2.0, {"consumer": 1.5, "postgresql": 0.5}, 0, 0)
    assert (result.rate, result.own) == (500.0, 1.0)


async def test_every_item_fed_is_counted_once(postgres: PostgresServer, tmp_path: Path) -> None:
    result = await run_feed(500, postgres, os.getpid(), tmp_path)
    assert result.items == 500


async def test_a_year_of_rollups_has_all_its_days_and_its_last_minutes(postgres: PostgresServer) -> None:
    url = await postgres.create_database("rollups-bench")
    await upgrade(url, SERVICE.migrations)
    rows = await fill(url, 730, datetime.now(UTC), users=10)
    # Two events a day, in at most two minutes each day, and four or five things happen to each.
    assert 365 * 4 <= rows["counts"] <= (365 + 365 + 31) * 10
    assert rows["engagement"] == 10
