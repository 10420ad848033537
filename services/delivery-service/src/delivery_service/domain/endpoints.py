"""An endpoint: where webhooks go, which events it wants, and what its URL may look like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from contracts.vocabulary import Channel
from delivery_service.domain.errors import (
    HeaderRefusedError,
    NotOfThisKindError,
    ReasonWhileEnabledError,
    SecretsUnreadableError,
    TextTooLongError,
)
from delivery_service.domain.hosts import ascii_host
from delivery_service.domain.signing import Secret
from delivery_service.domain.templates import MAX_SMS

MAX_URL = 2048
"""Characters."""
MAX_DESCRIPTION = 500
MAX_REASON = 200
MAX_TAGS = 50
MAX_TAG = 64
MAX_RETRIES = 20
MAX_RETRY_SECONDS = 86_400.0
"""The longest wait before a retry that an endpoint may ask for; nothing is sent past an event's expiry anyway."""
MAX_RATE = 10_000.0
"""Per second."""
MAX_CONCURRENCY = 1_000
MAX_HEADERS = 20
MAX_HEADER_VALUE = 1_024
RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
RESERVED_HEADER_PREFIXES = ("webhook-", "proxy-", "sec-")
TIMEOUT_SECONDS = 30
"""Default and maximum duration of one attempt (docs/architecture.md#delivery)."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(rf"[!-~]([ -~]{{0,{MAX_HEADER_VALUE - 2}}}[!-~])?")
_UNSAFE = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_url(url: str) -> str:
    """Return ``url`` if webhooks may be sent there.

    Raises:
        ValueError: the rule that it breaks. Where a name leads to is not looked at: that may change at any time.
    """
    if _UNSAFE.search(url):
        raise ValueError("must not contain spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://")
    if not host:
        raise ValueError("must name a host")
    if "@" in parts.netloc:
        raise ValueError("must not contain credentials")
    if port == 0:
        raise ValueError("port 0 cannot be reached")
    if "#" in url:
        raise ValueError("must not have a fragment: it would never be sent")
    try:
        ascii_host(host)
    except ValueError as error:
        raise ValueError(f"{host!r} is not the name or address of a host: {error}") from None
    return url


def host_and_port(url: str) -> tuple[str, int]:
    """Where a checked URL connects to; the port is its scheme's where it names none. Raises ValueError as check_url."""
    parts = urlsplit(url)
    return ascii_host(parts.hostname or ""), parts.port or (443 if parts.scheme == "https" else 80)


ADDRESSED = (Channel.WEBHOOK, Channel.SLACK)
"""Those with a URL: an address of their own, which does not depend on the user. We POST to it."""

PERSONAL = (Channel.EMAIL, Channel.SMS)
"""Those that reach a person, always inside the event's send window. The others reach a machine or a team."""


def keeps_to_send_window(kind: Channel, respect: bool | None) -> bool:
    """Return whether deliveries by this channel wait for the send window; ``respect`` is what the client says of it."""
    return kind in PERSONAL if respect is None else respect


_KINDS_WITH = {
    "headers": {Channel.WEBHOOK},
    "subject": {Channel.EMAIL},
    "html": {Channel.EMAIL},
    "text": {Channel.EMAIL, Channel.SMS, Channel.SLACK},
}


