"""Under any change and any downtime: no occurrence comes twice, and none inside its grace is lost.

The machine does with the domain what the application does around it: plan after a change, go on after an end.
"""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise, takewhile
from uuid import uuid4
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from second_opinion import ZONES

from chassis.core.zones import zone
from event_service.domain.occurrences import next_occurrence
from event_service.domain.patterns import Pattern, RecurringPattern, YearlyPattern, moved_key
from event_service.domain.recurrence import Occurrence, Policies, Rule, upcoming
from event_service.domain.schedules import LiveEvent

GRACE = timedelta(hours=72)
"""Longer than a change of zone and time on the same day can move an instant: so none is lost by moving."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

places = st.sampled_from(
    (*ZONES, *("Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Apia", "Etc/GMT+12", "Africa/Cairo") * 20)
).map(zone)
times = st.times().map(lambda at: at.replace(microsecond=0))
days = st.dates(datetime(2000, 1, 1).date(), datetime(2000, 12, 31).date())  # noqa: DTZ001  # days alone
nights = st.sampled_from([(12, 31), (1, 1), (2, 28), (2, 29), (3, 1)])
pauses = st.one_of(st.timedeltas(timedelta(0), timedelta(hours=30)), st.timedeltas(timedelta(0), timedelta(days=500)))


class Plans(RuleBasedStateMachine):
    """One schedule that follows its user: yearly, or every day."""

    pattern: Pattern
    where: ZoneInfo
    now: datetime
    live: Occurrence
    last: str | None
    floor: str
    """Nothing up to here is owed: the schedule is younger, its day was another, or it was given up past its grace."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []
        self.fired: list[tuple[str, datetime]] = []

    def _rule(self) -> Rule:
        return self.pattern.rule(self.where, Policies())

    def _begin(self) -> None:
        found = next_occurrence(
            self._rule(), now=self.now, grace=GRACE, last=self.pattern.after(self.last), moving=None
        )
        assert found is not None
        self.live = found
        self.floor = _before(found.key)

    @initialize(born=days, at=times, where=places, now=st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)))  # noqa: DTZ001
    def someone_is_born(self, born: datetime, at: time, where: ZoneInfo, now: datetime) -> None:
        self.pattern = YearlyPattern(born.month, born.day, at, 1992, 1992)
        self.where, self.now, self.last = where, now.replace(tzinfo=UTC), None
        self._begin()

    @precondition(lambda self: not self.ended)
    @rule()
    def it_is_every_day_instead(self) -> None:
        start = datetime.combine(datetime(2025, 1, 1), self.pattern.local_time)  # noqa: DTZ001
        self.pattern = RecurringPattern(start, "FREQ=DAILY")
        self._begin()

    def _change(self, pattern: Pattern, where: ZoneInfo) -> None:
        key = moved_key(self.pattern, pattern, self.live.key)
        self.pattern, self.where = pattern, where
        if key is None:
            self._begin()
            return
        moving = LiveEvent(uuid4(), self.live.instant, key, pending=True)
        found = next_occurrence(self._rule(), now=self.now, grace=GRACE, last=pattern.after(self.last), moving=moving)
        assert found is not None
        self.live = found

    @rule(where=places)
    def the_user_moves(self, where: ZoneInfo) -> None:
        self._change(self.pattern, where)

    @precondition(lambda self: isinstance(self.pattern, YearlyPattern))
    @rule(at=times)
    def the_delivery_time_changes(self, at: time) -> None:
        assert isinstance(self.pattern, YearlyPattern)
        self._change(YearlyPattern(self.pattern.month, self.pattern.day, at, 1992, 1992), self.where)

    @precondition(lambda self: isinstance(self.pattern, YearlyPattern))
    @rule(born=st.one_of(days.map(lambda day: (day.month, day.day)), nights))
    def the_birthday_changes(self, born: tuple[int, int]) -> None:
        self._change(YearlyPattern(*born, self.pattern.local_time, 1992, 1992), self.where)

    @rule(pause=pauses)
    def time_passes(self, pause: timedelta) -> None:
        until = self.now + pause
        while self.live.instant <= until:
            self.now = max(self.now, self.live.instant)
            self._end()
        self.now = until

    @rule(pause=pauses)
    def nothing_runs(self, pause: timedelta) -> None:
        self.now += pause

    @rule()
    def it_runs_again(self) -> None:
        while self.live.instant <= self.now:
            self._end()

    def _end(self) -> None:
        """Fired, or MISSED when past its grace; either way the schedule continues."""
        if self.now < self.live.instant + GRACE:
            self.fired.append((self.live.key, self.now))
        self.ended.append(self.live.key)
        self.last = self.live.key
        found = self._rule().first_from(self.now - GRACE, after=self.pattern.after(self.last))
        assert found is not None
        self.live = found

    @invariant()
    def nothing_comes_twice_or_goes_back(self) -> None:
        assert self.ended == sorted(set(self.ended))
        if self.last is not None:
            assert self.live.key > self.last

    @invariant()
    def nothing_inside_its_grace_is_lost(self) -> None:
        passed_over = takewhile(
            lambda each: each.key < self.live.key,
            upcoming(self._rule(), LONG_AGO, after=max(self.floor, self.last or "")),
        )
        for each in passed_over:
            assert each.instant + GRACE <= self.now, (each, self.live)
            self.floor = each.key  # given up, though a move to the west may show it inside its grace again

    @invariant()
    def what_fires_comes_in_the_order_of_its_instants(self) -> None:
        assert all(earlier[1] <= later[1] for earlier, later in pairwise(self.fired))


def _before(key: str) -> str:
    """The key that would come before."""
    if key.isdecimal():
        return str(int(key) - 1)
    return (datetime.fromisoformat(key) - timedelta(days=1)).isoformat()


TestPlans = Plans.TestCase
TestPlans.settings = settings(max_examples=100, stateful_step_count=25)
