"""Tables ``counts``, ``latencies`` and ``endpoint_results``: what happened, by minute, hour and day."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from analytics_service.domain.facts import Kind, Measure, Rollup
from analytics_service.domain.grains import Grain, Segment
from analytics_service.domain.overview import Count, LatencyBucket
from analytics_service.domain.series import CountPoint, Histogram, Range, ResultRow
from chassis.database.database import Reader, Transaction

# Sorted: two batches that add to the same rows lock them in one order and cannot deadlock.
_ADD_COUNTS = text(
    "INSERT INTO counts AS c (grain, start, kind, event_type, priority, count)"
    " SELECT * FROM unnest(CAST(:grains AS text[]), CAST(:starts AS timestamptz[]), CAST(:kinds AS text[]),"
    " CAST(:event_types AS text[]), CAST(:priorities AS smallint[]), CAST(:counts AS bigint[]))"
    " AS t (grain, start, kind, event_type, priority, count)"
    " ORDER BY grain, start, kind, event_type, priority"
    " ON CONFLICT (grain, start, kind, event_type, priority) DO UPDATE SET count = c.count + excluded.count"
)
_ADD_LATENCIES = text(
    "INSERT INTO latencies AS l (grain, start, measure, event_type, priority, bucket, count)"
    " SELECT * FROM unnest(CAST(:grains AS text[]), CAST(:starts AS timestamptz[]), CAST(:measures AS text[]),"
    " CAST(:event_types AS text[]), CAST(:priorities AS smallint[]), CAST(:buckets AS smallint[]),"
    " CAST(:counts AS bigint[])) AS t (grain, start, measure, event_type, priority, bucket, count)"
    " ORDER BY grain, start, measure, event_type, priority, bucket"
    " ON CONFLICT (grain, start, measure, event_type, priority, bucket)"
    " DO UPDATE SET count = l.count + excluded.count"
)
_ADD_RESULTS = text(
    "INSERT INTO endpoint_results AS r (grain, start, endpoint_id, channel, result, bucket, count, attempts)"
    " SELECT * FROM unnest(CAST(:grains AS text[]), CAST(:starts AS timestamptz[]), CAST(:endpoint_ids AS uuid[]),"
    " CAST(:channels AS text[]), CAST(:results AS text[]), CAST(:buckets AS smallint[]), CAST(:counts AS bigint[]),"
    " CAST(:attempts AS bigint[])) AS t (grain, start, endpoint_id, channel, result, bucket, count, attempts)"
    " ORDER BY grain, start, endpoint_id, channel, result, bucket"
    " ON CONFLICT (grain, start, endpoint_id, channel, result, bucket)"
    " DO UPDATE SET count = r.count + excluded.count, attempts = r.attempts + excluded.attempts"
)
# Sums that a later end has taken back are not shown: they are 0, or of a span whose other rows have been deleted.
# One short scan of the key for each segment, whatever the planner thinks of their number.
_SEGMENTS = (
    "unnest(CAST(:grains AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))"
    " AS s (grain, first, last) CROSS JOIN LATERAL (SELECT * FROM {table} t"
    " WHERE t.grain = s.grain AND t.start >= s.first AND t.start < s.last OFFSET 0) AS r"
)
_COUNTS = text(
    "SELECT kind, event_type, priority, CAST(sum(count) AS bigint) FROM "
    + _SEGMENTS.format(table="counts")
    + " GROUP BY kind, event_type, priority HAVING sum(count) > 0 ORDER BY event_type NULLS LAST, priority, kind"
)
_LATENCIES = text(
    "SELECT measure, priority, bucket, CAST(sum(count) AS bigint) FROM "
    + _SEGMENTS.format(table="latencies")
    + " GROUP BY measure, priority, bucket HAVING sum(count) > 0 ORDER BY measure, priority, bucket"
)
_RESULTS = text(
    "SELECT endpoint_id, channel, result, bucket, CAST(sum(count) AS bigint), CAST(sum(attempts) AS bigint) FROM "
    + _SEGMENTS.format(table="endpoint_results")
    + " WHERE CAST(:endpoint_id AS uuid) IS NULL OR endpoint_id = :endpoint_id"
    " GROUP BY endpoint_id, channel, result, bucket HAVING sum(count) > 0"
)
_IN_RANGE = "grain = :grain AND start >= :start AND start < :end"
_BY_TYPE = "CASE WHEN :by_type THEN event_type END"
_BY_PRIORITY = "CASE WHEN :by_priority THEN priority END"
_COUNT_SERIES = text(
    f"SELECT start, kind, {_BY_TYPE} AS of_type, {_BY_PRIORITY} AS of_priority, CAST(sum(count) AS bigint)"
    f" FROM counts WHERE {_IN_RANGE} AND kind = ANY(CAST(:kinds AS text[]))"
    " GROUP BY start, kind, of_type, of_priority HAVING sum(count) > 0 ORDER BY start, kind, of_type, of_priority"
)
# A histogram is one row: those of a year have tens of thousands of buckets, each of which would cost more as a row.
_LATENCY_SERIES = text(
    "SELECT start, measure, of_type, of_priority, array_agg(bucket), array_agg(count) FROM"
    f" (SELECT start, measure, {_BY_TYPE} AS of_type, {_BY_PRIORITY} AS of_priority, bucket,"
    " CAST(sum(count) AS bigint) AS count"
    f" FROM latencies WHERE {_IN_RANGE} AND measure = ANY(CAST(:measures AS text[]))"
    " GROUP BY start, measure, of_type, of_priority, bucket HAVING sum(count) > 0) AS b"
    " GROUP BY start, measure, of_type, of_priority ORDER BY start, measure, of_type, of_priority"
)
SWEEPS: Sequence[TextClause] = tuple(
    text(
        f"DELETE FROM {table} WHERE grain = :grain"
        " AND start < (SELECT almanac_now()) - make_interval(days => CAST(:days AS integer))"
    )
    for table in ("counts", "latencies", "endpoint_results")
)


async def add(tx: Transaction, rollup: Rollup) -> None:
    """Add a batch to the stored sums, some of which it may reduce."""
    if rollup.counts:
        grains, starts, kinds, event_types, priorities = zip(*rollup.counts, strict=True)
        await tx.execute(
            _ADD_COUNTS,
            {
                "grains": grains,
                "starts": starts,
                "kinds": kinds,
                "event_types": event_types,
                "priorities": priorities,
                "counts": list(rollup.counts.values()),
            },
        )
    if rollup.latencies:
        grains, starts, measures, event_types, priorities, buckets = zip(*rollup.latencies, strict=True)
        await tx.execute(
            _ADD_LATENCIES,
            {
                "grains": grains,
                "starts": starts,
                "measures": measures,
                "event_types": event_types,
                "priorities": priorities,
                "buckets": buckets,
                "counts": list(rollup.latencies.values()),
            },
        )
    if rollup.results:
        grains, starts, endpoint_ids, channels, results, result_buckets = zip(*rollup.results, strict=True)
        await tx.execute(
            _ADD_RESULTS,
            {
                "grains": grains,
                "starts": starts,
                "endpoint_ids": endpoint_ids,
                "channels": channels,
                "results": results,
                "buckets": result_buckets,
                "counts": list(rollup.results.values()),
                "attempts": [rollup.attempts[key] for key in rollup.results],
            },
        )


async def counts(reader: Reader, segments: Sequence[Segment]) -> list[Count]:
    rows = await reader.execute(_COUNTS, _of(segments))
    return [Count(Kind(kind), event_type, priority, count) for kind, event_type, priority, count in rows]


async def latencies(reader: Reader, segments: Sequence[Segment]) -> list[LatencyBucket]:
    rows = await reader.execute(_LATENCIES, _of(segments))
    return [LatencyBucket(Measure(measure), priority, bucket, count) for measure, priority, bucket, count in rows]


async def results(reader: Reader, segments: Sequence[Segment], endpoint_id: UUID | None) -> list[ResultRow]:
    """Of one endpoint, or of all."""
    rows = await reader.execute(_RESULTS, {**_of(segments), "endpoint_id": endpoint_id})
    return [ResultRow(*row) for row in rows]


async def count_series(
    reader: Reader, range: Range, kinds: Collection[Kind], *, by_type: bool, by_priority: bool
) -> list[CountPoint]:
    """Oldest first; spans in which nothing happened are left out."""
    rows = await reader.execute(
        _COUNT_SERIES, {**_within(range), "kinds": list(kinds), "by_type": by_type, "by_priority": by_priority}
    )
    return [CountPoint(start, Kind(kind), *rest) for start, kind, *rest in rows]


async def latency_series(
    reader: Reader, range: Range, measures: Collection[Measure], *, by_type: bool, by_priority: bool
) -> list[Histogram]:
    """Oldest first; spans in which nothing was measured are left out."""
    rows = await reader.execute(
        _LATENCY_SERIES, {**_within(range), "measures": list(measures), "by_type": by_type, "by_priority": by_priority}
    )
    return [
        Histogram(start, Measure(measure), event_type, priority, dict(zip(buckets, counts, strict=True)))
        for start, measure, event_type, priority, buckets, counts in rows
    ]


def _of(segments: Sequence[Segment]) -> dict[str, object]:
    return {
        "grains": [segment.grain for segment in segments],
        "starts": [segment.start for segment in segments],
        "ends": [segment.end for segment in segments],
    }


def _within(range: Range) -> dict[str, object]:
    return {"grain": range.grain, "start": range.start, "end": range.end}


def retention(days: dict[Grain, int]) -> list[tuple[TextClause, dict[str, Any]]]:
    """The statements that delete rows older than the retention in days, by grain."""
    return [(sweep, {"grain": grain, "days": kept}) for grain, kept in days.items() for sweep in SWEEPS]
