"""The reference table of the demo's own arithmetic: who is due on a day, and when."""

from datetime import UTC, date, datetime

import pytest

from local_stack.due import due_instant


def _user(born: str, zone: str, at: str | None = None) -> dict[str, str]:
    user = {"firstName": "A", "lastName": "B", "dateOfBirth": born, "timezone": zone}
    return user | ({"deliveryTime": at} if at else {})


@pytest.mark.parametrize(
    ("born", "zone", "at", "day", "expected"),
    [
        pytest.param("1990-11-23", "America/New_York", None, "2026-11-23", "2026-11-23T14:00", id="nine-by-default"),
        pytest.param("1990-11-23", "UTC", "00:00", "2026-11-23", "2026-11-23T00:00", id="midnight-begins-the-day"),
        pytest.param("1990-11-23", "UTC", "23:59:59", "2026-11-23", "2026-11-23T23:59:59", id="with-seconds"),
        pytest.param(
            "1990-02-28", "Pacific/Kiritimati", "00:00", "2027-02-28", "2027-02-27T10:00", id="first-on-earth"
        ),
        pytest.param("1990-02-28", "Etc/GMT+12", "23:59", "2027-02-28", "2027-03-01T11:59", id="last-on-earth"),
        pytest.param("1990-11-23", "Asia/Kathmandu", "09:00", "2026-11-23", "2026-11-23T03:15", id="quarter-hour-zone"),
        pytest.param("1990-11-23", "Asia/Calcutta", "09:00", "2026-11-23", "2026-11-23T03:30", id="old-zone-name"),
        pytest.param(
            "1968-01-15", "Europe/London", None, "2027-01-15", "2027-01-15T09:00", id="born-in-another-offset"
        ),
        # 29 February
        pytest.param("1996-02-29", "UTC", None, "2027-02-28", "2027-02-28T09:00", id="leapling-common-year"),
        pytest.param("1996-02-29", "UTC", None, "2027-03-01", None, id="leapling-not-on-1-march"),
        pytest.param("1996-02-29", "UTC", None, "2028-02-29", "2028-02-29T09:00", id="leapling-leap-year"),
        pytest.param("1996-02-29", "UTC", None, "2028-02-28", None, id="leapling-not-twice-in-a-leap-year"),
        pytest.param("1996-02-29", "UTC", None, "2000-02-29", "2000-02-29T09:00", id="2000-is-a-leap-year"),
        pytest.param("1996-02-29", "UTC", None, "2100-02-28", "2100-02-28T09:00", id="2100-is-none"),
        pytest.param("1996-02-28", "UTC", None, "2028-02-28", "2028-02-28T09:00", id="28-february-in-a-leap-year"),
        # changes of the clock
        pytest.param(
            "1990-03-14", "America/New_York", "02:30", "2027-03-14", "2027-03-14T07:30", id="gap-shifts-forward"
        ),
        pytest.param("1990-11-07", "America/New_York", "01:30", "2027-11-07", "2027-11-07T05:30", id="overlap-first"),
        pytest.param("1990-04-30", "Africa/Cairo", "00:30", "2027-04-30", "2027-04-29T22:30", id="gap-at-midnight"),
        pytest.param(
            "1990-10-04", "Australia/Lord_Howe", "02:15", "2026-10-04", "2026-10-03T15:45", id="half-hour-gap"
        ),
        # Samoa had no 30 December 2011
        pytest.param(
            "1990-12-30", "Pacific/Apia", "09:00", "2011-12-31", "2011-12-30T19:00", id="skipped-day-moves-on"
        ),
        pytest.param("1990-12-30", "Pacific/Apia", "09:00", "2011-12-30", None, id="skipped-day-has-nobody"),
        pytest.param(
            "1990-12-31", "Pacific/Apia", "09:00", "2011-12-31", "2011-12-30T19:00", id="the-day-after-the-skip"
        ),
        # other days
        pytest.param("1990-11-24", "Pacific/Kiritimati", "00:00", "2026-11-23", None, id="still-another-day-there"),
        pytest.param("1990-12-31", "UTC", None, "2027-01-01", None, id="over-new-year"),
        pytest.param("2027-05-05", "UTC", None, "2026-05-05", None, id="not-born-yet"),
    ],
)
def test_a_user_is_due_at_the_instant_of_the_reference_table(
    born: str, zone: str, at: str | None, day: str, expected: str | None
) -> None:
    instant = datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None
    assert due_instant(_user(born, zone, at), date.fromisoformat(day)) == instant
