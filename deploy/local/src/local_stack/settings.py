"""Settings of the one-machine stack: environment variables with the prefix ALMANAC_."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from local_stack.ports import PortUse


class StackSettings(BaseSettings):
    """Every knob, with its default and the reason for it."""

    model_config = SettingsConfigDict(env_prefix="ALMANAC_", extra="ignore", frozen=True)

    data_dir: Path = Path(".almanac")
    """Where databases, queues and logs are kept; `make demo` has its own folder `demo` in it."""

    postgres_port: int = Field(15_432, ge=1, le=65_535)
    """Not 5432, which another PostgreSQL may have; and below the ports of outgoing connections."""
    emulator_port: int = Field(4_566, ge=1, le=65_535)
    """SNS and SQS, on the port that the emulators of this kind share."""
    user_port: int = Field(8_001, ge=1, le=65_535)
    event_port: int = Field(8_002, ge=1, le=65_535)
    delivery_port: int = Field(8_003, ge=1, le=65_535)
    analytics_port: int = Field(8_004, ge=1, le=65_535)
    """The services' APIs, in the order of an event's way through them."""
    inbox_port: int = Field(8_010, ge=1, le=65_535)
    """The inbox that receives the webhooks."""

    api_key: str = Field("almanac-local", min_length=8)
    """The bearer key of every API, with all scopes. Known to everyone: the stack listens on loopback only."""
    read_key: str = Field("almanac-local-read", min_length=8)
    """Another one that may read and not act, to see what such a person sees."""
    bus_template: Path | None = None
    """A CloudFormation template that makes topics and queues (deploy/aws), in the place of our own provisioning."""
    database_pool_size: int = Field(10, ge=2, le=40)
    """Connections per service. Four services and the stack's own stay below 200."""
    log_level: str = "info"
    """Of the services, in `logs/<name>.log`."""
    shutdown_grace_seconds: float = Field(10, gt=0)
    """How long a service may finish its work at shutdown; a person waits for Ctrl-C, so less than in a cluster."""

    @model_validator(mode="after")
    def _each_port_once(self) -> Self:
        uses = self.port_uses()
        if len({use.port for use in uses}) < len(uses):
            raise ValueError("two parts of the stack cannot have the same port")
        return self

    def port_uses(self) -> list[PortUse]:
        """Every port that the stack listens on, with the variable that changes it."""
        return [
            PortUse(self.postgres_port, "PostgreSQL", "ALMANAC_POSTGRES_PORT"),
            PortUse(self.emulator_port, "SNS/SQS", "ALMANAC_EMULATOR_PORT"),
            PortUse(self.user_port, "user-service", "ALMANAC_USER_PORT"),
            PortUse(self.event_port, "event-service", "ALMANAC_EVENT_PORT"),
            PortUse(self.delivery_port, "delivery-service", "ALMANAC_DELIVERY_PORT"),
            PortUse(self.analytics_port, "analytics-service", "ALMANAC_ANALYTICS_PORT"),
            PortUse(self.inbox_port, "the inbox", "ALMANAC_INBOX_PORT"),
        ]
