"""Published by user-service: every change carries the whole scheduling snapshot, so that one item is enough."""

from datetime import date
from uuid import UUID

from pydantic import Field

from contracts.messages.spec import Item, MessageSpec, MessageType
from contracts.send_hours import Hours
from contracts.vocabulary import Service
from contracts.wire import LocalTime, Text, WireModel


class Contact(WireModel):
    """Where a person can be reached; never leaves for webhooks."""

    email: str | None = None
    phone: str | None = None


class Anniversary(WireModel):
    anniversary_id: UUID
    label: Text
    date: date
    important: bool


class UserItem(Item):
    """A user as scheduling needs it. A consumer applies it only if its version is newer than what it has.

    ``external_id`` is what the client's own system calls the user; left out where there is none.

    ``send_window`` is when the user may be reached, ``locale`` a BCP 47 tag; both are left out where nothing is set,
    and by publishers before them.
    """

    user_id: UUID
    version: int = Field(ge=1)
    first_name: Text
    last_name: Text
    date_of_birth: date
    timezone: Text
    delivery_time: LocalTime
    anniversaries: list[Anniversary]
    tags: list[str]
    contact: Contact
    external_id: Text | None = Field(default=None, exclude_if=lambda value: value is None)
    send_window: Hours | None = Field(default=None, exclude_if=lambda value: value is None)
    locale: Text | None = Field(default=None, exclude_if=lambda value: value is None)


class UserDeletedItem(Item):
    """The last version of a user: nothing personal is left in it."""

    user_id: UUID
    version: int = Field(ge=1)


_SNAPSHOTS = {
    MessageType.USER_CREATED: "A user was created.",
    MessageType.USER_BIRTHDAY_CHANGED: "A user's date of birth changed.",
    MessageType.USER_TIMEZONE_CHANGED: "A user moved to another time zone.",
    MessageType.USER_RENAMED: "A user's first or last name changed.",
    MessageType.USER_DELIVERY_TIME_CHANGED: "A user's delivery time or send window changed.",
    MessageType.USER_CONTACT_CHANGED: "A user's e-mail address, phone number, tags, external id or locale changed.",
    MessageType.ANNIVERSARY_ADDED: "A user has a new anniversary.",
    MessageType.ANNIVERSARY_CHANGED: "An anniversary's label, date or importance changed.",
    MessageType.ANNIVERSARY_REMOVED: "A user lost an anniversary.",
}

MESSAGES = (
    *(MessageSpec(type, Service.USER, UserItem, summary) for type, summary in _SNAPSHOTS.items()),
    MessageSpec(MessageType.USER_DELETED, Service.USER, UserDeletedItem, "A user was deleted."),
)
