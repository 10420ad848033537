"""Whatever happens in whatever order, each occurrence takes effect once: the state machine as a state machine.

Claims, publications, crashes, expired leases, outcomes that are late, repeated, reordered or lost, users who move or
change their hours, send windows that are closed when something fires, requests, and downtimes, against the real
database; at the end all that is left goes its way, and the sums must come out.
``STATE_EXAMPLES`` and ``STATE_STEPS`` make it longer.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from event_scenario import RULES, Scenario, open_without_bus
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from receiving import CrashError, Inbox, Mood, MoodyBus
from sqlalchemy import Row
from uuid_utils.compat import uuid7

from chassis.database.database import Database
from chassis.database.migrations import upgrade
from chassis.messaging.outbox import Outbox
from contracts.messages.user import UserItem
from contracts.send_hours import SendHours
from contracts.send_window import WEEKDAYS, load
from contracts.vocabulary import EventType, Priority
from event_service.application.event_changes import cancel_event, reschedule_event, retry_event
from event_service.application.firing import FiringRules, NotPublishedError, fire_due, publish_again, return_unconfirmed
from event_service.application.next_occurrence import make_near
from event_service.application.outcomes import sweep_missed
from event_service.application.schedules import create_schedule
from event_service.domain.business_days import BusinessDays
from event_service.domain.errors import EventServiceError, EventStateError, ImpossibleTimeError
from event_service.domain.events import Event
from event_service.domain.one_offs import When
from event_service.domain.patterns import Kind, PatternParts
from event_service.domain.schedule_requests import NewSchedule
from event_service.domain.send_times import NO_OPENING
from event_service.settings import Settings
from local_stack.postgres import PostgresServer

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
ZONES = ("America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "Pacific/Honolulu", "Europe/Berlin")
FIRING = FiringRules(batch=5, lease_seconds=3600, outcome_seconds=3600, types=RULES)
LAST_ROUNDS = 60
T = TypeVar("T")

_TABLES = ("events", "schedules", "recipients", "outbox", "inbox")
_ANY = st.integers(min_value=0, max_value=10_000)
_MOODS = st.sampled_from([Mood.WELL, Mood.WELL, *Mood])
_MEANWHILE = st.sampled_from(["nothing", "nothing", "cancel", "move", "take over"])
_TAKE_OVERS = (Mood.WELL, Mood.REFUSES, Mood.HANGS)
DAYTIME = load([{"days": WEEKDAYS, "from": "08:00", "until": "20:00"}])
_WALK_GRACE = timedelta(hours=6)
_PLANNED = (
    "SELECT id, user_id, schedule_id, target_timestamp_utc, planned_at, grace_until, rescheduled FROM events"
    " WHERE status = 'PENDING'"
)
_TARGET = "SELECT target_timestamp_utc FROM events WHERE id = :id"


def _span(start: int, until: int) -> SendHours:
    return SendHours(days=list(WEEKDAYS), from_=time(start), until=time(until))


def _shows(hours: tuple[int, int], timezone: str, instant: datetime) -> bool:
    """Whether clocks in a zone show a time within these hours."""
    start, until = hours
    return (instant.astimezone(ZoneInfo(timezone)).hour - start) % 24 < (until - start) % 24


def _quarters(since: datetime, until: datetime) -> Iterator[datetime]:
    """Each quarter of an hour after ``since`` and before ``until``."""
    instant = since.replace(minute=since.minute // 15 * 15, second=0, microsecond=0)
    while (instant := instant + timedelta(minutes=15)) < until:
        yield instant


class EventStates(RuleBasedStateMachine):
    """Two users with three reminders, and all faults and changes of these: one at any time, one that is spread and may
    be sent by day only, and one on working days."""

    runner: ClassVar[asyncio.Runner]
    scenario: ClassVar[Scenario]

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN
        self.bus = MoodyBus()
        self.inbox = Inbox(BEGIN)
        self.users: list[UserItem] = []
        self.old_versions: list[UserItem] = []
        self.moved = False
        self.unheard: set[UUID] = set()
        self.cancelled: set[UUID] = set()
        self.moved_from: set[tuple[UUID, datetime]] = set()
        self.labels: dict[UUID, str] = {}
        self.hours: dict[UUID, tuple[int, int] | None] = {}
        self.as_claimed: dict[UUID, tuple[str, tuple[int, int] | None]] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # -- what there is ------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        for table in _TABLES:
            await self.scenario.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
        await self._clock()
        self.users = [self.scenario.user(timezone=zone) for zone in ZONES[:2]]
        await self.scenario.receive(*self.users)
        for user in self.users:
            await self._create(user, "Pills", hour=9)
            await self._create(user, "Walk", hour=17, window=DAYTIME, grace=_WALK_GRACE, spread=1800)
            await self._create(user, "Report", hour=7, business_days=BusinessDays("US"))
        rows = await self.scenario.rows("SELECT id, label FROM schedules WHERE source = 'API'")
        self.labels = {row.id: row.label for row in rows}

    async def _create(self, user: UserItem, label: str, *, hour: int, **settings: object) -> None:
        parts = PatternParts(Kind.RRULE, start=BEGIN.replace(hour=hour, tzinfo=None), rrule="FREQ=DAILY")
        new = NewSchedule(user.user_id, EventType.REMINDER, label, parts, settings=settings)
        await create_schedule(*self._parts, RULES, new, None)

    async def _clock(self) -> None:
        self.inbox.now = await self.scenario.at(self.now.isoformat())

    # -- time ---------------------------------------------------------------------------------------------------------

    @rule(minutes=st.integers(1, 24 * 60))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.run(self._clock())

    @rule(days=st.integers(2, 5))
    def nothing_runs_for_days(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.run(self._clock())

    # -- what the service does ----------------------------------------------------------------------------------------

    @rule(mood=_MOODS, meanwhile=_MEANWHILE, which=_ANY, minutes=st.integers(-60, 24 * 60))
    def schedulers_fire(self, mood: Mood, meanwhile: str, which: int, minutes: int) -> None:
        self.bus.meanwhile = self._meanwhile(meanwhile, which, minutes)
        self.run(self._fire(mood))
        self.bus.meanwhile = None

    def _meanwhile(self, what: str, which: int, minutes: int) -> Callable[[], Awaitable[None]] | None:
        """What comes while the bus is being called."""

        async def cancel() -> None:
            await self._cancel(which, "PROCESSING")

        async def move() -> None:
            await self._move(which, minutes, "PROCESSING")

        async def take_over() -> None:
            await self._expire(published=False)
            await self._horizons_end()
            await self._publish_again(_TAKE_OVERS[which % len(_TAKE_OVERS)])
            await self._cancel(which, "PENDING")

        return {"cancel": cancel, "move": move, "take over": take_over}.get(what)

    async def _fire(self, mood: Mood) -> int:
        self.bus.mood, self.bus.sent = mood, []
        runtime, fired = self.scenario.runtime, 0
        for priority in Priority:
            with suppress(CrashError, NotPublishedError):
                fired += await fire_due(runtime.database, runtime.outbox, self.bus, FIRING, priority) or 0
        for event, now in self.bus.sent:
            assert self._may_be_sent(event, max(now, event.target)), event
        await self._let_old_times_return()
        return fired

    async def _let_old_times_return(self) -> None:
        """What was moved may come to its old time again, because that is the next opening of its window."""
        for row in await self.scenario.rows("SELECT id, target_timestamp_utc FROM events WHERE status = 'PENDING'"):
            self.moved_from.discard((row.id, row.target_timestamp_utc))

    def _may_be_sent(self, event: Event | Row[Any], instant: datetime) -> bool:
        """Whether an event may be sent at an instant: by the user's own hours, else by those of the reminder.

        One that was claimed before its user changed may still be sent as it was claimed.
        """
        [user] = [each for each in self.users if each.user_id == event.user_id]
        judged = [(user.timezone, self.hours.get(user.user_id))]
        if event.id in self.as_claimed:
            judged.append(self.as_claimed[event.id])
        walk = self.labels.get(event.schedule_id) == "Walk" if event.schedule_id else False
        return any(
            hours is None or _shows(hours, zone, instant)
            for zone, hours in ((zone, own or ((8, 20) if walk else None)) for zone, own in judged)
        )

    async def _remember_claimed(self, user: UserItem) -> None:
        """What is being published when its user changes goes out as it is."""
        rows = await self.scenario.rows(
            "SELECT id FROM events WHERE status = 'PROCESSING' AND user_id = :user_id", user_id=user.user_id
        )
        for row in rows:
            self.as_claimed.setdefault(row.id, (user.timezone, self.hours.get(user.user_id)))

    @rule(mood=_MOODS)
    def leases_expire(self, mood: Mood) -> None:
        self.run(self._expire(published=False))
        self.run(self._publish_again(mood, published=False))

    @rule()
    def outcome_horizons_end(self) -> None:
        self.run(self._horizons_end())

    async def _horizons_end(self) -> None:
        """Of what nothing is on its way of: the horizon is chosen so that this is so."""
        on_its_way = {each.id for each in (*self.bus.in_flight, *self.bus.open)}
        on_its_way |= {each.event_id for each in self.inbox.outcomes}
        await self.scenario.execute(
            "UPDATE events SET unconfirmed_until = clock_timestamp(), claimed_until = clock_timestamp()"
            " - make_interval(secs => :seconds) WHERE status = 'PROCESSING' AND published_at IS NULL"
            " AND claimed_until < clock_timestamp() AND NOT id = ANY(:on_its_way)",
            seconds=FIRING.outcome_seconds + 1,
            on_its_way=list(on_its_way),
        )
        await return_unconfirmed(self.scenario.runtime.database, self.scenario.runtime.outbox, FIRING)

    async def _expire(self, *, published: bool) -> None:
        await self.scenario.execute(
            "UPDATE events SET claimed_until = clock_timestamp()"
            " WHERE status = 'PROCESSING' AND (published_at IS NOT NULL) = :published",
            published=published,
        )

    @rule(mood=_MOODS)
    def outcomes_are_given_up(self, mood: Mood) -> None:
        self.run(self._publish_again(mood))

    async def _publish_again(self, mood: Mood, *, published: bool = True) -> None:
        """By the reaper, which asks no window: what it publishes was published inside."""
        if published:
            await self._expire(published=True)
        sent, self.bus.sent = self.bus.sent, []
        self.bus.mood = mood
        runtime = self.scenario.runtime
        for priority in Priority:
            with suppress(CrashError, NotPublishedError):
                await publish_again(runtime.database, runtime.outbox, self.bus, FIRING, priority)
        self.bus.sent = sent

    @rule()
    def graces_end(self) -> None:
        self.run(sweep_missed(self.scenario.runtime.database, self.scenario.runtime.outbox, RULES, limit=50))

    # -- what the bus and delivery-service do -------------------------------------------------------------------------

    @precondition(lambda self: self.bus.in_flight)
    @rule(which=_ANY, succeeds=st.booleans(), stays=st.booleans())
    def a_message_arrives(self, which: int, succeeds: bool, stays: bool) -> None:
        index = which % len(self.bus.in_flight)
        self._receive(self.bus.in_flight[index], succeeds=succeeds)
        if not stays:
            del self.bus.in_flight[index]

    def _receive(self, event: Event, *, succeeds: bool) -> None:
        if self.inbox.receive(event, succeeds=succeeds):
            assert event.id not in self.cancelled, "the API said that it was cancelled"
            assert (event.id, event.target) not in self.moved_from, "the API said that it was moved"

    @precondition(lambda self: self.bus.open)
    @rule(which=_ANY, accepted=st.booleans())
    def a_call_without_an_answer_ends(self, which: int, accepted: bool) -> None:
        self.bus.settle(which % len(self.bus.open), accepted=accepted)

    @precondition(lambda self: self.bus.in_flight)
    @rule(which=_ANY)
    def a_message_is_lost(self, which: int) -> None:
        del self.bus.in_flight[which % len(self.bus.in_flight)]

    @precondition(lambda self: self.inbox.failed())
    @rule(which=_ANY)
    def a_dead_letter_is_redriven(self, which: int) -> None:
        failed = self.inbox.failed()
        self.inbox.redrive(failed[which % len(failed)])

    @precondition(lambda self: self.inbox.outcomes)
    @rule(which=_ANY, stays=st.booleans(), renumbered=st.booleans())
    def an_outcome_arrives(self, which: int, stays: bool, renumbered: bool) -> None:
        index = which % len(self.inbox.outcomes)
        outcome = self.inbox.outcomes[index]
        if not stays:
            del self.inbox.outcomes[index]
        self.run(self.scenario.answer(outcome.model_copy(update={"item_id": uuid7()}) if renumbered else outcome))

    @precondition(lambda self: self.inbox.outcomes)
    @rule(which=_ANY)
    def an_outcome_is_lost(self, which: int) -> None:
        lost = self.inbox.outcomes.pop(which % len(self.inbox.outcomes))
        self.unheard.add(lost.event_id)

    # -- what users do ------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), zone=st.sampled_from(ZONES))
    def a_user_moves(self, which: int, zone: str) -> None:
        self._change(which, timezone=zone)
        self.moved = True

    @rule(which=st.integers(0, 1), hours=st.sampled_from([None, (8, 20), (18, 22), (22, 6)]))
    def a_user_changes_hours(self, which: int, hours: tuple[int, int] | None) -> None:
        self._change(which, send_window=None if hours is None else [_span(*hours)])
        self.hours[self.users[which].user_id] = hours
        self.moved = True

    @rule(which=st.integers(0, 1))
    def a_user_is_renamed(self, which: int) -> None:
        self._change(which, first_name="Augusta")

    def _change(self, which: int, **changes: object) -> None:
        known = self.users[which]
        self.run(self._remember_claimed(known))
        self.old_versions.append(known)
        self.users[which] = known.model_copy(update={"item_id": uuid7(), "version": known.version + 1, **changes})
        self.run(self.scenario.receive(self.users[which]))
        self.run(self._let_old_times_return())

    @precondition(lambda self: self.old_versions)
    @rule(which=_ANY)
    def an_old_version_comes_again(self, which: int) -> None:
        old = self.old_versions[which % len(self.old_versions)]
        self.run(self.scenario.receive(old.model_copy(update={"item_id": uuid7()})))

    # -- requests for events ------------------------------------------------------------------------------------------

    @rule(which=_ANY)
    def an_event_is_cancelled(self, which: int) -> None:
        """Whatever its state is: a cancel that is not allowed is refused and changes nothing."""
        self.run(self._cancel(which, "PENDING"))

    async def _cancel(self, which: int, status: str) -> None:
        cancelled = await self._request(which, status, lambda id: cancel_event(*self._parts, RULES, id))
        if cancelled is not None:
            self.cancelled.add(cancelled.id)

    @rule(which=_ANY, minutes=st.integers(-60, 24 * 60))
    def an_event_is_moved(self, which: int, minutes: int) -> None:
        self.run(self._move(which, minutes, "PENDING"))

    async def _move(self, which: int, minutes: int, status: str) -> None:
        when = When(self.now + timedelta(minutes=minutes))
        before = await self._request(which, status, lambda id: reschedule_event(*self._parts, RULES, id, when))
        if before is not None:
            self.moved = True
            [after] = await self.scenario.rows(_TARGET, id=before.id)
            self.moved_from.add((before.id, before.target_timestamp_utc))
            self.moved_from.discard((before.id, after.target_timestamp_utc))

    @rule(which=_ANY)
    def an_event_is_retried(self, which: int) -> None:
        self.run(self._request(which, "FAILED", lambda id: retry_event(self._parts[0], id)))

    @property
    def _parts(self) -> tuple[Database, Outbox]:
        return self.scenario.runtime.database, self.scenario.runtime.outbox

    async def _request(self, which: int, status: str, ask: Callable[[UUID], Awaitable[object]]) -> Row[Any] | None:
        """Ask it of an event in that state, or of any where there is none. Returns it as it was, None if refused."""
        rows = await self.scenario.rows(
            "SELECT id, status, target_timestamp_utc FROM events ORDER BY target_timestamp_utc, id"
        )
        rows = [row for row in rows if row.status == status] or rows
        if not rows:
            return None
        row = rows[which % len(rows)]
        try:
            await ask(row.id)
        except EventServiceError as error:
            assert isinstance(error, EventStateError | ImpossibleTimeError)
            return None
        return row

    # -- what must be so at any time ----------------------------------------------------------------------------------

    @invariant()
    def each_schedule_has_one_live_event(self) -> None:
        rows = self.run(
            self.scenario.rows(
                "SELECT s.id, s.live_event_id, s.next_at, e.id AS event_id, e.target_timestamp_utc AS at"
                # Those that are published and not yet answered are not live: the schedule has advanced to the next.
                " FROM schedules s LEFT JOIN events e ON e.schedule_id = s.id"
                " AND (e.status = 'PENDING' OR e.status = 'PROCESSING' AND e.published_at IS NULL)"
                # One that was moved behind its successors waits beside those.
                " AND (NOT e.rescheduled OR e.id = s.live_event_id)"
                " WHERE s.status = 'ACTIVE'"
            )
        )
        assert len(rows) == len({row.id for row in rows})
        for row in rows:
            assert row.live_event_id == row.event_id
            # None is alive where the next is too far ahead for an event.
            assert row.next_at == row.at if row.event_id else row.next_at > self.now + timedelta(days=300)

    @invariant()
    def nothing_that_waits_is_on_its_way(self) -> None:
        """An event that can be cancelled or moved has certainly not been published."""
        waiting = {row.id for row in self.run(self.scenario.rows("SELECT id FROM events WHERE status = 'PENDING'"))}
        assert waiting.isdisjoint(each.id for each in (*self.bus.in_flight, *self.bus.open))

    @invariant()
    def what_waits_is_planned_inside_its_window(self) -> None:
        """Unless that does not open inside its grace: then it is MISSED when its time comes."""
        for row in self.run(self.scenario.rows(_PLANNED)):
            if row.target_timestamp_utc > self.now:
                opens = self._may_be_sent(row, row.target_timestamp_utc)
                assert opens or not any(
                    self._may_be_sent(row, each) for each in _quarters(row.target_timestamp_utc, row.grace_until)
                ), row
            if not row.rescheduled and self.labels.get(row.schedule_id) == "Walk":
                assert row.grace_until == (row.planned_at or row.target_timestamp_utc) + _WALK_GRACE, row

    @invariant()
    def nothing_takes_effect_twice(self) -> None:
        assert all(times == 1 for times in self.inbox.effects.values())

    # -- how it must end ----------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if self.users:
            self.run(self._settle())
            self.run(self._check())

    async def _settle(self) -> None:
        """Everything works from now on, and nothing more becomes due."""
        runtime = self.scenario.runtime
        for _ in range(LAST_ROUNDS):
            while self.bus.open:
                self.bus.settle(0, accepted=len(self.bus.open) % 2 == 0)
            await self._expire(published=False)
            await self._horizons_end()
            await sweep_missed(runtime.database, runtime.outbox, RULES, limit=50)
            await make_near(runtime.database, runtime.outbox, RULES, limit=50)
            await self._publish_again(Mood.WELL)
            await self._fire(Mood.WELL)
            while self.bus.in_flight:
                self._receive(self.bus.in_flight.pop(), succeeds=True)
            if outcomes := self.inbox.outcomes:
                self.inbox.outcomes = []
                await self.scenario.answer(*outcomes)
            if not await self.scenario.rows(
                "SELECT 1 FROM events WHERE status = 'PROCESSING'"
                " OR status = 'PENDING' AND target_timestamp_utc <= almanac_now()"
            ):
                return
        raise AssertionError("it does not come to rest")

    async def _check(self) -> None:
        rows = await self.scenario.rows("SELECT * FROM events ORDER BY target_timestamp_utc")
        ended = Counter(
            (type, UUID(item["eventId"]))
            for type, item in await self.scenario.announced()
            if type in ("EventCompleted", "EventMissed")
        )
        failed = {each.event.id for each in self.inbox.failed()}
        for row in rows:
            effected = self.inbox.effects[row.id] == 1
            assert effected or row.status != "COMPLETED", row
            # The next outcome replaces a lost one, unless the event had ended before.
            assert not effected or row.status == "COMPLETED" or row.id in self.unheard, row
            assert ended["EventCompleted", row.id] == (row.status == "COMPLETED"), row
            assert row.status != "FAILED" or row.id in failed or row.id in self.unheard, row
            if row.status == "MISSED" and row.grace_until > self.now:
                self._check_that_no_opening_was_left(row)
        # An occurrence that was replaced by another, when its time had been moved, leaves no row that shows how it
        # ended.
        assert self.moved or self.inbox.deliveries.keys() <= {row.id for row in rows}
        keys = Counter((row.schedule_id, row.occurrence) for row in rows)
        assert max(keys.values()) == 1
        if not self.moved:
            self._check_that_none_is_missing([row for row in rows if self.labels.get(row.schedule_id) == "Pills"])

    def _check_that_no_opening_was_left(self, row: Row[Any]) -> None:
        """It was MISSED inside its grace, because its window, as it carries it, did not open before the end of that."""
        [missed] = [step for step in row.history if step["status"] == "MISSED"]
        assert missed["cause"] == NO_OPENING, row
        [span] = row.user_window or row.send_window
        hours = int(span["from"][:2]), int(span["until"][:2])
        since = datetime.fromisoformat(missed["at"])
        zone = row.window_timezone or row.timezone
        assert not any(_shows(hours, zone, each) for each in (since, *_quarters(since, row.grace_until))), row

    def _check_that_none_is_missing(self, rows: list[Any]) -> None:
        """Each day has its event, whatever became of it."""
        for user in self.users:
            days = [date.fromisoformat(row.occurrence[:10]) for row in rows if row.user_id == user.user_id]
            assert days == [days[0] + timedelta(days=i) for i in range(len(days))]


@pytest.fixture
def machine(postgres: PostgresServer, pytestconfig: pytest.Config) -> Any:
    """The machine on a database of its own, in an event loop of its own: hypothesis knows no coroutines."""
    name = f"states-{uuid4()}"
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_scenario() -> Scenario:
            url = await postgres.create_database(name)
            await upgrade(url, pytestconfig.rootpath / "services/event-service/migrations")
            there = Settings(database_url=SecretStr(url), time_lapse=True)
            return Scenario(await stack.enter_async_context(open_without_bus(there)))

        EventStates.runner, EventStates.scenario = runner, runner.run(open_scenario())
        yield EventStates
        runner.run(stack.aclose())
        runner.run(postgres.drop_database(name))


@pytest.mark.timeout(600 + int(os.environ.get("STATE_EXAMPLES", "0")) * 20)
def test_each_occurrence_takes_effect_once_whatever_the_order(machine: type[EventStates]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("STATE_EXAMPLES", "25")),
            stateful_step_count=int(os.environ.get("STATE_STEPS", "30")),
            deadline=None,
            derandomize="STATE_EXAMPLES" not in os.environ,  # the suite takes the same ways each time
            suppress_health_check=list(HealthCheck),
        ),
    )
