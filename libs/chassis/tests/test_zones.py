"""Time zones come from the tzdata package, by their exact names."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from chassis.core.zones import TZDATA_VERSION, aliases, current_name, is_zone, zone, zone_names


def test_the_system_s_own_files_are_not_looked_at() -> None:
    assert zoneinfo.TZPATH == ()
    assert ZoneInfo("Europe/Berlin").key == "Europe/Berlin"
    assert TZDATA_VERSION[:4].isdigit()


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Calcutta", "US/Pacific", "America/Indiana/Knox", "UTC"])
def test_current_and_deprecated_names_are_zones(name: str) -> None:
    assert is_zone(name)
    assert zone(name).key == name


@pytest.mark.parametrize(
    "name",
    ["europe/berlin", "EUROPE/BERLIN", "Europe/", "Europe", "", "Factory", "../UTC", "/UTC", "Mars/Olympus", "UTC\0"],
)
def test_other_spellings_are_none(name: str) -> None:
    assert not is_zone(name)
    with pytest.raises(ZoneInfoNotFoundError):
        zone(name)


def test_a_zone_has_its_rules() -> None:
    assert datetime(2026, 7, 1, tzinfo=zone("Asia/Kathmandu")).utcoffset() == timedelta(hours=5, minutes=45)
    assert datetime(2026, 7, 1, tzinfo=zone("Europe/Berlin")).utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("Europe/Kiev", "Europe/Kyiv"),
        ("US/Pacific", "America/Los_Angeles"),
        ("Iceland", "Atlantic/Reykjavik"),
        ("Zulu", "Etc/UTC"),
        ("Europe/Oslo", "Europe/Oslo"),
        ("CET", "CET"),
        ("Mars/Olympus", "Mars/Olympus"),
    ],
)
def test_a_deprecated_name_leads_to_the_current_one(old: str, current: str) -> None:
    assert current_name(old) == current


def test_aliases_of_a_zone_are_one_group_whichever_is_asked_for() -> None:
    for name in zone_names():
        group = aliases(name)
        assert name in group
        assert {aliases(each) for each in group} == {group}
        assert current_name(current_name(name)) == current_name(name)
    assert aliases("Mars/Olympus") == ("Mars/Olympus",)


def test_aliases_have_the_same_rules() -> None:
    moments = [datetime(year, month, 1, tzinfo=UTC) for year in range(1971, 2037) for month in (1, 7)]
    for name in zone_names():
        offsets = {
            each: [moment.replace(tzinfo=zone(each)).utcoffset() for moment in moments] for each in aliases(name)
        }
        assert len({tuple(each) for each in offsets.values()}) == 1, name
