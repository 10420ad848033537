"""Request and reply models of the API; they never leave this room."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, time
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from chassis.api.pages import Cursor, Limit, decode_cursor
from chassis.api.send_windows import HoursBody, SendWindowInput, window_of
from chassis.api.wire import NOT_SENT, PatchModel, PathText, PlainText, RequestModel, WireModel, ZoneName
from chassis.core.errors import InvalidParameterError
from chassis.core.locales import canonical
from contracts.wire import LocalTime
from user_service.domain.anniversaries import MAX_ANNIVERSARIES, MAX_LABEL, Anniversary, Occasion
from user_service.domain.imports import Import, ImportFormat, ImportMode, ImportStatus, MissingUser, RefusedLine
from user_service.domain.user import (
    DELIVERY_TIME,
    EMAIL,
    EVERYTHING,
    MAX_EMAIL,
    MAX_EXTERNAL_ID,
    MAX_NAME,
    MAX_TAG,
    MAX_TAGS,
    PHONE,
    TAG,
    NewUser,
    Profile,
    Search,
    User,
)

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_DAY = re.compile(r"[0-9]{2}-[0-9]{2}")
_DAY_SCHEMA = r"^((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|[12]\d))$"


# Pydantic itself also takes Unix timestamps for dates and times; these take the one form that is documented.
def _iso_date(value: Any) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("must be a date as YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"no such date: {error}") from None


def _wall_time(value: Any) -> time:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a local time as HH:MM or HH:MM:SS")
    try:
        return time.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"no such time: {error}") from None


def _unique(tags: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(tags)) < len(tags):
        raise ValueError("a tag is given twice")
    return tuple(sorted(tags))


def _said_as(rule: str) -> WrapValidator:
    """Refuses by ``rule`` whatever a pattern refuses: a regular expression does not explain the rule."""

    def judge(value: Any, pattern: ValidatorFunctionWrapHandler) -> Any:
        try:
            return pattern(value)
        except ValidationError:
            raise ValueError(rule) from None

    return WrapValidator(judge)


def _day_of_year(value: Any) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day of the year as MM-DD")
    # A leap year: 29 February is a birthday.
    return _iso_date(f"2000-{value}")


Name = Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME)]
PastDate = Annotated[
    date,
    BeforeValidator(_iso_date),
    WithJsonSchema({"type": "string", "format": "date"}),
    Field(description="Not in the future where the user lives."),
]
Email = Annotated[
    str,
    Field(pattern=EMAIL, max_length=MAX_EMAIL, description="Need not be unique."),
    _said_as(f"must be an address like ada@example.org, of at most {MAX_EMAIL} characters"),
]
Phone = Annotated[
    str,
    Field(pattern=PHONE, description="E.164, like +4930123456."),
    _said_as("must be a number in the form of E.164, like +4930123456"),
]
ExternalId = Annotated[
    PathText,
    Field(
        min_length=1,
        max_length=MAX_EXTERNAL_ID,
        description="What your own system calls the user. Unique: no two users share one.",
    ),
]
Tag = Annotated[
    str,
    Field(pattern=TAG, max_length=MAX_TAG),
    _said_as(f"must be 1 to {MAX_TAG} of a-z and 0-9, with a single - or _ between them where wanted"),
]
Tags = Annotated[
    tuple[Tag, ...],
    Field(max_length=MAX_TAGS, json_schema_extra={"uniqueItems": True}, description="Kept in alphabetical order."),
    AfterValidator(_unique),
]
DeliveryTime = Annotated[
    LocalTime, BeforeValidator(_wall_time), Field(description="The local time at which the user is greeted.")
]


def _locale(value: str) -> str:
    known = canonical(value)
    if known is None:
        raise ValueError("must be a language that CLDR knows, as a BCP 47 tag like de, pt-BR or zh-Hant")
    return known


LocaleTag = Annotated[
    str,
    Field(
        min_length=2,
        max_length=35,
        description="The user's language, a BCP 47 tag: messages are in it where there are translations.",
        examples=["de-AT"],
        json_schema_extra={"pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"},
    ),
    AfterValidator(_locale),
]
Label = Annotated[PlainText, Field(min_length=1, max_length=MAX_LABEL)]
Important = Annotated[bool, Field(strict=True, description="An important anniversary is as urgent as a birthday.")]
Birthday = Annotated[
    date,
    BeforeValidator(_day_of_year),
    WithJsonSchema({"type": "string", "pattern": _DAY_SCHEMA}),
    Field(description="Born on this day of any year, as MM-DD."),
]


class CreateAnniversary(RequestModel):
    """A new anniversary."""

    label: Label
    date: PastDate
    important: Important = False

    def occasion(self) -> Occasion:
        return Occasion(self.label, self.date, self.important)


class PatchAnniversary(PatchModel):
    """A partial update of an anniversary."""

    label: Label = NOT_SENT
    date: PastDate = NOT_SENT
    important: Important = NOT_SENT


class AnniversaryBody(WireModel):
    """An anniversary. It has no version of its own: its `ETag` is its user's."""

    id: UUID
    label: str
    date: date
    important: bool

    @classmethod
    def of(cls, anniversary: Anniversary) -> Self:
        return cls(id=anniversary.id, **asdict(anniversary.occasion))


