"""Events that are asked for alone, one or a batch (docs/architecture.md#scheduling)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import idempotency
from chassis.database.database import Database, Transaction
from chassis.database.idempotency import IdempotencyKey
from chassis.messaging.outbox import Outbox
from chassis.telemetry.tracing import current_traceparent
from contracts.identity import derive_id
from event_service.adapters import event_views, events, recipients
from event_service.adapters.event_views import EventView
from event_service.application import notices
from event_service.domain import templates
from event_service.domain.errors import (
    EventServiceError,
    InvalidItemsError,
    LabelMissingError,
    UnknownUserError,
)
from event_service.domain.event_defaults import check_message, lateness, resolve_priority
from event_service.domain.events import Event
from event_service.domain.occurrences import person_of
from event_service.domain.one_offs import NewEvent
from event_service.domain.recipients import Recipient
from event_service.domain.send_times import of_person, sent_at
from event_service.domain.time_resolution import place
from event_service.domain.type_rules import Rulebook

MOST_FAULTS = 100
"""Of a batch, that an answer names."""


async def create_event(
    database: Database, outbox: Outbox, rules: Rulebook, new: NewEvent, key: IdempotencyKey | None
) -> EventView:
    """Schedule one event. Under a key that has created one before, that one is returned as it is now.

    Raises:
        UnknownUserError, ImpossibleTimeError, PriorityTooLowError, InvalidTemplateError, LabelMissingError,
        ExpiryBeforeGraceError
        IdempotencyKeyReusedError: the key came with another request.
    """
    async with database.transaction() as tx:
        [made] = await _create(tx, outbox, rules, [new], key, named=False)
    return made


async def create_events(
    database: Database, outbox: Outbox, rules: Rulebook, news: Sequence[NewEvent], key: IdempotencyKey | None
) -> list[EventView]:
    """Schedule all of them, in a handful of statements, or none. Returns them in their order.

    Raises:
        InvalidItemsError: names the errors of each.
        IdempotencyKeyReusedError: the key came with another request.
    """
    async with database.transaction() as tx:
        return await _create(tx, outbox, rules, news, key, named=True)


async def _create(
    tx: Transaction,
    outbox: Outbox,
    rules: Rulebook,
    news: Sequence[NewEvent],
    key: IdempotencyKey | None,
    *,
    named: bool,
) -> list[EventView]:
    request_id = uuid7()
    claimed = await idempotency.claim(tx, key, request_id)
    ids = [derive_id(claimed, str(number)) for number in range(len(news))]
    if claimed == request_id:
        people = await recipients.lock(tx, {new.user_id for new in news})
        now = await events.current_time(tx)
        made = _make_all(rules, news, ids, people, now) if named else [one_off(rules, news[0], ids[0], people, now)]
        await events.insert(tx, made)
        await outbox.append(tx, notices.scheduled(made, now))
    views = await event_views.find_all(tx, ids)
    return [views[id] for id in ids]


def _make_all(
    rules: Rulebook, news: Sequence[NewEvent], ids: Sequence[UUID], people: Mapping[UUID, Recipient], now: datetime
) -> list[Event]:
    made: list[Event] = []
    faults: list[tuple[str, str]] = []
    for number, (new, id) in enumerate(zip(news, ids, strict=True)):
        try:
            made.append(one_off(rules, new, id, people, now))
        except EventServiceError as error:
            faults.append((f"items.{number}.{error.field}", str(error)))
    if faults:
        raise InvalidItemsError(faults[:MOST_FAULTS])
    return made


def one_off(rules: Rulebook, new: NewEvent, id: UUID, people: Mapping[UUID, Recipient], now: datetime) -> Event:
    """Raises what an event that cannot be is refused with."""
    recipient = people.get(new.user_id)
    if recipient is None:
        raise UnknownUserError(f"there is no user {new.user_id}, or its message from user-service has not arrived yet")
    own = rules[new.event_type]
    allowed = lateness(own, new.grace, new.expiry)
    policies = own.policies_alone(new.gap, new.overlap)
    placed = place(new.when, recipient.timezone, policies, grace=allowed.grace, now=now)
    priority = resolve_priority(new.event_type, new.priority)
    template = _template(new, own.message_alone(recipient.locale)[0])
    event = Event(
        id=id,
        target=placed.target,
        schedule_id=None,
        user_id=new.user_id,
        event_type=new.event_type,
        occurrence=placed.occurrence,
        priority=priority,
        timezone=placed.timezone,
        grace_until=placed.target + allowed.grace,
        expires_at=placed.target + allowed.expiry,
        payload={**new.payload, "message": templates.render(template, person_of(recipient))},
        tags=recipient.tags,
        email=recipient.email,
        phone=recipient.phone,
        external_id=recipient.external_id,
        traceparent=current_traceparent(),
        wall=placed.wall,
        follows_user=placed.follows_user,
        template=template,
        gap=new.gap,
        overlap=new.overlap,
        ignores_window=new.ignores_window,
    )
    return sent_at(rules, of_person(event, recipient), placed.target)


def _template(new: NewEvent, usual: str) -> str:
    """The remaining placeholders are the user's, who may change; the label is the request's own."""
    if new.message is not None:
        check_message(new.event_type, new.message)
    template = usual if new.message is None else new.message
    if new.label is not None:
        return templates.fill(template, {"label": new.label})
    if "label" in templates.placeholders(template):
        raise LabelMissingError(f"the message names one: {template!r}")
    return template
