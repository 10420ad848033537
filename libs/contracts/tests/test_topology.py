from itertools import product

import pytest

from contracts import (
    MESSAGES,
    Bus,
    ContractError,
    EventType,
    MessageSpec,
    MessageType,
    Priority,
    Service,
    build_topology,
    message_attributes,
    queue_arn,
    topic_arn,
)
from contracts.messages.erasure import PersonalDataErasedItem
from contracts.schemas import message_name

TOPOLOGY = build_topology()
HOUR = 3600
DAY = 24 * HOUR


@pytest.mark.parametrize(("event_type", "priority"), list(product(EventType, Priority)))
def test_every_type_and_priority_reaches_exactly_the_queue_of_its_priority(
    event_type: EventType, priority: Priority
) -> None:
    attributes = {"eventType": event_type.value, "priority": priority.name}
    (queue,) = TOPOLOGY.route(TOPOLOGY.topic(event_type), attributes)
    assert queue.name == f"bday-events-{priority.name.lower()}"
    assert queue is TOPOLOGY.queue(priority)
    assert queue.owner is Service.DELIVERY


@pytest.mark.parametrize("spec", MESSAGES, ids=message_name)
def test_every_message_reaches_its_consumers(spec: MessageSpec) -> None:
    reached = {queue.name for queue in TOPOLOGY.route(TOPOLOGY.topic(spec.bus), message_attributes(spec.type))}
    if spec.bus is Bus.DEAD_LETTERS:
        assert reached == {"bday-dlq-alerts"}
    elif spec.type is MessageType.USER_DELETED:
        assert reached == {"bday-analytics", "bday-user-events", "bday-user-deletions"}
    elif spec.item is PersonalDataErasedItem:
        assert reached == {"bday-analytics", "bday-erasure-reports"}
    elif spec.source is Service.USER:
        assert reached == {"bday-analytics", "bday-user-events"}
    elif spec.type in (MessageType.DELIVERY_SUCCEEDED, MessageType.DELIVERY_FAILED):
        assert reached == {"bday-analytics", "bday-delivery-outcomes"}
    else:
        assert reached == {"bday-analytics"}


def test_the_topics_are_those_of_the_design() -> None:
    assert {topic.name: topic.publishers for topic in TOPOLOGY.topics} == {
        "bday-domain-events": (Service.USER, Service.EVENT, Service.DELIVERY, Service.ANALYTICS),
        "bday-dlq-events": (Service.DELIVERY,),
        "bday-birthday-events": (Service.EVENT,),
        "bday-anniversary-events": (Service.EVENT,),
        "bday-reminder-events": (Service.EVENT,),
        "bday-notification-events": (Service.EVENT,),
    }


def test_the_queues_are_those_of_the_design() -> None:
    """But for the receives of the critical queue, see ADR 22, and the queues of erasures, see ADR 37."""
    table = {
        queue.name: (
            queue.owner,
            queue.visibility_seconds,
            queue.retention_seconds,
            queue.max_receive_count,
            queue.receive_batch,
            queue.concurrency,
            queue.reserved,
            queue.warn_depth,
            queue.page_depth,
        )
        for queue in TOPOLOGY.queues
    }
    user, delivery, event, analytics = Service.USER, Service.DELIVERY, Service.EVENT, Service.ANALYTICS
    assert table == {
        "bday-events-critical": (delivery, 30, 24 * HOUR, 3, 10, 100, True, 10, 1_000),
        "bday-events-high": (delivery, 30, 48 * HOUR, 3, 10, 50, True, 5_000, 10_000),
        "bday-events-normal": (delivery, 60, 72 * HOUR, 5, 10, 100, True, 5_000, 10_000),
        "bday-events-low": (delivery, 120, 7 * DAY, 5, 20, 200, False, 5_000, 10_000),
        "bday-user-events": (event, 60, 4 * DAY, 10, 10, 20, True, 5_000, 10_000),
        "bday-delivery-outcomes": (event, 60, 4 * DAY, 10, 10, 50, True, 5_000, 10_000),
        "bday-analytics": (analytics, 60, 4 * DAY, 10, 10, 20, True, 5_000, 10_000),
        "bday-dlq-alerts": (analytics, 60, 14 * DAY, 10, 10, 5, True, 5_000, 10_000),
        "bday-user-deletions": (delivery, 60, 14 * DAY, 10, 10, 5, True, 5_000, 10_000),
        "bday-erasure-reports": (user, 60, 14 * DAY, 10, 10, 5, True, 5_000, 10_000),
    }


def test_every_queue_has_a_dead_letter_queue_of_its_own_owner_for_14_days() -> None:
    assert [letters.name for letters in TOPOLOGY.dead_letter_queues] == [f"{q.name}-dlq" for q in TOPOLOGY.queues]
    for queue in TOPOLOGY.queues:
        assert queue.dead_letter_queue.owner is queue.owner
        assert queue.dead_letter_queue.retention_seconds == 14 * DAY


def test_every_subscription_is_raw_and_redrives_into_the_dead_letter_queue_of_its_queue() -> None:
    assert {each.queue for each in TOPOLOGY.subscriptions} == set(TOPOLOGY.queues)
    for each in TOPOLOGY.subscriptions:
        assert each.raw_delivery
        assert each.dead_letter_queue == each.queue.dead_letter_queue


def test_filter_policies_name_only_values_that_are_published() -> None:
    published = {
        "eventType": {each.value for each in MessageType},
        "priority": {each.name for each in Priority},
    }
    for each in TOPOLOGY.subscriptions:
        for attribute, values in each.filter_policy.items():
            assert values
            assert set(values) <= published[attribute]


def test_a_message_without_the_attribute_matches_no_filter() -> None:
    assert TOPOLOGY.route(TOPOLOGY.topic(EventType.BIRTHDAY), {}) == ()


def test_each_service_owns_its_queues() -> None:
    owned = {service: [queue.name for queue in TOPOLOGY.queues_of(service)] for service in Service}
    assert owned[Service.USER] == ["bday-erasure-reports"]
    assert owned[Service.EVENT] == ["bday-user-events", "bday-delivery-outcomes"]
    assert owned[Service.ANALYTICS] == ["bday-analytics", "bday-dlq-alerts"]
    assert len(owned[Service.DELIVERY]) == 5


def test_the_prefix_names_everything() -> None:
    topology = build_topology("stage-2")
    names = [each.name for each in topology.topics]
    names += [name for queue in topology.queues for name in (queue.name, queue.dead_letter_queue.name)]
    assert all(name.startswith("stage-2-") for name in names)
    assert len(names) == len(set(names))
    assert topology.queue("user-events").name == "stage-2-user-events"


@pytest.mark.parametrize("prefix", ["", "-x", "a b", "ü", "x" * 49])
def test_a_prefix_that_aws_would_refuse_is_refused(prefix: str) -> None:
    with pytest.raises(ContractError, match="prefix"):
        build_topology(prefix)


def test_the_longest_prefix_keeps_every_name_within_80_characters() -> None:
    topology = build_topology("x" * 48)
    assert max(len(queue.dead_letter_queue.name) for queue in topology.queues) <= 80


def test_arns_are_made_of_name_region_and_account() -> None:
    assert topic_arn("t", "eu-central-1", "000000000000") == "arn:aws:sns:eu-central-1:000000000000:t"
    assert queue_arn("q", "cn-north-1", "1", "aws-cn") == "arn:aws-cn:sqs:cn-north-1:1:q"
