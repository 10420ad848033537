"""The page *Business* on the events' clock."""

import httpx
from fake_services import FakeServices

from almanac_client import Almanac, Services
from chassis.telemetry.outgoing import open_http
from console.pages.business import load
from contracts.vocabulary import Service

OVERVIEW: dict[str, object] = {
    "since": "2031-02-28T08:59:00Z", "until": "2031-02-28T09:00:00Z", "successRate": None, "totals": {}, "counts": [],
    "latencies": [],
}  # fmt: skip

SPAN = {"grain": "day", "since": "2031-02-22T00:00:00Z", "until": "2031-03-01T00:00:00Z"}


async def test_days_end_with_the_day_of_the_events_clock() -> None:
    services = FakeServices()
    asked: list[httpx.Request] = []

    def counts(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        point = {"start": "2031-02-28T00:00:00Z", "eventType": "BIRTHDAY", "priority": None, "outcome": "completed"}
        return httpx.Response(200, json={**SPAN, "points": [{**point, "count": 120}]})

    services.answers("GET", "analytics-service/v1/metrics/overview", OVERVIEW)
    services.answers("GET", "analytics-service/v1/metrics/timeseries", counts)
    services.answers("GET", "analytics-service/v1/metrics/latency", {**SPAN, "points": []})
    addresses = Services(*(f"http://{each.value}" for each in Service))
    async with open_http(timeout_seconds=5, transport=httpx.MockTransport(services)) as http:
        days = await load(Almanac(addresses, "key", http=http, attempts=1).analytics, 7)
    assert [str(day.day) for day in (days[0], days[-1])] == ["2031-02-22", "2031-02-28"]
    assert [day.total_delivered for day in days] == [0] * 6 + [120]
    assert {request.url.params["from"] for request in asked} == {"2031-02-22T00:00:00+00:00"}
