import json
from pathlib import Path
from typing import Any

from contracts import RESERVED_KEYS, DueEvent, build_webhook, parse_due_event

GOLDEN = Path(__file__).parent / "golden"
DUE_EVENT = (GOLDEN / "DueEvent.json").read_bytes()
WEBHOOK = json.loads((GOLDEN / "Webhook.json").read_bytes())


def due_with(payload: dict[str, Any]) -> DueEvent:
    due = json.loads(DUE_EVENT)
    due["metadata"]["deliveryPayload"] = payload
    return parse_due_event(json.dumps(due))


def data_of(due: DueEvent) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(build_webhook(due).model_dump_json())["data"]
    return data


def test_the_golden_due_event_becomes_the_golden_webhook() -> None:
    body = build_webhook(parse_due_event(DUE_EVENT)).model_dump_json()
    assert json.loads(body) == WEBHOOK


def test_reserved_keys_win_over_the_payload() -> None:
    data = data_of(due_with(dict.fromkeys(RESERVED_KEYS, "forged") | {"message": "Hi"}))
    assert data == WEBHOOK["data"] | {"message": "Hi"}


def test_the_payload_is_passed_on_as_it_is() -> None:
    payload = {"message": "Hi", "nested": {"n": [1, None, "é"]}, "event_id": "theirs", "type": "theirs"}
    data = data_of(due_with(payload))
    assert {key: data[key] for key in payload} == payload
    assert data["eventId"] == WEBHOOK["data"]["eventId"]


def test_external_id_stands_beside_the_user_id() -> None:
    due = json.loads(DUE_EVENT)
    due["metadata"]["externalId"] = "crm-42"
    data = data_of(parse_due_event(json.dumps(due)))
    assert data == WEBHOOK["data"] | {"externalId": "crm-42"}
    assert list(data)[2:4] == ["userId", "externalId"]


def test_contacts_never_go_into_webhooks() -> None:
    body = build_webhook(due_with({"contact": {"email": "ada@example.org"}})).model_dump_json()
    assert "contact" not in body
    assert "ada@example.org" not in body


def test_every_build_of_a_webhook_gives_the_same_bytes() -> None:
    first, second = (build_webhook(parse_due_event(DUE_EVENT)).model_dump_json() for _ in range(2))
    assert first == second
