"""One attempt at an endpoint: what it said, and what that means (docs/architecture.md#retries)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

RETRYABLE = frozenset({408, 425, 429})
"""Client errors that say nothing about the request itself. Every 5xx is retried too."""
GONE = 410
TOO_MANY_REQUESTS = 429


class Fault(StrEnum):
    """Why there was no response."""

    TIMEOUT = "timeout"
    CONNECT_TIMEOUT = "connect_timeout"
    DNS = "dns"
    FORBIDDEN_ADDRESS = "forbidden_address"
    TLS = "tls"
    CONNECTION = "connection"
    PROTOCOL = "protocol"
    UNUSABLE_URL = "unusable_url"
    NO_CONTACT = "no_contact"
    """The person has no address of the kind that the channel needs."""
    TEXT_TOO_LONG = "text_too_long"
    """With the event's words in it, the text is longer than the channel carries."""
    NOT_CONFIGURED = "not_configured"
    """The service's own settings, credentials, permissions or account (suspended, paused) keep it from the channel."""
    SEALED = "sealed"
    """The secrets cannot be opened with the keys of the settings."""
    INTERNAL_ERROR = "internal_error"
    """Almanac itself failed while it made, judged or recorded the attempt; ``detail`` has the exception's class."""


TIMEOUTS = frozenset({Fault.TIMEOUT, Fault.CONNECT_TIMEOUT})
"""Those that cost the whole of a timeout."""

FINAL_FAULTS = frozenset({Fault.UNUSABLE_URL, Fault.NO_CONTACT, Fault.TEXT_TOO_LONG})
"""Those that another try would meet again."""

UNRELATED_FAULTS = frozenset({Fault.NO_CONTACT, Fault.TEXT_TOO_LONG, Fault.NOT_CONFIGURED, Fault.SEALED})
"""Those that say nothing about the endpoint: no request was sent to it."""


class Verdict(StrEnum):
    """What an attempt means for its delivery."""

    SUCCEEDED = "succeeded"
    RETRY = "retry"
    REJECTED = "rejected"
    GONE = "gone"
    """410: the receiver says that there will never be anyone; the endpoint is to be disabled."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of one attempt: an HTTP status, or a fault where there was no response.

    ``excerpt`` is the beginning of the response's body, ``retry_after`` its header as it came, ``headers`` are those
    worth keeping, by lower-case name. ``detail`` explains a fault to a person.
    """

    http_status: int | None
    fault: Fault | None
    duration_seconds: float
    excerpt: str | None = None
    retry_after: str | None = None
    headers: Mapping[str, str] | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as it is kept. ``started_at`` is real time.

    ``http_status`` and ``fault`` are both there only for an answer that could not be processed: ``internal_error``.
    """

    verdict: Verdict
    http_status: int | None
    fault: str | None
    headers: Mapping[str, str] | None
    excerpt: str | None
    started_at: datetime
    duration_seconds: float
    trace_id: str | None
    detail: str | None = None


def judge(reply: Reply) -> Verdict:
    """2xx succeeded; 408, 425, 429, 5xx, timeouts and connection errors are worth another try; the rest is final.

    410 is final for the endpoint too.
    """
    status = reply.http_status
    if status is None:
        return Verdict.REJECTED if reply.fault in FINAL_FAULTS else Verdict.RETRY
    if 200 <= status < 300:
        return Verdict.SUCCEEDED
    if status == GONE:
        return Verdict.GONE
    return Verdict.RETRY if status in RETRYABLE or status >= 500 else Verdict.REJECTED