class CreateUser(RequestModel):
    """A new user."""

    first_name: Name
    last_name: Name
    date_of_birth: PastDate
    timezone: ZoneName
    email: Email | None = None
    phone: Phone | None = None
    tags: Tags = ()
    delivery_time: DeliveryTime = DELIVERY_TIME
    external_id: ExternalId | None = None
    send_window: SendWindowInput | None = None
    locale: LocaleTag | None = None
    anniversaries: Annotated[tuple[CreateAnniversary, ...], Field(max_length=MAX_ANNIVERSARIES)] = ()

    def new_user(self, *, given: frozenset[str] | None = None, labels: frozenset[str] | None = None) -> NewUser:
        """The user; it consists of the fields that were sent, or those that are ``given``."""
        profile = Profile(
            self.first_name,
            self.last_name,
            self.date_of_birth,
            self.timezone,
            self.email,
            self.phone,
            self.tags,
            self.delivery_time,
            self.external_id,
            window_of(self.send_window),
            self.locale,
        )
        occasions = tuple([each.occasion() for each in self.anniversaries])
        return NewUser(profile, occasions, frozenset(self.model_fields_set) if given is None else given, labels)


class PutUser(CreateUser):
    """A user whom the path names by its external id: the body need not repeat it."""

    def put(self, external_id: str) -> NewUser:
        """Raises InvalidParameterError where the body names another external id."""
        if self.external_id not in (None, external_id):
            raise InvalidParameterError("externalId", f"must be {external_id!r}, as in the path, or be left out")
        return self.model_copy(update={"external_id": external_id}).new_user(given=EVERYTHING)


class PatchUser(PatchModel):
    """A partial update of a user. Null takes an optional field back to its default."""

    first_name: Name = NOT_SENT
    last_name: Name = NOT_SENT
    date_of_birth: PastDate = NOT_SENT
    timezone: ZoneName = NOT_SENT
    email: Email | None = NOT_SENT
    phone: Phone | None = NOT_SENT
    tags: Tags | None = NOT_SENT
    delivery_time: DeliveryTime | None = NOT_SENT
    external_id: ExternalId | None = NOT_SENT
    send_window: SendWindowInput | None = NOT_SENT
    locale: LocaleTag | None = NOT_SENT

    def changes(self) -> dict[str, Any]:
        sent = super().changes()
        return sent | {"send_window": window_of(self.send_window)} if "send_window" in sent else sent


class UserQuery(RequestModel):
    """Which users to list: those that meet every filter given."""

    email: Annotated[Email | None, Field(description="Exactly this address, whatever its case.")] = None
    external_id: Annotated[ExternalId | None, Field(description="Exactly this id.")] = None
    timezone: ZoneName | None = None
    tag: Tag | None = None
    birthday: Birthday | None = None
    limit: Limit = 50
    cursor: Cursor = None

    def search(self) -> Search:
        return Search(
            email=self.email,
            external_id=self.external_id,
            timezone=self.timezone,
            tag=self.tag,
            birthday=(self.birthday.month, self.birthday.day) if self.birthday else None,
            before=decode_cursor(self.cursor),
        )


class UserBody(WireModel):
    """A user."""

    id: UUID
    version: int
    external_id: str | None
    first_name: str
    last_name: str
    date_of_birth: date
    timezone: str
    email: str | None
    phone: str | None
    tags: Sequence[str]
    delivery_time: LocalTime
    send_window: Sequence[HoursBody] | None = Field(description="When the user may be reached; null: at any time.")
    locale: str | None
    anniversaries: Sequence[AnniversaryBody]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.id,
            version=user.version,
            **{**user.profile.values(), "send_window": HoursBody.all_of(user.profile.send_window)},
            anniversaries=[AnniversaryBody.of(each) for each in user.anniversaries],
            created_at=user.created_at,
            updated_at=user.updated_at,
        )


class ImportBody(WireModel):
    """An import: `rows` lines were taken.

    Of them `created` became new users, `updated` changed users who were there, `unchanged` said nothing new, and
    `refused` broke a rule. `missing` counts users with an external id who are not in the body, once an import with
    `mode=sync` is completed.
    """

    id: UUID
    status: ImportStatus
    format: ImportFormat
    mode: ImportMode
    rows: int
    created: int
    updated: int
    unchanged: int
    refused: int
    missing: int | None
    errors_url: str
    started_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, job: Import) -> Self:
        return cls(
            id=job.id,
            status=job.status,
            format=job.format,
            mode=job.mode,
            rows=job.rows,
            created=job.created,
            updated=job.updated,
            unchanged=job.unchanged,
            missing=job.missing,
            refused=job.refused,
            errors_url=f"/v1/imports/{job.id}/errors",
            started_at=job.started_at,
            updated_at=job.updated_at,
        )


class ImportFaultBody(WireModel):
    """The errors of a line: a field, or `line` for all of it, and the rule that it breaks."""

    field: str
    detail: str


class ImportErrorBody(WireModel):
    """A line that was refused. Lines are counted from 1, the header of a CSV file included."""

    line: int
    errors: Sequence[ImportFaultBody]

    @classmethod
    def of(cls, refused: RefusedLine) -> Self:
        return cls(
            line=refused.line,
            errors=[ImportFaultBody(field=each.field, detail=each.detail) for each in refused.faults],
        )


class MissingUserBody(WireModel):
    """A user with an external id who is not in the body of an import."""

    user_id: UUID
    external_id: str
    created_at: datetime

    @classmethod
    def of(cls, missing: MissingUser) -> Self:
        return cls(user_id=missing.id, external_id=missing.external_id, created_at=missing.created_at)


class DeletedBody(WireModel):
    """How many users were deleted."""

    deleted: int
