"""Topics, queues and subscriptions, declared once (docs/architecture.md#topology). Provisioning creates them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from contracts.errors import ContractError
from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.registry import MESSAGES
from contracts.messages.spec import Bus, MessageType
from contracts.vocabulary import EventType, Priority, Service

DEFAULT_PREFIX: Final = "bday"
MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
RETRY_HORIZON_SECONDS: Final = HOUR
"""The longest total duration of the attempts at a delivery, with the waits between them. event-service waits an hour
longer for an event's outcome before it publishes the event again. An endpoint with its own retry schedule may need
longer."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A standard SNS topic. Either a bus of messages with items, or the due events of one type."""

    name: str
    publishers: tuple[Service, ...]
    carries: Bus | EventType


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """Drained by the owner of its queue."""

    name: str
    owner: Service
    retention_seconds: int = 14 * DAY
    visibility_seconds: int = MINUTE
    warn_depth: int = 100


@dataclass(frozen=True, slots=True)
class Queue:
    """A standard SQS queue and how its owner works on it.

    ``receive_batch`` is the number of messages that a worker receives at once (above ten: several receives),
    ``concurrency`` the number that all workers process at once, ``reserved`` whether that capacity serves this queue
    alone. Depths count waiting messages; ages are of the oldest one. Alerts and alarms take their thresholds from here
    (:mod:`contracts.alerts`).
    ``backlog_depth`` is a step between the two others, for a queue whose ``warn_depth`` is about lasting depths.
    """

    name: str
    owner: Service
    visibility_seconds: int
    retention_seconds: int
    max_receive_count: int
    receive_batch: int
    concurrency: int
    reserved: bool
    warn_depth: int
    page_depth: int
    priority: Priority | None = None
    backlog_depth: int | None = None
    warn_age_seconds: int = 5 * MINUTE
    page_age_seconds: int = 15 * MINUTE

    @property
    def dead_letter_queue(self) -> DeadLetterQueue:
        return DeadLetterQueue(f"{self.name}-dlq", self.owner)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A queue on a topic. ``filters`` holds (attribute, accepted values) pairs; none means everything.

    What SNS cannot hand over goes to the dead-letter queue of the queue.
    """

    topic: Topic
    queue: Queue
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    raw_delivery: bool = True

    @property
    def filter_policy(self) -> dict[str, list[str]]:
        """The FilterPolicy of SNS, scope MessageAttributes."""
        return {name: list(values) for name, values in self.filters}

    @property
    def dead_letter_queue(self) -> DeadLetterQueue:
        return self.queue.dead_letter_queue

    def matches(self, attributes: Mapping[str, str]) -> bool:
        return all(attributes.get(name) in values for name, values in self.filters)


@dataclass(frozen=True)
class Topology:
    prefix: str
    topics: tuple[Topic, ...]
    queues: tuple[Queue, ...]
    subscriptions: tuple[Subscription, ...]

    @property
    def dead_letter_queues(self) -> tuple[DeadLetterQueue, ...]:
        return tuple(queue.dead_letter_queue for queue in self.queues)

    @cached_property
    def _topics(self) -> dict[Bus | EventType, Topic]:
        return {topic.carries: topic for topic in self.topics}

    @cached_property
    def _queues(self) -> dict[str, Queue]:
        return {queue.name.removeprefix(f"{self.prefix}-"): queue for queue in self.queues}

    def topic(self, carries: Bus | EventType) -> Topic:
        """The topic of a bus, or of the due events of a type."""
        return self._topics[carries]

    def queue(self, name: str | Priority) -> Queue:
        """The queue of that name without prefix (``user-events``), or of the due events of a priority."""
        return self._queues[f"events-{name.name.lower()}" if isinstance(name, Priority) else name]

    def queues_of(self, service: Service) -> tuple[Queue, ...]:
        return tuple(queue for queue in self.queues if queue.owner is service)

    def route(self, topic: Topic, attributes: Mapping[str, str]) -> tuple[Queue, ...]:
        """The queues that a message with these attributes reaches."""
        return tuple(each.queue for each in self.subscriptions if each.topic == topic and each.matches(attributes))


def build_topology(prefix: str = DEFAULT_PREFIX) -> Topology:
    """The whole topology under the given prefix. Raises ContractError if AWS would refuse the names."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}", prefix):
        raise ContractError(f"prefix {prefix!r} should be 1 to 48 letters, digits, hyphens or underscores")
    topology = Topology(prefix, tuple(_topics(prefix)), tuple(_queues(prefix)), ())
    return replace(topology, subscriptions=tuple(_subscriptions(topology)))


