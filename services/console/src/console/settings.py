"""The environment of the console."""

from typing import Annotated

from pydantic import Field, SecretStr

from chassis.core.settings import Address, ProcessSettings


class Settings(ProcessSettings):
    """Its API keys are those that may log in; each page is read, and each action done, with the key of the login."""

    user_service_url: Address = None
    event_service_url: Address = None
    delivery_service_url: Address = None
    analytics_service_url: Address = None
    """Where the four APIs answer, as ``http://event-service:8000``. A page names a service that is not set or does not
    answer."""
    services_api_key: SecretStr | None = None
    """The bearer key, with the scope `read`, for data that all open pages share."""
    services_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    """The timeout of one request to an API."""
    console_session_hours: Annotated[float, Field(gt=0, le=168)] = 12.0
    """How long a login lasts."""
    process_events_per_second: Annotated[float, Field(gt=0)] = 450.0
    """Events a second that one process of each role together handle, for the fleet's capacity in the forecast: seven
    tenths of what was measured on two cores (docs/scaling.md). Measure your own pods."""
