"""What a receiver refused is redriven once it takes it: the failed event completes, in every service."""

import httpx
import pytest

from testkit import Receiver, eventually
from testkit.full_stack import People, RunningStack, due_in

pytestmark = pytest.mark.xdist_group("stack")


async def test_a_redriven_dead_letter_completes_its_failed_event(
    people: People, almanac: RunningStack, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.always(400)
    user = await people.create(**due_in(4))
    failed = await people.has_event(user, "FAILED")
    found = await http.get(f"{almanac.delivery}/v1/dead-letters", params={"eventId": failed["id"]})
    [letter] = found.json()["items"]
    assert (letter["reason"], letter["detail"], letter["status"]) == ("rejected", "HTTP 400", "OPEN")
    assert await _engagement(almanac, http, user["id"]) == (0, 1)

    receiver.always(200)
    answer = await http.post(f"{almanac.delivery}/v1/dead-letters/{letter['id']}/redrive")
    assert (answer.status_code, answer.json()["status"]) == (200, "REDRIVEN")
    completed = await people.has_event(user, "COMPLETED")

    assert completed["id"] == failed["id"]
    assert [request.headers["webhook-id"] for request in people.greetings(user)] == [failed["id"]] * 2
    detail = (await http.get(f"{almanac.event}/v1/events/{failed['id']}")).json()
    assert [step["status"] for step in detail["history"]] == ["PENDING", "PROCESSING", "FAILED", "COMPLETED"]

    async def told() -> bool:
        timeline = await http.get(f"{almanac.analytics}/v1/events/{failed['id']}/timeline")
        return {entry["kind"] for entry in timeline.json()["entries"]} >= {
            "delivery_failed", "dead_lettered", "failed", "delivery_succeeded", "completed",
        }  # fmt: skip

    await eventually(told, interval=0.1)
    # One event, one end: the completion replaces the failure.
    assert await _engagement(almanac, http, user["id"], delivered=1) == (1, 0)


async def _engagement(
    almanac: RunningStack, http: httpx.AsyncClient, user_id: str, *, delivered: int = 0
) -> tuple[int, int]:
    """How many of the user's events analytics counted as delivered and failed, once as many were delivered."""

    async def counted() -> dict[str, int] | None:
        answer = await http.get(f"{almanac.analytics}/v1/engagement/users/{user_id}")
        return body if answer.status_code == 200 and (body := answer.json())["delivered"] == delivered else None

    body = await eventually(counted, interval=0.1) or {}
    return body["delivered"], body["failed"]
