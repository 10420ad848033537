"""The environment of event-service."""

from pydantic import Field, field_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Times are in seconds of real time; grace is on the events' own (maybe simulated) clock."""

    claim_batch: int = Field(500, ge=1, le=5000)
    """Events claimed at once, per priority: many share a round trip, and are published long before the lease ends."""
    claim_lease_seconds: float = Field(60.0, gt=0)
    """How long a claim may stay unpublished before the reaper returns it."""
    outcome_timeout_seconds: float = Field(7200.0, gt=0)
    """When a published event without an outcome is published again: the retry horizon (an hour) plus an hour."""
    claim_ahead_seconds: float = Field(0.1, ge=0, le=1.0)
    """How long before its target an event is claimed, to be published on the instant: time for the claim, and for a
    look at the queue's depth. From then on it cannot be cancelled or moved. Nothing is ever published early."""
    scheduler_poll_seconds: float = Field(1.0, gt=0, le=2.0)
    """The longest sleep of a scheduler, and so how late it sees what was inserted, nearer than the next that it knew
    of, while its LISTEN is not heard. At most two seconds: who inserts something later than that wakes nobody."""
    queue_depth_limit: int = Field(1000, ge=1)
    """A priority is claimed only while its queue holds fewer messages: the backlog stays where it has order."""
    reap_seconds: float = Field(5.0, gt=0)
    """Pause between two looks for expired claims, missing outcomes and missed events."""
    retention_days: float = Field(400.0, ge=62)
    """How long a month of events is kept after its end, on the events' clock; with anything in it alive, longer. It
    must outlast whatever looks back: retries, redriven deliveries, last year's birthday."""
    grace_hours_birthday: float = Field(72.0, gt=0, le=336.0)
    """How late a birthday may still be fired. Two weeks at most: partitions are made for that much of the past."""
    birthday_message: str = "Hey, {first_name} {last_name} it's your birthday"
    """Template of the greeting. Placeholders: ``first_name``, ``last_name``."""

    @field_validator("birthday_message")
    @classmethod
    def _can_be_filled_in(cls, value: str) -> str:
        try:
            value.format(first_name="", last_name="")
        except (LookupError, AttributeError) as error:
            raise ValueError(f"knows only the placeholders first_name and last_name, not {error}") from None
        return value
