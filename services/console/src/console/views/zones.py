"""Where nine o'clock is now and next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from markupsafe import Markup

from chassis.core.zones import is_zone, zone
from console import formats
from console.markup import tag
from contracts.http.events import Passage, Passages

_HOUR = timedelta(hours=1)
CITIES: Mapping[str, str] = MappingProxyType(
    {
        "Auckland": "Pacific/Auckland", "Nouméa": "Pacific/Noumea", "Sydney": "Australia/Sydney",
        "Adelaide": "Australia/Adelaide", "Tokyo": "Asia/Tokyo", "Seoul": "Asia/Seoul", "Shanghai": "Asia/Shanghai",
        "Singapore": "Asia/Singapore", "Jakarta": "Asia/Jakarta", "Bangkok": "Asia/Bangkok", "Yangon": "Asia/Yangon",
        "Dhaka": "Asia/Dhaka", "Kathmandu": "Asia/Kathmandu", "Mumbai": "Asia/Kolkata", "Karachi": "Asia/Karachi",
        "Kabul": "Asia/Kabul", "Dubai": "Asia/Dubai", "Tehran": "Asia/Tehran", "Nairobi": "Africa/Nairobi",
        "Istanbul": "Europe/Istanbul", "Cairo": "Africa/Cairo", "Johannesburg": "Africa/Johannesburg",
        "Paris": "Europe/Paris", "Lagos": "Africa/Lagos", "London": "Europe/London", "Accra": "Africa/Accra",
        "Azores": "Atlantic/Azores", "Praia": "Atlantic/Cape_Verde", "Nuuk": "America/Nuuk",
        "São Paulo": "America/Sao_Paulo", "Buenos Aires": "America/Argentina/Buenos_Aires",
        "St John’s": "America/St_Johns", "Halifax": "America/Halifax", "Caracas": "America/Caracas",
        "New York": "America/New_York", "Bogotá": "America/Bogota", "Chicago": "America/Chicago",
        "Mexico City": "America/Mexico_City", "Denver": "America/Denver", "Los Angeles": "America/Los_Angeles",
        "Anchorage": "America/Anchorage", "Honolulu": "Pacific/Honolulu", "Samoa": "Pacific/Apia",
    }
)  # fmt: skip
"""Places that people know, by their zones."""


@dataclass(frozen=True)
class Band:
    """One instant at which clocks show the time: the instant, the zones, and the events due there."""

    instant: datetime
    offset: str
    places: tuple[str, ...]
    total: int
    waiting: int
    when: str
    passing: bool
    """Whether its hour is on there now."""
    next: bool
    """Whether it is the next one."""


def bands(passages: Passages) -> Sequence[Band]:
    """In their order. Instants without a place that people know are left out where nothing is due."""
    now = passages.since + _HOUR
    found = [(each, _places(each, passages.at)) for each in passages.passages]
    shown = [(each, places) for each, places in found if places]
    coming = next((each.instant for each, _ in shown if each.instant > now), None)
    return [
        Band(
            instant=each.instant,
            offset=formats.offset(each.instant.astimezone(zone(places[0][1]))),
            places=tuple(name for name, _ in places[:2]),
            total=each.total,
            waiting=each.waiting,
            when=_when(each.instant - now),
            passing=now - _HOUR <= each.instant <= now,
            next=each.instant == coming,
        )
        for each, places in shown
    ]


def band_markup(passages: Passages) -> Markup:
    """The bands side by side, each as high as its number of due events."""
    shown = bands(passages)
    most = max((each.total for each in shown), default=0)
    items = (_item(each, most, passages.at) for each in shown)
    # It is wider than the page, so the keyboard has to be able to move it.
    return tag("ol", items, class_="band", tabindex="0", aria_label=f"Where and when it is {passages.at}")


def _item(band: Band, most: int, at: str) -> Markup:
    state = "passing" if band.passing else "next" if band.next else "later"
    height = 100 * band.total / most if most else 0
    done = 100 * (band.total - band.waiting) / band.total if band.total else 0
    bar = tag(
        "span",
        tag("span", class_="bar-done", style=f"height:{done:.0f}%") if done else None,
        class_="bar",
        style=f"height:{max(height, 3 if band.total else 0):.0f}%",
    )
    return tag(
        "li",
        tag("span", "now" if band.passing else "next" if band.next else Markup("&nbsp;"), class_="band-state"),
        tag("span", bar, class_="bar-frame", aria_hidden="true"),
        tag("span", formats.count(band.total), class_="band-count"),
        tag("span", tag("span", f"events at {at} in ", class_="unseen"), ", ".join(band.places), class_="band-places"),
        tag("span", band.offset, class_="band-note"),
        tag("span", band.when, class_="band-when"),
        class_=state,
        title=f"{band.total - band.waiting:,} of {band.total:,} have ended" if band.total else None,
    )


def _places(passage: Passage, at: str) -> Sequence[tuple[str, str]]:
    """Known places whose clocks show the time then, else those in which something is due: their names and zones."""
    here = [
        (name, zone_name)
        for name, zone_name in CITIES.items()
        if is_zone(zone_name) and f"{passage.instant.astimezone(zone(zone_name)):%H:%M}" == at
    ]
    return here or [(_city(each.timezone), each.timezone) for each in passage.zones if is_zone(each.timezone)]


def _city(zone_name: str) -> str:
    return zone_name.rpartition("/")[2].replace("_", " ")


def _when(distance: timedelta) -> str:
    seconds = distance.total_seconds()
    if abs(seconds) < 60:
        return "this minute"
    return f"in {formats.duration(seconds)}" if seconds > 0 else f"{formats.duration(-seconds)} ago"
