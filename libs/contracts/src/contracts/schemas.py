"""The contracts for readers in other languages: JSON Schema of everything on the wire, and one AsyncAPI document."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from contracts.due import DueEvent
from contracts.messages.envelope import DomainMessage
from contracts.messages.registry import MESSAGES
from contracts.messages.spec import Bus, Item, MessageSpec
from contracts.topology import Queue, Subscription, Topic, Topology, build_topology
from contracts.vocabulary import EventType, Priority, Service
from contracts.webhook import WebhookBody

Json = dict[str, Any]

DUE_EVENT: Final = "DueEvent"
WEBHOOK: Final = "Webhook"


class _Untitled(GenerateJsonSchema):
    # A title that repeats the key says nothing.
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def message_name(spec: MessageSpec) -> str:
    """``UserCreated.v1.0``: a published version of a message type."""
    return f"{spec.type}.v{spec.dataversion}"


def json_schemas() -> dict[str, Json]:
    """JSON Schema (2020-12) by message name, of what a consumer accepts."""
    models: dict[str, tuple[type[BaseModel], Json]] = {
        message_name(spec): (_envelope(spec.item), _constants(spec)) for spec in MESSAGES
    }
    models |= {DUE_EVENT: (DueEvent, {}), WEBHOOK: (WebhookBody, {})}
    schemas: dict[str, Json] = {}
    for name, (model, constants) in models.items():
        schema = model.model_json_schema(schema_generator=_Untitled)
        schemas[name] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:almanac:{name}",
            **schema,
            "title": name,
            "properties": schema["properties"] | constants,
        }
    return schemas


def asyncapi(topology: Topology | None = None) -> Json:
    """AsyncAPI 3.0: topics and queues are channels, each service's sending and receiving is an operation."""
    topology = topology or build_topology()
    models = {_envelope(spec.item): None for spec in MESSAGES} | {DueEvent: None, WebhookBody: None}
    references, definitions = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Untitled,
    )
    payloads = {model: references[model, "validation"] for model in models}
    channels: Json = {topic.name: _topic_channel(topic) for topic in topology.topics}
    channels |= {queue.name: _queue_channel(queue, topology) for queue in topology.queues}
    channels["webhooks"] = {
        "address": None,
        "description": "The URL of each endpoint that takes the event (Standard Webhooks).",
        "messages": _references([WEBHOOK]),
    }
    operations: Json = {
        f"{service}-sends-{topic.name}": _operation(
            "send", topic.name, _sent_by(service, topic), {"$ref": f"#/components/operationBindings/{topic.name}"}
        )
        for topic in topology.topics
        for service in topic.publishers
    }
    operations |= {
        f"{queue.owner}-receives-{queue.name}": _operation(
            "receive", queue.name, list(channels[queue.name]["messages"])
        )
        for queue in topology.queues
    }
    operations[f"{Service.DELIVERY}-sends-webhooks"] = _operation(
        "send", "webhooks", [WEBHOOK], {"http": {"method": "POST", "bindingVersion": "0.3.0"}}
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Almanac",
            "version": "1.0.0",
            "description": "Messages between Almanac's services, and the webhooks that leave it.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": _messages(payloads),
            "schemas": definitions["$defs"],
            "operationBindings": {topic.name: _topic_binding(topic, topology) for topic in topology.topics},
        },
    }


def export(directory: Path) -> list[Path]:
    """Write ``schemas/<message>.json`` and ``asyncapi.json`` below the directory; the same bytes at every run."""
    documents = {f"schemas/{name}.json": schema for name, schema in json_schemas().items()}
    documents["asyncapi.json"] = asyncapi()
    written = []
    for name, document in documents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _envelope(item: type[Item]) -> type[BaseModel]:
    return cast(type[BaseModel], DomainMessage.__class_getitem__(item))


def _constants(spec: MessageSpec) -> Json:
    return {
        "type": {"const": spec.type.value},
        "source": {"const": spec.source.value},
        "dataversion": {"const": spec.dataversion},
    }


