"""Mergeable latency histograms: the buckets are fixed, so adding counts is all it takes to merge.

Bounds are powers of 2^(1/8), as in OpenTelemetry's exponential histogram of scale 3: bucket i holds the seconds in
(2^((i-1)/8), 2^(i/8)].
"""

from collections.abc import Mapping, Sequence
from math import ceil, exp2, log2

PER_DOUBLING = 8
MIN_BUCKET = -10 * PER_DOUBLING
"""Holds everything up to 2^-10 s, about 1 ms: also negative latencies."""
MAX_BUCKET = 22 * PER_DOUBLING
"""Holds everything above it too; its bound, 2^22 s, is 48 days."""
FLOOR_SECONDS = exp2(MIN_BUCKET / PER_DOUBLING)
CEILING_SECONDS = exp2(MAX_BUCKET / PER_DOUBLING)

_STEP = exp2(1 / PER_DOUBLING)
RELATIVE_ERROR = (_STEP - 1) / (_STEP + 1)
"""How far an estimate can be off, 4.3 %, for values between floor and ceiling."""


def bucket_of(seconds: float) -> int:
    """The bucket that counts a latency."""
    if not seconds > FLOOR_SECONDS:
        return MIN_BUCKET
    if seconds >= CEILING_SECONDS:
        return MAX_BUCKET
    return ceil(log2(seconds) * PER_DOUBLING)


def estimate(bucket: int) -> float:
    """The latency, in seconds, that stands for a bucket: equally far, relatively, from both bounds; 0 for the first."""
    if bucket <= MIN_BUCKET:
        return 0.0
    return exp2(bucket / PER_DOUBLING) * (1 - RELATIVE_ERROR)


def percentiles(counts: Mapping[int, int], fractions: Sequence[float]) -> list[float | None]:
    """The nearest-rank percentiles in seconds of a histogram (bucket → count); None where it is empty.

    ``fractions`` rise: all are found in one pass.
    """
    total = sum(counts.values())
    found: list[float | None] = []
    buckets, below = iter(sorted(counts)), 0
    bucket = MIN_BUCKET
    for rank in [max(1, ceil(fraction * total)) for fraction in fractions if total]:
        while below < rank:
            bucket = next(buckets)
            below += counts[bucket]
        found.append(estimate(bucket))
    return found or [None] * len(fractions)
