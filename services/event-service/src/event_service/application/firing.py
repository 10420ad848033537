"""Firing: due events are claimed, published and stamped, in batches. The stamp makes their successors (ADR 0027).

A claim is a lease. Its holder publishes during the first half of it: no call starts later. An event that a call may
have published without an answer stays PROCESSING, so that the API refuses to cancel or move it. It is published again
with the same attempt and key until that is confirmed, an outcome comes, or the outcome horizon ends (ADR 0028).
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

import structlog
from opentelemetry import metrics

from chassis.database.database import Database
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import Priority
from event_service.adapters import claims, events, recipients, schedules
from event_service.adapters.claims import Claim
from event_service.application import notices
from event_service.application.holding import hold_back
from event_service.application.next_occurrence import schedule_next
from event_service.application.orphans import cancel_orphans, find_orphans
from event_service.application.ports import DueEventBus
from event_service.domain.events import Event, Published
from event_service.domain.type_rules import Rulebook

log = structlog.get_logger(__name__)
meter = metrics.get_meter("almanac.scheduler")
_claimed = meter.create_counter("almanac_events_claimed", description="Events claimed, by priority")
_published = meter.create_counter("almanac_events_published", description="Events that SNS accepted, by priority")
_claim_duration = meter.create_histogram("almanac_claim_duration", unit="s", description="Time of one claim statement")
_lateness = meter.create_histogram(
    "almanac_publish_lateness",
    unit="s",
    description="From target to publication of the latest of a batch, by priority, without retries",
)


_unconfirmed = meter.create_counter(
    "almanac_events_unconfirmed", description="Events whose publication got no clear answer, by priority"
)

PUBLISHING_SHARE = 0.5
"""Of its lease a claim is published during this share. The rest is for calls to end and for the stamp."""
RETRY_SECONDS = 5.0
"""Pause before an event that the bus refused or did not answer for is published again, in real time."""


class NotPublishedError(RuntimeError):
    """The bus did not accept everything. What it refused waits again; what it did not answer for stays PROCESSING."""


@dataclass(frozen=True, slots=True)
class FiringRules:
    """See the settings of the same names. ``types`` are the rules of each type, by which successors are made."""

    batch: int
    lease_seconds: float
    outcome_seconds: float
    ahead_seconds: float = 0.0
    types: Rulebook = field(kw_only=True)

    @property
    def publishing_seconds(self) -> float:
        """How long after a claim its last call may be in progress."""
        return self.lease_seconds * PUBLISHING_SHARE


async def fire_due(
    database: Database,
    outbox: Outbox,
    bus: DueEventBus,
    rules: FiringRules,
    priority: int,
    *,
    since: datetime = claims.BEGINNING,
) -> int | None:
    """Claim and publish one batch of a priority. Returns how many were claimed, or None where the queue has no room.

    Args:
        since: no late event with an earlier target can be claimed.

    Raises:
        NotPublishedError: see there.
    """
    limit = min(rules.batch, await bus.room(priority))
    if limit <= 0:
        return None
    # Counted from before the claim, which is before its lease began.
    started = time.monotonic()
    claim = await claims.claim_due(
        database,
        priority=priority,
        limit=limit,
        token=uuid4(),
        lease_seconds=rules.lease_seconds,
        ahead_seconds=rules.ahead_seconds,
        since=since,
    )
    _claim_duration.record(time.monotonic() - started)
    if claim is None:
        return 0
    _claimed.add(len(claim.events), {"priority": Priority(priority).name})
    open_now = await hold_back(database, outbox, rules.types, claim)
    if open_now.events:
        await _publish(database, outbox, bus, rules, priority, open_now, started + rules.publishing_seconds)
    return len(claim.events)


async def publish_again(database: Database, outbox: Outbox, bus: DueEventBus, rules: FiringRules, priority: int) -> int:
    """Publish again what got no outcome in time, and what may have been published by a claim that was never stamped.

    It is the same attempt with the same key, so that it takes effect once. As much as the queue has room for. Returns
    how many; raises NotPublishedError.
    """
    if not await claims.any_to_take_over(database, priority):
        return 0
    limit = min(rules.batch, await bus.room(priority))
    if limit <= 0:
        return 0
    started = time.monotonic()
    claim = await claims.take_over(
        database,
        priority=priority,
        limit=limit,
        token=uuid4(),
        lease_seconds=rules.lease_seconds,
        outcome_seconds=rules.outcome_seconds,
    )
    if claim is None:
        return 0
    taken = len(claim.events)
    if claim.unconfirmed:
        claim = await _without_orphans(database, rules, claim)
    log.warning("published again", events=len(claim.events), unconfirmed=len(claim.unconfirmed))
    await _publish(database, outbox, bus, rules, priority, claim, started + rules.publishing_seconds)
    return taken


async def return_unconfirmed(database: Database, outbox: Outbox, rules: FiringRules) -> int:
    """Let one batch of events wait again whose publication was not confirmed within the outcome horizon.

    Returns how many.
    """
    async with database.transaction() as tx:
        returned = await claims.return_unconfirmed(tx, limit=rules.batch, outcome_seconds=rules.outcome_seconds)
        await cancel_orphans(tx, outbox, returned)
    if returned:
        log.warning("events wait again, their publication was never confirmed", events=len(returned))
    return len(returned)


async def _without_orphans(database: Database, rules: FiringRules, claim: Claim) -> Claim:
    """Drop events without a schedule, user or broadcast: they may have been published, and must not be published
    again."""
    async with database.transaction() as tx:
        doubtful = [event for event in claim.events if event.id in claim.unconfirmed]
        orphans = {key.id for keys in (await find_orphans(tx, doubtful)).values() for key in keys}
        left = [event for event in doubtful if event.id in orphans]
        await claims.leave(tx, claim.token, left, seconds=rules.outcome_seconds)
    return replace(
        claim,
        events=[event for event in claim.events if event.id not in orphans],
        unconfirmed=claim.unconfirmed - orphans,
    )


async def _publish(
    database: Database,
    outbox: Outbox,
    bus: DueEventBus,
    rules: FiringRules,
    priority: int,
    claim: Claim,
    deadline: float,
) -> None:
    done = 0
    async for wave in _as_they_fall_due(claim):
        done += len(wave)
        # Of a wave that was claimed ahead, the latest has just come.
        now = max(claim.now, wave[-1].target)
        results = list(zip(wave, await bus.publish(wave, now, deadline), strict=True))
        accepted = [(event, result) for event, result in results if result.error is None]
        await _stamp(database, outbox, rules, priority, claim, accepted, now)
        if len(accepted) == len(wave):
            continue
        maybe = [event for event, result in results if result.error is not None and result.maybe]
        refused = [event for event, result in results if result.error is not None and not result.maybe]
        # Events that are not due yet would be refused too: all are returned, and the loop slows down.
        returned = [*refused, *claim.events[done:]]
        async with database.transaction() as tx:
            await claims.leave(tx, claim.token, maybe, seconds=RETRY_SECONDS, in_doubt_seconds=rules.outcome_seconds)
            await cancel_orphans(tx, outbox, await claims.give_back(tx, claim.token, returned))
            await claims.leave(tx, claim.token, returned, seconds=RETRY_SECONDS)
        if maybe:
            _unconfirmed.add(len(maybe), {"priority": Priority(priority).name})
        reason = next(result.error for _, result in results if result.error is not None)
        raise NotPublishedError(
            f"{len(maybe) + len(returned)} of {len(claim.events)} events not published"
            f"{f' ({len(maybe)} of them perhaps)' if maybe else ''}, the first because: {reason}"
        )


async def _as_they_fall_due(claim: Claim) -> AsyncIterator[Sequence[Event]]:
    """The claim's events by target, each once it is due and never before: all at once, but for those claimed ahead."""
    # Counted from when the claim was here, which is after the database read its clock.
    here, start = time.monotonic(), 0
    while start < len(claim.events):
        await asyncio.sleep(max(0.0, claim.delay(claim.events[start]) - (time.monotonic() - here)))
        waited = time.monotonic() - here
        end = bisect_right(claim.events, waited, start, key=claim.delay)
        if end > start:  # a timer may ring a moment early
            yield claim.events[start:end]
            start = end


