"""Imports of history: events that another system has fired are kept and announced as they ended. Nothing fires."""

from datetime import datetime, timedelta
from uuid import UUID

from chassis.database.database import Transaction
from chassis.imports.jobs import Job
from chassis.imports.runner import Store, Stored
from chassis.messaging.outbox import Outbox
from chassis.telemetry.tracing import current_traceparent, linked_traceparent
from contracts.vocabulary import EventType, raise_priority
from event_service.adapters import event_endings, event_locks, events
from event_service.adapters.event_endings import PastEvent
from event_service.adapters.partitions import cover
from event_service.application import notices
from event_service.application.imports import Lines, Outcome, imported_id, lock_people
from event_service.domain.errors import EventServiceError, ImpossibleTimeError
from event_service.domain.events import Event
from event_service.domain.imported import Imported, NewHistory
from event_service.domain.recipients import Recipient

KIND = "history"


def history_id(external_key: str) -> UUID:
    return imported_id(KIND, external_key)


def history_store(outbox: Outbox, retention: timedelta) -> Store[Imported[NewHistory]]:
    """How a chunk of lines is stored. A row older than ``retention`` would be dropped at once, and is refused."""

    async def store(tx: Transaction, job: Job, lines: Lines[NewHistory]) -> Stored:
        outcome = Outcome()
        people, found = await lock_people(tx, lines, outcome)
        known = await event_locks.lock_all(tx, [history_id(each.external_key) for _, each, _ in found])
        now = await events.current_time(tx)
        past: list[PastEvent] = []
        for line, each, user_id in found:
            id = history_id(each.external_key)
            if id in known:
                outcome.unchanged += 1
                continue
            try:
                _check(each.content, now, retention)
            except EventServiceError as error:
                outcome.refuse(line, error)
                continue
            past.append(_past_event(id, each, people[user_id]))
        if past:
            targets = [each.event.target for each in past]
            await cover(tx, min(targets), max(targets))
            await event_endings.copy_past(tx, past)
            await outbox.append(tx, [notices.past(each.event, each.status, each.finished_at) for each in past])
        outcome.created += len(past)
        return outcome.stored()

    return store


def _check(history: NewHistory, now: datetime, retention: timedelta) -> None:
    """Raises ImpossibleTimeError."""
    if history.finished_at > now:
        raise ImpossibleTimeError(f"must not be in the future: it is {now:%Y-%m-%dT%H:%M:%SZ}", "finishedAt")
    if history.target < now - retention:
        raise ImpossibleTimeError(
            f"must not be more than {retention.days} days ago (RETENTION_DAYS): older events are not kept",
            "targetTimestampUTC",
        )


def _past_event(id: UUID, line: Imported[NewHistory], recipient: Recipient) -> PastEvent:
    history = line.content
    priority = raise_priority(EventType(history.event_type)) if history.priority is None else history.priority
    event = Event(
        id=id,
        target=history.target,
        schedule_id=None,
        user_id=recipient.user_id,
        event_type=history.event_type,
        occurrence=history.occurrence or history.target.isoformat().replace("+00:00", "Z"),
        priority=priority,
        timezone=history.timezone or recipient.timezone,
        grace_until=max(history.finished_at, history.target),
        expires_at=max(history.finished_at, history.target),
        payload=dict(history.payload),
        tags=recipient.tags,
        email=None,
        phone=None,
        traceparent=linked_traceparent("import history", current_traceparent()),
        external_id=recipient.external_id,
        idempotency_key=line.idempotency_key,
    )
    return PastEvent(event, history.status, history.reason, history.finished_at)
