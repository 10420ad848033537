import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contracts import MESSAGES, MessageSpec, Service, build_topology
from contracts.reference import messages_page
from contracts.schemas import asyncapi, export, json_schemas, message_name

SCHEMAS = json_schemas()
ALL_NAMES = list(SCHEMAS)
DOCUMENT = asyncapi()


def read_sample(name: str) -> bytes:
    return (Path(__file__).parent / "golden" / f"{name}.json").read_bytes()


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [each for child in node for each in references(child)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [each for child in node.values() for each in references(child)]


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


@pytest.mark.parametrize("name", ALL_NAMES)
def test_a_golden_sample_is_valid_by_its_schema(name: str) -> None:
    validator(SCHEMAS[name]).validate(json.loads(read_sample(name)))


@pytest.mark.parametrize("name", ALL_NAMES)
def test_a_golden_sample_is_valid_by_the_asyncapi_payload(name: str) -> None:
    payload = DOCUMENT["components"]["messages"][name]["payload"]
    schema = payload | {"components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(json.loads(read_sample(name)))


@pytest.mark.parametrize("spec", MESSAGES, ids=message_name)
def test_a_schema_takes_no_message_of_another_type_or_version(spec: MessageSpec) -> None:
    name = message_name(spec)
    sample = json.loads(read_sample(name))
    for change in ({"type": "Other"}, {"dataversion": "0.1"}, {"source": "other-service"}):
        assert not validator(SCHEMAS[name]).is_valid(sample | change)


def test_the_asyncapi_document_has_every_topic_queue_and_message() -> None:
    topology = build_topology()
    names = {topic.name for topic in topology.topics} | {queue.name for queue in topology.queues}
    assert set(DOCUMENT["channels"]) == names | {"webhooks"}
    assert set(DOCUMENT["components"]["messages"]) == set(ALL_NAMES)


def test_every_message_has_a_publisher_and_a_consumer() -> None:
    sent: dict[str, set[str]] = {}
    received: set[str] = set()
    for name, operation in DOCUMENT["operations"].items():
        messages = [each["$ref"].rsplit("/", 1)[1] for each in operation["messages"]]
        if operation["action"] == "receive":
            received.update(messages)
        else:
            for message in messages:
                sent.setdefault(message, set()).add(name.split("-sends-")[0])
    assert received == set(ALL_NAMES) - {"Webhook"}
    publishers = {message_name(spec): {spec.source.value} for spec in MESSAGES}
    assert sent == publishers | {"DueEvent": {Service.EVENT.value}, "Webhook": {Service.DELIVERY.value}}


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    found = references(DOCUMENT)
    assert len(found) > 100
    assert all(isinstance(resolve(each), dict) for each in found)


def test_queues_and_filters_are_bound_as_the_topology_says() -> None:
    critical = DOCUMENT["channels"]["bday-events-critical"]["bindings"]["sqs"]
    assert critical["queue"]["visibilityTimeout"] == 30
    assert critical["queue"]["redrivePolicy"] == {
        "deadLetterQueue": {"name": "bday-events-critical-dlq"},
        "maxReceiveCount": 3,
    }
    consumers = DOCUMENT["components"]["operationBindings"]["bday-birthday-events"]["sns"]["consumers"]
    assert [each["filterPolicy"] for each in consumers] == [
        {"priority": [priority]} for priority in ("CRITICAL", "HIGH", "NORMAL", "LOW")
    ]


def test_an_export_writes_every_document_and_the_same_bytes_again(tmp_path: Path) -> None:
    written = export(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        "asyncapi.json",
        *(f"schemas/{name}.json" for name in ALL_NAMES),
    }
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in export(tmp_path)] == before
    assert json.loads((tmp_path / "asyncapi.json").read_text(encoding="utf-8")) == DOCUMENT


def test_the_command_exports_and_says_where(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "contracts", "export", str(tmp_path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output == f"{len(ALL_NAMES) + 1} files written to {tmp_path}\n"
    assert (tmp_path / "asyncapi.json").exists()


def test_the_page_of_messages_is_of_these_contracts() -> None:
    page = Path(__file__).parents[3] / "docs/reference/messages.md"
    assert page.read_text(encoding="utf-8") == messages_page(), "run `make contracts` and read the difference"
