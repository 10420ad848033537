"""Which end of an event counts: the last one.

An event that people retry, and one whose delivery they redrive, ends again. What was counted for the earlier end is
taken back, so that an event counts once, whatever happened to it and in whichever order the facts arrive.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID

from analytics_service.domain.facts import Fact, Kind, Measure

ENDS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.COMPLETED: "end",
        Kind.FAILED: "end",
        Kind.MISSED: "end",
        Kind.CANCELLED: "end",
        Kind.DELIVERY_SUCCEEDED: "outcome",
        Kind.DELIVERY_FAILED: "outcome",
    }
)
"""The kinds of which the last of an event counts: one for the event itself, one for its deliveries."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a batch adds to the counts, and what it takes back."""

    added: Sequence[Fact]
    taken_back: Sequence[Fact] = ()


def settle(fresh: Sequence[Fact], earlier: Iterable[Fact]) -> Settled:
    """Compare what counts with and without ``fresh``; ``earlier`` are the known ends of the same events."""
    known: dict[tuple[UUID | None, str], list[Fact]] = {}
    for fact in earlier:
        known.setdefault((fact.event_id, ENDS[fact.kind]), []).append(fact)
    added, ends = [], dict[tuple[UUID | None, str], list[Fact]]()
    for fact in fresh:
        if fact.event_id is None or fact.kind not in ENDS:
            added.append(fact)
        else:
            ends.setdefault((fact.event_id, ENDS[fact.kind]), []).append(fact)
    taken_back = []
    for key, new in ends.items():
        before = known.get(key, [])
        added.append(_counted([*before, *new]))
        if before:
            taken_back.append(_counted(before))
    return Settled(added, taken_back)


def _counted(ends: Sequence[Fact]) -> Fact:
    """The last of an event's ends, with the latencies that count for it."""
    ordered = sorted(ends, key=_order)
    first, last = ordered[0], ordered[-1]
    if last is first and last.attempt == 1:
        return last
    # Lateness is to the first end: what people did hours later says nothing about the system's punctuality.
    kept = [(measure, seconds) for measure, seconds in last.latencies if measure is not Measure.END_TO_END]
    if last is not first and last.kind is Kind.COMPLETED:
        kept.append((Measure.RECOVERY, (last.at - first.at).total_seconds()))
    return replace(last, latencies=tuple(kept))


def _order(end: Fact) -> tuple[object, ...]:
    return end.attempt, end.at, end.item_id
