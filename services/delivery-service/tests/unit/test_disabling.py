"""When an endpoint that only fails is disabled, and when its owner is warned."""

import pytest

from delivery_service.domain.disabling import DisablePolicy, Step

HOUR, DAY = 3_600.0, 86_400.0
POLICY = DisablePolicy()


@pytest.mark.parametrize(
    ("failures", "seconds", "warned", "step"),
    [
        # 4.3 s of 404s from a wrong deployment.
        (1_000, 4.3, None, Step.NONE),
        (1_000_000, 5.9 * HOUR, None, Step.NONE),
        # Two refusals five days apart.
        (2, 5 * DAY, None, Step.NONE),
        (9, 30 * DAY, None, Step.NONE),
        # Few failures for less than five days.
        (999, 4.7 * DAY, None, Step.NONE),
        # The warning comes six hours ahead.
        (1_000, 6 * HOUR, None, Step.WARN),
        (10, 4.75 * DAY, None, Step.WARN),
        # It may come late, where attempts are rare: then the six hours begin with it.
        (10, 30 * DAY, None, Step.WARN),
        (11, 30 * DAY, 5.9 * HOUR, Step.NONE),
        (11, 30 * DAY, 6 * HOUR, Step.DISABLE),
        (1_000, 11.9 * HOUR, 5.9 * HOUR, Step.NONE),
        (1_000, 12 * HOUR, 6 * HOUR, Step.DISABLE),
        (10, 5 * DAY, 6 * HOUR, Step.DISABLE),
        # Warned because of a rule that was stricter then.
        (10, 4 * DAY, 2 * DAY, Step.NONE),
    ],
)
def test_disabling_takes_time_failures_and_a_warning(
    failures: int, seconds: float, warned: float | None, step: Step
) -> None:
    assert POLICY.step(failures, seconds, warned) is step


def test_without_a_warning_time_the_next_failure_disables() -> None:
    policy = DisablePolicy(failures=3, seconds=DAY, min_failures=1, min_seconds=0, warning_seconds=0)
    assert [policy.step(2, 1, None), policy.step(3, 2, None), policy.step(4, 3, 0.0)] == [
        Step.NONE,
        Step.WARN,
        Step.DISABLE,
    ]
