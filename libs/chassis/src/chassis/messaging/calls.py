"""Counting calls to AWS where they are made: each that was answered, with what it is billed for."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import metrics

from chassis.core.usage import Meter, Usage

UNIT_BYTES = 64 * 1024
"""AWS bills a call once for each started unit of this many bytes of payload."""
_SIZE = "almanac.size"
_RESOURCE = "almanac.resource"
_MESSAGES = "almanac.messages"
_calls = metrics.get_meter("almanac.bus").create_counter(
    "almanac_aws_calls", description="Calls to AWS, by operation: what the bus costs"
)


class CallCounter:
    """Counts the calls of clients for SNS and SQS."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    def watch(self, client: Any, service: str) -> None:
        """Count what ``client`` of ``service`` (``sns`` or ``sqs``) calls from now on."""
        client.meta.events.register(f"before-parameter-build.{service}", _note)
        client.meta.events.register(f"after-call.{service}", self._count)

    def _count(self, *, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: object) -> None:
        operation, resource = model.name, context[_RESOURCE]
        received = parsed.get("Messages", ()) if operation == "ReceiveMessage" else ()
        size = context[_SIZE] + sum(_size(message, "Body") for message in received)
        _calls.add(1, {"operation": operation, **({"resource": resource} if resource else {})})
        self._usage.add(Meter.AWS_CALLS, operation, resource)
        self._usage.add(Meter.AWS_UNITS, operation, resource, max(1, -(-size // UNIT_BYTES)))
        if messages := context[_MESSAGES] or len(received):
            self._usage.add(Meter.AWS_MESSAGES, operation, resource, messages)


def _note(*, params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
    name = params.get("TopicArn") or params.get("QueueUrl") or params.get("QueueName") or ""
    entries: Sequence[Mapping[str, Any]] = params.get("PublishBatchRequestEntries", ())
    body = "Message"
    if "MessageBody" in params:
        entries, body = (params,), "MessageBody"
    context[_RESOURCE] = name.rpartition(":" if "TopicArn" in params else "/")[2]
    context[_MESSAGES] = len(entries)
    context[_SIZE] = sum(_size(entry, body) for entry in entries)


def _size(message: Mapping[str, Any], body: str) -> int:
    attributes: Mapping[str, Mapping[str, str]] = message.get("MessageAttributes") or {}
    return _length(message[body]) + sum(
        len(name) + len(value.get("DataType", "")) + _length(value.get("StringValue", ""))
        for name, value in attributes.items()
    )


def _length(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode())
