"""When a release of public holidays differs from the one before, pending events of working days move with it.

A calendar that a release drops keeps its last known days (ADR 32): nothing moves then. Companion of
:mod:`event_service.application.zone_changes`, which does the same for the rules of zones.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from chassis.database.database import Database, Transaction
from chassis.database.leases import Lease
from chassis.messaging.outbox import Outbox
from event_service.adapters import calendar_rules, events, recipients, schedules
from event_service.adapters.recomputes import Shifts
from event_service.application import planning
from event_service.application.calendar_days import remember_in_use
from event_service.application.planning import lock_live_events
from event_service.application.recomputing import BATCH, EVERY_SECONDS, Report, add, log_report, plan_again, transaction
from event_service.domain import calendars
from event_service.domain.changes import Changes
from event_service.domain.events import Event
from event_service.domain.type_rules import Rulebook

_moved = metrics.get_meter("almanac.events").create_counter(
    "almanac_events_moved_by_holidays",
    description="Waiting events that a new release of public holidays has moved or replaced, by calendar",
)

HOLIDAYS_CHANGED = "public holidays changed"
_FIRST = UUID(int=0)


_dropped: set[str] = set()


def _observe_dropped(_: CallbackOptions) -> Iterable[Observation]:
    yield Observation(len(_dropped))


metrics.get_meter("almanac.events").create_observable_gauge(
    "almanac_calendars_dropped",
    [_observe_dropped],
    description="Calendars of schedules that the holidays package no longer has, and whose last known days are used",
)


async def recompute(
    database: Database,
    outbox: Outbox,
    rules: Rulebook,
    *,
    dry_run: bool = False,
    going_on: Callable[[], Awaitable[bool]] | None = None,
    batch: int = BATCH,
) -> Report:
    """Recompute pending events whose calendar differs between this release and the one before.

    Each batch is a transaction of its own. ``dry_run`` changes nothing: every batch is rolled back. ``going_on`` is
    asked after each; where it says no, the rest is left to others.
    """
    report: Report = {}
    used = {each.name: each for each in await remember_in_use(database)}
    changed = (await calendar_rules.state(database, calendars.RELEASE)).changed
    run = None if dry_run or not changed else await calendar_rules.RECORDS.begin(database, calendars.RELEASE)
    for name in changed:
        after = _FIRST
        while name in used and (page := await calendar_rules.following(database, used[name], after=after, limit=batch)):
            after = page[-1].schedule_id or after
            done: Report = defaultdict(Shifts)
            async with transaction(database, dry_run=dry_run) as tx:
                await _renew(tx, outbox, rules, page, done[name])
                add(report, done)
                if run is not None:
                    await calendar_rules.RECORDS.progress(tx, run, report)
            if not dry_run:
                _moved.add(done[name].moved + done[name].replaced, {"calendar": name})
            if going_on is not None and not await going_on():
                return report
    if run is not None:
        await calendar_rules.RECORDS.finish(database, run)
    return report


async def _renew(tx: Transaction, outbox: Outbox, rules: Rulebook, waiting: Sequence[Event], shifts: Shifts) -> None:
    now = await events.current_time(tx)
    people = await recipients.lock(tx, {event.user_id for event in waiting})
    held = await schedules.lock_live(tx, [event.id for event in waiting])
    live = await lock_live_events(tx, held.values())
    changes = Changes(rules, now)
    for event in waiting:
        recipient, schedule = people.get(event.user_id), held.get(event.id)
        current = None if schedule is None else live.get(schedule.id)
        # An event that moved or was claimed since it was read is handled elsewhere.
        if recipient is None or schedule is None or current is None or not current.pending:
            continue
        if current.target != event.target:
            continue
        shifts.examined += 1
        plan_again(changes, schedule, current, event, recipient, shifts)
    await planning.write(tx, outbox, changes, HOLIDAYS_CHANGED)


class CalendarWatch:
    """A step of a loop: recomputes once this process has a newer release of the holidays than events were made by.

    Safe in many processes. One that has an older release than another has had leaves all to that.
    """

    def __init__(self, database: Database, outbox: Outbox, rules: Rulebook) -> None:
        self._database = database
        self._outbox = outbox
        self._rules = rules
        self._lease = Lease(database, "calendar-recompute", seconds=3 * EVERY_SECONDS)

    async def step(self) -> float:
        used = await remember_in_use(self._database)
        _dropped.clear()
        _dropped.update(each.name for each in used if not each.is_supported)
        state = await calendar_rules.state(self._database, calendars.RELEASE)
        if state.newest == calendars.RELEASE and state.wanted and await self._lease.held():
            report = await recompute(self._database, self._outbox, self._rules, going_on=self._lease.held)
            log_report(HOLIDAYS_CHANGED, "calendar", report, release=calendars.RELEASE)
        return EVERY_SECONDS
