"""*Alerts*: active alerts, history, acknowledgements."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from markupsafe import Markup
from nicegui import ui

from almanac_client import Almanac
from console.components import Changing, Region, Table, button, html, nothing, panel
from console.dialogs import ask, ask_silence
from console.formats import NONE, duration, moment, word
from console.markup import Content, badge, joined, link, tag
from console.page import Page, Visit
from console.refreshing_panel import RefreshingPanel
from contracts.http.alerts import Alert, AlertChange, AlertRule, Silence

REFRESH_SECONDS = 3.0
MOST = 100
"""The maximum of each that is shown."""
_HISTORY = ("When", "What", "Rule", "Severity", "Summary", "By", "Note")
_RULES = ("Rule", "Severity", "What is watched", "Threshold", "For")
_TONES = {"critical": "bad", "warning": "watch"}


@dataclass(frozen=True)
class Watch:
    """All that the page shows."""

    alerts: Sequence[Alert]
    silences: Sequence[Silence]
    changes: Sequence[AlertChange]


async def load(almanac: Almanac) -> Watch:
    alerts, silences, changes = await asyncio.gather(
        almanac.alerts.page(limit=MOST),
        almanac.silences.page(active=True, limit=MOST),
        almanac.alerts.history(limit=MOST),
    )
    return Watch(alerts.items, silences.items, changes.items)


def severity_badge(severity: str) -> Content:
    return badge(word(severity), _TONES.get(severity, "plain"))


def change_cells(change: AlertChange) -> Sequence[Content]:
    """Something that happened, as a row of the table."""
    return [
        moment(change.at),
        word(change.change),
        change.rule,
        severity_badge(change.severity),
        change.summary,
        change.by or NONE,
        change.note or NONE,
    ]


def rule_cells(rule: AlertRule) -> Sequence[Content]:
    """A rule, as a row of the table."""
    side = "below" if rule.below else "above"
    lasting = "at once" if rule.for_seconds == 0 else duration(rule.for_seconds)
    return [rule.name, severity_badge(rule.severity), rule.what, f"{side} {rule.threshold:g}", lasting]


def standing(alert: Alert) -> Content:
    """Details of an alert beyond its summary, in one line."""
    parts = [f"since {moment(alert.since)}"]
    if alert.flaps:
        parts.append(f"flapping, {alert.flaps} times before")
    if alert.silenced:
        parts.append("silenced")
    if alert.acknowledged_at is not None:
        by = f"acknowledged by {alert.acknowledged_by} at {moment(alert.acknowledged_at)}"
        parts.append(f"{by}: {alert.note}" if alert.note else by)
    endpoint = alert.labels.get("endpointId")
    leads = (" · ", link("Its endpoint", f"/endpoints/{endpoint}")) if endpoint else ()
    return joined(" · ".join(parts), *leads)


async def build(visit: Visit) -> None:
    """Refreshed every few seconds; the rules once."""
    almanac = visit.almanac
    panel_data = RefreshingPanel(lambda: load(almanac), every_seconds=REFRESH_SECONDS)
    with panel_data.body:
        view = _View(visit, panel_data)
    with panel("What is watched", "Thresholds are settings of the alerter.", wide=True):
        rules = Region()
    await panel_data.begin(view.show)

    def show_rules(found: Sequence[AlertRule]) -> None:
        table = Table("Rules", _RULES, numbers=(3,))
        table.show([rule_cells(rule) for rule in found])

    await rules.fill(almanac.alerts.rules, show_rules)


class _View:
    """The content of the page. Alerts and silences are rebuilt only when they change, so that a button stays."""

    def __init__(self, visit: Visit, panel_data: RefreshingPanel[Watch]) -> None:
        self._visit, self._almanac, self._panel_data = visit, visit.almanac, panel_data
        with panel("Now", wide=True):
            self._alerts = Changing(self._build_alerts)
        with panel("Silences", "A silence suppresses notifications; its alerts are still evaluated.", wide=True):
            self._silences = Changing(self._build_silences)
        with panel("History", wide=True):
            self._history = Table("Changes of alerts", _HISTORY)

    def show(self, watch: Watch) -> None:
        self._alerts.show(watch.alerts)
        self._silences.show(watch.silences)
        self._history.show([change_cells(change) for change in watch.changes], empty="No alert has fired yet.")

    def _build_alerts(self, alerts: Sequence[Alert]) -> None:
        firing = [alert for alert in alerts if alert.fires]
        pending = [alert for alert in alerts if not alert.fires]
        if not firing:
            html(nothing("Nothing fires: all is well."))
        for alert in sorted(firing, key=lambda each: each.severity):
            with ui.element("div").classes("alert").props(f'role="group" data-rule="{alert.rule}"'):
                html(_described(alert))
                if self._visit.may_act:
                    self._actions(alert)
        if pending:
            names = ", ".join(f"{alert.summary} ({alert.rule})" for alert in pending)
            html(tag("p", f"Not for long enough yet: {names}", class_="note"))

    def _actions(self, alert: Alert) -> None:
        with ui.element("div").classes("actions"):
            if alert.acknowledged_at is None:
                button("Acknowledge", partial(self.acknowledge, alert), label=f"Acknowledge {alert.rule}")
            if not alert.silenced:
                button("Silence", partial(self.silence, alert), label=f"Silence {alert.rule}")

    def _build_silences(self, silences: Sequence[Silence]) -> None:
        if not silences:
            html(nothing("No silence is in force."))
        for silence in silences:
            with ui.element("div").classes("alert").props('role="group"'):
                html(_covered(silence))
                if self._visit.may_act:
                    with ui.element("div").classes("actions"):
                        label = f"End the silence of {silence.rule or 'every rule'}"
                        button("End", partial(self.end, silence), label=label)

    async def acknowledge(self, alert: Alert) -> None:
        text = "Stops the reminders. The alert stays listed until it resolves."
        note = await ask(f"Acknowledge {alert.rule}?", text, "Note", "Acknowledge", value="Investigating.")
        if note:
            await self._act("acknowledge alert", alert.id, lambda: self._almanac.alerts.acknowledge(alert.id, note))

    async def silence(self, alert: Alert) -> None:
        asked = await ask_silence(alert.rule)
        if asked is not None:
            until = datetime.now(UTC) + timedelta(hours=asked.hours)
            call = partial(self._almanac.silences.create, asked.reason, until, rule=alert.rule, labels=alert.labels)
            await self._act("silence alert", alert.rule, call)

    async def end(self, silence: Silence) -> None:
        await self._act("end silence", silence.id, lambda: _ended(self._almanac, silence))

    async def _act(self, action: str, target: object, call: Callable[[], Awaitable[object]]) -> None:
        if await self._visit.act(action, target, call) is not None:
            self._visit.say("Done.")
            await self._panel_data.again()


async def _ended(almanac: Almanac, silence: Silence) -> bool:
    await almanac.silences.delete(silence.id)
    return True


def _described(alert: Alert) -> Markup:
    head = joined(severity_badge(alert.severity), " ", tag("strong", alert.summary))
    todo = tag("p", "What to do: ", tag("code", alert.runbook), class_="note")
    return joined(tag("p", head), tag("p", alert.rule, " · ", standing(alert), class_="note"), todo)


def _covered(silence: Silence) -> Markup:
    labels = ", ".join(f"{name} {value}" for name, value in silence.labels.items())
    what = silence.rule or "Every rule"
    about = f"until {moment(silence.until)} · by {silence.created_by}: {silence.reason}"
    return joined(tag("p", tag("strong", what), f" {labels}"), tag("p", about, class_="note"))


PAGE = Page("/alerts", "Alerts", build, icon="alerts")
