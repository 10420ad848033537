"""When to try again."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.vocabulary import Priority
from delivery_service.domain.retries import SPREAD, RetryPolicy, parse_retry_after
from delivery_service.roles import retry_policy
from delivery_service.settings import Settings

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
POLICY = RetryPolicy(max_tries=5, base=5, factor=5, cap=300, retry_after_cap=900)

policies = st.builds(
    RetryPolicy,
    max_tries=st.integers(1, 100),
    base=st.floats(0, 1000),
    factor=st.floats(1, 100),
    cap=st.floats(0, 100_000),
    retry_after_cap=st.floats(0, 100_000),
)


@given(policies, st.integers(1, 100), st.none() | st.floats(0, 1e15))
def test_a_delay_is_within_its_bounds_and_ends_with_the_tries(
    policy: RetryPolicy, tries: int, retry_after: float | None
) -> None:
    delay = policy.delay(tries, retry_after)
    if tries >= policy.max_tries:
        assert delay is None
    else:
        asked = min(retry_after or 0, policy.retry_after_cap)
        assert delay is not None
        assert asked <= delay <= max(asked, policy.cap)


@given(policies)
def test_all_delays_together_are_at_most_the_longest(policy: RetryPolicy) -> None:
    delays = [policy.delay(tries, 1e15) or 0.0 for tries in range(1, policy.max_tries)]
    assert sum(delays) <= policy.longest * (1 + 1e-9)


@pytest.mark.parametrize("priority", Priority)
def test_retries_fit_the_horizon_by_default(priority: Priority) -> None:
    settings = Settings.model_validate({"database_url": "postgresql://x", "secret_keys": b64encode(bytes(32)).decode()})
    assert retry_policy(settings, priority).longest <= settings.retry_horizon_seconds


@given(policies, st.lists(st.floats(0, 86_400), max_size=20), st.integers(1, 25))
def test_a_schedule_of_its_own_is_kept_up_to_a_tenth_later(
    policy: RetryPolicy, schedule: list[float], tries: int
) -> None:
    delay = policy.delay(tries, None, schedule)
    if tries > len(schedule):
        assert delay is None
    else:
        assert delay is not None
        assert schedule[tries - 1] <= delay <= schedule[tries - 1] * SPREAD


def test_the_ceiling_grows_by_the_factor_up_to_the_cap() -> None:
    assert [POLICY.ceiling(tries) for tries in (1, 2, 3, 4, 100)] == [5, 25, 125, 300, 300]


def test_the_whole_range_up_to_the_ceiling_is_used() -> None:
    delays = [POLICY.delay(3) or 0.0 for _ in range(2_000)]
    assert min(delays) < 5
    assert max(delays) > 120


def test_a_retry_after_is_a_lower_bound() -> None:
    assert POLICY.delay(1, 60) == 60


def test_a_retry_after_beyond_the_cap_is_cut() -> None:
    assert POLICY.delay(1, 86_400) == 900


@given(st.integers(0, 10**30))
def test_seconds_are_read_whatever_their_size(seconds: int) -> None:
    parsed = parse_retry_after(f" {seconds} ", NOW)
    assert parsed is not None
    assert parsed == seconds if seconds < 10**15 else parsed >= 10**14


@given(st.integers(-(10**8), 10**9))
def test_a_date_is_seconds_from_now_and_never_negative(seconds: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(header, NOW) == max(0, seconds)


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "١٢", "Mon, 99 Nov 2026 14:00:00 GMT"])
def test_what_says_nothing_is_none(header: str | None) -> None:
    assert parse_retry_after(header, NOW) is None


@pytest.mark.parametrize(
    "header",
    ["1 Jan 99999999999 0:0:0 GMT", "Jan 0 1:1 99999999999", "1 Jan 0:0:0 " + 5_000 * "9", 5_000 * "9"],
    ids=["huge year", "huge year without a day", "year of 5,000 digits", "5,000 digits"],
)
def test_retry_after_that_no_date_can_hold_is_ignored(header: str) -> None:
    assert parse_retry_after(header, NOW) is None


words = st.sampled_from(["Mon,", "Jan", "feb", "GMT", "EST", "-0000", "+9999", "-99999999999", ":", ",", "-", "T", "Z"])
numbers = st.integers(0, 10**12).map(str) | st.from_regex(r"\A[0-9]{1,11}(:[0-9]{1,11}){1,3}\Z")


@given(st.lists(words | numbers, max_size=8).map(" ".join))
def test_no_date_like_retry_after_raises(header: str) -> None:
    parsed = parse_retry_after(header, NOW)
    assert parsed is None or parsed >= 0


@given(st.text())
def test_no_header_raises(header: str) -> None:
    parsed = parse_retry_after(header, NOW)
    assert parsed is None or parsed >= 0
