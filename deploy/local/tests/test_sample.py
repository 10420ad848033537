"""The sample users."""

from datetime import UTC, date, datetime, timedelta

from local_stack.due import due_instant
from local_stack.sample import ZONES, sample_users, users_due_soon


def test_two_hundred_users_live_in_forty_zones_and_most_have_their_birthday_on_the_day() -> None:
    users = sample_users(date(2027, 2, 28))
    assert len(users) == 200
    assert {user["timezone"] for user in users} == set(ZONES)
    assert len(ZONES) == len(set(ZONES)) == 40
    assert sum(due_instant(user, date(2027, 2, 28)) is not None for user in users) >= 100


def test_the_sample_is_the_same_every_time() -> None:
    assert sample_users(date(2028, 2, 29)) == sample_users(date(2028, 2, 29))


def test_users_due_soon_are_due_within_the_next_half_minute_in_their_own_zones() -> None:
    now = datetime(2026, 12, 31, 23, 59, 50, tzinfo=UTC)
    for user in users_due_soon(now, 6):
        days = (now.date() + timedelta(days=shift) for shift in (-1, 0, 1, 2))
        instants = [instant for day in days if (instant := due_instant(user, day)) is not None]
        assert any(timedelta(seconds=3) <= instant - now <= timedelta(seconds=30) for instant in instants)
