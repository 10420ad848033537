"""The environment of delivery-service."""

from base64 import b64decode
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretBytes
from pydantic_settings import NoDecode

from chassis.settings import ServiceSettings
from contracts.vocabulary import Priority
from delivery_service.domain.addresses import Reach
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
    """Attempts at a time that one process makes for a priority at endpoints that answer within half a second; twice as
    many may be claimed. So are the three below."""
    slots_high: int = Field(50, ge=1, le=1000)
    slots_normal: int = Field(50, ge=1, le=1000)
    slots_low: int = Field(50, ge=1, le=1000)
    slow_slots: int = Field(2_000, ge=10, le=20_000)
    """Attempts at a time, for each priority, at endpoints that have not answered within half a second or were not heard
    from yet. A waiting attempt costs about 60 KB and no CPU. Each slot stands for 16 KiB of payload; larger payloads
    take several. Fewer are used where the process may not open enough files."""
    receivers_critical: int = Field(4, ge=1, le=50)
    """Receives at a time from a priority's queue; so are the three below. One receive brings few critical messages, so
    that they spread over the workers; with several, that queue is still emptied the fastest when the bus is slow."""
    receivers_high: int = Field(2, ge=1, le=50)
    receivers_normal: int = Field(2, ge=1, le=50)
    receivers_low: int = Field(2, ge=1, le=50)
    pool_connections: int = Field(2, ge=1, le=50)
    """Transactions at a time that one priority may hold. Four times this must leave some of DATABASE_POOL_SIZE over."""
    lease_seconds: float = Field(90.0, ge=45)
    """How long a delivery is one worker's: waiting for a slot, the longest attempt (30 s) and its record. A worker that
    dies holds up its deliveries for so long."""

    retry_tries_critical: int = Field(3, ge=1, le=100)
    """Attempts in all before a delivery is exhausted, here and in the three below."""
    retry_tries_high: int = Field(3, ge=1, le=100)
    retry_tries_normal: int = Field(5, ge=1, le=100)
    retry_tries_low: int = Field(5, ge=1, le=100)
    retry_base_seconds: float = Field(5.0, ge=0)
    """The longest wait before the first retry; each further one is longer by the factor, up to the cap."""
    retry_factor: float = Field(5.0, ge=1, le=100)
    retry_cap_seconds: float = Field(3600.0, ge=0)
    retry_after_cap_seconds: float = Field(900.0, ge=0)
    """The longest Retry-After that is obeyed as it is. With the other defaults all tries then fit into about an hour,
    which is what event-service takes for the retry horizon."""

    secret_keys: Annotated[tuple[SecretKey, ...], NoDecode, BeforeValidator(_listed), Field(min_length=1)]
    """Keys that encrypt endpoints' secrets in the database, 32 random bytes each in base64, between commas. The first
    encrypts, all of them decrypt. A new one is added at the end, in every process, before it comes first; the old one
    can go once the log has said that all endpoints are encrypted with the first."""
    webhook_allowed_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks that may be sent to although they are not public, as a JSON list of CIDR. Empty in production: what is
    listed here can be reached by whoever may create an endpoint."""
    webhook_allowed_ports: frozenset[Annotated[int, Field(ge=1, le=65535)]] = frozenset({80, 443, 8080, 8443})
    """Ports that may be sent to, as a JSON list. Empty: every port."""
    email_from: Annotated[str | None, Field(max_length=320)] = None
    """The address that e-mails come from, an identity that SES has verified: ``Almanac <almanac@example.org>``. None:
    deliveries by e-mail fail as ``not_configured``."""
    sms_sender_id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9-]{1,11}$")] = None
    """What a phone shows as the sender of a text message, in countries that allow it."""
    circuit_half_life_seconds: float = Field(30.0, gt=0)
    """How fast an endpoint's attempts and failures are forgotten: the window of its failure rate."""
    circuit_min_attempts: int = Field(10, ge=1)
    """Attempts within that window below which a circuit never opens."""
    circuit_failure_rate: float = Field(0.5, gt=0, le=1)
    circuit_timeouts_in_row: int = Field(3, ge=1)
    """Timeouts in a row that open a circuit, whatever the rate."""
    circuit_lost_seconds: float = Field(60.0, gt=0)
    """What failed attempts in a row may take altogether before the circuit opens."""
    circuit_open_seconds: float = Field(5.0, gt=0)
    """Until the first probe; doubled by each that fails, up to the cap."""
    circuit_open_cap_seconds: float = Field(300.0, gt=0)
    disable_after_failures: int = Field(1_000, ge=1)
    """An endpoint is disabled once so many attempts in a row failed, or none succeeded for the days below, and both
    minimums are reached. A 410 disables it at once."""
    disable_after_days: float = Field(5.0, gt=0)
    disable_min_hours: float = Field(12.0, ge=0)
    """Hours that the failures in a row must spread over at least: an outage of an afternoon, or a wrong deployment that
    refuses thousands of requests in seconds, disables nothing."""
    disable_min_failures: int = Field(10, ge=1)
    """Failures in a row that there must be at least: two refusals five days apart disable nothing."""
    disable_warning_hours: float = Field(6.0, ge=0)
    """Hours between the operational event ``endpoint.failing`` and the earliest moment at which the endpoint may be
    disabled."""

    connect_timeout_seconds: float = Field(5.0, gt=0)
    """For name, connection and TLS; the whole attempt has the endpoint's own timeout."""
    retention_days: float = Field(30.0, gt=0)
    """How long finished events are kept with their deliveries and attempts."""
    dead_letter_retention_days: float = Field(90.0, gt=0)
    """How long dead letters are kept, open or not. An event whose dead letter is open is kept with it."""

    def key_bytes(self) -> list[bytes]:
        return [key.get_secret_value() for key in self.secret_keys]

    @property
    def reach(self) -> Reach:
        return Reach(self.webhook_allowed_networks, self.webhook_allowed_ports)

    def slots(self, priority: Priority) -> int:
        value: int = getattr(self, f"slots_{priority.name.lower()}")
        return value

    def receivers(self, priority: Priority) -> int:
        value: int = getattr(self, f"receivers_{priority.name.lower()}")
        return value

    def retry_tries(self, priority: Priority) -> int:
        value: int = getattr(self, f"retry_tries_{priority.name.lower()}")
        return value
