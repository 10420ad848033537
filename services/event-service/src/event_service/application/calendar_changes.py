"""When a release of public holidays differs from the one before, what waits for working days moves with it.

Companion of :mod:`event_service.application.zone_changes`, which does the same for the rules of zones.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import structlog
from opentelemetry import metrics

from chassis.database.database import Database, Transaction
from chassis.database.leases import Lease
from chassis.messaging.outbox import Outbox
from event_service.adapters import calendar_rules, events, recipients, schedules
from event_service.adapters.calendar_rules import Calendar
from event_service.adapters.recomputes import Shifts
from event_service.application.planning import Changes, lock_live_events
from event_service.application.recomputing import BATCH, EVERY_SECONDS, Report, add, log_report, plan_again, transaction
from event_service.domain.business_days import RELEASE, BusinessDays
from event_service.domain.errors import InvalidRuleError
from event_service.domain.events import Event
from event_service.domain.type_rules import Rulebook

log = structlog.get_logger(__name__)
_moved = metrics.get_meter("almanac.events").create_counter(
    "almanac_events_moved_by_holidays",
    description="Waiting events that a new release of public holidays has moved or replaced, by calendar",
)

HOLIDAYS_CHANGED = "public holidays changed"
_FIRST = UUID(int=0)


async def remember(database: Database, known: set[str]) -> None:
    """Keep what this release says of the calendars in use, but for those ``known`` to be kept; they are added."""
    found = await calendar_rules.in_use(database)
    fresh = {name: found[name] for name in found.keys() - known}
    if fresh:
        # Forty years of a calendar take a moment.
        await calendar_rules.remember(database, RELEASE, await asyncio.to_thread(_fingerprints, fresh))
        known |= fresh.keys()


def _fingerprints(calendars: dict[str, Calendar]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for name, (country, subdivision) in calendars.items():
        try:
            digests[name] = BusinessDays(country, subdivision).fingerprint()
        except InvalidRuleError:
            log.exception("calendar is not in this release of holidays", calendar=name, release=RELEASE)
    return digests


async def recompute(
    database: Database,
    outbox: Outbox,
    rules: Rulebook,
    *,
    dry_run: bool = False,
    going_on: Callable[[], Awaitable[bool]] | None = None,
    batch: int = BATCH,
) -> Report:
    """Work out again what waits and keeps to a calendar that this release has otherwise than the one before.

    Each batch is a transaction of its own. ``dry_run`` changes nothing: every batch is rolled back. ``going_on`` is
    asked after each; where it says no, the rest is left to others.
    """
    await remember(database, set())
    report: Report = {}
    calendars = await calendar_rules.in_use(database)
    changed = (await calendar_rules.state(database, RELEASE)).changed
    run = None if dry_run or not changed else await calendar_rules.RECORDS.begin(database, RELEASE)
    for name in changed:
        after = _FIRST
        while name in calendars and (
            page := await calendar_rules.following(database, calendars[name], after=after, limit=batch)
        ):
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
        # What moved or was claimed since it was read is somebody else's by now.
        if recipient is None or schedule is None or current is None or not current.pending:
            continue
        if current.target != event.target:
            continue
        shifts.examined += 1
        plan_again(changes, schedule, current, event, recipient, shifts)
    await changes.write(tx, outbox, HOLIDAYS_CHANGED)


class CalendarWatch:
    """A step of a loop: recomputes once this process has a newer release of the holidays than events were made by.

    Safe in many processes. One that has an older release than another has had leaves all to that.
    """

    def __init__(self, database: Database, outbox: Outbox, rules: Rulebook) -> None:
        self._database = database
        self._outbox = outbox
        self._rules = rules
        self._lease = Lease(database, "calendar-recompute", seconds=3 * EVERY_SECONDS)
        self._known: set[str] = set()

    async def step(self) -> float:
        await remember(self._database, self._known)
        state = await calendar_rules.state(self._database, RELEASE)
        if state.newest == RELEASE and state.wanted and await self._lease.held():
            report = await recompute(self._database, self._outbox, self._rules, going_on=self._lease.held)
            log_report(HOLIDAYS_CHANGED, "calendar", report, release=RELEASE)
        return EVERY_SECONDS