async def _stamp(
    database: Database,
    outbox: Outbox,
    rules: FiringRules,
    priority: int,
    claim: Claim,
    accepted: Sequence[tuple[Event, Published]],
    claimed_at: datetime,
) -> None:
    if not accepted:
        return
    published = [event for event, _ in accepted]
    traceparents = {event.id: result.traceparent for event, result in accepted}
    async with database.transaction() as tx:
        # Schedules are locked before events, by everyone.
        live = await schedules.lock_live(tx, [event.id for event in published if event.schedule_id is not None])
        stamped = await claims.stamp(tx, claim.token, published, outcome_seconds=rules.outcome_seconds)
        recorded = [(event, live[event.id]) for event in published if event.id in live and event.id in stamped]
        people = await recipients.find(tx, {event.user_id for event, _ in recorded})
        now = await events.current_time(tx)
        continuation = await schedule_next(tx, rules.types, recorded, people, lambda event: traceparents[event.id], now)
        await outbox.append(
            tx,
            [
                *notices.published(published, list(traceparents.values()), claimed_at, now),
                *continuation.notices(now),
            ],
        )
    _published.add(len(published), {"priority": Priority(priority).name})
    # A retry by people, hours later, says nothing about punctuality.
    if first := next((event for event in published if event.attempt == 1), None):
        _lateness.record(max(0.0, first.lateness(now).total_seconds()), {"priority": Priority(priority).name})
