"""The environment of analytics-service."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from analytics_service.domain.alert_rules import NAMES, RuleChange
from analytics_service.domain.alerts import Severity
from analytics_service.domain.notices import RUNBOOKS
from analytics_service.domain.prices import Prices
from chassis.settings import OptionalSecret, ServiceSettings


def _none_if_empty(value: object) -> object:
    return value or None


def _base_address(value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return None if value is None else value.rstrip("/")


Address = Annotated[str | None, BeforeValidator(_none_if_empty), AfterValidator(_base_address)]
"""The base of a URL, or nothing."""


def _from_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _priced(value: object) -> object:
    value = _from_json(value)
    if isinstance(value, dict) and (unknown := value.keys() - {each.name for each in fields(Prices)}):
        raise ValueError(f"no price is called {', '.join(sorted(unknown))}")
    return value


def _changed(value: object) -> object:
    if isinstance(value, dict) and (unknown := value.keys() - {each.name for each in fields(RuleChange)}):
        raise ValueError(f"nothing of a rule is called {', '.join(sorted(unknown))}")
    return value


ChannelName = Literal["pagerduty", "slack", "email", "webhook"]
_SECRET_BYTES = range(24, 65)


def _listed(value: object) -> object:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _rule(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"there is no rule {name}; there are {', '.join(NAMES)}")
    return name


RuleName = Annotated[str, AfterValidator(_rule)]
Changed = Annotated[RuleChange, BeforeValidator(_changed)]


def webhook_key(secret: SecretStr) -> bytes:
    """The bytes that a ``whsec_`` secret stands for. Raises ValueError, without the secret."""
    text = secret.get_secret_value()
    try:
        key = b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError("must be base64 after whsec_") from None
    if not text.startswith("whsec_") or len(key) not in _SECRET_BYTES:
        raise ValueError("must be whsec_ and 24 to 64 bytes in base64")
    return key


def _symmetric(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        webhook_key(value)
    return value


def _routes() -> dict[Severity, tuple[ChannelName, ...]]:
    """Critical alerts page somebody, warnings are read."""
    return {
        Severity.CRITICAL: ("pagerduty", "slack", "email", "webhook"),
        Severity.WARNING: ("slack", "email", "webhook"),
    }


class Settings(ServiceSettings):
    """Beyond what every service has: how much is taken at a time, and how long things are kept."""

    user_service_url: Address = None
    event_service_url: Address = None
    delivery_service_url: Address = None
    """Where the other services' APIs answer, as http://event-service:8000: timelines, costs and the console ask them,
    and say what is missing where one is not known or does not answer. Nothing that is counted depends on them."""
    services_api_key: OptionalSecret = None
    """The bearer key for those APIs, with the scope `read`."""
    services_timeout_seconds: float = Field(5.0, gt=0, le=60)
    """How long one request to them may take. A page waits for the slowest of several."""
    jaeger_url: Address = None
    """Where people find Jaeger's UI: what carries a trace id is then linked to it."""

    prices: Annotated[Prices, NoDecode, BeforeValidator(_priced)] = Prices()
    """JSON of the prices that differ from the defaults, as {"database_replicas": 0, "vcpu_hour": 0.03238}."""
    alert_every_seconds: float = Field(5.0, gt=0, le=60)
    """How often alerts are judged, by one process at a time."""
    alert_rules: Annotated[
        Mapping[RuleName, Annotated[RuleChange, BeforeValidator(_changed)]], NoDecode, BeforeValidator(_from_json)
    ] = Field(default_factory=dict)
    """JSON by a rule's name: ``{"QueueBacklog": {"threshold": 2000, "clears_at": 1000}, "CircuitOpen": {"enabled":
    false}}``; also ``for_seconds`` and ``clear_seconds``. What is not said stays as it is."""
    alert_repeat_critical_seconds: float = Field(1800.0, gt=0)
    """How often somebody is reminded of an alert that goes on and that nobody has acknowledged; and the next."""
    alert_repeat_warning_seconds: float = Field(14_400.0, gt=0)
    alert_routes: Annotated[Mapping[Severity, tuple[ChannelName, ...]], NoDecode, BeforeValidator(_from_json)] = Field(
        default_factory=_routes
    )
    """JSON: which channels are told of which severity. Those that are not configured below are left out."""
    pagerduty_routing_key: OptionalSecret = None
    """The integration key of a PagerDuty service (Events API v2)."""
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    slack_webhook_url: OptionalSecret = None
    """The incoming webhook of a Slack channel."""
    alert_email_from: str | None = None
    """An identity that SES has verified. E-mails go out only where there are receivers, too."""
    alert_email_to: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Addresses between commas."""
    alert_webhook_url: OptionalSecret = None
    """A receiver of Standard Webhooks, for anything else."""
    alert_webhook_secret: Annotated[OptionalSecret, AfterValidator(_symmetric)] = None
    """What those are signed with: ``whsec_`` and 24 to 64 bytes in base64. The one is nothing without the other."""
    console_url: Address = None
    """Where people find the console: what is said of an alert then leads there."""
    runbook_url: str = Field(RUNBOOKS, pattern=r"^https?://[^\s#]+$")
    """The page whose headings say what to do about each alert: yours, if it is elsewhere."""

    consumer_receivers: int = Field(2, ge=1, le=20)
    """Receives in flight. Two, so that one can bring messages while the other polls."""
    consumer_batch_messages: int = Field(50, ge=1, le=200)
    """Messages in one transaction at most. Each holds up to 100 items: more would only hold its locks longer."""
    minute_retention_days: int = Field(31, ge=8)
    """How long counts by minute are kept: longer than the week that the overview can look back."""
    hour_retention_days: int = Field(430, ge=31)
    """How long counts by hour are kept: this month beside the same one of last year."""
    day_retention_days: int = Field(3_660, ge=366)
    """How long counts by day are kept: ten years."""
    timeline_retention_days: int = Field(430, ge=1)
    """How long timelines are kept: an event is scheduled up to 13 months ahead, and read about for a month more. So
    are announced dead letters, and what is known of a user's engagement after the last event."""

    analytics_service_url: Address = None
    """Where this service's own API answers, for a console in a process without it. Empty: in the same process."""
    console_session_hours: float = Field(12.0, gt=0, le=168)
    """How long a login to the console lasts: a working day."""
    process_events_per_second: float = Field(450.0, gt=0)
    """How many events one process of each role together take through, for the fleet's ceiling: seven tenths of what
    was measured on two cores that also ran PostgreSQL, emulator and receiver (docs/scaling.md)."""

    @model_validator(mode="after")
    def _webhook_is_whole(self) -> Self:
        if (self.alert_webhook_url is None) != (self.alert_webhook_secret is None):
            raise ValueError("alert_webhook_url and alert_webhook_secret go together")
        return self
