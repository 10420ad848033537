"""What a letter to a person says: the words of the event's webhook, and of a test's."""

from collections.abc import Mapping

from contracts.due import DueEvent
from contracts.webhook import build_webhook
from delivery_service.domain.templates import TEST_MESSAGE

TEST_WORDS: Mapping[str, object] = {"message": TEST_MESSAGE, "eventType": "TEST"}


def words(due: DueEvent) -> Mapping[str, object]:
    """By their names in a webhook's data; what is not a single value has no place in a text."""
    data = build_webhook(due).data.model_dump(mode="json")
    return {name: value for name, value in data.items() if not isinstance(value, dict | list)}
