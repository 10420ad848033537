"""From an API call to a signed webhook, through all four services."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from standardwebhooks import Webhook

from testkit import eventually
from testkit.full_stack import People, RunningStack, due_in

pytestmark = pytest.mark.xdist_group("stack")


async def test_a_new_user_is_greeted_at_the_moment_they_chose(people: People, secret: str) -> None:
    user = await people.create(**due_in(4), firstName="Grace", lastName="Hopper")
    request = await people.is_greeted(user)

    Webhook(secret).verify(request.body, dict(request.headers))
    body = json.loads(request.body)
    target = datetime.fromisoformat(body["data"]["targetTimestampUTC"])
    assert request.received_at >= target
    assert body["type"] == "event.birthday"
    assert body["data"]["message"] == "Hey, Grace Hopper it's your birthday"
    assert body["data"]["eventId"] == request.headers["webhook-id"] == request.headers["idempotency-key"]
    assert f"{target:%H:%M:%S}" == user["deliveryTime"]


async def test_a_greeted_users_event_completes_and_next_years_waits(
    people: People, almanac: RunningStack, http: httpx.AsyncClient
) -> None:
    user = await people.create(**due_in(4))
    await people.is_greeted(user)
    done = await people.has_event(user, "COMPLETED")
    following = await people.has_event(user, "PENDING")

    first, second = (datetime.fromisoformat(each["targetTimestampUTC"]) for each in (done, following))
    assert second.year == first.year + 1
    detail = (await http.get(f"{almanac.event}/v1/events/{done['id']}")).json()
    assert [step["status"] for step in detail["history"]] == ["PENDING", "PROCESSING", "COMPLETED"]

    async def told() -> bool:
        answer = await http.get(f"{almanac.analytics}/v1/events/{done['id']}/timeline")
        entries = answer.json()["entries"] if answer.status_code == 200 else []
        return {entry["kind"] for entry in entries} >= {"scheduled", "published", "delivery_succeeded", "completed"}

    await eventually(told, interval=0.1)


async def test_an_anniversary_and_a_reminder_arrive_as_they_were_asked_for(
    people: People, almanac: RunningStack, http: httpx.AsyncClient
) -> None:
    at = datetime.now(UTC) + timedelta(seconds=6)
    wedding = {"label": "Wedding", "date": f"{at.year - 28}-{at:%m-%d}", "important": True}
    user = await people.create(
        dateOfBirth=f"1992-{at - timedelta(days=40):%m-%d}", deliveryTime=f"{at:%H:%M:%S}", anniversaries=[wedding]
    )
    # A reminder must begin in the future, also where it took event-service seconds to notice its user.
    await people.has_event(user, "PENDING")
    rule = {"kind": "ONCE", "startLocal": f"{datetime.now(UTC) + timedelta(seconds=5):%Y-%m-%dT%H:%M:%S}"}
    schedule = await people.remind(user, label="Flowers", rule=rule, urgent=True, payload={"colour": "red"})

    requests = await eventually(lambda: found if len(found := people.greetings(user)) == 2 else None, interval=0.1)
    bodies = {body["type"]: body["data"] for body in (json.loads(each.body) for each in requests or ())}
    anniversary, reminder = bodies["event.anniversary"], bodies["event.reminder"]
    assert anniversary["message"] == "Hey, Ada Lovelace it's your 28th anniversary: Wedding"
    assert (anniversary["priority"], anniversary["occurrence"]) == ("CRITICAL", f"{at.year}")
    assert (reminder["message"], reminder["colour"]) == ("Hey, Ada Lovelace don't forget: Flowers", "red")
    assert (reminder["priority"], reminder["occurrence"]) == ("HIGH", rule["startLocal"])

    async def over() -> bool:
        answer = await http.get(f"{almanac.event}/v1/schedules/{schedule['id']}")
        return bool(answer.json()["status"] == "ENDED")

    await eventually(over, interval=0.1)


async def test_a_changed_birthday_moves_the_greeting(people: People) -> None:
    user = await people.create(dateOfBirth="1990-01-01", timezone="UTC")
    await people.has_event(user, "PENDING")
    await people.change(user, **due_in(4))
    await people.is_greeted(user)


async def test_a_changed_delivery_time_moves_the_greeting(people: People) -> None:
    soon = due_in(6)
    later = (datetime.now(UTC) + timedelta(hours=2)).strftime("%H:%M:%S")
    user = await people.create(**{**soon, "deliveryTime": later})
    await people.has_event(user, "PENDING")
    await people.change(user, deliveryTime=due_in(4)["deliveryTime"])
    await people.is_greeted(user)


async def test_a_move_to_another_zone_moves_the_greeting(people: People) -> None:
    here, there = ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")
    at = datetime.now(UTC) + timedelta(seconds=6)
    wall = at.astimezone(there)
    user = await people.create(dateOfBirth=f"1992-{wall:%m-%d}", timezone=str(here), deliveryTime=f"{wall:%H:%M:%S}")
    before = await people.has_event(user, "PENDING")
    assert datetime.fromisoformat(before["targetTimestampUTC"]) != at.replace(microsecond=0)
    await people.change(user, timezone=str(there))
    request = await people.is_greeted(user)
    assert json.loads(request.body)["data"]["targetTimezone"] == "America/St_Johns"


async def test_a_renamed_user_is_greeted_by_the_new_name(people: People) -> None:
    user = await people.create(**due_in(6), firstName="Before")
    await people.has_event(user, "PENDING")
    await people.change(user, firstName="After")
    request = await people.is_greeted(user)
    assert json.loads(request.body)["data"]["message"] == "Hey, After Lovelace it's your birthday"


async def test_a_deleted_user_is_not_greeted(people: People) -> None:
    deleted = await people.create(**due_in(6))
    await people.has_event(deleted, "PENDING")
    await people.delete(deleted)
    await people.has_event(deleted, "CANCELLED")
    # A user due later than the deleted one: when they have been greeted, the other moment has passed.
    later = await people.create(**due_in(8))
    await people.is_greeted(later)
    assert people.greetings(deleted) == []
