"""analytics-service's consumer, fed directly: `python -m bench.analytics --n 200000`.

N items as the relays pack them, of all that happens to events, go to the consumer's handler in batches as large as
the queue's consumer makes them, two at a time. No bus. The last line gives items a second, and what a core would do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

import asyncpg
import uvloop
from uuid_utils.compat import uuid7

from analytics_service.main import SERVICE
from analytics_service.subscribers.facts import facts_handler
from bench.measure import CpuMeter, machine, peak_rss, report
from bench.postgres import cluster
from chassis.database.database import Database
from chassis.database.migrations import upgrade
from chassis.messaging.consumer import BATCH_BYTES, Handler, ReceivedMessage
from contracts.messages.delivery import DeliveryOutcomeItem, EndpointOutcome
from contracts.messages.envelope import MAX_ITEMS, encode_envelope, encode_item
from contracts.messages.event import EventCompletedItem, EventPublishedItem, EventScheduledItem
from contracts.messages.spec import Item, MessageType
from contracts.topology import build_topology
from contracts.vocabulary import Channel, EventType, OutcomeStatus, Priority
from local_stack.child import StartupError
from local_stack.postgres import PostgresServer

HANDLERS = 2
MAX_BATCH = 50
SPREAD = timedelta(hours=1)
"""Over how long the events are due."""
ENDPOINTS = [UUID(int=number) for number in range(1, 6)]


class CountError(Exception):
    """Not every item was counted once."""


@dataclass(frozen=True, slots=True)
class FeedResult:
    """Seconds for all items; CPU by process; the most that this process had resident, before and after."""

    items: int
    seconds: float
    cpu: dict[str, float]
    before_bytes: int
    peak_bytes: int

    @property
    def rate(self) -> float:
        return self.items / self.seconds

    @property
    def own(self) -> float:
        """CPU seconds of the consumer; the cluster is a child of this process, and counted with it."""
        return self.cpu["consumer"] - self.cpu["postgresql"]


def _story(number: int, start: datetime) -> Iterator[tuple[MessageType, Item]]:
    """The items of one successful event."""
    event_type = (EventType.BIRTHDAY, EventType.ANNIVERSARY, *[EventType.REMINDER] * 3, *[EventType.NOTIFICATION] * 50)[
        number % 55
    ]
    priority = Priority[{"BIRTHDAY": "CRITICAL", "ANNIVERSARY": "HIGH", "REMINDER": "NORMAL"}.get(event_type, "LOW")]
    event_id, user_id = uuid4(), UUID(int=number // 4 + 1)
    target = start + timedelta(seconds=number * 0.37 % SPREAD.total_seconds())
    lateness = 0.02 + number % 97 * 0.005
    at = target + timedelta(seconds=lateness)

    def known(happened: datetime) -> dict[str, object]:
        return {
            "item_id": uuid7(), "event_id": event_id, "user_id": user_id, "event_type": event_type,
            "priority": priority, "occurrence": "2026", "attempt": 1, "target_timestamp_utc": target,
            "target_timezone": "Europe/Berlin", "occurred_at": happened,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }  # fmt: skip

    yield (
        MessageType.EVENT_SCHEDULED,
        EventScheduledItem.model_validate(
            {**known(target - timedelta(days=30)), "schedule_id": user_id, "broadcast_id": None}
        ),
    )
    yield (
        MessageType.EVENT_PUBLISHED,
        EventPublishedItem.model_validate(
            {
                **known(at),
                "claimed_at": target,
                "expires_at": target + timedelta(days=3),
                "late": False,
                "lateness_seconds": lateness,
            }
        ),
    )
    outcome = EndpointOutcome(
        endpoint_id=ENDPOINTS[number % len(ENDPOINTS)],
        channel=Channel.WEBHOOK,
        status=OutcomeStatus.SUCCEEDED,
        reason=None,
        attempts=1,
        http_status=204,
        latency_seconds=0.03 + number % 31 * 0.01,
    )
    finished = at + timedelta(seconds=0.3)
    delivered = {key: value for key, value in known(finished).items() if key not in ("occurrence", "occurred_at")}
    yield (
        MessageType.DELIVERY_SUCCEEDED,
        DeliveryOutcomeItem.model_validate(
            {
                **delivered, "status": OutcomeStatus.SUCCEEDED, "reason": None, "endpoints": [outcome],
                "received_at": at, "finished_at": finished, "late": False, "queue_seconds": 0.08,
                "lateness_seconds": lateness + 0.3,
            }
        ),
    )  # fmt: skip
    yield (
        MessageType.EVENT_COMPLETED,
        EventCompletedItem.model_validate(
            {
                **known(finished), "finished_at": finished, "late": False, "lateness_seconds": lateness + 0.3,
                "tags": ["vip", f"team-{number % 20}"] if number % 3 else [],
            }
        ),
    )  # fmt: skip


def write_messages(items: int, file: IO[str], start: datetime) -> None:
    """This many items, packed by type as relays do, one message per line."""
    packed: dict[MessageType, list[str]] = {}
    stories = (each for number in range(items) for each in _story(number, start))

    def write(type: MessageType) -> None:
        file.write(encode_envelope(type, packed.pop(type), uuid4(), start) + "\n")

    for type, item in islice(stories, items):
        packed.setdefault(type, []).append(encode_item(item))
        if len(packed[type]) == MAX_ITEMS:
            write(type)
    for type in list(packed):
        write(type)


def _batches(file: IO[str]) -> Iterator[Sequence[ReceivedMessage]]:
    """Messages as the queue's consumer hands them over: neither too many nor too heavy."""
    batch: list[ReceivedMessage] = []
    weight = 0
    for number, line in enumerate(file):
        if batch and (len(batch) == MAX_BATCH or weight + len(line) > BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(ReceivedMessage(str(number), line, {}, "", 1, 0.0))
        weight += len(line)
    if batch:
        yield batch


async def _feed(handler: Handler, file: IO[str]) -> None:
    batches = _batches(file)

    async def work() -> None:
        for batch in batches:
            if rejected := await handler(batch):
                raise CountError(f"{len(rejected)} messages were rejected: {rejected[0].detail}")

    await asyncio.gather(*(work() for _ in range(HANDLERS)))


async def run_feed(items: int, postgres: PostgresServer, postgres_pid: int, folder: Path) -> FeedResult:
    """Measure on a database of its own. Raises CountError where an item is missing or counted twice."""
    url = await postgres.create_database(f"analytics-{uuid4()}")
    await upgrade(url, SERVICE.migrations)
    path = folder / "messages"
    with path.open("w") as file:
        write_messages(items, file, datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    database = Database(url, pool_size=HANDLERS)
    handler = facts_handler(build_topology().queue("analytics"), database)
    before = peak_rss(os.getpid())
    try:
        with path.open() as file:
            meter, began = CpuMeter({"consumer": os.getpid(), "postgresql": postgres_pid}), time.perf_counter()
            await _feed(handler, file)
            seconds, cpu = time.perf_counter() - began, meter.spent()
        await _require(url, items)
    finally:
        await database.close()
    return FeedResult(items, seconds, cpu, before, peak_rss(os.getpid()))


async def _require(url: str, items: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT grain, sum(count)::bigint AS total FROM counts GROUP BY grain")
    finally:
        await connection.close()
    if {row["grain"]: row["total"] for row in rows} != dict.fromkeys(("minute", "hour", "day"), items):
        raise CountError(f"{items} items, and counted were {[tuple(row) for row in rows]}")


def show(result: FeedResult) -> None:
    """Print the table."""
    report(
        f"{result.items:,} items",
        ["", "items/s", "consumer, µs CPU", "postgresql, µs CPU", "peak, MiB", "of which before", "seconds"],
        [
            [
                "fed directly",
                result.rate,
                1e6 * result.own / result.items,
                1e6 * result.cpu["postgresql"] / result.items,
                result.peak_bytes / 2**20,
                result.before_bytes / 2**20,
                result.seconds,
            ]
        ],
    )


async def main(items: int) -> None:
    """Run, and print."""
    print(machine())
    async with cluster() as on:
        with tempfile.TemporaryDirectory(prefix="almanac-bench-") as folder:
            result = await run_feed(items, on.server, on.pid, Path(folder))
    show(result)
    print(f"analytics: {result.rate:.0f} items/s, {result.items / result.own:.0f} a core of the consumer's own")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=200_000, help="items")
    parsed = arguments.parse_args()
    try:
        uvloop.run(main(parsed.n))
    except (CountError, StartupError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
