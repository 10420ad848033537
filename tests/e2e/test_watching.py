"""Alerts reflect the state of the services, and an endpoint that is gone raises an alert in time."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from almanac_client import Almanac, Services
from analytics_service.adapters.statuses import delivery_reading, events_reading, service_reading
from analytics_service.domain.observations import EventsReading
from testkit import Receiver, eventually
from testkit.full_stack import KEY, People, RunningStack, due_in

pytestmark = pytest.mark.xdist_group("stack")

Alerts = Callable[[], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def alerts(almanac: RunningStack, http: httpx.AsyncClient) -> Alerts:
    """`await alerts()` lists what fires, but for what is only pending."""

    async def listed() -> list[dict[str, Any]]:
        answer = await http.get(f"{almanac.analytics}/v1/alerts", params={"state": "firing"})
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    return listed


async def test_what_services_tell_of_themselves_is_what_alerts_understand(
    almanac: RunningStack, http: httpx.AsyncClient
) -> None:
    addresses = Services(almanac.user, almanac.event, almanac.delivery, almanac.analytics)
    client = Almanac(addresses, KEY, http=http)
    for each in (client.users, client.analytics):
        assert service_reading(await each.status()).connections_used >= 1
    events = await client.events.status()
    assert events_reading(events)[0] == EventsReading("CRITICAL")
    assert {queue.name for queue in service_reading(events).queues} == {"bday-user-events", "bday-delivery-outcomes"}
    delivery = await client.deliveries.status()
    assert [each.priority for each in delivery_reading(delivery).deliveries] == ["CRITICAL", "HIGH", "NORMAL", "LOW"]
    # The last is the queue of deletions of users, which has no priority.
    queues = service_reading(delivery).queues
    assert [queue.priority for queue in queues] == ["CRITICAL", "HIGH", "NORMAL", "LOW", None]


@pytest.mark.slow
async def test_failing_endpoint_raises_an_alert_within_a_minute_until_it_is_back(
    almanac: RunningStack, http: httpx.AsyncClient, receiver: Receiver, people: People, alerts: Alerts
) -> None:
    answer = await http.get(f"{almanac.delivery}/v1/endpoints")
    (endpoint,) = (each["id"] for each in answer.json()["items"] if each["url"] == receiver.url)

    async def ours() -> dict[str, Any] | None:
        return next((each for each in await alerts() if each["labels"].get("endpointId") == endpoint), None)

    receiver.always(503)
    for _ in range(15):
        await people.create(**due_in(4))
    await receiver.wait_for(10)
    alert = await eventually(ours, interval=0.2) or {}
    assert (alert["rule"], alert["severity"]) == ("CircuitOpen", "warning")

    async def over() -> bool:
        return await ours() is None

    receiver.always(200)
    await eventually(over, timeout=120, interval=0.5)
    answer = await http.get(f"{almanac.analytics}/v1/alerts/history", params={"alertId": alert["id"]})
    assert [each["change"] for each in answer.json()["items"]] == ["resolved", "fired"]
