"""The filter of dead letters, in the URL and in the form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from markupsafe import Markup

from almanac_client import DeadLetterFilter
from console.formats import word
from console.markup import Content, link, tag
from contracts.http.deliveries import Endpoint
from contracts.vocabulary import EventType

PATH = "/dead-letters"
OPEN, ANY = "OPEN", "ANY"
STATUSES = (OPEN, "REDRIVEN", "DISCARDED", ANY)
REASONS = (
    "exhausted",
    "expired",
    "rejected",
    "gone",
    "disabled",
    "no_contact",
    "no_endpoint",
    "poison",
    "not_applied",
)
EVERYTHING = DeadLetterFilter(start=datetime(2000, 1, 1, tzinfo=UTC))
"""What stands for all of them where the API wants at least one filter."""


@dataclass(frozen=True)
class Wanted:
    """The requested filter, and its invalid fields."""

    selection: DeadLetterFilter
    status: str = OPEN
    cursor: str | None = None
    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Wanted":
        """Read an address. A part that is none of ours is a fault, and left out."""
        faults: list[str] = []

        def one_of(name: str, known: Sequence[str]) -> str | None:
            value = query.get(name) or None
            if value is None or value in known:
                return value
            faults.append(f"{name} is one of {', '.join(known)}")
            return None

        def uuid(name: str) -> UUID | None:
            try:
                return UUID(query[name]) if query.get(name) else None
            except ValueError:
                faults.append(f"{name} is an id")
                return None

        def instant(name: str) -> datetime | None:
            try:
                at = datetime.fromisoformat(query[name]) if query.get(name) else None
            except ValueError:
                faults.append(f"{name} is a time, as 2026-11-23T14:00")
                return None
            return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)

        selection = DeadLetterFilter(
            event_type=one_of("eventType", tuple(EventType)),
            event_id=uuid("eventId"),
            endpoint_id=uuid("endpointId"),
            reason=one_of("reason", REASONS),
            start=instant("from"),
            end=instant("to"),
        )
        status = one_of("status", STATUSES) or OPEN
        return cls(selection, status, query.get("cursor") or None, tuple(faults))

    @property
    def asked_status(self) -> str | None:
        """As the API has it: None for every status."""
        return None if self.status == ANY else self.status

    @property
    def changed(self) -> DeadLetterFilter:
        """What a change of all that are shown names: at least one filter."""
        return EVERYTHING if self.selection.is_empty else self.selection

    def address(self, **more: str) -> str:
        """Of the page that shows this, from its beginning unless ``more`` says otherwise."""
        return f"{PATH}?{urlencode({**self.selection.wire(), 'status': self.status, **more})}"

    def words(self, endpoints: Sequence[Endpoint]) -> str:
        """What a change of all of them concerns."""
        chosen = self.selection
        names = {each.id: each.name for each in endpoints}
        parts = [
            f"of type {chosen.event_type}" if chosen.event_type else "",
            f"with the reason {chosen.reason}" if chosen.reason else "",
            f"of event {chosen.event_id}" if chosen.event_id else "",
            f"for {names.get(chosen.endpoint_id, str(chosen.endpoint_id))}" if chosen.endpoint_id else "",
            f"from {chosen.start:%Y-%m-%d %H:%M} UTC on" if chosen.start else "",
            f"before {chosen.end:%Y-%m-%d %H:%M} UTC" if chosen.end else "",
        ]
        said = ", ".join(part for part in parts if part)
        return f"all open dead letters {said}" if said else "all open dead letters, whatever they are"


def form(wanted: Wanted, endpoints: Sequence[Endpoint]) -> Markup:
    """The filters as plain HTML: an address says them all, and any browser and reader knows how to fill it in."""
    chosen = wanted.selection
    known = {str(each.id): each.name for each in endpoints}
    if chosen.endpoint_id is not None:
        known.setdefault(str(chosen.endpoint_id), str(chosen.endpoint_id))
    fields = (
        _choice("Type", "eventType", chosen.event_type, {each: word(each) for each in EventType}),
        _choice("Endpoint", "endpointId", str(chosen.endpoint_id or ""), known),
        _choice("Reason", "reason", chosen.reason, {each: word(each) for each in REASONS}),
        _choice("Status", "status", wanted.status, {each: word(each) for each in STATUSES}, without=None),
        _time("From (UTC)", "from", chosen.start),
        _time("To (UTC)", "to", chosen.end),
        _field(
            "Event", "eventId", tag("input", name_="eventId", id="eventId", value=str(chosen.event_id or ""), size="36")
        ),
        tag("button", "Search", type="submit", class_="button primary"),
        link("All that are open", PATH),
    )
    return tag("form", *fields, method="get", action=PATH, class_="search", role="search", aria_label="Dead letters")


def _choice(
    label: str, name: str, value: str | None, known: Mapping[str, str], *, without: str | None = "Any"
) -> Markup:
    options: list[Content] = [] if without is None else [tag("option", without, value="")]
    options += [tag("option", text, value=key, selected=key == value) for key, text in known.items()]
    return _field(label, name, tag("select", options, name_=name, id=name))


def _time(label: str, name: str, value: datetime | None) -> Markup:
    shown = None if value is None else f"{value.astimezone(UTC):%Y-%m-%dT%H:%M}"
    return _field(label, name, tag("input", name_=name, id=name, type="datetime-local", value=shown))


def _field(label: str, name: str, control: Markup) -> Markup:
    # Beside each other: a label around a choice would be read out with everything there is to choose.
    return tag("div", tag("label", label, for_=name), control, class_="form-field")
