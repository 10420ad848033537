import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts import (
    MESSAGES,
    ContractError,
    MessageSpec,
    MessageType,
    Service,
    UserDeletedItem,
    UserItem,
    find_spec,
    message_attributes,
    parse_message,
)
from contracts.messages.parsing import MessageParser
from contracts.schemas import json_schemas, message_name

GOLDEN = Path(__file__).parent / "golden"
SAMPLE = "UserCreated.v1.0"


def read_sample(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


def changed(name: str, **changes: Any) -> str:
    return json.dumps(json.loads(read_sample(name)) | changes)


def changed_item(name: str, **changes: Any) -> str:
    message = json.loads(read_sample(name))
    message["data"]["items"][0] |= changes
    return json.dumps(message)


def test_every_published_version_has_one_golden_sample() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(json_schemas())
    assert len({message_name(spec) for spec in MESSAGES}) == len(MESSAGES)
    assert {spec.type for spec in MESSAGES} == set(MessageType)


@pytest.mark.parametrize("spec", MESSAGES, ids=message_name)
def test_a_golden_sample_parses_and_serialises_to_itself(spec: MessageSpec) -> None:
    body = read_sample(message_name(spec))
    message = parse_message(body)
    assert (message.type, message.source, message.dataversion) == (spec.type, spec.source, spec.dataversion)
    assert {type(item) for item in message.items} == {spec.item}
    assert json.loads(message.model_dump_json()) == json.loads(body)


def test_external_id_joins_the_user_snapshot_without_changing_users_who_have_none() -> None:
    item = parse_message(changed_item(SAMPLE, externalId="crm-42")).items[0]
    assert isinstance(item, UserItem)
    assert item.external_id == "crm-42"
    item = parse_message(read_sample(SAMPLE)).items[0]
    assert "externalId" not in json.loads(item.model_dump_json())


@pytest.mark.parametrize("name", ["EventCompleted", "EventFailed", "EventMissed"])
def test_an_optional_field_joins_a_version_without_changing_what_says_nothing_of_it(name: str) -> None:
    (untagged,) = parse_message(read_sample(f"{name}.v1.0")).items
    assert "tags" not in json.loads(untagged.model_dump_json())
    (tagged,) = parse_message(changed_item(f"{name}.v1.0", tags=["vip"])).items
    assert json.loads(tagged.model_dump_json())["tags"] == ["vip"]


def test_an_item_knows_the_trace_it_came_from() -> None:
    traced, untraced = parse_message(read_sample(SAMPLE)).items
    assert traced.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert untraced.trace_id is None
    (malformed,) = parse_message(changed_item("UserDeleted.v1.0", traceparent="00-zz")).items
    assert malformed.trace_id is None


def test_keys_of_a_newer_publisher_are_ignored() -> None:
    assert parse_message(changed_item(SAMPLE, nickname="Countess")) == parse_message(read_sample(SAMPLE))
    assert parse_message(changed(SAMPLE, subject="new")) == parse_message(read_sample(SAMPLE))


def test_a_delivery_time_may_leave_its_seconds_out() -> None:
    (item, _) = parse_message(changed_item(SAMPLE, deliveryTime="18:30")).items
    assert isinstance(item, UserItem)
    assert item.delivery_time.isoformat() == "18:30:00"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON: EOF"),
        (b"\xff\xfe", "not JSON: "),
        ("[]", "Input should be an object"),
        ("{}", "type is missing"),
        (changed(SAMPLE, type="UserPromoted"), "unknown type 'UserPromoted'"),
        (changed(SAMPLE, dataversion="9.0"), "unknown dataversion '9.0' of UserCreated"),
        (changed(SAMPLE, source="elsewhere"), "source: Input should be 'user-service'"),
        (changed(SAMPLE, specversion="0.3"), "specversion: Input should be '1.0'"),
        (changed(SAMPLE, data={"items": []}), "data.items: List should have at least 1 item"),
        (changed(SAMPLE, data={"items": [{}] * 101}), "data.items: List should have at most 100 items"),
        (changed(SAMPLE, data="none"), "data: Input should be an object"),
        (changed_item(SAMPLE, userId=7), "data.items.0.userId: UUID input should be a string"),
        (changed_item(SAMPLE, version="7"), "data.items.0.version: Input should be a valid integer"),
        (changed_item(SAMPLE, dateOfBirth="1990-02-30"), "data.items.0.dateOfBirth: Input should be a valid date"),
        (changed_item(SAMPLE, deliveryTime="09:00:00.5"), "data.items.0.deliveryTime: Input should be a local time"),
        (changed_item(SAMPLE, deliveryTime="09:00:00Z"), "data.items.0.deliveryTime: Input should be a local time"),
        (changed_item("EventMissed.v1.0", occurredAt="2026-11-23T14:00:00"), "data.items.0.occurredAt: "),
        (changed_item("EventMissed.v1.0", priority=0), "data.items.0.priority: Input should be one of CRITICAL, HIGH"),
    ],
)
def test_a_broken_message_is_refused_with_its_reason(body: str | bytes, reason: str) -> None:
    with pytest.raises(ContractError) as refusal:
        parse_message(body)
    assert str(refusal.value).startswith(reason)


