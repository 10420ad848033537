"""Events as they are searched for and shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from markupsafe import Markup

from console import formats
from console.markup import Content, badge, link, tag
from contracts.http.events import Event, EventDetail
from contracts.vocabulary import EventStatus, EventType

COLUMNS = ["Target", "Local time", "Type", "Priority", "Status", "User", "Event"]
TONES: Mapping[str, str] = MappingProxyType(
    {
        EventStatus.PENDING: "plain",
        EventStatus.PROCESSING: "busy",
        EventStatus.COMPLETED: "good",
        EventStatus.FAILED: "bad",
        EventStatus.CANCELLED: "watch",
        EventStatus.MISSED: "bad",
    }
)
MAY_CANCEL = MAY_RESCHEDULE = frozenset[str]({EventStatus.PENDING})
MAY_RETRY = frozenset[str]({EventStatus.FAILED})


def search_form(path: str, query: Mapping[str, str]) -> Markup:
    """A form that is sent as an address, so that a search can be kept and shared."""
    return tag(
        "form",
        _field("User", _input("user", query, placeholder="id or e-mail address", size="34", spellcheck="false")),
        _field("Event", _input("event", query, placeholder="id, or a webhook-id", size="34", spellcheck="false")),
        _field("Type", _choice("eventType", [each.value for each in EventType], query)),
        _field("Status", _choice("status", [each.value for each in EventStatus], query)),
        _field("From (UTC)", _input("from", query, type="datetime-local")),
        _field("To (UTC)", _input("to", query, type="datetime-local")),
        tag("button", "Search", type="submit", class_="button primary"),
        link("Clear", path, class_="button"),
        method="get",
        action=path,
        class_="search",
        role="search",
    )


def wanted(query: Mapping[str, str]) -> dict[str, str | None]:
    """What event-service is asked for; times of the form are in UTC."""
    return {
        "user": query.get("user", "").strip() or None,
        "event_type": query.get("eventType") or None,
        "status": query.get("status") or None,
        "start": _instant(query.get("from")),
        "end": _instant(query.get("to")),
    }


def event_rows(events: Sequence[Event]) -> list[list[Content]]:
    """A row for each, led by the address of its own page."""
    return [
        [
            link(formats.moment(event.target_timestamp_utc), f"/events/{event.id}"),
            tag(
                "span",
                formats.local_moment(event.target_timestamp_local),
                tag("span", f" {event.target_timezone}", class_="note"),
            ),
            formats.word(event.event_type),
            formats.word(event.priority),
            status_badge(event.status),
            link(_short(str(event.user_id)), f"/events?user={event.user_id}", class_="mono", title=str(event.user_id)),
            tag("span", _short(str(event.id)), class_="mono", title=str(event.id)),
        ]
        for event in events
    ]


def status_badge(status: str) -> Markup:
    return badge(formats.word(status), TONES.get(status, "plain"))


def event_facts(event: EventDetail) -> list[tuple[str, Content]]:
    """The details of one event: names and values."""
    message = event.payload.get("message")
    known: list[tuple[str, Content]] = [
        ("Status", status_badge(event.status)),
        ("Reason", event.reason),
        ("Type", formats.word(event.event_type)),
        ("Priority", formats.word(event.priority)),
        ("Target", f"{formats.moment(event.target_timestamp_utc)} UTC"),
        ("There", f"{formats.local_moment(event.target_timestamp_local)} {event.target_timezone}"),
        ("Given another time", "yes" if event.rescheduled else None),
        ("Attempt", str(event.attempt)),
        ("Occurrence", event.occurrence),
        ("Deliverable until", f"{formats.moment(event.expires_at)} UTC"),
        ("Published", _utc(event.published_at)),
        ("Ended", _utc(event.finished_at)),
        ("User", link(str(event.user_id), f"/events?user={event.user_id}", class_="mono")),
        ("Schedule", tag("span", str(event.schedule_id), class_="mono") if event.schedule_id else None),
        ("Broadcast", tag("span", str(event.broadcast_id), class_="mono") if event.broadcast_id else None),
        ("Event", tag("span", str(event.id), class_="mono")),
        ("Message", str(message) if message else None),
    ]
    return [(name, value) for name, value in known if value is not None]


def history_rows(event: EventDetail) -> list[list[Content]]:
    """Its transitions, oldest first."""
    return [
        [f"{formats.moment(step.at)}", status_badge(step.status), formats.word(step.cause)] for step in event.history
    ]


def local_input(event: Event) -> str:
    """The event's local time as HTML's inputs take it."""
    return f"{event.target_timestamp_local:%Y-%m-%dT%H:%M}"


def _utc(at: datetime | None) -> str | None:
    return None if at is None else f"{formats.moment(at)} UTC"


def _short(identifier: str) -> str:
    return identifier[:8] + "…" + identifier[-4:]


def _instant(value: str | None) -> str | None:
    if not value:
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC).isoformat()
    except ValueError:
        return value  # event-service reports its error


def _field(label: str, control: Markup) -> Markup:
    return tag("label", label, control)


def _input(name: str, query: Mapping[str, str], **attributes: str) -> Markup:
    return tag("input", name=name, value=query.get(name, ""), **attributes)


def _choice(name: str, values: Sequence[str], query: Mapping[str, str]) -> Markup:
    chosen = query.get(name, "")
    options = [tag("option", "any", value="")]
    options.extend(tag("option", formats.word(each), value=each, selected=each == chosen) for each in values)
    return tag("select", options, name=name)
