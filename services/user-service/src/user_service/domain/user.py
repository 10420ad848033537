"""A user: what a profile may hold, and which kinds of change there are."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time
from enum import Enum
from typing import Any
from uuid import UUID

from contracts.send_window import SendWindow
from user_service.domain.anniversaries import Anniversaries, Occasion
from user_service.domain.errors import BirthInFutureError

MAX_NAME = 100
"""Characters, after trimming."""

_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL = rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@({_LABEL}\.)+{_LABEL}$"
"""What browsers accept (WHATWG HTML, "valid e-mail address"), with at least one dot in the domain."""
MAX_EMAIL = 254
"""Characters (RFC 5321 §4.5.3.1.3: a path of 256 with its angle brackets)."""

PHONE = r"^\+[1-9][0-9]{1,14}$"
"""ITU-T E.164: ``+``, country code and number, at most 15 digits."""

TAG = r"^[a-z0-9]+([-_][a-z0-9]+)*$"
"""A slug, so that a tag needs no escaping anywhere."""
MAX_EXTERNAL_ID = 200
"""Characters, after trimming."""

MAX_TAG = 50
MAX_TAGS = 20

DELIVERY_TIME = time(9)
"""The default local time of delivery."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a client says about a user. ``delivery_time`` is local to ``timezone``; ``tags`` are unique and sorted.

    ``external_id`` is what the client's own system calls the user: unique among users, compared byte by byte.
    ``send_window`` is when the user may be reached (None: at any time), ``locale`` a BCP 47 tag.
    """

    first_name: str
    last_name: str
    date_of_birth: date
    timezone: str
    email: str | None = None
    phone: str | None = None
    tags: tuple[str, ...] = ()
    delivery_time: time = DELIVERY_TIME
    external_id: str | None = None
    send_window: SendWindow | None = None
    locale: str | None = None

    def values(self) -> dict[str, Any]:
        """By the names of the fields, as they are: ``dataclasses.asdict`` would copy each, on every row of a list."""
        return {name: getattr(self, name) for name in _DEFAULTS}

    def merged(self, patch: Mapping[str, Any]) -> "Profile":
        """The profile with the patch's values. None puts a field back to its default (RFC 7396: null removes)."""
        return replace(self, **{name: _DEFAULTS[name] if value is None else value for name, value in patch.items()})

    def born_by(self, today: date) -> None:
        """Refuse a birth after ``today``, which is the current date in the user's own zone.

        Raises:
            BirthInFutureError
        """
        if self.date_of_birth > today:
            raise BirthInFutureError(f"{self.date_of_birth} is in the future: in {self.timezone} it is {today}")


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Profile)}
EVERYTHING = frozenset({*_DEFAULTS, "anniversaries"})
"""The names of all that a client can say about a user."""


@dataclass(frozen=True, slots=True)
class User:
    """A stored profile with its anniversaries. ``version`` grows by one with every change, deletion included."""

    id: UUID
    version: int
    profile: Profile
    created_at: datetime
    updated_at: datetime
    anniversaries: Anniversaries = ()


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a client says about a user who is to be, or of one whom it knows by an external id.

    ``given`` names the fields that it says something about, ``anniversaries`` among them: others stay as they are where
    the user is there already. ``labels`` are those of the anniversaries that it says something about; None: of all.
    """

    profile: Profile
    occasions: tuple[Occasion, ...] = ()
    given: frozenset[str] = EVERYTHING
    labels: frozenset[str] | None = None

    def possible_on(self, today: date) -> None:
        """Refuse what lies after ``today``, which is the current date in the user's own zone.

        Raises:
            BirthInFutureError, AnniversaryInFutureError
        """
        self.profile.born_by(today)
        for place, occasion in enumerate(self.occasions):
            occasion.begun_by(today, f"anniversaries.{place}.date")


class Change(Enum):
    """The kinds of change that are published; the value names the fields of the profile that it concerns."""

    BIRTHDAY = ("date_of_birth",)
    TIMEZONE = ("timezone",)
    DELIVERY_TIME = ("delivery_time", "send_window")
    NAME = ("first_name", "last_name")
    CONTACT = ("email", "phone", "tags", "external_id", "locale")


def changes(before: Profile, after: Profile) -> list[Change]:
    """The kinds of change between two states, none where they are equal."""
    return [change for change in Change if any(getattr(before, name) != getattr(after, name) for name in change.value)]


@dataclass(frozen=True, slots=True)
class Search:
    """Which users are wanted: those that meet everything given, after a position in the list (newest first).

    ``email`` matches whatever its case; ``birthday`` is (month, day); ``before`` is the last user's (created_at, id).
    """

    email: str | None = None
    external_id: str | None = None
    timezone: str | None = None
    tag: str | None = None
    birthday: tuple[int, int] | None = None
    before: tuple[datetime, UUID] | None = None
