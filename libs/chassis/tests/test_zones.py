"""Time zones come from the tzdata package, by their exact names."""

import zoneinfo
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from chassis.zones import TZDATA_VERSION, is_zone, zone


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
