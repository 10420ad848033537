"""The environment of analytics-service."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Beyond what every service has: how much is taken at a time, and how long things are kept."""

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
