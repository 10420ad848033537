"""Domain messages about users. All but UserDeleted carry the whole scheduling snapshot."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from contracts.messages.spec import Item, MessageType
from contracts.messages.user import Anniversary, Contact, UserDeletedItem, UserItem
from contracts.send_hours import hours_of
from user_service.domain.user import Change, User

_TYPES = {
    Change.BIRTHDAY: MessageType.USER_BIRTHDAY_CHANGED,
    Change.TIMEZONE: MessageType.USER_TIMEZONE_CHANGED,
    Change.DELIVERY_TIME: MessageType.USER_DELIVERY_TIME_CHANGED,
    Change.NAME: MessageType.USER_RENAMED,
    Change.CONTACT: MessageType.USER_CONTACT_CHANGED,
}


def created(user: User, traceparent: str | None = None) -> list[tuple[MessageType, Item]]:
    return [(MessageType.USER_CREATED, _snapshot(user, traceparent))]


def changed(user: User, changes: Sequence[Change]) -> list[tuple[MessageType, Item]]:
    """One item per kind of change, all with the same version and snapshot, so that any one of them is enough."""
    return [(_TYPES[change], _snapshot(user)) for change in changes]


def updated(
    before: User, after: User, changes: Sequence[Change], traceparent: str | None = None
) -> list[tuple[MessageType, Item]]:
    """One item per kind of change of the profile or of the anniversaries, as :func:`changed`."""
    was = {each.id: each.occasion for each in before.anniversaries}
    now = {each.id: each.occasion for each in after.anniversaries}
    types = [_TYPES[change] for change in changes]
    if now.keys() - was.keys():
        types.append(MessageType.ANNIVERSARY_ADDED)
    if any(was[id] != now[id] for id in was.keys() & now.keys()):
        types.append(MessageType.ANNIVERSARY_CHANGED)
    if was.keys() - now.keys():
        types.append(MessageType.ANNIVERSARY_REMOVED)
    return [(type, _snapshot(after, traceparent)) for type in types]


def anniversary_added(user: User) -> list[tuple[MessageType, Item]]:
    return [(MessageType.ANNIVERSARY_ADDED, _snapshot(user))]


def anniversary_changed(user: User) -> list[tuple[MessageType, Item]]:
    return [(MessageType.ANNIVERSARY_CHANGED, _snapshot(user))]


def anniversary_removed(user: User) -> list[tuple[MessageType, Item]]:
    return [(MessageType.ANNIVERSARY_REMOVED, _snapshot(user))]


def deleted(user_id: UUID, version: int) -> list[tuple[MessageType, Item]]:
    """``version`` is one more than the last that the user had."""
    return [(MessageType.USER_DELETED, UserDeletedItem(item_id=uuid7(), user_id=user_id, version=version))]


def _snapshot(user: User, traceparent: str | None = None) -> UserItem:
    profile = user.profile
    return UserItem(
        item_id=uuid7(),
        traceparent=traceparent,
        user_id=user.id,
        version=user.version,
        first_name=profile.first_name,
        last_name=profile.last_name,
        date_of_birth=profile.date_of_birth,
        timezone=profile.timezone,
        delivery_time=profile.delivery_time,
        anniversaries=[
            Anniversary(
                anniversary_id=each.id,
                label=each.occasion.label,
                date=each.occasion.date,
                important=each.occasion.important,
            )
            for each in user.anniversaries
        ],
        tags=list(profile.tags),
        contact=Contact(email=profile.email, phone=profile.phone),
        external_id=profile.external_id,
        send_window=None if profile.send_window is None else hours_of(profile.send_window),
        locale=profile.locale,
    )
