"""Use cases of calendar feeds."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice, takewhile
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database.database import Database, Reader
from chassis.database.read_routing import Reads
from event_service.adapters import calendar_feeds as store
from event_service.adapters import event_views, recipients, schedule_views
from event_service.adapters.calendar_feeds import Position
from event_service.adapters.event_views import EventView
from event_service.application.coming import Coming, coming_of
from event_service.domain.calendar_feeds import (
    HORIZON,
    MAX_ENTRIES,
    MAX_SCHEDULES,
    MAX_USERS,
    CalendarFeed,
    Entry,
    digest,
    new_token,
)
from event_service.domain.errors import CalendarFeedNotFoundError, ScheduleNotFoundError, UnknownUserError
from event_service.domain.local_time import Applied
from event_service.domain.occurrences import event_id, message_of
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule
from event_service.domain.type_rules import Rulebook


async def create_feed(
    database: Database,
    *,
    name: str,
    user_id: UUID | None = None,
    schedule_id: UUID | None = None,
    tag: str | None = None,
) -> tuple[CalendarFeed, str]:
    """Store a feed of exactly one user, schedule or tag. Returns it with its token, of which only the digest is kept.

    Raises UnknownUserError, ScheduleNotFoundError.
    """
    token = new_token()
    async with database.transaction() as tx:
        owner = user_id
        if schedule_id is not None:
            view = await schedule_views.find(tx, schedule_id)
            if view is None:
                raise ScheduleNotFoundError(f"there is no schedule {schedule_id}")
            owner = view.schedule.user_id
        # Kept until the transaction ends, so that a deletion of the user comes after and revokes the feed.
        if owner is not None and owner not in await recipients.lock(tx, [owner]):
            raise UnknownUserError(f"there is no user {owner}, or a new one is known here after a moment")
        feed = await store.insert(
            tx, uuid7(), digest(token), name=name, user_id=user_id, schedule_id=schedule_id, tag=tag
        )
    return feed, token


async def list_feeds(reads: Reads, *, before: Position | None, limit: int) -> Sequence[CalendarFeed]:
    """Feeds that are not revoked, newest first; ``before`` is where the page before ended."""
    async with reads.open() as reader:
        return await store.newest(reader, before=before, limit=limit)


async def revoke_feed(database: Database, feed_id: UUID) -> None:
    """Revoke a feed: its token is not known any more. Raises CalendarFeedNotFoundError."""
    async with database.transaction() as tx:
        if not await store.revoke(tx, feed_id):
            raise CalendarFeedNotFoundError(f"there is no calendar feed {feed_id}")


async def read_feed(database: Database, rules: Rulebook, token: str, now: datetime) -> tuple[CalendarFeed, list[Entry]]:
    """Return the feed of a token, and what it shows: the next 12 months, and at most 1,000 entries, the earliest first.

    Raises CalendarFeedNotFoundError without detail, for an unknown token as for a revoked one.
    """
    # A revocation counts at once, so the primary is asked.
    async with database.read() as reader:
        feed = await store.find(reader, digest(token))
        if feed is None:
            raise CalendarFeedNotFoundError("there is no such calendar")
        found = await _find(reader, feed, now)
    # Up to a thousand rules: they are worked out beside the event loop.
    return feed, await asyncio.to_thread(_entries, rules, found, now)


@dataclass(frozen=True, slots=True)
class _Found:
    people: Mapping[UUID, Recipient]
    schedules: Sequence[Schedule]
    moved: Sequence[EventView]
    alone: Sequence[EventView]


async def _find(reader: Reader, feed: CalendarFeed, now: datetime) -> _Found:
    until = now + HORIZON
    alone: list[EventView] = []
    if feed.schedule_id is not None:
        schedules = await store.schedule(reader, feed.schedule_id, until)
        users = [each.user_id for each in schedules]
    else:
        users = (
            [feed.user_id] if feed.user_id is not None else await store.users_of_tag(reader, feed.tag or "", MAX_USERS)
        )
        schedules = await store.schedules_of(reader, users, until, MAX_SCHEDULES)
        alone = await event_views.alone(reader, users, now, until, MAX_ENTRIES)
    people = await recipients.find(reader, users)
    moved = await event_views.moved(reader, users, [each.id for each in schedules], now)
    return _Found(people, [each for each in schedules if each.user_id in people], moved, alone)


def _entries(rules: Rulebook, found: _Found, now: datetime) -> list[Entry]:
    moved: dict[UUID | None, list[EventView]] = defaultdict(list)
    for each in found.moved:
        moved[each.schedule_id].append(each)
    series = [_of_schedule(rules, each, moved[each.id], now) for each in found.schedules]
    alone = [(each.target, each) for each in found.alone if each.user_id in found.people]
    until = now + HORIZON
    earliest = takewhile(lambda one: one[0] < until, merge(alone, *series, key=lambda one: one[0]))
    return [_entry(rules, what, found.people) for _, what in islice(earliest, MAX_ENTRIES)]


_Planned = tuple[Schedule, Coming]


def _of_schedule(
    rules: Rulebook, schedule: Schedule, moved: Iterable[EventView], now: datetime
) -> Iterator[tuple[datetime, _Planned | EventView]]:
    for each in coming_of(rules, schedule, moved, now):
        yield each.occurrence.instant, (schedule, each)


def _entry(rules: Rulebook, what: _Planned | EventView, people: Mapping[UUID, Recipient]) -> Entry:
    if isinstance(what, EventView):
        return Entry(what.id, what.target, what.event_type, str(what.payload.get("message", "")))
    schedule, coming = what
    occurrence = coming.occurrence
    message = message_of(rules, schedule, occurrence.key, people[schedule.user_id])
    return Entry(
        id=event_id(schedule.id, occurrence.key),
        at=occurrence.instant,
        event_type=schedule.event_type,
        message=message,
        label=schedule.label,
        missed=Applied.SEND_WINDOW_MISSED in occurrence.policy,
    )
