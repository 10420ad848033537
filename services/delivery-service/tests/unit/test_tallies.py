"""What a batch of results says about endpoints."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID, uuid4

import pytest

from contracts.vocabulary import Channel, FailureReason
from delivery_service.domain.attempts import UNRELATED_FAULTS, Attempt, Fault, Verdict
from delivery_service.domain.circuits import EndpointVersion, Tally, UnreportedSuccesses, tally
from delivery_service.domain.deliveries import DeliveryStatus, Dispatch, Lease, Result, Target


def attempt(verdict: Verdict, fault: Fault | None = None, *, seconds: float = 0.1) -> Attempt:
    return Attempt(verdict, None if fault else 200, fault, None, None, datetime.now(UTC), seconds, None)


def result(
    endpoint_id: UUID, made: Attempt | None, *, version: int = 1, generation: int = 0, probe: bool = False
) -> Result:
    target = Target(endpoint_id, version, Channel.WEBHOOK, "https://example.org/", "", 30)
    dispatch = Dispatch(
        delivery_id=uuid4(),
        event_id=uuid4(),
        lease=Lease.begin(90),
        tries=0,
        due="",
        expires_at=datetime.now(UTC),
        traceparent=None,
        target=target if made else FailureReason.EXPIRED,
        generation=generation,
        probe_of=endpoint_id if probe else None,
    )
    return Result(dispatch, DeliveryStatus.FAILED, attempt=made)


def tallied(*made: Attempt, unreported: float = 0.0) -> Tally:
    endpoint_id = uuid4()
    [told] = tally([result(endpoint_id, each) for each in made], {EndpointVersion(endpoint_id, 1): unreported})
    return told


SUCCESS = attempt(Verdict.SUCCEEDED)
TIMEOUT = attempt(Verdict.RETRY, Fault.TIMEOUT, seconds=30)


@pytest.mark.parametrize("fault", sorted(UNRELATED_FAULTS))
def test_attempt_that_never_reached_for_an_endpoint_says_nothing_about_it(fault: Fault) -> None:
    email, sms = uuid4(), uuid4()
    unrelated = attempt(Verdict.REJECTED, fault)
    [told] = tally([result(sms, unrelated), result(email, SUCCESS), result(email, unrelated)], {})
    assert (told.endpoint_id, told.attempts, told.trailing, told.succeeded) == (email, 1, 0, True)


@pytest.mark.parametrize("made", [None, *(attempt(Verdict.REJECTED, fault) for fault in sorted(UNRELATED_FAULTS))])
def test_probe_that_says_nothing_about_its_endpoint_is_returned(made: Attempt | None) -> None:
    endpoint_id = uuid4()
    probe = result(endpoint_id, made, probe=True)
    [told] = tally([probe], {EndpointVersion(endpoint_id, 1): 3.0})
    assert (told.endpoint_id, told.attempts, told.probe) == (endpoint_id, 0, probe.dispatch.delivery_id)


def test_failures_on_the_way_count() -> None:
    told = tallied(SUCCESS, TIMEOUT, attempt(Verdict.RETRY, Fault.DNS), unreported=2.0)
    assert (told.attempts, told.failures, told.trailing, told.succeeded) == (5, 2, 2, True)


def test_an_internal_error_counts_as_a_failure_but_not_towards_switching_an_endpoint_off() -> None:
    told = tallied(TIMEOUT, attempt(Verdict.RETRY, Fault.INTERNAL_ERROR))
    assert (told.attempts, told.failures, told.trailing, told.succeeded) == (2, 2, 1, False)


def test_timeouts_and_lost_seconds_are_those_at_the_end_of_a_batch() -> None:
    told = tallied(TIMEOUT, SUCCESS, attempt(Verdict.RETRY, seconds=5), TIMEOUT, TIMEOUT)
    assert (told.timeouts, told.lost_seconds) == (2, 65)
    assert not told.all_timeouts
    assert not told.all_failures


def test_batch_of_timeouts_continues_the_consecutive_count() -> None:
    told = tallied(TIMEOUT, TIMEOUT)
    assert (told.timeouts, told.all_timeouts, told.all_failures) == (2, True, True)
    # An unreported success came before them.
    assert not tallied(TIMEOUT, unreported=1.0).all_failures


def test_results_of_versions_generations_and_probes_are_tallied_apart() -> None:
    endpoint_id = uuid4()
    told = tally(
        [
            result(endpoint_id, SUCCESS, generation=2),
            result(endpoint_id, TIMEOUT, generation=1),
            result(endpoint_id, TIMEOUT, version=2, generation=2),
            result(endpoint_id, SUCCESS, generation=2, probe=True),
        ],
        {EndpointVersion(endpoint_id, 1): 4.0},
    )
    assert [(each.version, each.generation, each.probe is None, each.attempts) for each in told] == [
        (1, 2, True, 5),
        (1, 1, True, 1),
        (2, 2, True, 1),
        (1, 2, False, 5),
    ]


@pytest.mark.parametrize(
    ("status", "asked", "granted"),
    [
        (429, "60", 60),
        (429, timedelta(days=1), 900),
        (429, "soon", 0),
        (429, None, 0),
        # One of many servers may answer this; the others go on.
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
    [told] = tally([result(endpoint_id, made), result(endpoint_id, SUCCESS)], {}, pause_cap=900)
    assert told.pause_seconds == pytest.approx(granted, abs=5)


def test_successes_of_an_old_version_do_not_hide_failures_of_the_new_one() -> None:
    endpoint_id = uuid4()
    unreported = UnreportedSuccesses(half_life_seconds=30)
    unreported.update(tally([result(endpoint_id, SUCCESS)] * 9, {}), set())
    [old] = tally([result(endpoint_id, TIMEOUT)], unreported.counts())
    [new] = tally([result(endpoint_id, TIMEOUT, version=2)], unreported.counts())
    assert (round(old.attempts), old.succeeded) == (10, True)
    assert (new.attempts, new.failures, new.succeeded) == (1, 1, False)
