"""Percentiles from merged buckets are as good as promised."""

from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.domain.histogram import (
    CEILING_SECONDS,
    FLOOR_SECONDS,
    MAX_BUCKET,
    MIN_BUCKET,
    RELATIVE_ERROR,
    bucket_of,
    estimate,
    percentiles,
)

latencies = st.floats(min_value=0, max_value=CEILING_SECONDS)


def _histogram(values: list[float]) -> Counter[int]:
    return Counter(map(bucket_of, values))


@given(st.lists(latencies, min_size=1, max_size=300), st.sampled_from([0.0, 0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_within_the_relative_error_of_the_exact_one(values: list[float], fraction: float) -> None:
    exact = sorted(values)[max(1, ceil(fraction * len(values))) - 1]
    (estimated,) = percentiles(_histogram(values), (fraction,))
    assert estimated is not None
    assert abs(estimated - exact) <= exact * RELATIVE_ERROR * (1 + 1e-9) + (
        FLOOR_SECONDS if exact <= FLOOR_SECONDS else 0
    )


@given(st.lists(latencies, max_size=100), st.lists(latencies, max_size=100))
def test_merging_histograms_is_as_good_as_counting_together(first: list[float], second: list[float]) -> None:
    assert _histogram(first) + _histogram(second) == _histogram(first + second)


@given(latencies, latencies)
def test_a_longer_latency_never_has_a_lower_bucket(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    assert bucket_of(shorter) <= bucket_of(longer)


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (-3.0, MIN_BUCKET),
        (0.0, MIN_BUCKET),
        (float("nan"), MIN_BUCKET),
        (FLOOR_SECONDS, MIN_BUCKET),
        (FLOOR_SECONDS * 1.01, MIN_BUCKET + 1),
        (1.0, 0),
        (2.0, 8),
        (2.001, 9),
        (CEILING_SECONDS, MAX_BUCKET),
        (float("inf"), MAX_BUCKET),
    ],
)
def test_every_latency_has_a_bucket(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


def test_negative_latency_counts_as_zero() -> None:
    assert percentiles(_histogram([-0.2, -0.1, 0.0]), (0.5, 0.99)) == [0.0, 0.0]


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert percentiles({}, (0.5, 0.99)) == [None, None]


def test_the_error_of_an_estimate_is_under_five_percent() -> None:
    assert RELATIVE_ERROR < 0.05
    assert estimate(0) == pytest.approx(1 - RELATIVE_ERROR)
