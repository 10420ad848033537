"""What a warehouse gets: data sets with their columns. A column is never taken away or given another meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from analytics_service.domain.errors import RangeTooLongError

MAX_EXPORT = timedelta(days=31)


class Dataset(StrEnum):
    """What a row is: a fact about one event, or a sum over a span."""

    FACTS = "facts"
    COUNTS = "counts"
    LATENCIES = "latencies"
    ENDPOINT_RESULTS = "endpoint_results"


class ColumnType(StrEnum):
    """Instants are UTC, to the microsecond."""

    TEXT = "text"
    INSTANT = "instant"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Nothing in it where it does not apply."""

    name: str
    type: ColumnType
    meaning: str


_T, _AT, _I, _N, _B = ColumnType
_SPAN = (Column("grain", _T, "minute, hour or day"), Column("start", _AT, "when the span begins"))
COLUMNS: Mapping[Dataset, Sequence[Column]] = MappingProxyType(
    {
        Dataset.FACTS: (
            Column("item_id", _T, "id of the fact, by which what was loaded twice is recognised"),
            Column("event_id", _T, "the event"),
            Column("at", _AT, "when it happened, by the publisher's clock"),
            Column("kind", _T, "what happened"),
            Column("source", _T, "the service that reported it"),
            Column("trace_id", _T, "the trace in which it came about"),
            Column("event_type", _T, "BIRTHDAY, ANNIVERSARY, REMINDER or NOTIFICATION"),
            Column("priority", _T, "CRITICAL, HIGH, NORMAL or LOW"),
            Column("user_id", _T, "whose event it is"),
            Column("occurrence", _T, "which of its schedule's it is"),
            Column("attempt", _I, "of the whole event"),
            Column("target_at", _AT, "when it was due"),
            Column("lateness_seconds", _N, "from target to what happened"),
            Column("queue_seconds", _N, "from publication to receipt"),
            Column("late", _B, "it was a minute late or more"),
            Column("reason", _T, "why it failed, was cancelled or given up"),
            Column("data", _T, "all that its publisher said, as JSON"),
            Column("replaced", _B, "a later end of the same event counts instead of this one"),
        ),
        Dataset.COUNTS: (
            *_SPAN,
            Column("kind", _T, "what happened"),
            Column("event_type", _T, "to events of this type"),
            Column("priority", _I, "and this priority: 0 is CRITICAL, 3 is LOW"),
            Column("count", _I, "how often"),
        ),
        Dataset.LATENCIES: (
            *_SPAN,
            Column("measure", _T, "lateness, queue, webhook, end_to_end or recovery"),
            Column("event_type", _T, "of events of this type"),
            Column("priority", _I, "and this priority"),
            Column("bucket", _I, "of the histogram: up to 2^(bucket / 8) seconds, above the bound before"),
            Column("count", _I, "how many lay in it"),
        ),
        Dataset.ENDPOINT_RESULTS: (
            *_SPAN,
            Column("endpoint_id", _T, "the endpoint"),
            Column("channel", _T, "how it is reached"),
            Column("result", _T, "succeeded, or the reason why not"),
            Column("bucket", _I, "of the last attempt's latency; null where none was made"),
            Column("count", _I, "deliveries that ended so"),
            Column("attempts", _I, "made for them"),
        ),
    }
)


def check_export(start: datetime, end: datetime) -> None:
    """Raises RangeTooLongError for a range that is empty or longer than ``MAX_EXPORT``."""
    if start >= end:
        raise RangeTooLongError("from must be earlier than to")
    if end - start > MAX_EXPORT:
        raise RangeTooLongError(f"at most {MAX_EXPORT.days} days at a time")
