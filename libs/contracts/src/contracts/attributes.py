"""SNS message attributes."""

from collections.abc import Mapping

from contracts.errors import ContractError
from contracts.messages.spec import MessageType
from contracts.trace import trace_fields

MAX_ATTRIBUTES = 10
"""With raw delivery SQS discards a message that has more."""


def check_attributes(attributes: Mapping[str, str]) -> None:
    """Raise ContractError for what AWS would drop or refuse: more than ten attributes, or an empty one."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise ContractError(f"{len(attributes)} message attributes; at most {MAX_ATTRIBUTES} survive raw delivery")
    if empty := [name for name, value in attributes.items() if not value]:
        raise ContractError(f"empty message attributes: {', '.join(empty)}")


def message_attributes(
    type: MessageType, traceparent: str | None = None, tracestate: str | None = None
) -> dict[str, str]:
    """Attributes of a domain message: ``eventType`` is what the bus filters on."""
    return {"eventType": type.value, **trace_fields(traceparent, tracestate)}
