"""When a broadcast is sent, by zone and by the send windows of its users."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.core.zones import aliases, known_names, zone
from contracts.send_window import SendWindow
from contracts.vocabulary import EventType
from event_service.domain.broadcasts import Audience, Broadcast, Counted
from event_service.domain.local_time import Applied, instants_by_zone
from event_service.domain.send_times import Sending, Slot
from event_service.domain.templates import translation
from event_service.domain.type_rules import Rulebook

TYPE = EventType.NOTIFICATION


def targets_of(rules: Rulebook, broadcast: Broadcast) -> Mapping[str, datetime]:
    """When it is in each zone of its audience, by every name of the zone, but for those whose clocks leave it out."""
    names = zones_of(broadcast.audience) or known_names()
    if broadcast.instant is not None:
        return dict.fromkeys(names, broadcast.instant)
    if broadcast.wall is None:
        raise ValueError(f"broadcast {broadcast.id} has no time")
    policies = rules[TYPE].policies_alone(broadcast.gap, broadcast.overlap)
    return instants_by_zone(broadcast.wall, map(zone, names), gap=policies.gap, overlap=policies.overlap)


def zones_of(audience: Audience) -> tuple[str, ...]:
    """The zones of an audience under all their names: Asia/Kolkata reaches users in Asia/Calcutta."""
    return tuple(dict.fromkeys(name for zone in audience.timezones for name in aliases(zone)))


def slots_of(
    rules: Rulebook, broadcast: Broadcast, own_windows: Mapping[tuple[str, str], SendWindow]
) -> Mapping[tuple[str, str], Slot]:
    """Return when it is sent: for each zone ('' for users without a window) and for each zone and user's own window.

    ``own_windows`` are users' windows by their zone and a key of the window, which the result has in their place.
    """
    targets = targets_of(rules, broadcast)
    usual = broadcast.window or rules[TYPE].window
    slots = {(name, ""): _sending(broadcast, name, usual).slot(instant) for name, instant in targets.items()}
    for (name, key), window in own_windows.items():
        if name in targets:
            slots[name, key] = _sending(broadcast, name, window).slot(targets[name])
    return slots


def texts_of(broadcast: Broadcast, locales: Iterable[str]) -> Mapping[str, str]:
    """Return its translations for users of ``locales``; those without one get its message."""
    found = {locale: translation(broadcast.messages, locale) for locale in locales}
    return {locale: text for locale, text in found.items() if text is not None}


def _sending(broadcast: Broadcast, name: str, window: SendWindow | None) -> Sending:
    return Sending(
        zone(name),
        broadcast.grace,
        None if broadcast.ignores_window else window,
        timedelta(seconds=broadcast.spread),
    )


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """Recipients of one zone who are sent it from ``first`` to ``last``.

    ``instant`` is when it is due there, and ``applied`` the policies that changed it. All are None if that local time
    does not exist there.
    """

    timezone: str
    recipients: int
    instant: datetime | None
    first: datetime | None
    last: datetime | None
    applied: tuple[Applied, ...] = ()


def preview_rows(rules: Rulebook, broadcast: Broadcast, counted: Sequence[Counted]) -> Sequence[PreviewRow]:
    """Return the counted recipients by result, those without a time last."""
    own = {(each.timezone, each.window_key): each.window for each in counted if each.window_key and each.window}
    slots = slots_of(rules, broadcast, own)
    totals: dict[tuple[str, Slot | None], int] = {}
    for each in counted:
        key = each.timezone, slots.get((each.timezone, each.window_key or ""))
        totals[key] = totals.get(key, 0) + each.recipients
    rows = [_row(name, slot, recipients) for (name, slot), recipients in totals.items()]
    return sorted(rows, key=lambda row: (row.first is None, row.first or broadcast.created_at, row.timezone))


def _row(name: str, slot: Slot | None, recipients: int) -> PreviewRow:
    if slot is None:
        return PreviewRow(name, recipients, None, None, None)
    spread = slot.room > timedelta(seconds=1)
    applied = (
        *((Applied.SEND_WINDOW_MISSED,) if slot.missed else ()),
        *((Applied.SEND_WINDOW,) if slot.opening > slot.instant else ()),
        *((Applied.SPREAD,) if spread else ()),
    )
    last = slot.opening + slot.room - timedelta(seconds=1) if spread else slot.opening
    return PreviewRow(name, recipients, slot.instant, slot.opening, last, applied)
