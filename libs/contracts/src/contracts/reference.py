"""The page of the reference about messages, written from the contracts."""

from pydantic import BaseModel

from contracts.due import DueEvent
from contracts.messages.registry import MESSAGES
from contracts.schemas import DUE_EVENT, WEBHOOK, message_name
from contracts.topology import build_topology
from contracts.vocabulary import EventType, Service
from contracts.webhook import WebhookBody

_HEAD = """# Messages

`make contracts` writes this page, and to `dist/contracts` a JSON Schema of each message and one AsyncAPI document with
topics, queues, filters and dead-letter queues. CI publishes both as the artifact `contracts`.
[contracts](../../libs/contracts/README.md) has the rules of versions.

A message of the domain bus is an envelope with one item or more. Consumers deduplicate by `itemId`.

| message | publisher | topic | meaning | item |
| --- | --- | --- | --- | --- |
"""
_FIELDS = """
## Fields

Fields with a question mark may be left out.

| item | fields |
| --- | --- |
"""


def messages_page() -> str:
    """Every message with its publisher and topic, and the fields of every item, as Markdown."""
    topology = build_topology()
    topics = {topic.carries: topic.name for topic in topology.topics}
    rows = [
        (f"`{message_name(spec)}`", spec.source, f"`{topics[spec.bus]}`", spec.summary, f"`{spec.item.__name__}`")
        for spec in MESSAGES
    ]
    due = ", ".join(f"`{topics[type]}`" for type in EventType)
    rows.append((f"`{DUE_EVENT}`", Service.EVENT, due, "An event is due.", f"`{DueEvent.__name__}`"))
    rows.append(
        (f"`{WEBHOOK}`", Service.DELIVERY, "the endpoint's URL", "The body of a webhook.", f"`{WebhookBody.__name__}`")
    )
    items: list[type[BaseModel]] = [*(spec.item for spec in MESSAGES), DueEvent, WebhookBody]
    models = {model.__name__: model for model in items}
    return "".join(
        [
            _HEAD,
            *(f"| {' | '.join(row)} |\n" for row in rows),
            _FIELDS,
            *(f"| `{name}` | {_fields(model)} |\n" for name, model in models.items()),
        ]
    )


def _fields(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return ", ".join(f"`{name}`" + ("" if name in required else "?") for name in schema["properties"])
