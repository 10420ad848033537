"""When the rules of zones change, pending events in those zones move with them (docs/architecture.md#local-time)."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

import structlog
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from chassis.core.zones import TZDATA_VERSION, fingerprints, keep, zone_names
from chassis.core.zones import rules as zone_file
from chassis.database.database import Database, Transaction
from chassis.database.leases import Lease
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import Priority
from event_service.adapters import event_locks, events, months, recipients, schedules, zone_rules
from event_service.adapters.recomputes import Shifts
from event_service.adapters.zone_rules import beginning
from event_service.application import planning
from event_service.application.planning import lock_live_events
from event_service.application.recomputing import (
    BATCH,
    EVERY_SECONDS,
    Report,
    add,
    count_move,
    log_report,
    plan_again,
    transaction,
)
from event_service.domain.changes import Changes
from event_service.domain.events import Event, EventKey
from event_service.domain.occurrences import rule_of
from event_service.domain.type_rules import Rulebook

log = structlog.get_logger(__name__)
_moved = metrics.get_meter("almanac.events").create_counter(
    "almanac_events_rezoned", description="Waiting events that new rules of their zone have moved, by zone"
)

RULES_CHANGED = "time zone rules changed"
_dropped: set[str] = set()


def _observe_dropped(_: CallbackOptions) -> Iterable[Observation]:
    yield Observation(len(_dropped))


metrics.get_meter("almanac.events").create_observable_gauge(
    "almanac_zones_dropped",
    [_observe_dropped],
    description="Zones that the tzdata package no longer has, and whose last known rules are used",
)


async def keep_dropped_zones(database: Database) -> None:
    """Go on with zones that this release of tzdata has dropped, by their last known rules."""
    for name, rules in (await zone_rules.dropped(database, zone_names())).items():
        keep(name, rules)
        if name not in _dropped:
            _dropped.add(name)
            log.error("zone dropped by tzdata, its last known rules are used", zone=name, tzdata=TZDATA_VERSION)


async def recompute(
    database: Database,
    outbox: Outbox,
    rules: Rulebook,
    *,
    dry_run: bool = False,
    going_on: Callable[[], Awaitable[bool]] | None = None,
    batch: int = BATCH,
) -> Report:
    """Recompute, by this process's rules, the pending events of zones that had other rules when they were planned.

    Each batch is a transaction of its own, and one that was done is not done again. ``dry_run`` changes nothing: every
    batch is rolled back. ``going_on`` is asked after each; where it says no, the rest is left to others.
    """
    await zone_rules.remember(database, TZDATA_VERSION, fingerprints(), zone_file)
    await keep_dropped_zones(database)
    run = None if dry_run else await zone_rules.RECORDS.begin(database, TZDATA_VERSION)
    report: Report = defaultdict(Shifts)
    async for outdated in _outdated(database, batch):
        done: Report = defaultdict(Shifts)
        async with transaction(database, dry_run=dry_run) as tx:
            await _renew(tx, outbox, rules, outdated, done)
            add(report, done)
            if run is not None:
                await zone_rules.RECORDS.progress(tx, run, report)
        if not dry_run:
            for name, each in done.items():
                _moved.add(each.moved, {"zone": name})
        if going_on is not None and not await going_on():
            return report
    if run is not None:
        await zone_rules.RECORDS.finish(database, run)
    return report


async def _outdated(database: Database, batch: int) -> AsyncIterator[Sequence[Event]]:
    # Month by month and priority by priority, so that no statement reads for long however rare a zone is.
    for month in await months.find_months(database):
        for priority in Priority:
            after = beginning(month)
            while page := await zone_rules.outdated(
                database, TZDATA_VERSION, month, priority, after=after, limit=batch
            ):
                yield page
                after = page[-1].key


async def _renew(tx: Transaction, outbox: Outbox, rules: Rulebook, outdated: Sequence[Event], done: Report) -> None:
    now = await events.current_time(tx)
    people = await recipients.lock(tx, {event.user_id for event in outdated})
    held = await schedules.lock_live(tx, [event.id for event in outdated if event.schedule_id is not None])
    live = await lock_live_events(tx, held.values())
    alone = {
        event.id: event
        for event in await event_locks.lock_alone(tx, {each.user_id for each in outdated if each.schedule_id is None})
    }
    # Schedules have advanced behind those: they keep a time of their own.
    apart = {event.schedule_id for event in outdated if event.rescheduled and event.id not in held} - {None}
    moved = await event_locks.lock_moved(
        tx, {each.user_id for each in outdated}, [id for id in apart if id is not None]
    )
    alone |= {event.id: event for found in moved.values() for event in found if event.id not in held}
    changes, right = Changes(rules, now), list[EventKey]()
    for event in outdated:
        recipient = people.get(event.user_id)
        if recipient is None:
            continue
        schedule, current = held.get(event.id), alone.get(event.id)
        if schedule is not None:
            waiting = live.get(schedule.id)
            # An event that moved or was claimed since it was read is handled elsewhere.
            if waiting is None or not waiting.pending or waiting.target != event.target:
                continue
            done[event.timezone].examined += 1
            there = rule_of(rules, schedule).occurrence(event.occurrence)
            if there is not None and there.instant == event.target:
                right.append(event.key)
                continue
            # One that stays was given an instant of its own.
            if plan_again(changes, schedule, waiting, event, recipient, done[event.timezone]):
                right.append(event.key)
        elif current is not None and current.target == event.target:
            done[event.timezone].examined += 1
            moved_to = changes.rezone(current, current.timezone)
            if moved_to is None:
                done[event.timezone].replaced += 1
            elif not count_move(done[event.timezone], event.id, event.target, moved_to):
                right.append(event.key)
    await planning.write(tx, outbox, changes, RULES_CHANGED)
    await zone_rules.stamp(tx, right, TZDATA_VERSION)


class ZoneWatch:
    """A step of a loop: recomputes once this process has a newer release of the rules than events were made by.

    Safe in many processes. One that has an older release than another has had leaves all to that: two releases that
    are rolled out side by side must not move events to and fro.
    """

    def __init__(self, database: Database, outbox: Outbox, rules: Rulebook) -> None:
        self._database = database
        self._outbox = outbox
        self._rules = rules
        self._lease = Lease(database, "zone-recompute", seconds=3 * EVERY_SECONDS)
        self._remembered = False

    async def step(self) -> float:
        if not self._remembered:
            await zone_rules.remember(self._database, TZDATA_VERSION, fingerprints(), zone_file)
            self._remembered = True
        state = await zone_rules.state(self._database, TZDATA_VERSION)
        if state.newest <= TZDATA_VERSION and state.wanted and await self._lease.held():
            report = await recompute(self._database, self._outbox, self._rules, going_on=self._lease.held)
            log_report("zone rules changed", "zone", report, tzdata=TZDATA_VERSION)
        return EVERY_SECONDS
