"""The bus of CloudFormation is the bus of the contracts: in the template, and made of it on the emulator."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_templates import Synthesized

from chassis.core.settings import BusSettings
from chassis.messaging import provisioning
from chassis.messaging.bus import Bus as BusClient
from contracts.messages.spec import Bus
from contracts.topology import Topology, build_topology
from local_stack import ports
from local_stack.cloudformation import create_stack
from local_stack.emulator import SERVICES, Emulator
from testkit.aws import AwsAccount

pytestmark = pytest.mark.thorough
NEVER_THE_SAME = ("CreatedTimestamp", "LastModifiedTimestamp", "Policy", "RedrivePolicy")
Found = dict[str, Any]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Emulator]:
    """An emulator that takes CloudFormation's templates as well."""
    emulator = Emulator(ports.free_port(), services=(*SERVICES, "cloudformation"))
    emulator.start()
    yield emulator
    emulator.kill()


def _template(synthesized: Synthesized) -> Path:
    return synthesized.folder / f"{synthesized.deployment.name}-messaging.template.json"


async def _provision(account: AwsAccount, topology: Topology) -> None:
    settings = BusSettings(
        aws_endpoint_url=account.endpoint_url, aws_region=account.region, aws_account_id=account.access_key_id
    )
    async with BusClient(settings, topology, session=account.session()) as bus:
        await provisioning.apply(bus)


async def _topics(account: AwsAccount) -> list[str]:
    async with account.client("sns") as sns:
        arns = [each["TopicArn"] for each in (await sns.list_topics())["Topics"]]
    return sorted(arn.rpartition(":")[2] for arn in arns)


async def _queues(account: AwsAccount) -> dict[str, Found]:
    """Name → attributes."""
    found = {}
    async with account.client("sqs") as sqs:
        for url in (await sqs.list_queues())["QueueUrls"]:
            answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            found[url.rpartition("/")[2]] = answer["Attributes"]
    return found


async def _subscriptions(account: AwsAccount) -> dict[tuple[str, str], tuple[str, Any]]:
    """(topic, queue) → raw delivery, filter."""
    found = {}
    async with account.client("sns") as sns:
        pages = sns.get_paginator("list_subscriptions").paginate()
        for each in [each async for page in pages for each in page["Subscriptions"]]:
            answer = await sns.get_subscription_attributes(SubscriptionArn=each["SubscriptionArn"])
            attributes = answer["Attributes"]
            assert attributes.get("FilterPolicyScope", "MessageAttributes") == "MessageAttributes"
            topic, queue = (each[name].rpartition(":")[2] for name in ("TopicArn", "Endpoint"))
            policy = json.loads(attributes.get("FilterPolicy") or "{}")
            found[topic, queue] = (attributes["RawMessageDelivery"], policy)
    return found


async def test_made_on_the_emulator_it_is_what_provisioning_makes(cloud: Emulator, million: Synthesized) -> None:
    """Topic by topic, queue by queue, filter by filter. The emulator drops redrive policies: that is compared below."""
    made, provisioned = AwsAccount(cloud.url), AwsAccount(cloud.url)
    await create_stack(made.environment(), "messaging", _template(million))
    await _provision(provisioned, build_topology())

    assert await _topics(made) == await _topics(provisioned)
    assert await _subscriptions(made) == await _subscriptions(provisioned)
    ours, theirs = await _queues(made), await _queues(provisioned)
    assert ours.keys() == theirs.keys()
    for name, attributes in ours.items():
        here = {key: value for key, value in attributes.items() if key not in NEVER_THE_SAME}
        there = {key: value for key, value in theirs[name].items() if key not in NEVER_THE_SAME}
        there = json.loads(json.dumps(there).replace(provisioned.access_key_id, made.access_key_id))
        assert here == there, name


async def test_a_topic_may_send_to_the_queues_that_it_has_and_to_their_dead_letters(
    cloud: Emulator, million: Synthesized
) -> None:
    account = AwsAccount(cloud.url)
    await create_stack(account.environment(), "messaging", _template(million))
    senders: dict[str, set[str]] = {}
    for name, attributes in (await _queues(account)).items():
        for statement in json.loads(attributes["Policy"])["Statement"]:
            if statement["Effect"] == "Allow":
                assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
                assert statement["Action"] == "sqs:SendMessage"
                sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
                for arn in [sources] if isinstance(sources, str) else sources:
                    senders.setdefault(name, set()).add(arn.rpartition(":")[2])
            else:
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    expected: dict[str, set[str]] = {}
    for each in build_topology().subscriptions:
        for queue in (each.queue, each.dead_letter_queue):
            expected.setdefault(queue.name, set()).add(each.topic.name)
    assert senders == expected