def _message_names(topic: Topic) -> list[str]:
    if isinstance(topic.carries, Bus):
        return [message_name(spec) for spec in MESSAGES if spec.bus is topic.carries]
    return [DUE_EVENT]


def _sent_by(service: Service, topic: Topic) -> list[str]:
    foreign = {message_name(spec) for spec in MESSAGES if spec.source is not service}
    return [name for name in _message_names(topic) if name not in foreign]


def _reaches(subscription: Subscription) -> list[str]:
    topic = subscription.topic
    if isinstance(topic.carries, EventType):
        return [DUE_EVENT]
    return [
        message_name(spec)
        for spec in MESSAGES
        if spec.bus is topic.carries and subscription.matches({"eventType": spec.type.value})
    ]


def _references(names: list[str]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _topic_channel(topic: Topic) -> Json:
    return {
        "address": topic.name,
        "messages": _references(_message_names(topic)),
        "bindings": {"sns": {"name": topic.name}},
    }


def _queue_channel(queue: Queue, topology: Topology) -> Json:
    subscriptions = [each for each in topology.subscriptions if each.queue == queue]
    letters = queue.dead_letter_queue
    return {
        "address": queue.name,
        "description": f"Owned by {queue.owner}.",
        "messages": _references([name for each in subscriptions for name in _reaches(each)]),
        "bindings": {
            "sqs": {
                "queue": {
                    "name": queue.name,
                    "fifoQueue": False,
                    "visibilityTimeout": queue.visibility_seconds,
                    "messageRetentionPeriod": queue.retention_seconds,
                    "redrivePolicy": {
                        "deadLetterQueue": {"name": letters.name},
                        "maxReceiveCount": queue.max_receive_count,
                    },
                },
                "deadLetterQueue": {
                    "name": letters.name,
                    "fifoQueue": False,
                    "messageRetentionPeriod": letters.retention_seconds,
                },
            }
        },
    }


def _topic_binding(topic: Topic, topology: Topology) -> Json:
    consumers = [
        {
            "protocol": "sqs",
            "endpoint": {"name": each.queue.name},
            **({"filterPolicy": each.filter_policy} if each.filters else {}),
            "rawMessageDelivery": each.raw_delivery,
            "redrivePolicy": {"deadLetterQueue": {"name": each.dead_letter_queue.name}},
        }
        for each in topology.subscriptions
        if each.topic == topic
    ]
    return {"sns": {"consumers": consumers}}


def _operation(action: str, channel: str, messages: list[str], bindings: Json | None = None) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
        **({"bindings": bindings} if bindings else {}),
    }


def _headers(**required: Json) -> Json:
    trace = {"traceparent": {"type": "string"}, "tracestate": {"type": "string"}}
    return {"type": "object", "properties": required | trace, "required": list(required)}


def _messages(payloads: Mapping[type[BaseModel], Json]) -> Json:
    messages: Json = {
        message_name(spec): {
            "name": spec.type.value,
            "summary": spec.summary,
            "headers": _headers(eventType={"const": spec.type.value}),
            "payload": {"allOf": [payloads[_envelope(spec.item)], {"properties": _constants(spec)}]},
        }
        for spec in MESSAGES
    }
    messages[DUE_EVENT] = {
        "name": DUE_EVENT,
        "summary": "An event's moment has come: deliver it.",
        "headers": _headers(
            eventId={"type": "string", "format": "uuid"},
            userId={"type": "string", "format": "uuid"},
            eventType={"enum": [event_type.value for event_type in EventType]},
            priority={"enum": [priority.name for priority in Priority]},
        ),
        "payload": payloads[DueEvent],
    }
    messages[WEBHOOK] = {
        "name": WEBHOOK,
        "summary": "What an endpoint receives.",
        "payload": payloads[WebhookBody],
    }
    return messages