def topic_arn(name: str, region: str, account: str, partition: str = "aws") -> str:
    return f"arn:{partition}:sns:{region}:{account}:{name}"


def queue_arn(name: str, region: str, account: str, partition: str = "aws") -> str:
    """Also for dead-letter queues."""
    return f"arn:{partition}:sqs:{region}:{account}:{name}"


def _topics(prefix: str) -> Iterator[Topic]:
    for bus in Bus:
        publishers = {spec.source: None for spec in MESSAGES if spec.bus is bus}
        yield Topic(f"{prefix}-{bus}", tuple(publishers), bus)
    for event_type in EventType:
        yield Topic(f"{prefix}-{event_type.lower()}-events", (Service.EVENT,), event_type)


def _queues(prefix: str) -> Iterator[Queue]:
    for priority, visibility, retention, receives, batch, concurrency, reserved, warn, page in (
        (Priority.CRITICAL, 30, 24 * HOUR, 3, 10, 100, True, 10, 1_000),
        (Priority.HIGH, 30, 48 * HOUR, 3, 10, 50, True, 5_000, 10_000),
        (Priority.NORMAL, 60, 72 * HOUR, 5, 10, 100, True, 5_000, 10_000),
        (Priority.LOW, 120, 7 * DAY, 5, 20, 200, False, 5_000, 10_000),
    ):
        yield Queue(
            name=f"{prefix}-events-{priority.name.lower()}",
            owner=Service.DELIVERY,
            visibility_seconds=visibility,
            retention_seconds=retention,
            max_receive_count=receives,
            receive_batch=batch,
            concurrency=concurrency,
            reserved=reserved,
            warn_depth=warn,
            page_depth=page,
            priority=priority,
            backlog_depth=500 if priority is Priority.CRITICAL else None,
        )
    for name, owner, retention, concurrency in (
        ("user-events", Service.EVENT, 4 * DAY, 20),
        ("delivery-outcomes", Service.EVENT, 4 * DAY, 50),
        ("analytics", Service.ANALYTICS, 4 * DAY, 20),
        ("dlq-alerts", Service.ANALYTICS, 14 * DAY, 5),
        ("user-deletions", Service.DELIVERY, 14 * DAY, 5),
        ("erasure-reports", Service.USER, 14 * DAY, 5),
    ):
        yield Queue(
            name=f"{prefix}-{name}",
            owner=owner,
            visibility_seconds=60,
            retention_seconds=retention,
            max_receive_count=10,
            receive_batch=10,
            concurrency=concurrency,
            reserved=True,
            warn_depth=5_000,
            page_depth=10_000,
        )


def _subscriptions(topology: Topology) -> Iterator[Subscription]:
    domain = topology.topic(Bus.DOMAIN)
    user_messages = {spec.type.value: None for spec in MESSAGES if spec.source is Service.USER}
    outcomes = (MessageType.DELIVERY_SUCCEEDED.value, MessageType.DELIVERY_FAILED.value)
    yield Subscription(domain, topology.queue("user-events"), (("eventType", tuple(user_messages)),))
    yield Subscription(domain, topology.queue("delivery-outcomes"), (("eventType", outcomes),))
    yield Subscription(domain, topology.queue("analytics"))
    yield Subscription(domain, topology.queue("user-deletions"), (("eventType", (MessageType.USER_DELETED.value,)),))
    reports = tuple(spec.type.value for spec in MESSAGES if spec.item is PersonalDataErasedItem)
    yield Subscription(domain, topology.queue("erasure-reports"), (("eventType", reports),))
    yield Subscription(topology.topic(Bus.DEAD_LETTERS), topology.queue("dlq-alerts"))
    for event_type in EventType:
        for priority in Priority:
            yield Subscription(topology.topic(event_type), topology.queue(priority), (("priority", (priority.name,)),))
