"""Facts: what the other services say has happened, reduced to what is counted and shown."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, TypeVar
from uuid import UUID

from analytics_service.domain.grains import Grain
from analytics_service.domain.histogram import bucket_of


class Kind(StrEnum):
    """What happened: to an event, to its delivery, to an endpoint, to a user."""

    SCHEDULED = "scheduled"
    RESCHEDULED = "rescheduled"
    PUBLISHED = "published"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    MISSED = "missed"
    DELIVERY_SUCCEEDED = "delivery_succeeded"
    DELIVERY_FAILED = "delivery_failed"
    DEAD_LETTERED = "dead_lettered"
    ENDPOINT_DISABLED = "endpoint_disabled"
    USER_CREATED = "user_created"
    USER_CHANGED = "user_changed"
    USER_DELETED = "user_deleted"


class Measure(StrEnum):
    """What a latency measures."""

    LATENESS = "lateness"
    """From the target to the publication."""
    QUEUE = "queue"
    """From the publication to the receipt by a worker."""
    WEBHOOK = "webhook"
    """The last attempt at a webhook endpoint."""
    END_TO_END = "end_to_end"
    """From the target to the last delivery's end, for events that completed at once: what failed never arrived."""
    RECOVERY = "recovery"
    """From an event's first end to its completion after a retry or a redrive."""


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """How a delivery ended at one endpoint: ``succeeded``, or the reason why not. Latency is the last attempt's."""

    endpoint_id: UUID
    channel: str
    result: str
    attempts: int
    latency_seconds: float | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, at an instant of the (maybe simulated) clock. No name, address or date is in it."""

    item_id: UUID
    kind: Kind
    at: datetime
    source: str
    event_id: UUID | None = None
    event_type: str | None = None
    priority: int | None = None
    trace_id: str | None = None
    user_id: UUID | None = None
    tags: tuple[str, ...] = ()
    latencies: tuple[tuple[Measure, float], ...] = ()
    endpoints: tuple[EndpointResult, ...] = ()
    attempt: int = 1
    """Of the whole event: people who retry it make the next one."""
    data: str = "{}"
    """What else the publisher said, as JSON."""


KeyT = TypeVar("KeyT")
CountKey: TypeAlias = tuple[Grain, datetime, Kind, str | None, int | None]
"""Grain, its start, kind, event type, priority."""
LatencyKey: TypeAlias = tuple[Grain, datetime, Measure, str | None, int | None, int]
"""Grain, its start, measure, event type, priority, bucket of the histogram."""
ResultKey: TypeAlias = tuple[Grain, datetime, UUID, str, str, int | None]
"""Grain, its start, endpoint, channel, result, bucket of the histogram."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """Facts counted by the minute, the hour and the day in which they happened."""

    counts: Counter[CountKey] = field(default_factory=Counter)
    latencies: Counter[LatencyKey] = field(default_factory=Counter)
    results: Counter[ResultKey] = field(default_factory=Counter)
    attempts: Counter[ResultKey] = field(default_factory=Counter)

    @classmethod
    def of(cls, facts: Iterable[Fact], taken_back: Iterable[Fact] = ()) -> "Rollup":
        """Sums of ``facts`` without those that are ``taken_back``: some may be negative."""
        rollup = cls()
        for fact in facts:
            rollup._add(fact, 1)
        for fact in taken_back:
            rollup._add(fact, -1)
        rollup._fold()
        return replace(rollup, counts=_changed(rollup.counts), latencies=_changed(rollup.latencies))

    def _add(self, fact: Fact, times: int) -> None:
        minute = Grain.MINUTE.floor(fact.at)
        self.counts[Grain.MINUTE, minute, fact.kind, fact.event_type, fact.priority] += times
        for measure, seconds in fact.latencies:
            key = Grain.MINUTE, minute, measure, fact.event_type, fact.priority, bucket_of(seconds)
            self.latencies[key] += times
        for each in fact.endpoints:
            bucket = None if each.latency_seconds is None else bucket_of(each.latency_seconds)
            result = Grain.MINUTE, minute, each.endpoint_id, each.channel, each.result, bucket
            self.results[result] += times
            self.attempts[result] += times * each.attempts

    def _fold(self) -> None:
        # A batch has many facts and few minutes: hours and days are summed up from those.
        for grain in (Grain.HOUR, Grain.DAY):
            for count_key, count in list(self.counts.items()):
                if count_key[0] is Grain.MINUTE:
                    self.counts[grain, grain.floor(count_key[1]), *count_key[2:]] += count
            for latency_key, count in list(self.latencies.items()):
                if latency_key[0] is Grain.MINUTE:
                    self.latencies[grain, grain.floor(latency_key[1]), *latency_key[2:]] += count
            for result_key, count in list(self.results.items()):
                if result_key[0] is Grain.MINUTE:
                    folded = grain, grain.floor(result_key[1]), *result_key[2:]
                    self.results[folded] += count
                    self.attempts[folded] += self.attempts[result_key]


def _changed(sums: Counter[KeyT]) -> Counter[KeyT]:
    return Counter({key: count for key, count in sums.items() if count})


@dataclass(frozen=True, slots=True)
class Engagement:
    """The outcomes of the events of one user."""

    user_id: UUID
    delivered: int
    failed: int
    last_at: datetime
    """When the last of them ended."""

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> list["Engagement"]:
        """By user, in order of their ids, from the facts that tell how an event ended."""
        by_user: dict[UUID, Engagement] = {}
        for fact in facts:
            if fact.user_id is None or fact.kind not in _ENDS:
                continue
            known = by_user.get(fact.user_id, cls(fact.user_id, 0, 0, fact.at))
            delivered = int(fact.kind is Kind.COMPLETED)
            by_user[fact.user_id] = cls(
                fact.user_id,
                known.delivered + delivered,
                known.failed + 1 - delivered,
                max(known.last_at, fact.at),
            )
        return [by_user[user_id] for user_id in sorted(by_user)]


@dataclass(frozen=True, slots=True)
class TagEngagement:
    """The outcomes of the events of the users with one tag."""

    tag: str
    delivered: int
    failed: int
    last_at: datetime
    """When the last of them ended."""

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> list["TagEngagement"]:
        """By tag, in their order, from the facts that tell how an event ended. One counts for each of its tags."""
        by_tag: dict[str, tuple[int, int, datetime]] = {}
        for fact in facts:
            if not fact.tags or fact.kind not in _ENDS:
                continue
            completed = int(fact.kind is Kind.COMPLETED)
            for tag in set(fact.tags):
                delivered, failed, last_at = by_tag.get(tag, (0, 0, fact.at))
                by_tag[tag] = delivered + completed, failed + 1 - completed, max(last_at, fact.at)
        return [cls(tag, *by_tag[tag]) for tag in sorted(by_tag)]


_ENDS = frozenset({Kind.COMPLETED, Kind.FAILED, Kind.MISSED})
