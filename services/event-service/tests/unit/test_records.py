"""Records: copies of them, with other values of some fields."""

import dataclasses
from datetime import UTC, datetime, time
from typing import Any
from uuid import uuid4

import pytest

from event_service.domain.patterns import YearlyPattern
from event_service.domain.record import replace
from event_service.domain.schedules import Schedule, Source, Status


def schedule() -> Schedule:
    pattern = YearlyPattern(month=2, day=29, local_time=time(9), since=1992, first=1992)
    return Schedule(uuid4(), uuid4(), "BIRTHDAY", Source.USER, 0, pattern, "Europe/Berlin", True, payload={"a": 1})


def test_copy_has_the_given_values_and_shares_the_others() -> None:
    before = schedule()
    changes: dict[str, Any] = {"status": Status.ENDED, "next_at": datetime(2027, 1, 1, tzinfo=UTC)}
    after = replace(before, **changes)
    assert after == dataclasses.replace(before, **changes)
    assert after.payload is before.payload
    assert (before.status, before.next_at) == (Status.ACTIVE, None)


def test_copy_without_changes_is_equal_and_another_object() -> None:
    before = schedule()
    after = replace(before)
    assert after == before
    assert after is not before


def test_unknown_field_is_refused() -> None:
    with pytest.raises(AttributeError, match="colour"):
        replace(schedule(), colour="red")
