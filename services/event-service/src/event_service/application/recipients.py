"""The projection of users follows user-service, and schedules follow the projection."""

from collections.abc import Sequence
from uuid import UUID

from chassis.core.zones import is_known
from chassis.database import inbox
from chassis.database.database import Database
from chassis.messaging import erasures
from chassis.messaging.domain import ReceivedItem
from chassis.messaging.outbox import Outbox
from contracts.messages.user import UserDeletedItem, UserItem
from contracts.send_hours import window_of
from event_service.adapters import calendar_feeds, event_endings, events
from event_service.adapters import recipients as store
from event_service.application.planning import reconcile
from event_service.domain.recipients import Recipient
from event_service.domain.type_rules import Rulebook


async def apply_user_items(
    database: Database, outbox: Outbox, rules: Rulebook, received: Sequence[ReceivedItem]
) -> None:
    """Apply user items: each once, and only those that are newer than the stored version of their user.

    Order, duplicates and a deletion that overtakes the creation make no difference: the newest version wins.
    """
    async with database.transaction() as tx:
        fresh = await inbox.unseen(tx, [each.item_id for each in received])
        newest: dict[UUID, Recipient] = {}
        traceparents: dict[UUID, str | None] = {}
        for each in received:
            recipient = _recipient(each) if each.item_id in fresh else None
            if recipient is None:
                continue
            known = newest.get(recipient.user_id)
            if known is None or known.version < recipient.version:
                newest[recipient.user_id] = recipient
                traceparents[recipient.user_id] = each.traceparent
        applied = await store.upsert_newer(tx, list(newest.values()))
        changed = [newest[user_id] for user_id in applied]
        if changed:
            now = await events.current_time(tx)
            there = [user_id for user_id, new in applied.items() if not new]
            # Before their schedules are gone, by which feeds of those are found.
            deleted = [each.user_id for each in changed if each.deleted]
            await calendar_feeds.revoke_of_users(tx, deleted)
            await reconcile(tx, outbox, rules, changed, there, traceparents, now)
            await event_endings.forget_person(tx, deleted)
            await erasures.request(tx, deleted)


def _recipient(received: ReceivedItem) -> Recipient | None:
    item = received.item
    if isinstance(item, UserDeletedItem):
        return Recipient(item.user_id, item.version, deleted=True)
    if not isinstance(item, UserItem):
        return None
    if not is_known(item.timezone):
        raise UnknownZoneError(f"user {item.user_id}: this tzdata does not know the zone {item.timezone!r}")
    return Recipient(
        user_id=item.user_id,
        version=item.version,
        first_name=item.first_name,
        last_name=item.last_name,
        date_of_birth=item.date_of_birth,
        timezone=item.timezone,
        delivery_time=item.delivery_time,
        anniversaries=tuple(each.model_dump(mode="json") for each in item.anniversaries),
        tags=tuple(item.tags),
        email=item.contact.email,
        phone=item.contact.phone,
        external_id=item.external_id,
        send_window=None if item.send_window is None else window_of(item.send_window),
        locale=item.locale,
    )


class UnknownZoneError(ValueError):
    """The publisher knows a zone that we do not: tzdata differs between images. The message waits for the roll-out."""
