"""The environment of analytics-service."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from analytics_service.domain.alert_notifications import RUNBOOKS
from analytics_service.domain.alert_rules import NAMES, RuleChange
from analytics_service.domain.alerts import Severity
from analytics_service.domain.prices import Prices
from chassis.core.settings import Address, ServiceSettings


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
    """Critical alerts page an operator; warnings are only read."""
    return {
        Severity.CRITICAL: ("pagerduty", "slack", "email", "webhook"),
        Severity.WARNING: ("slack", "email", "webhook"),
    }


class Settings(ServiceSettings):
    """Beyond what every service has: how much is taken at a time, and how long things are kept."""

    user_service_url: Address = None
    event_service_url: Address = None
    delivery_service_url: Address = None
    """Where the other services' APIs answer, as ``http://event-service:8000``. Timelines, costs and alerts
    call them, and name a service that is not set or does not answer."""
    services_api_key: SecretStr | None = None
    """The bearer key for those APIs, with the scope `read`."""
    services_timeout_seconds: float = Field(5.0, gt=0, le=60)
    """The timeout of one request to them."""
    jaeger_url: Address = None
    """Jaeger's UI, which trace ids are then linked to."""

    prices: Annotated[Prices, NoDecode, BeforeValidator(_priced)] = Prices()
    """JSON of prices in US dollars that differ from the defaults: ``{"database_replicas": 0, "vcpu_hour": 0.03238}``.
    Their names are in ``domain/prices.py``."""
    alert_every_seconds: float = Field(5.0, gt=0, le=60)
    """How often alert rules are evaluated, by one process at a time."""
    alert_rules: Annotated[
        Mapping[RuleName, Annotated[RuleChange, BeforeValidator(_changed)]], NoDecode, BeforeValidator(_from_json)
    ] = Field(default_factory=dict)
    """JSON by a rule's name: ``{"QueueBacklog": {"threshold": 2000, "clears_at": 1000}, "CircuitOpen": {"enabled":
    false}}``; also ``for_seconds`` and ``clear_seconds``. Fields that are not named keep their defaults."""
    alert_repeat_critical_seconds: float = Field(1800.0, gt=0)
    alert_repeat_warning_seconds: float = Field(14_400.0, gt=0)
    """How often an alert that keeps firing is sent again until it is acknowledged."""
    alert_routes: Annotated[Mapping[Severity, tuple[ChannelName, ...]], NoDecode, BeforeValidator(_from_json)] = Field(
        default_factory=_routes
    )
    """JSON: the channels of each severity, ``{"critical": ["pagerduty"], "warning": ["slack"]}``. By default critical
    alerts go to all channels, warnings to all but PagerDuty. Channels that are not configured are left out."""
    pagerduty_routing_key: SecretStr | None = None
    """The integration key of a PagerDuty service (Events API v2)."""
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    """PagerDuty's Events API."""
    slack_webhook_url: SecretStr | None = None
    """The incoming webhook of a Slack channel."""
    alert_email_from: str | None = None
    """The sender of alerts by e-mail, an identity that SES has verified. Needs ``ALERT_EMAIL_TO``."""
    alert_email_to: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    """The receivers of alerts by e-mail, separated by commas."""
    alert_webhook_url: SecretStr | None = None
    """A receiver of alerts as Standard Webhooks. Needs ``ALERT_WEBHOOK_SECRET``."""
    alert_webhook_secret: Annotated[SecretStr | None, AfterValidator(_symmetric)] = None
    """The key that signs them: ``whsec_`` and 24 to 64 bytes in base64."""
    console_url: Address = None
    """The console's address, which alerts link to."""
    runbook_url: str = Field(RUNBOOKS, pattern=r"^https?://[^\s#]+$")
    """The page with a heading for each alert, which alerts link to."""

    consumer_receivers: int = Field(2, ge=1, le=20)
    """Concurrent receives of one process."""
    consumer_batch_messages: int = Field(50, ge=1, le=200)
    """The most messages, of up to 100 items each, in one transaction."""
    minute_retention_days: int = Field(31, ge=8)
    """How long counts by minute are kept."""
    hour_retention_days: int = Field(430, ge=31)
    """How long counts by hour are kept."""
    day_retention_days: int = Field(3_660, ge=366)
    """How long counts by day are kept."""
    timeline_retention_days: int = Field(430, ge=1)
    """How long timelines, announced dead letters and engagement are kept. Events are made up to 13 months ahead."""

    @model_validator(mode="after")
    def _webhook_is_whole(self) -> Self:
        if (self.alert_webhook_url is None) != (self.alert_webhook_secret is None):
            raise ValueError("alert_webhook_url and alert_webhook_secret go together")
        return self
