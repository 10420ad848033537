"""What recomputes after a new release of zone rules or of public holidays have in common."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import structlog

from chassis.database.database import Database, Transaction
from event_service.adapters.recomputes import Move, Shifts
from event_service.domain.changes import Changes
from event_service.domain.events import Event
from event_service.domain.recipients import Recipient
from event_service.domain.schedule_planning import plan_schedule
from event_service.domain.schedules import LiveEvent, Schedule

log = structlog.get_logger(__name__)

BATCH = 500
"""Events in one transaction."""
EVERY_SECONDS = 60.0
"""Between two looks for a new release."""

Report = dict[str, Shifts]
"""By zone or calendar, of those that changed and in which something waits."""


def add(report: Report, done: Mapping[str, Shifts]) -> None:
    """Add what a batch did."""
    for name, each in done.items():
        report.setdefault(name, Shifts()).merge(each)


def log_report(event: str, label: str, report: Report, **release: str) -> None:
    """Log what each changed zone or calendar has moved, by its name under ``label``."""
    for name, each in sorted(report.items()):
        log.warning(
            event,
            **{label: name},
            **release,
            examined=each.examined,
            moved=each.moved,
            replaced=each.replaced,
            least=str(each.least),
            greatest=str(each.greatest),
        )


@asynccontextmanager
async def transaction(database: Database, *, dry_run: bool) -> AsyncIterator[Transaction]:
    """Open a transaction, which is rolled back where it is a ``dry_run``."""
    if dry_run:
        async with database.read() as connection:  # nothing it does is kept
            yield Transaction(connection)
    else:
        async with database.transaction() as tx:
            yield tx


def plan_again(
    changes: Changes, schedule: Schedule, live: LiveEvent, event: Event, recipient: Recipient, shifts: Shifts
) -> bool:
    """Plan a pending event of a schedule again and count the result. Returns whether it stays as it is."""
    planned = plan_schedule(changes, schedule, schedule, live, recipient, schedule.traceparent)
    if planned.live_event_id != event.id or planned.next_at is None:
        shifts.replaced += 1
        return False
    return not count_move(shifts, event.id, event.target, planned.next_at)


def count_move(shifts: Shifts, event_id: UUID, before: datetime, after: datetime) -> bool:
    """Count an event where it has another instant now. Returns whether it has."""
    if before != after:
        shifts.add(Move(event_id, before, after))
    return before != after
