"""One attempt: through a channel, in its trace, and judged.

It is also the boundary of an attempt's faults: an exception of our own is an attempt that failed as ``internal_error``,
of that delivery alone.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from traceback import extract_tb
from urllib.parse import urlsplit

import structlog
from opentelemetry.trace import Span, SpanKind

from chassis.database.clock import Clock
from chassis.telemetry import tracing
from contracts.messages.user import Contact
from contracts.trace import trace_id
from contracts.vocabulary import Channel
from delivery_service.application.ports import Sender
from delivery_service.application.send_windows import inside_window
from delivery_service.domain.attempts import Attempt, Fault, Reply, Verdict, judge
from delivery_service.domain.deliveries import ConfigurationExpiredError, Dispatch, Result, Target, conclude
from delivery_service.domain.endpoints import ADDRESSED
from delivery_service.domain.retries import RetryPolicy, parse_retry_after

log = structlog.get_logger(__name__)


class Channels:
    """A sender for each kind of endpoint. ``close`` closes what they send with."""

    def __init__(self, senders: Mapping[Channel, Sender], *, close: Callable[[], Awaitable[None]]) -> None:
        self._senders = senders
        self.aclose = close

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        return await self._senders[target.kind].send(dispatch, target, traceparent)

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        return await self._senders[target.kind].test(target, contact, traceparent)


async def attempt(sender: Sender, dispatch: Dispatch, target: Target, policy: RetryPolicy, clock: Clock) -> Result:
    """Try once. An event's first attempt belongs to its trace; a later one starts its own, linked to that.

    An exception becomes an attempt that failed as ``internal_error`` and is tried again. Send windows are judged by
    ``clock``.

    Raises:
        ConfigurationExpiredError: nothing was sent, because connecting took too long; no attempt was made.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    try:
        span, traceparent = _begin(dispatch, target)
        try:
            reply = await reply_of(sender.send(dispatch, target, traceparent))
            verdict = judge(reply)
            if span:
                _describe(span, reply, verdict)
        finally:
            if span:
                span.end()
        made = attempt_of(reply, verdict, started_at, traceparent)
        result = conclude(dispatch, made, policy, parse_retry_after(reply.retry_after, datetime.now(UTC)))
        return inside_window(result, target, clock)
    except ConfigurationExpiredError:
        raise
    except Exception as error:
        return failed(dispatch, error, policy, time.monotonic() - started)


async def reply_of(sending: Awaitable[Reply]) -> Reply:
    """The reply that a channel brings; an exception is a reply, too, with the fault ``internal_error``."""
    started = time.monotonic()
    try:
        return await sending
    except ConfigurationExpiredError:
        raise
    except Exception as error:
        report(error)
        return Reply(None, Fault.INTERNAL_ERROR, time.monotonic() - started, detail=type(error).__name__)


def failed(dispatch: Dispatch, error: Exception, policy: RetryPolicy, seconds: float = 0.0) -> Result:
    """The result of an attempt that an exception ended after ``seconds``: it counts as an attempt, with
    ``internal_error``."""
    report(error, delivery_id=str(dispatch.delivery_id))
    reply = Reply(None, Fault.INTERNAL_ERROR, seconds, detail=type(error).__name__)
    started_at = datetime.now(UTC) - timedelta(seconds=seconds)
    return conclude(dispatch, attempt_of(reply, judge(reply), started_at, ""), policy, None)


def report(error: Exception, **context: str) -> None:
    """Log an exception by its class and where it was raised. Its message may repeat what a receiver sent."""
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    log.error("internal error in an attempt", error=type(error).__name__, where=where[-5:], **context)


def attempt_of(reply: Reply, verdict: Verdict, started_at: datetime, traceparent: str) -> Attempt:
    """The record of an attempt."""
    return Attempt(
        verdict=verdict,
        http_status=reply.http_status,
        fault=reply.fault,
        headers=reply.headers,
        excerpt=reply.excerpt,
        started_at=started_at,
        duration_seconds=reply.duration_seconds,
        trace_id=trace_id(traceparent),
        detail=reply.detail,
    )


def _begin(dispatch: Dispatch, target: Target) -> tuple[Span | None, str]:
    again = dispatch.tries > 0
    if not tracing.recording() and not again and dispatch.traceparent:
        return None, dispatch.traceparent
    # Only two of the channels are a POST of ours; AWS is spoken to through its SDK.
    posts = target.kind in ADDRESSED
    span = tracing.start_span(
        "POST" if posts else f"send {target.kind}",
        SpanKind.CLIENT,
        parent=None if again else dispatch.traceparent,
        links=[dispatch.traceparent] if again else (),
        root=True,
        attributes={
            **(_http_attributes(target.url) if posts else {}),
            **({"http.request.resend_count": dispatch.tries} if again else {}),
            "almanac.channel": target.kind,
            "event.id": str(dispatch.event_id),
            "almanac.endpoint.id": str(target.endpoint_id),
            "almanac.delivery.id": str(dispatch.delivery_id),
        },
    )
    return span, tracing.traceparent_of(span)


def _http_attributes(url: str | None) -> dict[str, str | int]:
    """Method and server of a request, by the HTTP conventions. Of the URL the origin alone: a path may be a secret."""
    attributes: dict[str, str | int] = {"http.request.method": "POST"}
    parts = urlsplit(url or "")
    if parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        attributes["server.address"] = parts.hostname
        attributes["server.port"] = port
        attributes["url.full"] = f"{parts.scheme}://{parts.hostname}:{port}/REDACTED"
    return attributes


def _describe(span: Span, reply: Reply, verdict: Verdict) -> None:
    if reply.http_status is not None:
        span.set_attribute("http.response.status_code", reply.http_status)
    if verdict is not Verdict.SUCCEEDED:
        reason = reply.fault or str(reply.http_status)
        span.set_attribute("error.type", reason)
        tracing.fail(span, reason)