class OperationalEvent(StrEnum):
    """What an endpoint can subscribe to about other endpoints and their deliveries."""

    ENDPOINT_FAILING = "endpoint.failing"
    """It will be disabled unless an attempt succeeds."""
    ENDPOINT_DISABLED = "endpoint.disabled"
    DELIVERY_DEAD_LETTERED = "delivery.dead_lettered"


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What a client says about an endpoint.

    Empty ``event_types``, ``priorities`` or ``tags`` mean all; one of several tags is enough. ``operational_events``
    are those that it receives about other endpoints. The timeout is for a whole attempt; ``rate_limit`` is per
    second; ``retry_schedule`` has the seconds before each retry, None for the service's own. ``respect_send_window``
    None is the kind's default: true of those that write to a person. ``subject``, ``text`` and ``html`` are templates
    of what a person reads. Of an ``unreadable`` endpoint the encrypted fields (headers, the secrets, Slack's URL)
    cannot be decrypted, and are empty here.
    """

    url: str | None = field(repr=False)
    kind: Channel = Channel.WEBHOOK
    description: str | None = None
    event_types: tuple[str, ...] = ()
    priorities: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    operational_events: tuple[str, ...] = ()
    timeout_seconds: int = TIMEOUT_SECONDS
    rate_limit: float | None = None
    concurrency: int | None = None
    retry_schedule: tuple[float, ...] | None = None
    respect_send_window: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    enabled: bool = True
    disabled_reason: str | None = None
    unreadable: bool = False

    def merged(self, patch: Mapping[str, Any]) -> "EndpointConfig":
        """With the patch's values (RFC 7396). Enabling clears the reason for which it was disabled.

        Raises:
            SecretsUnreadableError: the patch changes some of several encrypted fields that cannot be decrypted.
            DeliveryServiceError: as :meth:`checked`.
        """
        if self.unreadable and "headers" in patch:
            raise SecretsUnreadableError(
                "headers cannot be changed: a key that decrypts them is missing in SECRET_KEYS"
            )
        if self.unreadable and self.kind is Channel.SLACK and patch.get("url") is not None:
            # It is the only encrypted field of this kind, so with a new one the endpoint is readable again.
            patch = {**patch, "unreadable": False}
        if "headers" in patch:
            patch = {**patch, "headers": _merged_headers(self.headers, patch["headers"])}
        changed = replace(self, **patch)
        if changed.enabled and "disabled_reason" not in patch:
            changed = replace(changed, disabled_reason=None)
        return changed.checked(before=self)

    def checked(self, before: "EndpointConfig | None" = None) -> "EndpointConfig":
        """Itself. A text that it has had ``before`` is not checked again: limits may be younger than it.

        Raises:
            NotOfThisKindError: a field that its kind does not have, or lacks one that it needs.
            TextTooLongError: the template of a text message that SNS would refuse.
            HeaderRefusedError, ReasonWhileEnabledError
        """
        addressed = self.kind in ADDRESSED
        unknown = self.unreadable and self.kind is Channel.SLACK
        if addressed != (self.url is not None) and not unknown:
            rule = "needs a URL" if addressed else "has no URL: it writes to the user's own address"
            raise NotOfThisKindError("url", f"an endpoint of kind {self.kind} {rule}")
        if self.kind is Channel.SLACK and not unknown and not (self.url or "").startswith("https://"):
            raise NotOfThisKindError("url", "an incoming webhook of Slack begins with https://")
        for name, kinds in _KINDS_WITH.items():
            if getattr(self, name) and self.kind not in kinds:
                raise NotOfThisKindError(name, f"an endpoint of kind {self.kind} has no {name}")
        if self.operational_events and not addressed:
            rule = f"an endpoint of kind {self.kind} operational events need a webhook or Slack endpoint"
            raise NotOfThisKindError("operationalEvents", rule)
        if self.kind in PERSONAL and self.respect_send_window is False:
            rule = f"must be true where kind is {self.kind}: it writes to a person"
            raise NotOfThisKindError("respectSendWindow", rule)
        new_text = self.text if before is None or before.text != self.text else None
        if self.kind is Channel.SMS and new_text is not None and len(new_text) > MAX_SMS:
            rule = f"must have at most {MAX_SMS} characters where kind is sms, it has {len(new_text)}"
            raise TextTooLongError(rule)
        check_headers(self.headers)
        if self.enabled and self.disabled_reason is not None:
            raise ReasonWhileEnabledError("a reason is only for an endpoint that is not enabled")
        return self


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises HeaderRefusedError for a header that is ours, or that HTTP does not allow."""
    if len(headers) > MAX_HEADERS:
        raise HeaderRefusedError(list(headers)[-1], f"at most {MAX_HEADERS} headers")
    seen: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        if not _HEADER_NAME.fullmatch(name):
            raise HeaderRefusedError(name, "a header's name has 1 to 64 letters, digits and marks, no spaces")
        if lower in RESERVED_HEADERS or lower.startswith(RESERVED_HEADER_PREFIXES):
            raise HeaderRefusedError(name, f"{lower} is set by Almanac or by HTTP itself")
        if lower in seen:
            raise HeaderRefusedError(name, "the same header twice: case does not matter")
        if not _HEADER_VALUE.fullmatch(value):
            raise HeaderRefusedError(name, f"a header's value has 1 to {MAX_HEADER_VALUE} printable ASCII characters")
        seen.add(lower)


def _merged_headers(headers: Mapping[str, str], patch: Mapping[str, str | None] | None) -> Mapping[str, str]:
    # Of names only the case of which differs, the patch's is meant.
    given = {name.lower() for name in patch or {}}
    kept = {name: value for name, value in headers.items() if patch and name.lower() not in given}
    return kept | {name: value for name, value in (patch or {}).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A stored endpoint. ``version`` grows by one with every change; ``disabled_at`` is None while it is enabled.

    ``secrets`` has the current one first; there are none where the kind signs nothing.
    """

    id: UUID
    version: int
    config: EndpointConfig
    secrets: tuple[Secret, ...]
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def new(cls, endpoint_id: UUID, config: EndpointConfig, secrets: tuple[Secret, ...], now: datetime) -> "Endpoint":
        """Of a checked configuration."""
        return cls(endpoint_id, 1, config, secrets, None if config.enabled else now, now, now)

    def changed(self, config: EndpointConfig, now: datetime) -> "Endpoint":
        """The next version. It counts as disabled since it first was."""
        disabled_at = None if config.enabled else self.disabled_at or now
        return replace(self, version=self.version + 1, config=config, disabled_at=disabled_at, updated_at=now)

    def resecured(self, secrets: tuple[Secret, ...], now: datetime) -> "Endpoint":
        """The next version, with other secrets."""
        return replace(self, version=self.version + 1, secrets=secrets, updated_at=now)
