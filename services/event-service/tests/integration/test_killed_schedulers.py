"""Schedulers are killed with -9 at random while events come due: nothing is lost, nothing repeated in effect."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from uuid import UUID

import pytest
from event_scenario import Scenario
from uuid_utils.compat import uuid7

from chassis.service.runtime import Runtime
from contracts.due import DueEvent, parse_due_event
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.topology import Queue
from contracts.vocabulary import EventType, OutcomeStatus, Priority
from event_service.settings import Settings
from testkit import AwsAccount, eventually

EVENTS = int(os.environ.get("KILL_EVENTS", "300"))
SECONDS = max(3.0, EVENTS / 150)
"""In which they come due."""
SCHEDULERS = 2
KILLS = EVENTS // 20
LOOKS = 16
"""The maximum between a claim and the kill."""
_CLAIMED = "SELECT 1 FROM events WHERE status = 'PROCESSING' AND published_at IS NULL LIMIT 1"
NURSERY = Path(__file__).parents[1] / "support" / "nursery.py"


class Schedulers:
    """Two of them, each with the reapers, until one is killed and another takes its place."""

    def __init__(self, nursery: asyncio.subprocess.Process, chance: random.Random) -> None:
        self._nursery = nursery
        self._chance = chance
        self._running: list[int] = []
        self.kills = 0

    async def start(self) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(b"scheduler maintenance\n")
        self._running.append(int(await self._nursery.stdout.readline()))

    async def kill_at_random(self, scenario: Scenario) -> None:
        """Again and again, a moment after something was claimed: before, in, or after its publication or its stamp."""
        while self.kills < KILLS:
            await eventually(lambda: scenario.rows(_CLAIMED), interval=0.002)
            # Looks at the database pass the time: some milliseconds each, in which a scheduler does the same.
            for _ in range(self._chance.randrange(LOOKS)):
                await scenario.rows(_CLAIMED)
            await self._kill_one()

    async def _kill_one(self) -> None:
        victim = self._running.pop(self._chance.randrange(len(self._running)))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            self.kills += 1
        await self.start()


class Inbox:
    """Receives due events as delivery-service would, keeps how often each came, and answers each time."""

    def __init__(self, runtime: Runtime[Settings], scenario: Scenario) -> None:
        self._runtime = runtime
        self._scenario = scenario
        self._queue: Queue = runtime.topology.queue(Priority.CRITICAL)
        self.seen: Counter[UUID] = Counter()
        self.identities: set[tuple[UUID, str, int]] = set()

    async def receive(self) -> int:
        """One batch of messages. Returns how many."""
        sqs, url = self._runtime.bus.sqs, await self._runtime.bus.queue_url(self._queue.name)
        answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        if not messages:
            return 0
        due = [parse_due_event(message["Body"]) for message in messages]
        for event in due:
            self.seen[event.event_id] += 1
            self.identities.add((event.event_id, event.idempotency_key, event.metadata.attempt))
        await self._scenario.answer(*map(_succeeded, due))
        await sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)],
        )
        return len(messages)


def _succeeded(due: DueEvent) -> DeliveryOutcomeItem:
    target = due.metadata.target_timestamp_utc
    return DeliveryOutcomeItem(
        item_id=uuid7(),
        traceparent=None,
        event_id=due.event_id,
        user_id=due.metadata.user_id,
        event_type=EventType(due.event_type),
        priority=due.metadata.priority,
        attempt=due.metadata.attempt,
        target_timestamp_utc=target,
        status=OutcomeStatus.SUCCEEDED,
        reason=None,
        endpoints=[],
        received_at=target,
        finished_at=target,
        late=False,
        queue_seconds=0.0,
        lateness_seconds=0.0,
    )


@pytest.fixture
async def nursery(settings: Settings, aws: AwsAccount) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = os.environ | aws.environment() | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TIME_LAPSE": "true",
        "API_PORT": "0",
        "LOG_LEVEL": "error",
        "CLAIM_BATCH": "7",
        "CLAIM_LEASE_SECONDS": "2",
        "REAP_SECONDS": "0.1",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, NURSERY, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    yield process
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


@pytest.mark.timeout(600 + EVENTS // 10)
async def test_killing_schedulers_at_random_loses_nothing_and_repeats_nothing_in_effect(
    connected: Runtime[Settings], nursery: asyncio.subprocess.Process
) -> None:
    chance = random.Random(EVENTS)
    scenario, schedulers = Scenario(connected), Schedulers(nursery, chance)
    inbox = Inbox(connected, scenario)
    await scenario.at("2026-11-23T12:00Z")
    await _users(scenario, chance)
    for _ in range(SCHEDULERS):
        await schedulers.start()
    # The hour in which all of them come due takes this many seconds.
    await scenario.execute(
        "UPDATE clock_map SET real_anchor = clock_timestamp() + interval '0.5 s', speed = :speed,"
        " stops_at = simulated_anchor + interval '1 h'",
        speed=3600 / SECONDS,
    )
    killing = asyncio.create_task(schedulers.kill_at_random(scenario))
    while await _unfinished(scenario):
        await inbox.receive()
    killing.cancel()
    await asyncio.gather(killing, return_exceptions=True)
    assert schedulers.kills > KILLS / 3
    [(struck,)] = await scenario.rows('SELECT count(*) FROM events WHERE history @> \'[{"cause": "lease expired"}]\'')
    assert struck > 0  # some held claims when they were killed
    assert len(inbox.seen) == EVENTS
    assert len(inbox.identities) == EVENTS  # what came twice came as the same
    # Each ended once, and each has its next occurrence once.
    announced = Counter((type, item["eventId"]) for type, item in await scenario.announced())
    assert {id for type, id in announced if type == "EventCompleted"} == {str(id) for id in inbox.seen}
    assert max(count for (type, _), count in announced.items() if type != "EventPublished") == 1
    [row] = await scenario.rows(
        "SELECT count(*) FILTER (WHERE status = 'COMPLETED' AND occurrence = '2026') AS completed,"
        " count(*) FILTER (WHERE status = 'PENDING' AND occurrence = '2027') AS coming, count(*) AS all FROM events"
    )
    assert tuple(row) == (EVENTS, EVENTS, 2 * EVENTS)


async def _users(scenario: Scenario, chance: random.Random) -> None:
    for start in range(0, EVENTS, 500):
        await scenario.receive(
            *(
                scenario.user(
                    timezone="UTC",
                    date_of_birth=date(1990, 11, 23),
                    delivery_time=time(12, chance.randrange(60), chance.randrange(60)),
                )
                for _ in range(min(500, EVENTS - start))
            )
        )
    await scenario.announced()


async def _unfinished(scenario: Scenario) -> bool:
    [(waiting,)] = await scenario.rows(
        "SELECT count(*) FROM events WHERE occurrence = '2026' AND status <> 'COMPLETED'"
    )
    return bool(waiting)
