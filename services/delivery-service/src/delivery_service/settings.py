"""The environment of delivery-service."""

from base64 import b64decode
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretBytes
from pydantic_settings import NoDecode

from chassis.core.settings import ServiceSettings
from contracts.vocabulary import Priority
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.signing import KEY_BYTES


def _listed(value: Any) -> Any:
    return [each.strip() for each in value.split(",")] if isinstance(value, str) else value


def _key(value: Any) -> Any:
    # Without the value in any message: it is one of our secrets.
    try:
        key = b64decode(value, validate=True) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("each key is base64") from None
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        raise ValueError(f"each key is {KEY_BYTES} bytes in base64")
    return key


SecretKey = Annotated[SecretBytes, BeforeValidator(_key)]


class Settings(ServiceSettings):
    """Times are in seconds of real time."""

    slots_critical: int = Field(50, ge=1, le=1000)
    slots_high: int = Field(50, ge=1, le=1000)
    slots_normal: int = Field(50, ge=1, le=1000)
    slots_low: int = Field(50, ge=1, le=1000)
    """Concurrent attempts of one process, for each priority, at endpoints that answer within half a second. Twice as
    many deliveries may be claimed."""
    slow_slots: int = Field(2_000, ge=10, le=20_000)
    """Concurrent attempts, for each priority, at endpoints that take longer than half a second or have not answered
    yet. A waiting attempt costs about 60 KB and no CPU. A slot stands for 16 KiB of payload; larger payloads take
    several. Fewer are used if the process may not open enough files."""
    receivers_critical: int = Field(4, ge=1, le=50)
    receivers_high: int = Field(2, ge=1, le=50)
    receivers_normal: int = Field(2, ge=1, le=50)
    receivers_low: int = Field(2, ge=1, le=50)
    """Concurrent receives from each priority's queue."""
    pool_connections: int = Field(2, ge=1, le=50)
    """Concurrent transactions of one priority. Four times this must be less than ``DATABASE_POOL_SIZE``."""
    lease_seconds: float = Field(90.0, ge=45)
    """The lease of a delivery: waiting for a slot, the longest attempt (30 s) and its record. The deliveries of a
    worker that dies wait for as long."""

    retry_tries_critical: int = Field(3, ge=1, le=100)
    retry_tries_high: int = Field(3, ge=1, le=100)
    retry_tries_normal: int = Field(5, ge=1, le=100)
    retry_tries_low: int = Field(5, ge=1, le=100)
    """Attempts in total before a delivery is exhausted, by priority."""
    retry_base_seconds: float = Field(5.0, ge=0)
    retry_factor: float = Field(5.0, ge=1, le=100)
    retry_cap_seconds: float = Field(3600.0, ge=0)
    """Exponential backoff with full jitter: the longest wait before the first retry, the factor for each further one,
    and the upper limit."""
    retry_after_cap_seconds: float = Field(900.0, ge=0)
    """The longest ``Retry-After`` that is honoured in full. With the other defaults all attempts fit into
    ``RETRY_HORIZON_SECONDS``."""

    secret_keys: Annotated[tuple[SecretKey, ...], NoDecode, BeforeValidator(_listed), Field(min_length=1)]
    """Keys that encrypt endpoints' secrets in the database: 32 random bytes each in base64, separated by commas. The
    first encrypts, all of them decrypt. To rotate, add a new key at the end in every process, then put it first;
    remove the old one when the log says that all endpoints are encrypted with the first."""
    webhook_allowed_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks that are not public and may be sent to, as a JSON list of CIDR. Empty in production: every client that
    may create an endpoint can reach them."""
    webhook_allowed_ports: frozenset[Annotated[int, Field(ge=1, le=65535)]] = frozenset({80, 443, 8080, 8443})
    """Ports that may be sent to, as a JSON list. Empty: every port."""
    email_from: Annotated[str | None, Field(max_length=320)] = None
    """The sender of e-mails, an identity that SES has verified: ``Almanac <almanac@example.org>``. Empty: deliveries by
    e-mail fail as ``not_configured``."""
    sms_sender_id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9-]{1,11}$")] = None
    """The sender that a phone shows, in countries that allow it."""
    circuit_half_life_seconds: float = Field(30.0, gt=0)
    """The half-life of an endpoint's counts of attempts and failures: the window of its failure rate."""
    circuit_min_attempts: int = Field(10, ge=1)
    """Attempts within that window below which a circuit never opens."""
    circuit_failure_rate: float = Field(0.5, gt=0, le=1)
    """The share of failed attempts at which a circuit opens."""
    circuit_timeouts_in_row: int = Field(3, ge=1)
    """Consecutive timeouts that open a circuit at any rate."""
    circuit_lost_seconds: float = Field(60.0, gt=0)
    """The total duration of consecutive failed attempts at which a circuit opens."""
    circuit_open_seconds: float = Field(5.0, gt=0)
    circuit_open_cap_seconds: float = Field(300.0, gt=0)
    """The wait before the first probe, doubled by each probe that fails, and its upper limit."""
    disable_after_failures: int = Field(1_000, ge=1)
    disable_after_days: float = Field(5.0, gt=0)
    """Consecutive failures, or days without a success, after either of which an endpoint is disabled, if both minimums
    below are reached. A 410 disables it at once."""
    disable_min_hours: float = Field(12.0, ge=0)
    """The least time from the first to the last of those failures: an outage of an afternoon, or a wrong deployment
    that refuses thousands of requests in seconds, disables no endpoint."""
    disable_min_failures: int = Field(10, ge=1)
    """The least number of consecutive failures: two refusals five days apart disable no endpoint."""
    disable_warning_hours: float = Field(6.0, ge=0)
    """Hours from the operational event ``endpoint.failing`` to the earliest moment at which the endpoint may be
    disabled."""

    connect_timeout_seconds: float = Field(5.0, gt=0)
    """The limit for name resolution, connection and TLS. The whole attempt has the endpoint's own timeout."""
    retention_days: float = Field(30.0, gt=0)
    """How long finished events are kept with their deliveries and attempts."""
    dead_letter_retention_days: float = Field(90.0, gt=0)
    """How long dead letters are kept, open or not. An event whose dead letter is open is kept with it."""

    def key_bytes(self) -> list[bytes]:
        return [key.get_secret_value() for key in self.secret_keys]

    @property
    def allow_list(self) -> AllowList:
        return AllowList(self.webhook_allowed_networks, self.webhook_allowed_ports)

    def slots(self, priority: Priority) -> int:
        value: int = getattr(self, f"slots_{priority.name.lower()}")
        return value

    def receivers(self, priority: Priority) -> int:
        value: int = getattr(self, f"receivers_{priority.name.lower()}")
        return value

    def retry_tries(self, priority: Priority) -> int:
        value: int = getattr(self, f"retry_tries_{priority.name.lower()}")
        return value
