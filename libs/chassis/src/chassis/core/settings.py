"""Settings that every service reads from its environment.

A service subclasses :class:`ServiceSettings` and adds its own settings; ``main`` alone constructs it. A process without
a database, such as the console, subclasses :class:`ProcessSettings`.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from contracts.topology import RETRY_HORIZON_SECONDS

Scope = Literal["read", "write", "admin"]


class ApiKey(BaseModel):
    """One bearer key: who holds it, the SHA-256 of the key in hex, and what it may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: frozenset[Scope]


_KEYS_FORM = 'must be a JSON list like [{"name": "me", "sha256": "<64 hex digits>", "scopes": ["read", "write"]}]'


def _api_keys(value: Any) -> Any:
    """Parse and check the keys. An error names the entry's place, name and field; values may be secrets."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"{_KEYS_FORM}; it is {'empty' if not value.strip() else 'not JSON'}") from None
    if not isinstance(value, list | tuple):
        raise ValueError(_KEYS_FORM)  # noqa: TRY004  # a TypeError would not become a fault of the setting
    keys: dict[str, ApiKey] = {}
    for number, entry in enumerate(value, 1):
        try:
            key = ApiKey.model_validate(entry)
        except ValidationError as error:
            [fault, *_] = error.errors(include_url=False, include_context=False, include_input=False)
            where = ".".join(map(str, fault["loc"])) or "the entry"
            raise ValueError(f"entry {number}: {where}: {fault['msg']}; {_KEYS_FORM}") from None
        if (other := keys.get(key.sha256)) is not None:
            raise ValueError(f"{other.name!r} and {key.name!r} are one key: each entry needs a sha256 of its own")
        keys[key.sha256] = key
    return tuple(keys.values())


def _cache_address(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith(("mem://", "redis://", "rediss://")):
        raise ValueError("must begin with mem://, redis:// or rediss://")
    return value


class _Environment(EnvSettingsSource):
    """The environment, where a value that should be JSON and is not is a fault of its setting like any other."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value  # refused by validation, which names the setting


def _base_address(value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return None if value is None else value.rstrip("/")


Address = Annotated[str | None, AfterValidator(_base_address)]
"""The base of a URL, or nothing."""


class EnvironmentSettings(BaseSettings):
    """The base of all settings: how the environment is read."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, and nothing else."""
        return init_settings, _Environment(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_set(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out empty values of optional settings: Compose sets a variable without a value to an empty text."""
        optional = {name for name, field in cls.model_fields.items() if field.default is None}
        return {name: value for name, value in values.items() if value != "" or name not in optional}


class ProcessSettings(EnvironmentSettings):
    """The settings of every process. Times are in seconds of real time unless a name says otherwise."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=0, le=65535)
    """Where the process serves its API, ``/healthz``, ``/readyz`` and ``/metrics``."""
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode, BeforeValidator(_api_keys)] = ()
    """JSON list of ``{"name", "sha256", "scopes"}``: bearer keys by their SHA-256 in hex, with the scopes ``read``,
    ``write``, ``admin``. Without a key only health and metrics answer."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    log_format: Literal["json", "console"] = "json"
    """``json``, or ``console`` for people."""
    otel_exporter_otlp_endpoint: str | None = None
    """Base address of an OTLP/HTTP collector. Empty: spans are neither recorded nor sent, trace ids still travel."""
    otel_traces_sampler_ratio: float = Field(1.0, ge=0, le=1)
    """The share of traces that are recorded."""

    settings_grace_seconds: float = Field(0.0, ge=0)
    """How long a process without a required setting stays, unready and with the reason at ``/readyz``, before it exits.
    0: at once. On Kubernetes the container then restarts with its Secret as it is by then."""
    shutdown_grace_seconds: float = Field(25.0, gt=0)
    """How long work in progress may take after SIGTERM. Kubernetes' own grace period must be longer."""


class BusSettings(EnvironmentSettings):
    """Where SNS and SQS are, and the names of topics and queues. Credentials are found as AWS' SDKs find them."""

    aws_endpoint_url: str | None = None
    """Where SNS and SQS answer; empty on AWS itself, the emulator's address elsewhere."""
    aws_region: str = "us-east-1"
    """The region of topics and queues."""
    aws_account_id: str = Field("000000000000", pattern=r"^\d{12}$")
    """The account that owns topics and queues; their ARNs are derived from it."""
    topology_prefix: str = Field("bday", pattern=r"^[a-z0-9-]{1,40}$")
    """How the names of topics and queues begin."""
    retry_horizon_seconds: float = Field(RETRY_HORIZON_SECONDS, gt=0)
    """The longest that the attempts at one delivery are expected to take, with the waits between them; the same for all
    services. delivery-service logs a warning if its ``RETRY_…`` settings exceed it; event-service publishes an event
    again that has had no outcome an hour after it."""


class ServiceSettings(BusSettings, ProcessSettings):
    """The settings of every service with a database. Times as in :class:`ProcessSettings`."""

    database_url: SecretStr
    """``postgresql://user:password@host:port/database`` of this service's own database. On RDS without a password:
    ``postgresql://user@host:port/database?ssl=require&iam=us-east-1``. The two URLs below take the same form."""
    database_pool_size: int = Field(10, ge=2, le=200)
    """Connections that one process may hold (docs/architecture.md#reliability-rules, rule 10)."""
    database_pooler: bool = False
    """True behind a transaction pooler: prepared statements are then not cached, because they belong to a session.
    Such a pooler drops ``jit = off``: set it on the role, ``ALTER ROLE … SET jit = off``."""
    listen_url: SecretStr | None = None
    """The primary's own address where ``DATABASE_URL`` is a pooler's. LISTEN does not pass a transaction pooler, so
    without this setting work is found by polling. Migrations use it too. A process that listens holds one connection
    more."""
    database_replica_url: SecretStr | None = None
    """A streaming replica of the database, for reads that may be slightly stale. Empty: they go to the primary."""
    database_replica_pool_size: int = Field(5, ge=1, le=200)
    """Connections to the replica that one process may hold, and two more that measure its lag."""
    database_replica_max_lag_seconds: float = Field(1.0, gt=0)
    """The most that the replica may be behind. While it is further behind, the primary answers."""
    cache_url: Annotated[SecretStr | None, AfterValidator(_cache_address)] = None
    """The cache of API reads: ``mem://`` in the process, ``redis://host:port/0`` shared. Empty: no cache."""

    time_lapse: bool = False
    """True only in the one-machine stack, whose clock may be mapped. Elsewhere a mapped clock is an error."""

    outbox_poll_seconds: float = Field(0.2, gt=0)
    """How soon a relay sees rows that another process wrote; rows of its own process wake it at once."""
    outbox_backlog_limit: int = Field(50_000, ge=1)
    """Unsent rows above which bulk work, such as an import, waits for the relay."""
    outbox_retention_hours: float = Field(24.0, gt=0)
    """How long sent rows are kept, for a replay after the bus has lost its queues."""
    inbox_retention_days: float = Field(30.0, gt=0)
    """How long item ids are remembered. Longer than queue, DLQ and redrives together can hold a message (18 days)."""
    usage_retention_days: int = Field(400, ge=2)
    """Retention of hourly usage."""
    erasure_seconds: float = Field(60.0, gt=0)
    """Pause between two rounds that erase deleted users. Events in flight are erased when they have ended."""
    message_dead_letter_retention_days: float = Field(90.0, gt=0)
    """How long messages that could not be parsed or applied are kept."""
    dlq_drain_seconds: float = Field(60.0, gt=0)
    """Pause between two reads of this service's dead-letter queues."""
