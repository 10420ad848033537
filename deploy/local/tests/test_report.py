"""The arithmetic of the demo's report."""

from datetime import UTC, date, datetime, timedelta

import pytest

from local_stack.inbox.store import Receipt
from local_stack.report import Tally, TimeLapse, percentile

START = datetime(2027, 2, 27, 10, tzinfo=UTC)
BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLOCK = TimeLapse(BEGAN, START, speed=3600)  # an hour a second
NINE = datetime(2027, 2, 28, 9, tzinfo=UTC)
DAY = date(2027, 2, 28)


def _receipt(
    user: str, target: datetime = NINE, late_ms: float = 0, *, verified: bool = True, kind: str = "BIRTHDAY"
) -> Receipt:
    stamp = target.isoformat().replace("+00:00", "Z")
    body = {"type": "event.birthday", "data": {"eventType": kind, "userId": user, "targetTimestampUTC": stamp}}
    return Receipt(1, "w", CLOCK.real(target) + timedelta(milliseconds=late_ms), verified, body)


def _tally(*due: str) -> Tally:
    return Tally(DAY, dict.fromkeys(due, NINE), dict.fromkeys(("a", "b", "c", "d"), "UTC"), CLOCK)


def test_a_target_maps_to_the_real_instant_at_which_the_clock_shows_it() -> None:
    assert CLOCK.real(START + timedelta(hours=10)) == BEGAN + timedelta(seconds=10)
    assert CLOCK.shows(BEGAN + timedelta(seconds=10)) == START + timedelta(hours=10)


def test_event_due_before_the_clock_started_is_late_since_the_start() -> None:
    assert CLOCK.real(START - timedelta(hours=1)) == BEGAN


def test_a_perfect_run_counts_everyone_once() -> None:
    tally = _tally("a", "b")
    tally.add(_receipt("a", late_ms=100))
    tally.add(_receipt("b", late_ms=300))
    assert tally.perfect(refused=0)
    assert tally.report(users=4, refused=0) == {
        "users": 4, "refused": 0, "due": 2, "delivered": 2, "missing": 0, "duplicates": 0, "unverified": 0,
        "latenessMs": {"p50": 100.0, "p95": 300.0, "p99": 300.0}, "seconds": 23.3, "perSecond": 0.086,
    }  # fmt: skip


def test_a_second_receipt_of_a_user_is_a_duplicate_and_does_not_change_the_lateness() -> None:
    tally = _tally("a")
    tally.add(_receipt("a", late_ms=100))
    tally.add(_receipt("a", late_ms=900))
    report = tally.report(1, 0)
    assert (report["delivered"], report["duplicates"], report["latenessMs"]["p99"]) == (1, 1, 100.0)
    assert not tally.perfect(refused=0)


def test_a_wrong_signature_delivers_nothing() -> None:
    tally = _tally("a")
    tally.add(_receipt("a", verified=False))
    report = tally.report(1, 0)
    assert (report["delivered"], report["missing"], report["unverified"]) == (0, 1, 1)
    assert not tally.perfect(refused=0)


@pytest.mark.parametrize("other", [NINE - timedelta(days=1), NINE + timedelta(days=1)])
def test_receipts_of_other_dates_are_not_counted(other: datetime) -> None:
    tally = _tally("a")
    tally.add(_receipt("a"))
    tally.add(_receipt("b", target=other))
    assert tally.perfect(refused=0)
    assert tally.delivered == 1


def test_the_date_is_that_of_the_users_zone() -> None:
    target = datetime(2027, 2, 27, 10, tzinfo=UTC)  # 28 February, 00:00 in Kiritimati
    tally = Tally(DAY, {"k": target}, {"k": "Pacific/Kiritimati"}, CLOCK)
    tally.add(_receipt("k", target))
    assert tally.delivered == 1


def test_greeting_at_a_wrong_instant_or_to_a_user_not_due_fails_the_run() -> None:
    tally = _tally("a")
    tally.add(_receipt("a"))
    tally.add(_receipt("b"))
    tally.add(_receipt("a", target=NINE + timedelta(hours=1)))
    assert len(tally.surprises) == 2
    assert not tally.perfect(refused=0)


def test_run_without_due_users_or_with_refused_rows_is_not_perfect() -> None:
    assert not _tally().perfect(refused=0)
    assert _tally().report(0, 0)["latenessMs"] == {"p50": None, "p95": None, "p99": None}
    tally = _tally("a")
    tally.add(_receipt("a"))
    assert not tally.perfect(refused=1)


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (50, 95, 99)] == [50, 95, 99]
    assert percentile([7.0], 99) == 7
    assert percentile([1.0, 2.0, 3.0], 50) == 2


def test_a_broadcast_has_a_tally_of_its_own_for_which_every_date_counts() -> None:
    noon = datetime(2027, 2, 27, 23, tzinfo=UTC)
    tally = Tally(None, {"a": noon, "b": noon}, dict.fromkeys(("a", "b"), "UTC"), CLOCK, "NOTIFICATION")
    tally.add(_receipt("a", noon, late_ms=5, kind="NOTIFICATION"))
    tally.add(_receipt("b", noon))
    assert (tally.counts()["delivered"], tally.missing) == (1, ["b"])
    tally.add(_receipt("b", noon, kind="NOTIFICATION"))
    assert tally.perfect(refused=0)
    tally.add(_receipt("b", noon, kind="NOTIFICATION"))
    assert tally.duplicates == 1
    assert not tally.perfect(refused=0)
