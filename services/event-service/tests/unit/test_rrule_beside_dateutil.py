"""RRULEs beside dateutil's opinion, which we did not write."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chassis.core.zones import zone
from event_service.domain.errors import InvalidRuleError
from event_service.domain.recurrence import Policies, Recurring, upcoming
from event_service.domain.rrule import wall_series

ALL_DAYS = "SU,MO,TU,WE,TH,FR,SA"
STARTS = st.datetimes(*map(datetime.fromisoformat, ("1950-01-01", "2100-01-01"))).map(
    lambda start: start.replace(microsecond=0)
)


def _some(values: st.SearchStrategy[int] | st.SearchStrategy[str], most: int = 4) -> st.SearchStrategy[str]:
    return st.lists(values.map(str), min_size=1, max_size=most, unique=True).map(",".join)


PARTS = {
    "BYMONTH": _some(st.integers(1, 12)),
    "BYMONTHDAY": _some(st.integers(-28, 28).filter(bool)),
    "BYDAY": _some(st.sampled_from(ALL_DAYS.split(","))),
    "BYHOUR": _some(st.integers(0, 23)),
    "BYMINUTE": _some(st.integers(0, 59), most=1),
    "BYYEARDAY": _some(st.integers(-365, 365).filter(bool)),
}
FITTING = {
    "YEARLY": ("BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYYEARDAY"),
    "MONTHLY": ("BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE"),
    "WEEKLY": ("BYDAY", "BYHOUR", "BYMINUTE", "BYMONTH"),
    "DAILY": ("BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE"),
    "HOURLY": ("BYMONTH", "BYDAY", "BYHOUR", "BYMINUTE"),
}


@st.composite
def rrules(draw: st.DrawFn) -> str:
    """Rules that come at least now and then: dateutil would search those that do not to the year 9999."""
    frequency = draw(st.sampled_from(sorted(FITTING)))
    names = draw(st.lists(st.sampled_from(FITTING[frequency]), max_size=2, unique=True))
    names = [name for name in names if not (name == "BYYEARDAY" and {"BYMONTH", "BYMONTHDAY"} & set(names))]
    given = {name: draw(PARTS[name]) for name in names}
    if frequency == "MONTHLY" and given.keys() == {"BYDAY"} and draw(st.booleans()):
        given["BYDAY"] = ",".join(f"{draw(st.sampled_from((-1, 1, 2, 4)))}{day}" for day in given["BYDAY"].split(","))
    if given.keys() & {"BYDAY", "BYMONTHDAY", "BYHOUR"} and frequency not in ("DAILY", "HOURLY"):
        given |= draw(st.sampled_from(({}, {"BYSETPOS": "1"}, {"BYSETPOS": "-1"}, {"BYSETPOS": "1,-1"})))
    interval = draw(st.integers(1, 4))
    ending = draw(st.sampled_from(("", ";COUNT=7", ";COUNT=1", ";UNTIL=21500101T000000")))
    week = draw(st.sampled_from(("", ";WKST=SU", ";WKST=WE")))
    parts = "".join(f";{name}={value}" for name, value in given.items())
    return f"FREQ={frequency};INTERVAL={interval}{parts}{week}{ending}"


def _by_dateutil(rrule: str, start: datetime) -> Iterator[datetime]:
    """As dateutil has it: without a DTSTART that the rule would not find, and so counting from the next on."""
    return iter(rrulestr(rrule, dtstart=start))


def _beginning_of_week(rrule: str, start: datetime) -> datetime:
    first = {"SU": 6, "WE": 2}.get(rrule.partition("WKST=")[2][:2], 0)
    return start - timedelta(days=(start.weekday() - first) % 7)


@settings(max_examples=300)
@given(rrules(), STARTS)
def test_dateutil_finds_the_same_times(rrule: str, start: datetime) -> None:
    if "WEEKLY" in rrule and "BYSETPOS" in rrule:
        start = _beginning_of_week(rrule, start)  # dateutil chooses among the remaining days of the first week
    try:
        series = wall_series(start, rrule)
    except InvalidRuleError as refused:
        assume("no date fits" not in str(refused))  # an interval that passes its months by
        raise
    ours = list(islice(series.walls_from(start), 12))
    assume(len(ours) > 1 or "COUNT=1" in rrule)
    theirs = list(islice(_by_dateutil(rrule, start), 12))
    if theirs[0] != start:
        theirs = [start, *theirs]
        if "COUNT" in rrule:
            theirs.pop()
    assert ours[: len(theirs)] == theirs[: len(ours)]


def test_a_position_is_counted_in_the_whole_week_of_the_start() -> None:
    """dateutil differs: where Monday is past and Sunday to come, it takes Sunday for the first."""
    saturday, rrule = "2000-01-01T09:00", "FREQ=WEEKLY;BYDAY=SU,MO;BYSETPOS=1"
    start = datetime.fromisoformat(saturday)
    rule = Recurring(start, rrule, frozenset(), zone("UTC"), Policies())
    found = islice(upcoming(rule, start.replace(tzinfo=UTC)), 3)
    walls = [each.wall.isoformat(timespec="minutes") for each in found]
    assert walls == [saturday, "2000-01-03T09:00", "2000-01-10T09:00"]
    by_dateutil = _by_dateutil(rrule, datetime.fromisoformat(saturday))
    assert next(by_dateutil) == datetime.fromisoformat("2000-01-02T09:00")


@settings(max_examples=300)
@given(rrules(), STARTS, st.integers(0, 40), st.sampled_from((timedelta(0), timedelta(seconds=1), timedelta(days=1))))
def test_search_from_any_point_continues_like_one_from_the_start(
    rrule: str, start: datetime, skipped: int, further: timedelta
) -> None:
    try:
        series = wall_series(start, rrule)
    except InvalidRuleError:
        return
    all_of_them = list(islice(series.walls_from(start), skipped + 40))
    since = all_of_them[min(skipped, len(all_of_them) - 1)] + further
    expected = [wall for wall in all_of_them if wall >= since][:10]
    assert list(islice(series.walls_from(since), len(expected))) == expected