def test_a_key_in_the_spelling_of_python_is_not_a_key_of_the_contract() -> None:
    body = read_sample("UserDeleted.v1.0").replace(b'"userId"', b'"user_id"')
    with pytest.raises(ContractError, match=r"^data.items.0.userId: Field required$"):
        parse_message(body)


def test_a_reason_names_few_fields_and_quotes_no_values() -> None:
    body = changed(SAMPLE, data={"items": [{"itemId": "Ada Lovelace", "contact": "ada@example.org"}] * 3})
    with pytest.raises(ContractError) as refusal:
        parse_message(body)
    assert str(refusal.value).endswith("and 28 more")
    assert "Ada Lovelace" not in str(refusal.value)
    assert "ada@example.org" not in str(refusal.value)


def test_the_dataversion_selects_the_items_of_a_message() -> None:
    class RankedItem(UserDeletedItem):
        rank: int

    newer = MessageSpec(MessageType.USER_DELETED, Service.USER, RankedItem, "Planted.", dataversion="2.0")
    parse = MessageParser([*MESSAGES, newer])
    old = parse(read_sample("UserDeleted.v1.0"))
    message = json.loads(changed_item("UserDeleted.v1.0", rank=3)) | {"dataversion": "2.0"}
    (item,) = parse(json.dumps(message)).items
    assert isinstance(item, RankedItem)
    assert item.rank == 3
    assert type(old.items[0]) is UserDeletedItem


def test_a_spec_is_found_by_type_and_version() -> None:
    assert find_spec(MessageType.USER_CREATED) is find_spec(MessageType.USER_CREATED, "1.0")
    with pytest.raises(ContractError, match=r"^unknown dataversion '7' of UserCreated$"):
        find_spec(MessageType.USER_CREATED, "7")


def test_a_deleted_user_takes_no_personal_data_along() -> None:
    item = UserDeletedItem(item_id=uuid4(), user_id=UUID(int=1), version=3)
    assert json.loads(item.model_dump_json()).keys() == {"itemId", "userId", "version"}


def test_the_bus_filters_on_the_type_of_a_message() -> None:
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    assert message_attributes(MessageType.USER_DELETED, traceparent, "k=v") == {
        "eventType": "UserDeleted",
        "traceparent": traceparent,
        "tracestate": "k=v",
    }


@pytest.mark.parametrize("traceparent", [None, "", "00-zz", f"00-{'a' * 32}-{'b' * 16}-01\n"])
def test_without_a_well_formed_traceparent_no_trace_is_sent(traceparent: str | None) -> None:
    assert message_attributes(MessageType.USER_DELETED, traceparent, "k=v") == {"eventType": "UserDeleted"}
