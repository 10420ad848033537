"""Trying an endpoint out: one test event, now, and its result."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from opentelemetry.trace import SpanKind

from chassis.database.database import Database
from chassis.telemetry import tracing
from contracts.messages.user import Contact
from contracts.vocabulary import Channel
from delivery_service.adapters import endpoints
from delivery_service.application.sending import Channels, attempt_of, reply_of
from delivery_service.domain.attempts import Attempt, judge
from delivery_service.domain.errors import ContactNeededError, EndpointNotFoundError


async def test_endpoint(
    database: Database, open_channels: Callable[[], Channels], endpoint_id: UUID, contact: Contact
) -> Attempt:
    """Send a test event to an endpoint, enabled or not. It is no delivery: nothing is stored, nothing tried again.

    Raises:
        EndpointNotFoundError
        ContactNeededError: the channel writes to a person, and ``contact`` does not say to whom.
    """
    async with database.read() as connection:
        target = await endpoints.find_target(connection, endpoint_id)
    if target is None:
        raise EndpointNotFoundError(f"there is no endpoint {endpoint_id}")
    for kind, field, address in ((Channel.EMAIL, "email", contact.email), (Channel.SMS, "phone", contact.phone)):
        if target.kind is kind and address is None:
            raise ContactNeededError(field, f"a test of an endpoint of kind {kind} needs an address to write to")
    channels = open_channels()
    span = tracing.start_span("test endpoint", SpanKind.CLIENT, attributes={"almanac.endpoint.id": str(endpoint_id)})
    traceparent = tracing.traceparent_of(span)
    started_at = datetime.now(UTC)
    try:
        reply = await reply_of(channels.test(target, contact, traceparent))
    finally:
        span.end()
        await channels.aclose()
    return attempt_of(reply, judge(reply), started_at, traceparent)
