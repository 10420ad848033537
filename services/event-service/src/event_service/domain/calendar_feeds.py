"""Calendar feeds: coming events of a user, a tag or a schedule, for calendar programs (ADR 38)."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

HORIZON = timedelta(days=366)
"""How far ahead a feed shows events."""
MAX_ENTRIES = 1_000
"""Entries of a feed, the earliest first."""
MAX_SCHEDULES = 1_000
"""Schedules that a feed reads, those whose next event is earliest. Each has an entry, so no other is needed."""
MAX_USERS = 1_000
"""Users of a tag that its feed shows, in the order of their ids."""
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """A feed of exactly one of: a user, a schedule, a tag."""

    id: UUID
    name: str
    created_at: datetime
    user_id: UUID | None = None
    schedule_id: UUID | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An occurrence in a calendar. ``id`` is its event's, whether that is made yet or not.

    ``missed``: it will not be sent, because its send window does not open inside its grace.
    """

    id: UUID
    at: datetime
    event_type: str
    message: str = field(repr=False)
    label: str | None = field(default=None, repr=False)
    missed: bool = False


def new_token() -> str:
    """Return a random token of 256 bits, in 43 characters that need no escape in a URL."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Return the SHA-256 of a token, in hexadecimal: all that is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()
