"""Many at once: user changes, claims, outcomes and reapers, over the same schedules."""

import asyncio
import random
import time as monotonic
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from uuid import UUID, uuid4

from event_scenario import RULES, FakeBus, Scenario
from sqlalchemy import text
from uuid_utils.compat import uuid7

from chassis.database.database import Database
from chassis.messaging.outbox import Outbox
from contracts.messages.user import Anniversary, UserDeletedItem, UserItem
from contracts.vocabulary import EventType, OutcomeStatus, Priority
from event_service.adapters import claims
from event_service.adapters.claims import Claim
from event_service.adapters.event_rows import COLUMNS, to_event
from event_service.application import schedules
from event_service.application.firing import FiringRules, publish_again, return_unconfirmed
from event_service.application.outcomes import sweep_missed
from event_service.domain.errors import ScheduleNotFoundError, UnknownUserError
from event_service.domain.events import Event
from event_service.domain.patterns import Kind, PatternParts
from event_service.domain.schedule_requests import NewSchedule
from event_service.domain.type_rules import Rulebook
from testkit import eventually


async def _blocked(scenario: Scenario) -> bool:
    waiting = await scenario.rows(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(waiting)


async def test_a_change_that_waited_for_another_sees_the_event_as_that_one_left_it(scenario: Scenario) -> None:
    await scenario.at("2026-10-01T00:00Z")
    user = scenario.user()
    await scenario.receive(user)
    schedule = await scenario.schedule(user.user_id)
    async with scenario.runtime.database.transaction() as tx:
        await tx.execute(text("SELECT 1 FROM schedules FOR UPDATE"))
        waiting = asyncio.create_task(scenario.receive(scenario.user(user.user_id, 2, timezone="Asia/Tokyo")))
        await eventually(lambda: _blocked(scenario))
        # What another consumer of the same user's items would do.
        await tx.execute(text("DELETE FROM events"))
        moved = text(
            "INSERT INTO events (id, target_timestamp_utc, schedule_id, user_id, event_type, occurrence, priority,"
            " timezone, tzdata, grace_until, payload, tags, contact, history) SELECT live_event_id, next_at"
            " - interval '1 h', id, user_id, 'BIRTHDAY', '2026', 0, 'America/Halifax', '', next_at, '{}', '{}', '{}',"
            " '[]' FROM schedules"
        )
        await tx.execute(moved)
        await tx.execute(text("UPDATE schedules SET next_at = next_at - interval '1 h'"))
    await waiting
    event = await scenario.event(user.user_id)
    assert (event.id, event.timezone) == (schedule.live_event_id, "Asia/Tokyo")
    assert (await scenario.schedule(user.user_id)).next_at == event.target_timestamp_utc


async def test_an_outcome_that_waited_for_a_change_still_makes_the_next_event(scenario: Scenario) -> None:
    await scenario.at("2026-11-23T14:00Z")
    user = scenario.user()
    await scenario.receive(user)
    [event] = await _claimed(scenario)
    await scenario.execute("UPDATE events SET status = 'PENDING', claim_token = NULL")
    async with scenario.runtime.database.transaction() as tx:
        await tx.execute(text("SELECT 1 FROM schedules FOR UPDATE"))
        answering = asyncio.create_task(scenario.answer(scenario.outcome(event)))
        await eventually(lambda: _blocked(scenario))
        await tx.execute(text("UPDATE events SET target_timestamp_utc = target_timestamp_utc + interval '8 h'"))
        await tx.execute(text("UPDATE schedules SET next_at = next_at + interval '8 h'"))
    await answering
    assert [row.status for row in await scenario.events(user.user_id)] == ["COMPLETED", "PENDING"]


async def _claimed(scenario: Scenario) -> list[Event]:
    claim = await claims.claim_due(scenario.runtime.database, priority=0, limit=100, token=uuid4(), lease_seconds=60)
    assert claim is not None
    return list(claim.events)


async def test_a_stamp_and_outcomes_of_the_same_events_cannot_deadlock(scenario: Scenario) -> None:
    await scenario.at("2026-11-23T14:00Z")
    for _ in range(15):
        await scenario.receive(*(scenario.user() for _ in range(40)))
        claim = await claims.claim_due(
            scenario.runtime.database, priority=0, limit=100, token=uuid4(), lease_seconds=60
        )
        assert claim is not None
        events = list(claim.events)

        async def stamp(claim: Claim = claim) -> None:
            async with scenario.runtime.database.transaction() as tx:
                await claims.stamp(tx, claim.token, list(reversed(claim.events)), outcome_seconds=60)

        await asyncio.gather(
            stamp(),
            scenario.answer(*(scenario.outcome(event) for event in events[:20])),
            scenario.answer(*(scenario.outcome(event) for event in reversed(events))),
        )
    [(completed,)] = await scenario.rows(
        "SELECT count(*) FROM events WHERE occurrence = '2026' AND status = 'COMPLETED' AND published_at IS NOT NULL"
    )
    assert completed == 600


class Storm:
    """Users with anniversaries and reminders, who change, are deleted, fire and are answered by several tasks each."""

    USERS = 40

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = random.Random(7)
        self.ids = [uuid7() for _ in range(self.USERS)]
        self.versions = dict.fromkeys(self.ids, 1)
        self.deleted: set[UUID] = set()
        self.anniversaries: dict[UUID, UUID] = {}
        self.rules = FiringRules(batch=9, lease_seconds=0.05, outcome_seconds=0.2, types=RULES)
        self.done: Counter[str] = Counter()

    async def begin(self) -> None:
        await self.scenario.at("2026-11-23T12:00Z")
        # An hour in 20 ms: many birthdays pass, and everyone comes round again.
        await self.scenario.execute(
            "UPDATE clock_map SET real_anchor = clock_timestamp(), speed = 180000,"
            " stops_at = simulated_anchor + interval '8 days'"
        )
        self.scenario.firing = self.rules
        await self.scenario.receive(*(self._user(user_id) for user_id in self.ids))
        self.reminders = [await self._remind(user_id) for user_id in self.ids[::2]]

    def _user(self, user_id: UUID) -> UserItem:
        return self.scenario.user(
            user_id,
            self.versions[user_id],
            timezone=self.random.choice(["America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "UTC"]),
            delivery_time=time(self.random.randrange(24)),
            date_of_birth=date(1990, 11, self.random.randrange(23, 31)),
            anniversaries=self._anniversaries(user_id),
        )

    def _anniversaries(self, user_id: UUID) -> list[Anniversary]:
        if self.random.random() < 0.2:
            self.anniversaries.pop(user_id, None)
            return []
        id = self.anniversaries.setdefault(user_id, uuid7())
        day = date(2010, 11, self.random.randrange(23, 31))
        return [Anniversary(anniversary_id=id, label="Met", date=day, important=self.random.random() < 0.5)]

    async def _remind(self, user_id: UUID) -> UUID:
        start = datetime(2026, 11, 23, self.random.randrange(24))  # noqa: DTZ001 - a local time
        rrule = f"FREQ=HOURLY;INTERVAL={self.random.randrange(1, 30)}"
        parts = PatternParts(Kind.RRULE, start, rrule)
        new = NewSchedule(user_id, EventType.REMINDER, "Pills", parts)
        view = await schedules.create_schedule(*self._parts(), new, None)
        return view.schedule.id

    def _parts(self) -> tuple[Database, Outbox, Rulebook]:
        return self.scenario.runtime.database, self.scenario.runtime.outbox, self.scenario.rules

    async def reschedule(self) -> None:
        try:
            match self.random.randrange(5):
                case 0:
                    id = self.random.choice(self.reminders)
                    await schedules.pause_schedule(*self._parts(), id, None)
                case 1 | 2:
                    id = self.random.choice(self.reminders)
                    await schedules.resume_schedule(*self._parts(), id, None)
                case 3:
                    id = self.random.choice(self.reminders)
                    zone = self.random.choice([None, "Asia/Kathmandu", "America/St_Johns"])
                    await schedules.update_schedule(*self._parts(), id, {"timezone": zone}, None)
                case _:
                    index = self.random.randrange(len(self.reminders))
                    gone, self.reminders[index] = self.reminders[index], uuid7()
                    await schedules.delete_schedule(*self._parts(), gone, None)
                    self.reminders[index] = await self._remind(self.random.choice(self.ids))
        except (ScheduleNotFoundError, UnknownUserError):
            self.done["of deleted users"] += 1

    async def change(self) -> None:
        items: list[UserItem | UserDeletedItem] = []
        for user_id in self.random.sample(self.ids, 6):
            if user_id in self.deleted:
                # A deletion is a user's last version: the ones after it are older.
                item = self._user(user_id)
                items.append(item.model_copy(update={"version": self.versions[user_id] - 1}))
                continue
            self.versions[user_id] += 1
            if self.random.random() < 0.02:
                self.deleted.add(user_id)
                items.append(UserDeletedItem(item_id=uuid7(), user_id=user_id, version=self.versions[user_id]))
            else:
                items.append(self._user(user_id))
        await self.scenario.receive(*items)

    async def fire(self) -> None:
        bus = FakeBus()
        self.scenario.bus = bus
        for priority in Priority:
            await self.scenario.fire(priority)

    async def answer(self) -> None:
        rows = await self.scenario.rows(
            f"SELECT {COLUMNS} FROM events e WHERE status IN ('PROCESSING', 'FAILED') ORDER BY random() LIMIT 12"  # noqa: S608
        )
        outcomes = [
            self.scenario.outcome(
                to_event(row),
                OutcomeStatus.FAILED if self.random.random() < 0.3 else OutcomeStatus.SUCCEEDED,
            )
            for row in rows
        ]
        if outcomes:
            await self.scenario.answer(*outcomes)

    async def reap(self) -> None:
        runtime = self.scenario.runtime
        await return_unconfirmed(runtime.database, runtime.outbox, self.rules)
        for priority in Priority:
            await publish_again(runtime.database, runtime.outbox, FakeBus(), self.rules, priority)
        await sweep_missed(runtime.database, runtime.outbox, self.scenario.rules, limit=9)

    async def run(self, seconds: float) -> None:
        until = monotonic.monotonic() + seconds

        async def repeat(work: Callable[[], Awaitable[None]]) -> None:
            while monotonic.monotonic() < until:
                await work()
                self.done[work.__name__] += 1

        async with asyncio.TaskGroup() as group:
            for work in (
                self.change,
                self.change,
                self.reschedule,
                self.reschedule,
                self.fire,
                self.fire,
                self.answer,
                self.answer,
                self.reap,
            ):
                group.create_task(repeat(work))


GUSTS = 4
"""At most: a busy machine gets little done in one."""


async def test_a_storm_of_changes_claims_outcomes_and_reapers_keeps_the_invariants(scenario: Scenario) -> None:
    storm = Storm(scenario)
    await storm.begin()
    completed: set[str] = set()
    for _ in range(GUSTS):
        await storm.run(3.0)
        kinds = await scenario.rows("SELECT DISTINCT event_type FROM events WHERE status = 'COMPLETED'")
        completed = {row.event_type for row in kinds}
        if len(completed) == 3 and min(storm.done.values()) > 3:
            break
    assert min(storm.done[name] for name in ("change", "reschedule", "fire", "answer", "reap")) > 3
    assert completed == {"BIRTHDAY", "ANNIVERSARY", "REMINDER"}
    nameless = await scenario.rows(
        "SELECT s.id FROM schedules s LEFT JOIN events e ON e.id = s.live_event_id"
        " AND e.target_timestamp_utc = s.next_at AND e.status IN ('PENDING', 'PROCESSING')"
        " WHERE s.status = 'ACTIVE' AND e.id IS NULL"
    )
    assert nameless == []
    unnamed = await scenario.rows(
        "SELECT e.id FROM events e LEFT JOIN schedules s ON s.live_event_id = e.id"
        " AND s.next_at = e.target_timestamp_utc"
        " WHERE s.id IS NULL AND NOT e.user_id = ANY(:deleted) AND (e.status = 'PENDING' OR e.status = 'PROCESSING'"
        " AND e.published_at IS NULL AND e.schedule_id IN (SELECT id FROM schedules))",
        deleted=list(storm.deleted),
    )
    assert unnamed == []
    twice = await scenario.rows(
        "SELECT schedule_id, occurrence FROM events GROUP BY 1, 2 HAVING count(*) > 1"
        " UNION ALL SELECT schedule_id, 'waiting' FROM events WHERE status = 'PENDING' GROUP BY 1 HAVING count(*) > 1"
    )
    assert twice == []
    scheduled = await scenario.rows("SELECT user_id FROM schedules")
    assert {row.user_id for row in scheduled} == set(storm.ids) - storm.deleted
    endings = Counter(
        (type, item["eventId"])
        for type, item in await scenario.announced()
        if type in ("EventCompleted", "EventMissed")
    )
    assert len(endings) > 0
    assert set(endings.values()) == {1}
