"""Request and reply models of endpoints."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema

from chassis.api.wire import NOT_SENT, WHOLE_NUMBER, PatchModel, PlainText, RequestModel, WireModel
from contracts.vocabulary import Channel, EventType, Priority
from delivery_service.application.endpoints import Signing, View
from delivery_service.domain.endpoints import (
    MAX_CONCURRENCY,
    MAX_DESCRIPTION,
    MAX_HEADER_VALUE,
    MAX_HEADERS,
    MAX_RATE,
    MAX_REASON,
    MAX_RETRIES,
    MAX_RETRY_SECONDS,
    MAX_TAG,
    MAX_TAGS,
    MAX_URL,
    TIMEOUT_SECONDS,
    EndpointConfig,
    OperationalEvent,
    check_url,
    keeps_to_send_window,
)
from delivery_service.domain.signing import MAX_SECRET, Algorithm
from delivery_service.domain.templates import MAX_HTML, MAX_SUBJECT, MAX_TEXT

T = TypeVar("T", EventType, Priority, OperationalEvent, str)

PLACEHOLDERS = "`{message}` stands for the event's message, other names likewise. Null: the message alone."


def _distinct(values: list[T] | None) -> tuple[T, ...]:
    return tuple(sorted(set(values or ())))


def _in_order(seconds: list[float] | None) -> tuple[float, ...] | None:
    return None if seconds is None else tuple(seconds)


_PRINTABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$"
_HEADER_NAMES = {"propertyNames": {"pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"}}


def _printable(text: str) -> str:
    if any(ord(character) < 32 and character not in "\t\r\n" for character in text):
        raise ValueError("must not contain control characters but tabs and line breaks")
    return text


EndpointUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL,
        description="http or https, without credentials and fragment, at a public address and an open port."
        " For `webhook` and `slack`; the other kinds write to the user's own address.",
    ),
    AfterValidator(check_url),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL}),
]
Description = Annotated[PlainText, Field(max_length=MAX_DESCRIPTION)]
EventTypes = Annotated[
    list[EventType] | None, AfterValidator(_distinct), Field(description="None or null: all types, new ones too.")
]
DisabledReason = Annotated[PlainText, Field(min_length=1, max_length=MAX_REASON)]
TimeoutSeconds = Annotated[
    int, Field(ge=1, le=TIMEOUT_SECONDS, description="For one attempt, from connecting to the last byte."), WHOLE_NUMBER
]
Priorities = Annotated[
    list[Priority] | None, AfterValidator(_distinct), Field(description="None or null: all of them.")
]
Tag = Annotated[PlainText, Field(min_length=1, max_length=MAX_TAG)]
Tags = Annotated[
    list[Tag] | None,
    Field(max_length=MAX_TAGS, description="The user must have one of them. None or null: every user."),
    AfterValidator(_distinct),
]
OperationalEvents = Annotated[
    list[OperationalEvent] | None,
    AfterValidator(_distinct),
    Field(description="Operational events about deliveries and endpoints to receive. For `webhook` and `slack`."),
]
RateLimit = Annotated[
    float, Field(strict=True, gt=0, le=MAX_RATE, description="Attempts a second; further deliveries wait.")
]
Concurrency = Annotated[int, Field(ge=1, le=MAX_CONCURRENCY, description="Attempts at a time."), WHOLE_NUMBER]
RetrySchedule = Annotated[
    list[Annotated[float, Field(strict=True, ge=0, le=MAX_RETRY_SECONDS)]] | None,
    Field(
        max_length=MAX_RETRIES,
        description="Seconds before each retry; an empty list: no retry. None or null: the service's own backoff.",
    ),
    AfterValidator(_in_order),
]
RespectSendWindow = Annotated[
    bool | None,
    Field(
        strict=True,
        description="Whether deliveries wait for the send window of their event, retries too. Null: the kind's default,"
        " false for `webhook` and `slack`. `email` and `sms` always do.",
    ),
]
Enabled = Annotated[bool, Field(strict=True, description="An endpoint that is not enabled gets nothing.")]


Subject = Annotated[PlainText, Field(min_length=1, max_length=MAX_SUBJECT, description=f"Of e-mails. {PLACEHOLDERS}")]
Printable = Annotated[str, AfterValidator(_printable), Field(json_schema_extra={"pattern": _PRINTABLE})]
Text = Annotated[Printable, Field(min_length=1, max_length=MAX_TEXT, description=f"Of messages. {PLACEHOLDERS}")]
Html = Annotated[Printable, Field(min_length=1, max_length=MAX_HTML, description=f"Of e-mails. {PLACEHOLDERS}")]
HeaderText = Annotated[
    str, Field(min_length=1, max_length=MAX_HEADER_VALUE, json_schema_extra={"pattern": "^[!-~]([ -~]*[!-~])?$"})
]
Headers = Annotated[
    dict[str, HeaderText],
    Field(
        max_length=MAX_HEADERS,
        description="Sent with every webhook. Their values are never shown again.",
        json_schema_extra=_HEADER_NAMES,
    ),
]
HeadersPatch = Annotated[
    dict[str, HeaderText | None] | None,
    Field(
        max_length=MAX_HEADERS, description="Headers to set, or to remove where null; others stay. Null: no headers."
    ),
]
SecretText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_SECRET,
        json_schema_extra={"pattern": "^wh(sec|sk)_[A-Za-z0-9+/]+={0,2}$"},
        description="`whsec_` and 24 to 64 bytes in base64, or for ed25519 `whsk_` and 32 or 64. Null: a new one.",
    ),
]


class CreateEndpoint(RequestModel):
    """A new endpoint."""

    kind: Channel = Channel.WEBHOOK
    url: EndpointUrl | None = None
    description: Description | None = None
    event_types: EventTypes = None
    priorities: Priorities = None
    tags: Tags = None
    operational_events: OperationalEvents = None
    timeout_seconds: TimeoutSeconds = TIMEOUT_SECONDS
    rate_limit: RateLimit | None = None
    concurrency: Concurrency | None = None
    retry_schedule: RetrySchedule = None
    respect_send_window: RespectSendWindow = None
    headers: Headers | None = None
    subject: Subject | None = None
    text: Text | None = None
    html: Html | None = None
    signature_algorithm: Annotated[
        Algorithm | None, Field(description="Of webhooks; null: hmac-sha256. It cannot be changed later.")
    ] = None
    secret: SecretText | None = None
    enabled: Enabled = True
    disabled_reason: DisabledReason | None = None

    def config(self) -> EndpointConfig:
        return EndpointConfig(
            url=self.url,
            kind=self.kind,
            description=self.description,
            event_types=tuple(self.event_types or ()),
            priorities=tuple(self.priorities or ()),
            tags=tuple(self.tags or ()),
            operational_events=tuple(self.operational_events or ()),
            timeout_seconds=self.timeout_seconds,
            rate_limit=self.rate_limit,
            concurrency=self.concurrency,
            retry_schedule=None if self.retry_schedule is None else tuple(self.retry_schedule),
            respect_send_window=self.respect_send_window,
            headers=self.headers or {},
            subject=self.subject,
            text=self.text,
            html=self.html,
            enabled=self.enabled,
            disabled_reason=self.disabled_reason,
        )

    def signing(self) -> Signing:
        return Signing(self.signature_algorithm, self.secret)


class PatchEndpoint(PatchModel):
    """A partial update of an endpoint. Enabling it clears the reason for which it was disabled."""

    url: EndpointUrl | None = NOT_SENT
    description: Description | None = NOT_SENT
    event_types: EventTypes = NOT_SENT
    priorities: Priorities = NOT_SENT
    tags: Tags = NOT_SENT
    operational_events: OperationalEvents = NOT_SENT
    timeout_seconds: TimeoutSeconds = NOT_SENT
    rate_limit: RateLimit | None = NOT_SENT
    concurrency: Concurrency | None = NOT_SENT
    retry_schedule: RetrySchedule = NOT_SENT
    respect_send_window: RespectSendWindow = NOT_SENT
    headers: HeadersPatch = NOT_SENT
    subject: Subject | None = NOT_SENT
    text: Text | None = NOT_SENT
    html: Html | None = NOT_SENT
    enabled: Enabled = NOT_SENT
    disabled_reason: DisabledReason | None = NOT_SENT


class EndpointBody(WireModel):
    """An endpoint."""

    id: UUID
    version: int
    kind: Channel
    url: Annotated[str | None, Field(description="Only its beginning where it is a secret itself, as Slack's are.")]
    description: str | None
    event_types: Sequence[EventType]
    priorities: Sequence[Priority]
    tags: Sequence[str]
    operational_events: Sequence[OperationalEvent]
    timeout_seconds: int
    rate_limit: float | None
    concurrency: int | None
    retry_schedule: Sequence[float] | None
    respect_send_window: bool
    header_names: Annotated[Sequence[str], Field(description="Of the custom headers, whose values are not shown.")]
    unreadable: Annotated[
        bool,
        Field(
            description="Its secrets, headers and Slack URL are encrypted with a key that is not among SECRET_KEYS:"
            " they are not shown, cannot be changed, and nothing is sent. Other fields can be changed, and it can be"
            " deleted."
        ),
    ]
    subject: str | None
    text: str | None
    html: str | None
    signature_algorithm: Annotated[Algorithm | None, Field(description="Null where nothing is signed.")]
    public_key: Annotated[str | None, Field(description="`whpk_…`, what verifies ed25519 signatures.")]
    previous_secret_until: Annotated[
        datetime | None, Field(description="Until when an earlier secret signs too, in real time.")
    ]
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: View, **more: Any) -> Self:
        endpoint, config = view.endpoint, view.endpoint.config
        until = view.overlap_until
        return cls(
            id=endpoint.id,
            version=endpoint.version,
            kind=config.kind,
            url=_shortened(config.url) if config.url and config.kind is Channel.SLACK else config.url,
            description=config.description,
            event_types=[EventType(each) for each in config.event_types],
            priorities=[Priority(each) for each in config.priorities],
            tags=config.tags,
            operational_events=[OperationalEvent(each) for each in config.operational_events],
            timeout_seconds=config.timeout_seconds,
            rate_limit=config.rate_limit,
            concurrency=config.concurrency,
            retry_schedule=config.retry_schedule,
            respect_send_window=keeps_to_send_window(config.kind, config.respect_send_window),
            header_names=list(config.headers),
            unreadable=config.unreadable,
            subject=config.subject,
            text=config.text,
            html=config.html,
            signature_algorithm=view.algorithm,
            public_key=view.public_key,
            previous_secret_until=None if until is None else datetime.fromtimestamp(until, UTC),
            enabled=config.enabled,
            disabled_reason=config.disabled_reason,
            disabled_at=endpoint.disabled_at,
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
            **more,
        )


def _shortened(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"
