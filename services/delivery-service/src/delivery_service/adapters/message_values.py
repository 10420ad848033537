"""What a letter to a person says: the words of the event's webhook, and of a test's."""

import json
from collections.abc import Mapping

from contracts.due import DueEvent
from contracts.webhook import build_webhook
from delivery_service.domain.templates import TEST_MESSAGE

TEST_VALUES: Mapping[str, object] = {"message": TEST_MESSAGE, "eventType": "TEST"}


def event_values(due: DueEvent) -> Mapping[str, object]:
    """By their names in a webhook's data; only single values can be placed in a text."""
    return _single(build_webhook(due).data.model_dump(mode="json"))


def operational_event_values(body: str) -> Mapping[str, object]:
    """The same of an operational webhook's body, and its ``type``."""
    webhook = json.loads(body)
    return {"type": webhook["type"], **_single(webhook["data"])}


def _single(data: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in data.items() if not isinstance(value, dict | list)}
