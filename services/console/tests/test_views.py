"""What pages show, worked out from what services answer."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from console.charts import activity, activity_rows, week_ahead
from console.data_sources import Reading
from console.views.ahead import busiest_rows, day_rows, outlook
from console.views.capacity import Capacity
from console.views.events import search_form, wanted
from console.views.now import alerts_firing, due_by_priority, headline, lateness, problems, queues
from console.views.waterfall import bars, waterfall_markup
from console.views.zones import band_markup, bands
from contracts.http.alerts import Alert
from contracts.http.analytics import CountSeries, Overview, Timeline
from contracts.http.events import Forecast, Passages
from contracts.http.model import ListPage
from contracts.http.status import DeliveryServiceStatus, EventServiceStatus, ServiceStatus

NOW = datetime(2026, 11, 23, 8, 20, tzinfo=UTC)
ENDPOINT = "0198c0de-1111-7000-8000-000000000001"
PRIORITIES = ("CRITICAL", "HIGH", "NORMAL", "LOW")


def _queue(name: str, priority: str | None = None, **more: Any) -> dict[str, Any]:
    usual = {"depth": 0, "inFlight": 0, "dead": 0, "oldestAgeSeconds": None, "concurrency": 100}
    return {"name": name, "priority": priority, **usual, "warnDepth": 10, "pageDepth": 1_000, **more}


def _common(*queues: Mapping[str, Any], used: int = 82, error: str | None = None) -> dict[str, Any]:
    return {
        "takenAt": NOW.isoformat(),
        "database": {"connectionsUsed": used, "connectionsMax": 200, "replicaLagSeconds": None},
        "outbox": {"unsent": 0, "oldestAgeSeconds": 0},
        "queues": queues,
        "deadLetterMessages": 0,
        "busError": error,
    }


def _events(*, oldest: float | None = None, due: int = 0, overdue: int = 0) -> EventServiceStatus:
    usual: dict[str, float | None] = {
        "due": 0, "overdue": 0, "oldestDueAgeSeconds": None, "claimed": 2, "claimsExpired": 0, "published": 5,
        "unanswered": 0,
    }  # fmt: skip
    rows = [{"priority": each, **usual} for each in PRIORITIES]
    rows[3] |= {"due": due, "overdue": overdue, "oldestDueAgeSeconds": oldest}
    return EventServiceStatus.model_validate(
        {**_common(), "events": rows, "pending": 1_234_567, "pendingEstimated": True}
    )


def _deliveries(*, in_flight: int = 1, circuits: int = 0, letters: int = 0, new: int = 0) -> DeliveryServiceStatus:
    broken = {
        "endpointId": ENDPOINT, "description": "Cards <b>", "state": "OPEN", "failingSince": NOW.isoformat(),
        "failuresInRow": 61,
    }  # fmt: skip
    return DeliveryServiceStatus.model_validate(
        {
            **_common(_queue("bday-events-low", "LOW", depth=12), _queue("bday-events-critical", "CRITICAL")),
            "deliveries": [
                {
                    "priority": each, "waiting": 3, "due": 0, "inFlight": in_flight, "abandoned": 0,
                    "oldestDueAgeSeconds": None, "concurrency": 100,
                }
                for each in PRIORITIES
            ],
            "recentAttempts": {"windowSeconds": 300, "made": 0, "succeeded": 0, "timedOut": 0},
            "endpoints": {
                "enabled": 7,
                "disabled": 1,
                "open": circuits,
                "halfOpen": 0,
                "circuits": [broken][:circuits],
            },
            "deadLetters": {"open": letters, "openByReason": {}, "newInLastHour": new},
        }
    )  # fmt: skip


def _overview(success: float | None = 0.995, p95: float = 1.0, *, webhook: float = 0.5) -> Overview:
    return Overview.model_validate(
        {
            "since": (NOW - timedelta(minutes=5)).isoformat(),
            "until": NOW.isoformat(),
            "successRate": success,
            "totals": {"completed": 600},
            "counts": [],
            "latencies": [
                {"measure": measure, "priority": priority, "count": 9, "p50": webhook, "p95": p95, "p99": p95 * 2}
                for measure in ("end_to_end", "webhook")
                for priority in ("CRITICAL", "HIGH", None)
            ],
        }
    )


def _alert(rule: str, severity: str, *, summary: str = "", **more: Any) -> dict[str, Any]:
    unset = ("resolvedAt", "notifiedAt", "acknowledgedAt", "acknowledgedBy", "note")
    return {
        "id": ENDPOINT, "rule": rule, "severity": severity, "state": "firing", "labels": {}, "summary": summary,
        "value": 1, "since": NOW.isoformat(), "firedAt": NOW.isoformat(), "flaps": 0, "silenced": False, "runbook": "",
        **dict.fromkeys(unset), **more,
    }  # fmt: skip


def _headline(**given: Any) -> Any:
    return headline(
        Reading(given.get("events", _events())),
        Reading(given.get("deliveries", _deliveries())),
        Reading(given.get("overview", _overview())),
        [Reading(ServiceStatus.model_validate(_common(used=170)))],
    )


def test_quiet_day_has_calm_colours() -> None:
    shown = _headline()
    assert shown.due == ("0", "about 1,234,567 scheduled", "plain")
    assert shown.in_flight == ("28", "20 with receivers", "plain")
    assert shown.delivered == ("2.00", "per second, 600 in 5 min", "plain")
    assert shown.success == ("99.50 %", "errors 0.50 %, target < 1 %", "good")
    assert shown.dead_letters == ("0", "0 new in an hour", "good")
    assert shown.circuits == ("0", "of 7 endpoints, 1 disabled", "good")
    assert shown.concurrency == ("4", "of 400 webhooks at once", "plain")


def test_what_is_out_of_order_stands_out() -> None:
    shown = _headline(
        events=_events(due=300, overdue=210, oldest=301),
        deliveries=_deliveries(in_flight=90, circuits=1, letters=4, new=1),
        overview=_overview(0.98),
    )
    assert shown.due == ("300", "210 for over a minute", "bad")
    assert shown.success[2] == "bad"
    assert shown.dead_letters == ("4", "1 new in an hour", "bad")
    assert shown.circuits[::2] == ("1", "bad")
    assert shown.concurrency[1:] == ("of 400 webhooks at once; critical, high, normal, low nearly full", "watch")
    assert shown.connections == ("170", "of 200, 85 %", "watch")


def test_a_low_event_may_wait_longer_than_a_minute_before_it_is_late() -> None:
    assert _headline(events=_events(due=300, overdue=210, oldest=95)).due[2] == "watch"


def test_service_that_does_not_answer_is_marked_in_its_own_place() -> None:
    shown = headline(
        Reading(None, None, "event-service does not answer"),
        Reading(_deliveries(), 0.0, "no answer within 4 s"),
        Reading(),
        [],
    )
    assert shown.due == ("–", "event-service does not answer", "watch")
    assert shown.delivered == ("…", None, "plain")
    value, note, tone = shown.concurrency
    assert (value, tone) == ("4", "watch")
    assert note is not None
    assert note.endswith("old: no answer within 4 s")


def test_lateness_is_held_against_the_target_of_its_priority() -> None:
    rows = lateness(_overview(p95=7.0))
    assert [row[0] for row in rows] == ["Critical", "High", "Normal", "Low", "All"]
    assert [str(row[5]) for row in rows] == ["< 5 s missed", "< 10 s", "< 30 s", "< 5 min", "< 30 s"]
    assert 'class="badge bad"' in str(rows[0][3])
    assert rows[2][1:5] == ["0", "–", "–", "–"]
    assert lateness(None) == ()


def test_queues_of_due_events_come_first_and_deep_ones_stand_out() -> None:
    rows = queues([ServiceStatus.model_validate(_common(_queue("bday-analytics", dead=2))), _deliveries(), None])
    assert [row[0] for row in rows] == ["bday-events-critical", "bday-events-low", "bday-analytics"]
    assert str(rows[1][1]) == '<span class="badge watch">12</span>'
    assert str(rows[2][4]) == '<span class="badge bad">2</span>'


def test_events_in_flight_are_shown_by_priority_without_delivery_service() -> None:
    row = due_by_priority(_events(due=3, oldest=400), _deliveries())[3]
    assert [str(each) for each in row] == ["Low", "3", '<span class="badge bad">6 min 40 s</span>', "2", "5", "1", "3"]
    assert due_by_priority(_events(), None)[0][5:] == ["–", "–"]


def test_problems_list_only_the_endpoint_and_the_bus() -> None:
    silent = ServiceStatus.model_validate(_common(error="SQS does not answer"))
    rows = problems(_deliveries(circuits=1), [silent, silent, None], None)
    assert str(rows[0][0]) == f'<a href="/endpoints/{ENDPOINT}">Cards &lt;b&gt;</a>'
    assert [str(row[2]) for row in rows[1:]] == ["SQS does not answer"]
    assert problems(_deliveries(), [], ListPage[Alert](items=())) == []


def test_firing_alerts_are_listed_by_severity_with_acknowledgements() -> None:
    alerts = ListPage[Alert].model_validate(
        {
            "items": [
                _alert("QueueBacklog", "warning", summary="bday-events-low has 6,000 messages"),
                _alert("DeadLettersNew", "critical", summary="3 dead letters: <exhausted>", acknowledgedBy="ada"),
                _alert("HighLateness", "critical", state="pending"),
                _alert("CircuitOpen", "critical"),
            ]
        }
    )
    assert [each.rule for each in alerts_firing(alerts)] == ["DeadLettersNew", "CircuitOpen", "QueueBacklog"]
    assert alerts_firing(None) == []
    rows = problems(None, [], alerts)
    assert [str(row[0]) for row in rows] == [
        '<a href="/alerts">3 dead letters: &lt;exhausted&gt;</a>',
        '<a href="/alerts">bday-events-low has 6,000 messages</a>',
    ]
    assert str(rows[0][2]).endswith("; acknowledged by ada")


def _passages(*counts: tuple[str, str, int, int]) -> Passages:
    instants: dict[str, list[dict[str, Any]]] = {}
    for instant, zone, total, waiting in counts:
        instants.setdefault(instant, []).append({"timezone": zone, "total": total, "waiting": waiting})
    return Passages.model_validate(
        {
            "at": "09:00",
            "since": (NOW - timedelta(hours=1)).isoformat(),
            "until": (NOW + timedelta(hours=24)).isoformat(),
            "passages": [
                {
                    "instant": instant,
                    "total": sum(zone["total"] for zone in zones),
                    "waiting": sum(zone["waiting"] for zone in zones),
                    "zones": zones,
                }
                for instant, zones in instants.items()
            ],
        }
    )


def test_the_band_says_where_nine_o_clock_is_now_and_next() -> None:
    shown = bands(
        _passages(
            ("2026-11-23T08:00:00Z", "Europe/Paris", 100, 5),
            ("2026-11-23T08:15:00Z", "Australia/Eucla", 0, 0),
            ("2026-11-23T09:00:00Z", "Europe/London", 40, 40),
            ("2026-11-23T12:30:00Z", "America/St_Johns", 2, 2),
            ("2026-11-23T20:00:00Z", "Pacific/Auckland", 7, 7),
        )
    )
    assert [(band.places[0], band.offset, band.when) for band in shown] == [
        ("Paris", "UTC+1", "20 min ago"),
        ("Eucla", "UTC+8:45", "5 min ago"),
        ("London", "UTC+0", "in 40 min"),
        ("St John’s", "UTC−3:30", "in 4 h 10 min"),
        ("Auckland", "UTC+13", "in 11 h 40 min"),
    ]
    assert [band.passing for band in shown] == [True, True, False, False, False]
    assert [band.next for band in shown] == [False, False, True, False, False]


def test_the_band_is_a_list_whose_bars_are_as_high_as_what_is_due() -> None:
    early = ("2026-11-23T08:00:00Z", "Europe/Paris", 50, 5)
    made = str(band_markup(_passages(early, ("2026-11-23T09:00:00Z", "Europe/London", 100, 100))))
    assert made.startswith('<ol class="band" tabindex="0" aria-label="Where and when it is 09:00">')
    assert '<li class="passing" title="45 of 50 have ended">' in made
    assert 'style="height:50%"' in made
    assert 'class="bar-done" style="height:90%"' in made


def _forecast(*hours: tuple[str, int, int], overdue: int = 0) -> Forecast:
    counts = {"HIGH": 0, "NORMAL": 0}
    return Forecast.model_validate(
        {
            "since": "2026-11-23T08:20:00Z",
            "until": "2026-11-30T08:00:00Z",
            "total": sum(critical + low for _, critical, low in hours),
            "overdue": {"CRITICAL": overdue},
            "hours": [
                {"hour": hour, "total": critical + low, "counts": {"CRITICAL": critical, "LOW": low, **counts}}
                for hour, critical, low in hours
            ],
        }
    )


WEEK = (("2026-11-23T09:00:00Z", 100, 900), ("2026-11-23T12:00:00Z", 10, 0), ("2026-11-25T09:00:00Z", 100, 2_900))


def test_the_outlook_adds_up_a_day_and_a_week_and_says_whether_the_peak_fits() -> None:
    figures = outlook(_forecast(*WEEK), Capacity(12_000, None))
    assert figures.day == ("1,010", "none overdue", "plain")
    assert figures.week[0] == "4,010"
    assert figures.peak == ("3,000", "an hour, Wed 25 Nov 09:00", "plain")
    assert figures.ceiling == ("12,000", "an hour, 4.0 times the peak", "good")
    assert outlook(_forecast(*WEEK, overdue=3), Capacity(1_500, None)).day[1:] == ("and 3 overdue", "watch")
    assert outlook(_forecast(*WEEK), Capacity(1_500, None)).ceiling[1:] == (
        "an hour: 2.0 times too little for the peak", "bad",
    )  # fmt: skip
    assert outlook(_forecast(), Capacity(9, None)).peak[0] == "0"
    assert outlook(_forecast(*WEEK), Capacity(0, None)).ceiling == ("0", "a role has no process", "bad")


def test_the_busiest_hours_come_first_with_what_they_take() -> None:
    rows = busiest_rows(_forecast(*WEEK), Capacity(6_000, None))
    assert rows[0] == ["Wed 25 Nov 09:00", "3,000", "100", "0", "0", "2,900", "30 min"]
    assert day_rows(_forecast(*WEEK))[0] == ["Mon 23 Nov", "1,010", "110", "0", "0", "900"]


def test_the_week_is_drawn_hour_by_hour_with_capacity_where_it_is_near() -> None:
    drawn = week_ahead(_forecast(*WEEK), Capacity(30_000, 1_200_000))
    assert len(drawn["xAxis"]["data"]) == 168
    assert [each["name"] for each in drawn["series"]] == ["Critical", "High", "Normal", "Low", "Fleet's ceiling"]
    assert drawn["series"][3]["data"][:2] == [0, 900]
    assert set(drawn["series"][4]["data"]) == {30_000}


def test_minutes_without_anything_are_drawn_as_nothing() -> None:
    series = CountSeries.model_validate(
        {
            "grain": "minute",
            "since": "2026-11-23T08:00:00Z",
            "until": "2026-11-23T08:03:00Z",
            "points": [
                {"start": "2026-11-23T08:01:00Z", "outcome": "completed", "priority": "HIGH", "count": 4},
                {"start": "2026-11-23T08:01:00Z", "outcome": "failed", "priority": "LOW", "count": 1},
            ],
        }
    )
    drawn = activity(series)
    assert drawn["xAxis"]["data"] == ["08:00", "08:01", "08:02"]
    assert {each["name"]: each["data"] for each in drawn["series"]} == {
        "Critical": [0, 0, 0], "High": [0, 4, 0], "Normal": [0, 0, 0], "Low": [0, 0, 0], "Failed": [0, 1, 0],
    }  # fmt: skip
    assert activity_rows(series) == [["08:01", "0", "4", "0", "0", "1"]]


def test_a_search_is_kept_in_its_form_and_asked_for_in_utc() -> None:
    query = {"user": " ada@example.com ", "status": "FAILED", "from": "2026-11-23T09:00", "to": "soon"}
    made = str(search_form("/events", query))
    assert '<option value="FAILED" selected>Failed</option>' in made
    assert 'value=" ada@example.com "' in made
    assert wanted(query) == {
        "user": "ada@example.com", "event_type": None, "status": "FAILED", "start": "2026-11-23T09:00:00+00:00",
        "end": "soon",
    }  # fmt: skip


def _timeline() -> Timeline:
    def span(name: str, kind: str, start: float, end: float | None, **more: Any) -> dict[str, Any]:
        return {
            "id": name, "kind": kind, "name": name, "service": "delivery-service", "status": "ok",
            "start": (NOW + timedelta(seconds=start)).isoformat(),
            "end": None if end is None else (NOW + timedelta(seconds=end)).isoformat(),
            "durationSeconds": None if end is None else end - start, **more,
        }  # fmt: skip

    return Timeline.model_validate(
        {
            "eventId": "8e1f0d2c-5b0a-8c3e-9a2b-1c2d3e4f5a6b",
            "spans": [
                span("wait", "wait", -8_640_000, 0),
                span("delivery", "delivery", 0, None, status="open"),
                span(
                    "attempt", "attempt", 0, 2, status="error", parentId="delivery",
                    attributes={"httpStatus": 503, "excerpt": "<html>busy"},
                ),
                span("dead letter", "step", 4, 4),
            ],
            "traces": [{"traceId": "0af7", "url": "http://jaeger/trace/0af7"}],
            "missing": [{"service": "event-service", "reason": "event-service does not answer"}],
        }
    )  # fmt: skip


def test_the_waterfall_begins_at_the_target_and_nests_attempts_in_their_delivery() -> None:
    placed = bars(_timeline().spans, NOW + timedelta(seconds=10))
    assert [(bar.span.id, bar.left, bar.width, bar.depth) for bar in placed] == [
        ("delivery", 0.0, 100.0, 0),
        ("attempt", 0.0, 20.0, 1),
        ("dead letter", 40.0, 0.4, 0),
    ]
    assert bars((), NOW) == ()


def test_the_waterfall_says_in_words_what_it_draws() -> None:
    made = str(waterfall_markup(_timeline()))
    assert "waited for its target 100 d" in made
    assert '<span class="badge bad">HTTP 503</span>' in made
    assert "&lt;html&gt;busy" in made
    assert "event-service does not answer" in made
    assert 'href="http://jaeger/trace/0af7"' in made
    assert made.count('scope="col"') == 5
    assert UUID(str(_timeline().event_id)).version == 8
