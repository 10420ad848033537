"""Plans the changes of a schedule and its pending events when its rule, its user or its zone changes."""

from collections.abc import Sequence
from dataclasses import replace

from chassis.core.zones import zone
from event_service.domain.changes import EXCLUDED, Changes, Revival
from event_service.domain.events import Event, EventKey
from event_service.domain.occurrences import event_of, first_from, next_occurrence, rule_of, settle
from event_service.domain.patterns import RecurringPattern, YearlyPattern, last_before, moved_key
from event_service.domain.recipients import Recipient
from event_service.domain.recurrence import Occurrence, Once, with_offset
from event_service.domain.schedules import CatchUp, LiveEvent, Schedule, Source, Status
from event_service.domain.send_times import of_person, sent_at


def plan_schedule(
    changes: Changes,
    want: Schedule,
    have: Schedule | None,
    live: LiveEvent | None,
    recipient: Recipient,
    traceparent: str | None,
    *,
    moved: Sequence[Event] = (),
) -> Schedule:
    """Bring the schedule ``have`` (None: it is new), with its live event, to what it should be. Returns that.

    An event that is being published is unchanged, and so is one that is past its grace: it
    becomes MISSED. Its successor follows the new data. No change drops an event that is due, or one that was given a
    time of its own (``moved``: those behind which the schedule has advanced), unless an exception names it.
    """
    if have is not None and want.source is Source.API and want.timing != have.timing:
        want = _begin_anew(changes, want, have)
    for each in moved:
        _follow_moved(changes, each, want, have, recipient, traceparent)
    if live is not None and (not live.pending or (live.grace_until is not None and live.grace_until <= changes.now)):
        return changes.store(replace(want, live_event_id=live.id, next_at=live.target), have)
    is_fixed = live is not None and (live.rescheduled or live.target <= changes.now)
    if live is not None and have is not None and is_fixed and _excludes(want, have, live.occurrence):
        changes.cancel(EventKey(live.id, live.target), EXCLUDED)
        want, live = replace(want, last_occurrence=live.occurrence, live_event_id=None), None
    if live is not None and have is not None and live.rescheduled and not _is_redated(want, have):
        return _keep_apart(changes, want, have, live, recipient, traceparent)
    planned, event = _planned(changes, want, have, live, recipient, traceparent)
    changes.place(event, live)
    if event is not None and have is not None and (live is None or event.id != live.id):
        changes.revivals.append(Revival(planned, event, recipient))
        return planned
    if event is not None and have is None:
        changes.inserts.append(event)
    return changes.store(planned, have)


def _begin_anew(changes: Changes, want: Schedule, have: Schedule) -> Schedule:
    """A schedule whose rule or zone changes makes up for nothing from before. Its last occurrence stays passed."""
    last = want.last_occurrence
    moves = want.timezone != have.timezone
    if last is not None and want.is_dense and moves:
        # To the west the same local times come again: from here on keys have offsets.
        last = with_offset(last, zone(have.timezone), changes.rules[have.event_type].policies_of(have))
    elif last is not None and have.is_dense and not want.is_dense:
        last = last_before(want.pattern, last)
    only_moves = moves and (want.pattern, want.gap, want.overlap) == (have.pattern, have.gap, have.overlap)
    # A move of zone takes nothing from a series that comes at most once a day: each day has its occurrence still.
    floor = want.floor_at if only_moves and (not want.is_dense or want.catch_up is CatchUp.ALL) else changes.now
    return replace(want, last_occurrence=last, floor_at=floor)


def _planned(
    changes: Changes,
    want: Schedule,
    have: Schedule | None,
    live: LiveEvent | None,
    recipient: Recipient,
    traceparent: str | None,
) -> tuple[Schedule, Event | None]:
    """The schedule with its next occurrence, where that is not one with a time of its own."""
    own, rule = changes.rules[want.event_type], rule_of(changes.rules, want)
    after = want.pattern.after(want.last_occurrence)
    key = moved_key(have.pattern, want.pattern, live.occurrence) if have and live else None
    if have is not None and want.is_dense and want.timezone != have.timezone:
        key = None  # local times that come again are other occurrences
    if key is not None and after is not None and key <= after:
        key = None
    kept = rule.occurrence(key) if key is not None else None
    if live is None or (kept is None and (key is None or want.is_dense)):
        occurrence = first_from(rule, want, changes.now)
    elif want.is_dense:
        following = first_from(rule, want, changes.now)
        occurrence = min((each for each in (kept, following) if each is not None), key=lambda each: each.instant)
    else:
        occurrence = next_occurrence(
            rule,
            now=changes.now,
            grace=own.grace_of(want),
            last=after,
            moving=replace(live, occurrence=key) if key else None,
            floor=want.floor_at,
        )
    if kept is None and live is not None and live.target <= changes.now and _is_recurring(want, have):
        # It is due already: a change of the rule does not take it back.
        due = Occurrence(live.occurrence, live.target, live.wall or live.target.replace(tzinfo=None))
        kept_event = replace(event_of(changes.rules, want, due, recipient, traceparent), timezone=live.timezone)
        return replace(want, status=Status.ACTIVE, live_event_id=kept_event.id, next_at=live.target), kept_event
    planned, event = settle(changes.rules, want, occurrence, recipient, traceparent, changes.now)
    if event is not None and live is not None and _gives_up(changes, want, live, event):
        event = replace(event, grace_until=min(event.grace_until, changes.now))
    return planned, event


def _gives_up(changes: Changes, want: Schedule, live: LiveEvent, event: Event) -> bool:
    """Whether a change moved an occurrence into the past, and the schedule makes up for none."""
    return want.catch_up is CatchUp.NONE and event.target != live.target and event.is_late(changes.now)


