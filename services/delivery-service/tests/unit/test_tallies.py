"""What attempts say about an endpoint."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import pytest

from delivery_service.domain.attempts import UNRELATED_FAULTS, Attempt, Fault, Verdict
from delivery_service.domain.circuits import tally


def attempt(verdict: Verdict, fault: Fault | None = None) -> Attempt:
    return Attempt(verdict, None if fault else 200, fault, None, None, datetime.now(UTC), 0.1, None)


@pytest.mark.parametrize("fault", sorted(UNRELATED_FAULTS))
def test_what_never_reached_for_an_endpoint_says_nothing_about_it(fault: Fault) -> None:
    email, sms = uuid4(), uuid4()
    unrelated = attempt(Verdict.REJECTED, fault)
    [told] = tally([(sms, unrelated), (email, attempt(Verdict.SUCCEEDED)), (email, unrelated)], {})
    assert (told.endpoint_id, told.attempts, told.trailing, told.succeeded) == (email, 1, 0, True)


def test_an_internal_error_counts_as_a_failure_but_not_towards_switching_an_endpoint_off() -> None:
    endpoint_id = uuid4()
    made = [attempt(Verdict.RETRY, Fault.TIMEOUT), attempt(Verdict.RETRY, Fault.INTERNAL_ERROR)]
    [told] = tally([(endpoint_id, each) for each in made], {})
    assert (told.attempts, told.failures, told.trailing, told.succeeded) == (2, 2, 1, False)


def test_what_failed_on_the_way_counts() -> None:
    endpoint_id = uuid4()
    made = [attempt(Verdict.SUCCEEDED), attempt(Verdict.RETRY, Fault.TIMEOUT), attempt(Verdict.RETRY, Fault.DNS)]
    [told] = tally([(endpoint_id, each) for each in made], {endpoint_id: 2.0})
    assert (told.attempts, told.failures, told.trailing, told.succeeded) == (5, 2, 2, True)


@pytest.mark.parametrize(
    ("status", "asked", "granted"),
    [
        (429, "60", 60),
        (429, timedelta(days=1), 900),
        (429, "soon", 0),
        (429, None, 0),
        # One server of many may say so of itself; the others go on.
        (503, "60", 0),
    ],
)
def test_only_a_429_with_a_valid_retry_after_pauses_its_endpoint(
    status: int, asked: str | timedelta | None, granted: float
) -> None:
    now = datetime.now(UTC)
    # A date is computed here: in a parameter it would change the test's id from one collection to the next.
    value = format_datetime(now + asked, usegmt=True) if isinstance(asked, timedelta) else asked
    headers = None if value is None else {"retry-after": value}
    made = Attempt(Verdict.RETRY, status, None, headers, None, now, 0.0, None)
    endpoint_id = uuid4()
    [told] = tally([(endpoint_id, made), (endpoint_id, attempt(Verdict.SUCCEEDED))], {}, pause_cap=900)
    assert told.pause_seconds == pytest.approx(granted, abs=5)
