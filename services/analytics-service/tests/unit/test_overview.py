"""Totals, success rate and percentiles of a window."""

from datetime import UTC, datetime

import pytest

from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.histogram import bucket_of, estimate
from analytics_service.domain.overview import Count, LatencyBucket, Overview, summarise

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


def _overview(*counts: Count) -> Overview:
    return Overview(NOW, NOW, counts, [])


def test_totals_add_up_types_and_priorities_and_name_every_kind() -> None:
    overview = _overview(
        Count(Kind.COMPLETED, "BIRTHDAY", 0, 3),
        Count(Kind.COMPLETED, "REMINDER", 2, 4),
        Count(Kind.USER_CREATED, None, None, 5),
    )
    assert overview.totals == dict.fromkeys(Kind, 0) | {Kind.COMPLETED: 7, Kind.USER_CREATED: 5}


def test_the_success_rate_is_of_what_ended_and_was_not_cancelled() -> None:
    overview = _overview(
        Count(Kind.COMPLETED, "BIRTHDAY", 0, 6),
        Count(Kind.FAILED, "BIRTHDAY", 0, 1),
        Count(Kind.MISSED, "BIRTHDAY", 0, 1),
        Count(Kind.CANCELLED, "BIRTHDAY", 0, 100),
    )
    assert overview.success_rate == pytest.approx(0.75)


def test_where_nothing_ended_there_is_no_success_rate() -> None:
    assert _overview(Count(Kind.SCHEDULED, "BIRTHDAY", 0, 1)).success_rate is None


def test_percentiles_are_given_over_all_priorities_and_for_each() -> None:
    fast, slow = bucket_of(0.1), bucket_of(10.0)
    latencies = {
        (each.measure, each.priority): each.percentiles
        for each in summarise(
            [LatencyBucket(Measure.LATENESS, 0, fast, 98), LatencyBucket(Measure.LATENESS, 3, slow, 2)]
        )
    }
    everything = latencies[Measure.LATENESS, None]
    assert (everything.count, everything.p50, everything.p95) == (100, estimate(fast), estimate(fast))
    assert everything.p99 == estimate(slow)
    assert latencies[Measure.LATENESS, 0].p99 == estimate(fast)
    assert latencies[Measure.LATENESS, 3].p50 == estimate(slow)
    unmeasured = latencies[Measure.WEBHOOK, None]
    assert (unmeasured.count, unmeasured.p50, unmeasured.p99) == (0, None, None)
