"""One event's way as bars below each other, from its target on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from console import formats
from console.markup import Content, badge, joined, link, tag
from contracts.http.analytics import Span, Timeline

WAITING = "wait"
SHORTEST = 0.4
"""Percent of the width: less could not be seen."""
_TONES: Mapping[str, str] = {"ok": "good", "error": "bad", "open": "busy"}


@dataclass(frozen=True)
class Bar:
    """A span with its place: percent of the width, and how deep it is nested."""

    span: Span
    left: float
    width: float
    depth: int


def bars(spans: Sequence[Span], now: datetime) -> Sequence[Bar]:
    """Every span but the wait for the target, which may have taken a year; holders before what they hold."""
    shown = [span for span in spans if span.kind != WAITING] or list(spans)
    if not shown:
        return ()
    begin = min(span.start for span in shown)
    end = max([span.end or now for span in shown] + [begin])
    length = (end - begin).total_seconds() or 1.0
    depths = _depths(shown)
    placed = []
    for span in shown:
        left = 100 * (span.start - begin).total_seconds() / length
        width = 100 * ((span.end or now) - span.start).total_seconds() / length
        left = min(max(left, 0.0), 100.0 - SHORTEST)
        placed.append(Bar(span, left, min(max(width, SHORTEST), 100.0 - left), depths[span.id]))
    return placed


def waterfall_markup(timeline: Timeline) -> Markup:
    """A table whose last column draws when and how long; the numbers say the same."""
    placed = bars(timeline.spans, datetime.now(UTC))
    wait = next((span for span in timeline.spans if span.kind == WAITING), None)
    if len(timeline.spans) == 1:
        wait = None  # it is the one bar
    rows = (_row(bar) for bar in placed)
    heads = (
        tag("th", each, scope="col", class_="number" if each == "Took" else None)
        for each in ("What", "Service", "Began", "Took", "When")
    )
    shown = tag(
        "table",
        tag("caption", "Steps of the event, in order", class_="unseen"),
        tag("thead", tag("tr", heads)),
        tag("tbody", rows),
        class_="waterfall",
    )
    return joined(_wait(wait), shown, _missing(timeline), _traces(timeline))


def _row(bar: Bar) -> Markup:
    span = bar.span
    drawn = tag("span", class_=f"span {span.status}", style=f"left:{bar.left:.2f}%;width:{bar.width:.2f}%")
    return tag(
        "tr",
        tag("th", span.name, _detail(span), scope="row", style=f"padding-left:{bar.depth * 18}px"),
        tag("td", span.service.removesuffix("-service"), class_="note"),
        tag("td", f"{span.start.astimezone(UTC):%H:%M:%S.%f}"[:-3], class_="mono"),
        tag("td", _took(span), class_="number"),
        tag("td", tag("span", drawn, class_="lane", aria_hidden="true"), class_="lane-cell"),
    )


def _took(span: Span) -> Content:
    if span.kind == "step":
        return formats.NONE
    return badge("open", "busy") if span.end is None else formats.duration(span.duration_seconds)


def _detail(span: Span) -> Markup:
    """How a request was answered, and the beginning of the answer."""
    attributes = span.attributes
    parts: list[Content] = []
    if (status := attributes.get("httpStatus")) is not None:
        parts.append(badge(f"HTTP {status}", _TONES.get(span.status, "plain")))
    if error := attributes.get("error"):
        parts.append(badge(str(error), "bad"))
    if not parts and span.status == "error":
        parts.append(badge("failed", "bad"))
    if excerpt := attributes.get("excerpt"):
        parts.append(tag("details", tag("summary", "answer"), tag("pre", str(excerpt))))
    return tag("span", parts, class_="span-detail") if parts else Markup("")


def _depths(spans: Sequence[Span]) -> Mapping[str, int]:
    parents = {span.id: span.parent_id for span in spans}

    def depth(name: str) -> int:
        found, seen = 0, {name}
        while (parent := parents.get(name)) and parent in parents and parent not in seen:
            seen.add(parent)
            name, found = parent, found + 1
        return found

    return {name: depth(name) for name in parents}


def _wait(span: Span | None) -> Markup:
    if span is None:
        return Markup("")
    took = "so far" if span.end is None else formats.duration(span.duration_seconds)
    return tag("p", f"Scheduled {formats.moment(span.start)} UTC; waited for its target {took}.", class_="note")


def _missing(timeline: Timeline) -> Markup:
    return joined(
        *(tag("p", badge("incomplete", "watch"), f" {each.reason}", class_="note") for each in timeline.missing)
    )


def _traces(timeline: Timeline) -> Markup:
    if not timeline.traces:
        return Markup("")
    shown: list[Content] = []
    for trace in timeline.traces:
        shown.append(" ")
        shown.append(
            link(trace.trace_id, trace.url, class_="mono", rel="noopener")
            if trace.url
            else tag("span", trace.trace_id, class_="mono")
        )
    return tag("p", "Traces:", *shown, class_="note")
