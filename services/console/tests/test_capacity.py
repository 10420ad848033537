"""What the fleet can do, and what bounds it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.data_sources import Processes, processes_of
from console.views.capacity import bound_rows, capacity
from contracts.http.analytics import CountSeries, Overview
from contracts.http.status import DeliveryServiceStatus, ServiceUsage

NOW = datetime(2026, 11, 23, 14, 50, tzinfo=UTC)
PRIORITIES = ("CRITICAL", "HIGH", "NORMAL", "LOW")
FEW = [Processes("event-service", "scheduler", 2.1), Processes("delivery-service", "worker", 12.0)]


def _status(*, at_once: int = 100) -> DeliveryServiceStatus:
    none = {"waiting": 0, "due": 0, "inFlight": 0, "abandoned": 0, "oldestDueAgeSeconds": None}
    return DeliveryServiceStatus.model_validate(
        {
            "takenAt": NOW.isoformat(),
            "database": {"connectionsUsed": 1, "connectionsMax": 2, "replicaLagSeconds": None},
            "outbox": {"unsent": 0, "oldestAgeSeconds": 0},
            "queues": [],
            "deadLetterMessages": 0,
            "busError": None,
            "deliveries": [{"priority": each, "concurrency": at_once, **none} for each in PRIORITIES],
            "endpoints": {"enabled": 1, "disabled": 0, "open": 0, "halfOpen": 0, "circuits": []},
            "recentAttempts": {"windowSeconds": 300, "made": 0, "succeeded": 0, "timedOut": 0},
            "deadLetters": {"open": 0, "openByReason": {}, "newInLastHour": 0},
        }
    )


def _day(webhook: float | None) -> Overview:
    latency = {"measure": "webhook", "priority": None, "count": 9, "p50": webhook}
    window = {"since": NOW - timedelta(days=1), "until": NOW}
    return Overview.model_validate({**window, "totals": {}, "counts": [], "latencies": [latency] if webhook else []})


def _pace(*counts: int) -> CountSeries:
    points = [{"start": NOW, "outcome": "completed", "count": count} for count in counts]
    return CountSeries.model_validate({"grain": "minute", "since": NOW, "until": NOW, "points": points})


def _item(meter: str, roles: str, amount: float, *, minutes: float = 50, ago: float = 0) -> dict[str, Any]:
    last = NOW - timedelta(minutes=ago)
    return {"meter": meter, "operation": "", "resource": roles, "amount": amount,
            "firstAt": last - timedelta(minutes=minutes), "lastAt": last}  # fmt: skip


def test_concurrency_and_webhook_duration_limit_a_fleet_with_many_processes() -> None:
    able = capacity(_status(), _day(0.5), _pace(30, 50), [Processes("delivery-service", "worker", 9.0)], 450)
    assert able.ceiling_per_hour == pytest.approx(4 * 100 / 0.5 * 3_600)
    assert able.fastest_per_hour == 3_000
    assert bound_rows(able) == [
        ["Receivers", "400 concurrent, 500 ms each in the median", "2,880,000"],
        ["Processes", "9 workers of delivery-service, each measured at 450 a second", "14.6 M"],
        ["Seen", "the busiest minute of the last day, kept up", "3,000"],
    ]


def test_the_scarcest_role_bounds_a_fleet_whose_receivers_are_quick() -> None:
    able = capacity(_status(), _day(0.01), None, FEW, 450)
    assert able.ceiling_per_hour == 2 * 450 * 3_600
    assert bound_rows(able)[0][:2] == ["Processes", "2 schedulers of event-service, each measured at 450 a second"]


def test_the_ceiling_is_not_less_than_what_was_seen() -> None:
    assert capacity(None, None, _pace(60_000), FEW, 450).ceiling_per_hour == 3_600_000


@pytest.mark.parametrize(
    ("processes", "because"),
    [
        (None, "how many is not known: one of each role"),
        ([], "how many is not known: one of each role"),
        ([Processes("event-service", "scheduler", 0.2)], "1 scheduler of event-service"),
    ],
)
def test_one_process_is_assumed_if_unknown_or_just_restarted(processes: list[Processes] | None, because: str) -> None:
    able = capacity(_status(), _day(None), None, processes, 450)
    assert able.ceiling_per_hour == 450 * 3_600
    assert bound_rows(able) == [["Processes", f"{because}, each measured at 450 a second", "1,620,000"]]


def test_without_a_process_of_a_role_nothing_gets_through() -> None:
    assert (
        capacity(_status(), _day(0.5), None, [*FEW, Processes("event-service", "relay", 0)], 450).ceiling_per_hour == 0
    )


def test_processes_are_counted_by_their_time_and_ended_ones_are_not() -> None:
    usage = ServiceUsage.model_validate(
        {
            "since": NOW,
            "until": NOW,
            "items": [
                _item("process_seconds", "worker-critical", 2 * 3_000),
                _item("process_seconds", "relay worker-low worker-high", 3_000),
                _item("process_seconds", "api", 4 * 3_000),
                _item("process_seconds", "worker", 9 * 3_000, ago=4),
                _item("cpu_seconds", "worker-critical", 77),
            ],
        }
    )
    assert processes_of("delivery-service", usage) == [
        Processes("delivery-service", "worker", 3.0),
        Processes("delivery-service", "relay", 1.0),
    ]
    assert processes_of("event-service", ServiceUsage(since=NOW, until=NOW, items=())) == []