async def test_resource_that_cannot_be_created_is_named(cloud: Emulator, tmp_path: Path) -> None:
    template = tmp_path / "broken.template.json"
    template.write_text(json.dumps({"Resources": {"Odd": {"Type": "AWS::Nothing::AtAll", "Properties": {}}}}))
    with pytest.raises(Exception, match=r"broken\.template\.json could not be made: Odd: .*AWS::Nothing::AtAll"):
        await create_stack(AwsAccount(cloud.url).environment(), "broken", template)


def _names(synthesized: Synthesized) -> dict[str, str]:
    """Logical id → name, of topics and queues."""
    queues = synthesized.resources("messaging", "AWS::SQS::Queue")
    topics = synthesized.resources("messaging", "AWS::SNS::Topic")
    return {id: each["QueueName"] for id, each in queues.items()} | {
        id: each["TopicName"] for id, each in topics.items()
    }


def _named(names: dict[str, str], arn: Any) -> str:
    """The name of what an ARN of the template refers to."""
    return names[arn["Ref"] if "Ref" in arn else arn["Fn::GetAtt"][0]]


def test_every_queue_has_the_receive_limit_of_the_contracts(each_stage: Synthesized) -> None:
    names = _names(each_stage)
    found = {
        each["QueueName"]: (
            _named(names, each["RedrivePolicy"]["deadLetterTargetArn"]),
            each["RedrivePolicy"]["maxReceiveCount"],
        )
        for each in each_stage.resources("messaging", "AWS::SQS::Queue").values()
        if "RedrivePolicy" in each
    }
    assert found == {
        each.name: (each.dead_letter_queue.name, each.max_receive_count) for each in build_topology().queues
    }


def test_every_subscription_is_that_of_the_contracts_with_its_dead_letters(each_stage: Synthesized) -> None:
    names = _names(each_stage)
    found = sorted(
        (
            _named(names, each["TopicArn"]),
            _named(names, each["Endpoint"]),
            each["Protocol"],
            each["RawMessageDelivery"],
            json.dumps(each.get("FilterPolicy", {})),
            _named(names, each["RedrivePolicy"]["deadLetterTargetArn"]),
        )
        for each in each_stage.resources("messaging", "AWS::SNS::Subscription").values()
    )
    assert found == sorted(
        (
            each.topic.name,
            each.queue.name,
            "sqs",
            each.raw_delivery,
            json.dumps(each.filter_policy),
            each.dead_letter_queue.name,
        )
        for each in build_topology().subscriptions
    )


def test_topics_and_queues_are_encrypted_by_the_bus_own_key(each_stage: Synthesized) -> None:
    (key,) = each_stage.resources("messaging", "AWS::KMS::Key")
    arn = {"Fn::GetAtt": [key, "Arn"]}
    queues = each_stage.resources("messaging", "AWS::SQS::Queue").values()
    topics = each_stage.resources("messaging", "AWS::SNS::Topic").values()
    assert [each["KmsMasterKeyId"] for each in (*queues, *topics)] == [arn] * (len(queues) + len(topics))
    (policy,) = (each["KeyPolicy"] for each in each_stage.resources("messaging", "AWS::KMS::Key").values())
    (sns,) = (each for each in policy["Statement"] if each["Principal"] == {"Service": "sns.amazonaws.com"})
    assert sns["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert sns["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def _declared(topology: Topology) -> list[str]:
    """Every name that the topology gives."""
    queues = [each.name for each in topology.queues] + [each.name for each in topology.dead_letter_queues]
    return sorted([*queues, *(each.name for each in topology.topics)])


def test_another_prefix_names_everything_after_itself(synthesized: Any) -> None:
    assert sorted(_names(synthesized(stage="dev", prefix="blue")).values()) == _declared(build_topology("blue"))


def test_no_name_of_the_topology_is_written_in_the_code_again(pytestconfig: pytest.Config) -> None:
    declared = build_topology()
    names = {name.removeprefix(f"{declared.prefix}-") for name in _declared(declared)} - {"analytics"}
    source = "".join(path.read_text() for path in (pytestconfig.rootpath / "deploy/aws/almanac_aws").glob("*.py"))
    assert not [name for name in names if re.search(rf"\b{name}\b", source)]
    assert not [bus.value for bus in Bus if bus.value in source]
