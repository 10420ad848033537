"""Rules whose occurrences are kept on working days, spread, and moved into a send window.

Times that come to the same instant are one: the last of them stands for all. So an hourly rule does not fire a burst
when a window opens, and a daily one fires once on the Monday after a weekend. It is the same where a clock change
moves a time onto the rule's next one (``Recurring``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from event_service.domain.business_days import FARTHEST_DAYS, Adjust, BusinessDays
from event_service.domain.local_time import Applied, resolve
from event_service.domain.recurrence import Occurrence, Policies, Rule
from event_service.domain.send_times import Sending

LONGEST_SKIP = timedelta(days=3653)
"""A rule of which ten years are left out, such as one for each 25 December or each Sunday, has no occurrence more."""

_BEGINNING = datetime.min.replace(tzinfo=UTC) + timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Adjusted:
    """``rule``, kept on ``business_days`` where they are given, and sent as ``sending`` says.

    An occurrence's ``instant`` is when it is due; ``planned`` is when it would be without its window, where that
    differs. ``coalesced`` counts those that it stands for beside itself, of the ones that were walked past.
    """

    rule: Rule
    policies: Policies
    sending: Sending
    business_days: BusinessDays | None = None

    @property
    def zone(self) -> ZoneInfo:
        return self.rule.zone

    def occurrence(self, key: str) -> Occurrence | None:
        base = self.rule.occurrence(key)
        found = None if base is None else self._adjusted(base)
        if found is None:
            return None
        following = next(self._from(_BEGINNING, key), None)
        return None if following is not None and following.instant <= found.instant else found

    def first_from(self, earliest: datetime, *, after: str | None = None) -> Occurrence | None:
        standing: Occurrence | None = None
        for found in self._from(earliest - self._longest_delay, after):
            if standing is not None and found.instant > standing.instant:
                return standing
            if found.instant >= earliest:
                stands_for = 0 if standing is None else standing.coalesced + 1
                standing = replace(found, coalesced=stands_for) if stands_for else found
        return standing

    @property
    def _longest_delay(self) -> timedelta:
        delays = self.business_days is not None and self.business_days.adjust is Adjust.NEXT
        closed = timedelta(days=FARTHEST_DAYS) if delays else timedelta()
        return self.sending.longest_delay + closed

    def _from(self, since: datetime, after: str | None) -> Iterator[Occurrence]:
        base = self.rule.first_from(max(since, _BEGINNING), after=after)
        last = None if base is None else base.instant + LONGEST_SKIP
        while base is not None and last is not None and base.instant <= last:
            found = self._adjusted(base)
            if found is not None:
                yield found
                last = base.instant + LONGEST_SKIP
            base = self.rule.first_from(max(base.instant, _BEGINNING), after=base.key)

    def _adjusted(self, base: Occurrence) -> Occurrence | None:
        kept = base if self.business_days is None else self._on_business_day(base, self.business_days)
        if kept is None or not self.sending.moves:
            return kept
        send = self.sending.at(kept.instant)
        return replace(
            kept,
            instant=send.due,
            planned=send.planned if send.planned != send.due else None,
            policy=(*kept.policy, *send.applied),
        )

    def _on_business_day(self, base: Occurrence, days: BusinessDays) -> Occurrence | None:
        day = days.adjusted(base.wall.date())
        if day is None or day == base.wall.date():
            return None if day is None else base
        wall = datetime.combine(day, base.wall.time())
        resolved = resolve(wall, self.zone, gap=self.policies.gap, overlap=self.policies.overlap)
        if resolved is None:
            return None
        moved = Applied.NEXT_BUSINESS_DAY if day > base.wall.date() else Applied.PREVIOUS_BUSINESS_DAY
        done = () if resolved.applied is None else (resolved.applied,)
        kept = tuple(each for each in base.policy if each.name.startswith("LEAP_DAY"))
        return Occurrence(base.key, resolved.instant, wall, (*kept, moved, *done))
