"""The environment of analytics-service."""

import json
from dataclasses import fields
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

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


def _priced(value: object) -> object:
    value = json.loads(value) if isinstance(value, str) else value
    if isinstance(value, dict) and (unknown := value.keys() - {each.name for each in fields(Prices)}):
        raise ValueError(f"no price is called {', '.join(sorted(unknown))}")
    return value


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
