"""Tables ``counts_per_minute`` and ``latencies_per_minute``."""

from datetime import datetime

from sqlalchemy import text

from analytics_service.domain.facts import Kind, Measure, Rollup
from analytics_service.domain.overview import Count, LatencyBucket
from chassis.database import Reader, Transaction

# Sorted: two batches that add to the same rows lock them in one order and cannot deadlock.
_ADD_COUNTS = text(
    "INSERT INTO counts_per_minute AS c (minute, kind, event_type, priority, count)"
    " SELECT * FROM unnest(CAST(:minutes AS timestamptz[]), CAST(:kinds AS text[]), CAST(:event_types AS text[]),"
    " CAST(:priorities AS smallint[]), CAST(:counts AS bigint[])) AS t (minute, kind, event_type, priority, count)"
    " ORDER BY minute, kind, event_type, priority"
    " ON CONFLICT (minute, kind, event_type, priority) DO UPDATE SET count = c.count + excluded.count"
)
_ADD_LATENCIES = text(
    "INSERT INTO latencies_per_minute AS l (minute, measure, event_type, priority, bucket, count)"
    " SELECT * FROM unnest(CAST(:minutes AS timestamptz[]), CAST(:measures AS text[]), CAST(:event_types AS text[]),"
    " CAST(:priorities AS smallint[]), CAST(:buckets AS smallint[]), CAST(:counts AS bigint[]))"
    " AS t (minute, measure, event_type, priority, bucket, count)"
    " ORDER BY minute, measure, event_type, priority, bucket"
    " ON CONFLICT (minute, measure, event_type, priority, bucket) DO UPDATE SET count = l.count + excluded.count"
)
_COUNTS = text(
    "SELECT kind, event_type, priority, CAST(sum(count) AS bigint) FROM counts_per_minute WHERE minute >= :since"
    " GROUP BY kind, event_type, priority ORDER BY event_type NULLS LAST, priority, kind"
)
_LATENCIES = text(
    "SELECT measure, priority, bucket, CAST(sum(count) AS bigint) FROM latencies_per_minute WHERE minute >= :since"
    " GROUP BY measure, priority, bucket ORDER BY measure, priority, bucket"
)
SWEEPS = tuple(
    text(f"DELETE FROM {table} WHERE minute < (SELECT almanac_now()) - make_interval(days => :days)")
    for table in ("counts_per_minute", "latencies_per_minute")
)


async def add(tx: Transaction, rollup: Rollup) -> None:
    """Add a batch to what is there."""
    minutes, kinds, event_types, priorities = zip(*rollup.counts, strict=True)
    await tx.execute(
        _ADD_COUNTS,
        {
            "minutes": minutes,
            "kinds": kinds,
            "event_types": event_types,
            "priorities": priorities,
            "counts": list(rollup.counts.values()),
        },
    )
    if rollup.latencies:
        minutes, measures, event_types, priorities, buckets = zip(*rollup.latencies, strict=True)
        await tx.execute(
            _ADD_LATENCIES,
            {
                "minutes": minutes,
                "measures": measures,
                "event_types": event_types,
                "priorities": priorities,
                "buckets": buckets,
                "counts": list(rollup.latencies.values()),
            },
        )


async def counts_since(reader: Reader, since: datetime) -> list[Count]:
    rows = await reader.execute(_COUNTS, {"since": since})
    return [Count(Kind(kind), event_type, priority, count) for kind, event_type, priority, count in rows]


async def latencies_since(reader: Reader, since: datetime) -> list[LatencyBucket]:
    rows = await reader.execute(_LATENCIES, {"since": since})
    return [LatencyBucket(Measure(measure), priority, bucket, count) for measure, priority, bucket, count in rows]
