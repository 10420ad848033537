"""The rules of profiles, and the published changes."""

from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.messages.spec import MessageType
from contracts.messages.user import UserItem
from user_service.application import domain_events
from user_service.domain.errors import BirthInFutureError
from user_service.domain.user import DELIVERY_TIME, Change, Profile, User, changes

ADA = Profile(
    first_name="Ada",
    last_name="Lovelace",
    date_of_birth=date(1990, 12, 10),
    timezone="Europe/London",
    email="ada@example.org",
    phone="+442071234567",
    tags=("vip",),
    delivery_time=time(8),
)
OTHER: dict[str, Any] = {
    "first_name": "Augusta",
    "last_name": "King",
    "date_of_birth": date(1990, 12, 11),
    "timezone": "Asia/Tokyo",
    "email": None,
    "phone": "+815012345678",
    "tags": (),
    "delivery_time": time(9, 30),
}
NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


def test_every_field_of_a_profile_belongs_to_one_kind_of_change() -> None:
    named = [name for change in Change for name in change.value]
    assert sorted(named) == sorted(field.name for field in fields(Profile))


@given(some.sets(some.sampled_from(sorted(OTHER))))
def test_the_kinds_of_change_are_those_of_the_fields_that_differ(names: set[str]) -> None:
    changed = ADA.merged({name: OTHER[name] for name in names})
    assert set(changes(ADA, changed)) == {change for change in Change if names & set(change.value)}


@given(some.sets(some.sampled_from(sorted(OTHER))))
def test_a_patch_leaves_what_it_does_not_name(names: set[str]) -> None:
    changed = ADA.merged({name: OTHER[name] for name in names})
    for field in fields(Profile):
        assert getattr(changed, field.name) == (OTHER[field.name] if field.name in names else getattr(ADA, field.name))


def test_null_takes_a_field_back_to_its_default() -> None:
    bare = ADA.merged({"email": None, "phone": None, "tags": None, "delivery_time": None})
    assert (bare.email, bare.phone, bare.tags, bare.delivery_time) == (None, None, (), DELIVERY_TIME)


@given(some.dates(), some.dates())
def test_a_birth_is_accepted_up_to_today(born: date, today: date) -> None:
    profile = ADA.merged({"date_of_birth": born})
    if born <= today:
        profile.born_by(today)
    else:
        with pytest.raises(BirthInFutureError):
            profile.born_by(today)


@given(some.dates(max_value=date.max - timedelta(days=1)))
def test_the_day_of_birth_itself_is_the_border(today: date) -> None:
    ADA.merged({"date_of_birth": today}).born_by(today)
    with pytest.raises(BirthInFutureError):
        ADA.merged({"date_of_birth": today + timedelta(days=1)}).born_by(today)


def test_a_change_of_every_kind_gives_equal_snapshots_under_types_of_their_own() -> None:
    user = User(uuid4(), 7, ADA.merged(OTHER), NOW, NOW)
    items = domain_events.changed(user, changes(ADA, user.profile))
    assert {type for type, _ in items} == {
        MessageType.USER_BIRTHDAY_CHANGED,
        MessageType.USER_TIMEZONE_CHANGED,
        MessageType.USER_DELIVERY_TIME_CHANGED,
        MessageType.USER_RENAMED,
        MessageType.USER_CONTACT_CHANGED,
    }
    snapshots = []
    for _, item in items:
        assert isinstance(item, UserItem)
        snapshots.append(item.model_dump(exclude={"item_id"}))
    assert all(snapshot == snapshots[0] for snapshot in snapshots)
    assert snapshots[0]["version"] == 7


def test_a_deletion_says_nothing_personal() -> None:
    user_id = uuid4()
    [(type, item)] = domain_events.deleted(user_id, 8)
    assert type is MessageType.USER_DELETED
    assert item.model_dump(exclude={"item_id", "traceparent"}) == {"userId": user_id, "version": 8}