def _keep_apart(
    changes: Changes, want: Schedule, have: Schedule, live: LiveEvent, recipient: Recipient, traceparent: str | None
) -> Schedule:
    """Renew an event that has a time of its own. What the rule has before that time comes before it."""
    event = _renewed(changes, want, live, recipient, traceparent)
    changes.place(event, live)
    passed = replace(want, last_occurrence=live.occurrence)
    following = first_from(rule_of(changes.rules, passed), passed, changes.now)
    if following is None or following.instant > event.target:
        return changes.store(replace(want, live_event_id=event.id, next_at=event.target), have)
    went_on = replace(passed, has_moved=True)
    planned, successor = settle(changes.rules, went_on, following, recipient, traceparent, changes.now)
    if successor is None:
        return changes.store(planned, have)
    changes.revivals.append(Revival(planned, successor, recipient))
    return planned


def _follow_moved(
    changes: Changes, event: Event, want: Schedule, have: Schedule | None, recipient: Recipient, traceparent: str | None
) -> None:
    """Update an event with its own time, behind which the schedule has advanced, from the schedule."""
    if have is not None and _excludes(want, have, event.occurrence):
        changes.cancel(event.key, EXCLUDED)
        return
    renewed = _renewed(changes, want, event, recipient, traceparent)
    if have is not None and _is_redated(want, have):
        there = rule_of(changes.rules, want).occurrence(event.occurrence)
        if there is not None and there.instant > changes.now:
            renewed = event_of(changes.rules, want, there, recipient, traceparent)
    if renewed.target == event.target:
        changes.renewals.append(renewed)
    else:
        changes.moves.append((renewed, event.target))


def _renewed(
    changes: Changes, want: Schedule, moved: LiveEvent | Event, recipient: Recipient, traceparent: str | None
) -> Event:
    """A rescheduled event: the rule defines everything except its time."""
    timezone = want.timezone if moved.wall is None else moved.timezone
    target = moved.planned or moved.target
    if moved.wall is not None:
        timezone = recipient.timezone if moved.follows_user else moved.timezone
        policies = changes.rules[want.event_type].policies_of(want)
        there = Once(moved.wall, zone(timezone), policies).occurrence(moved.wall.isoformat())
        # Where the new zone skips that time, the instant at which it was to be is still the best that is known.
        target = target if there is None else there.instant
    as_ruled = Occurrence(
        moved.occurrence, target, moved.wall or target.astimezone(zone(timezone)).replace(tzinfo=None)
    )
    renewed = replace(
        event_of(changes.rules, want, as_ruled, recipient, traceparent),
        wall=moved.wall,
        timezone=timezone,
        follows_user=moved.follows_user,
        rescheduled=True,
        spread=0,
    )
    return sent_at(changes.rules, of_person(renewed, recipient), target)


def plan_resumed(
    changes: Changes,
    want: Schedule,
    have: Schedule,
    live: LiveEvent | None,
    recipient: Recipient,
    cancelled: Sequence[Event],
) -> None:
    """Let a paused schedule go on. What the pause cancelled of ``cancelled``, moved ones, comes at their times.

    Those whose time came during the pause are left out, like all others.
    """
    last = max([each.occurrence for each in cancelled], default=None)
    if last is not None and (want.last_occurrence is None or last > want.last_occurrence):
        want = replace(want, last_occurrence=last)
    coming = [each for each in cancelled if each.target > changes.now]
    renewed = [_renewed(changes, want, each, recipient, want.traceparent) for each in coming]
    following = first_from(rule_of(changes.rules, want), want, changes.now)
    first = min(renewed, key=lambda event: event.target, default=None)
    if live is None and first is not None and (following is None or following.instant > first.target):
        want = replace(want, live_event_id=first.id, next_at=first.target)
        changes.revived += [event for event in renewed if event.id != first.id]
        changes.revivals.append(Revival(replace(want, has_moved=True), first, recipient))
        return
    changes.revived += renewed
    plan_schedule(
        changes, replace(want, has_moved=want.has_moved or bool(renewed)), have, live, recipient, want.traceparent
    )


def plan_ended(changes: Changes, want: Schedule, have: Schedule, moved: Sequence[Event], recipient: Recipient) -> None:
    """Update the pending events of an ended schedule."""
    for each in moved:
        _follow_moved(changes, each, want, have, recipient, have.traceparent)
    changes.store(want, have)


def keep_schedule(changes: Changes, want: Schedule, have: Schedule) -> None:
    """Store a schedule that makes no events now."""
    if want.source is Source.API and want.timing != have.timing:
        want = _begin_anew(changes, want, have)
    changes.store(want, have)


def _excludes(want: Schedule, have: Schedule, occurrence: str) -> bool:
    """Whether a new exception names the occurrence."""
    new, old = want.pattern, have.pattern
    if not isinstance(new, RecurringPattern) or not isinstance(old, RecurringPattern) or new.exdates == old.exdates:
        return False
    return occurrence[:19] in {each.isoformat() for each in new.exdates} - {each.isoformat() for each in old.exdates}


def _is_redated(want: Schedule, have: Schedule) -> bool:
    """Whether a yearly schedule is on another day now: then its occurrence is where that day is."""
    new, old = want.pattern, have.pattern
    if not isinstance(new, YearlyPattern) or not isinstance(old, YearlyPattern):
        return False
    return (new.month, new.day) != (old.month, old.day)


def _is_recurring(want: Schedule, have: Schedule | None) -> bool:
    return (
        isinstance(want.pattern, RecurringPattern) and have is not None and isinstance(have.pattern, RecurringPattern)
    )
