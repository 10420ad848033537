"""What the use cases need from outside: the channels by which endpoints are reached."""

from typing import Protocol

from contracts.messages.user import Contact
from delivery_service.domain.attempts import Reply
from delivery_service.domain.deliveries import Dispatch, Target


class Sender(Protocol):
    """A channel: how an endpoint is reached."""

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        """Make one attempt. What the receiver or the network does is a reply, never an exception."""

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        """Send something that says it is a test; ``contact`` is for the channels that write to a person."""
