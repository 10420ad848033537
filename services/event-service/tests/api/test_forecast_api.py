"""The forecast, over HTTP."""

from datetime import date, time

import httpx
import pytest
from event_scenario import Scenario

from contracts.vocabulary import Priority


@pytest.fixture
async def waiting(scenario: Scenario) -> None:
    """At 10:30 in UTC on 23 November 2026, one is overdue, and one of the next hours has passed already."""
    await scenario.at("2026-11-22T00:00Z")
    for day, at, priority in [
        (23, time(10, 29), 0),
        (23, time(10, 30), 0),
        (23, time(10, 59, 59), 2),
        (23, time(11), 0),
        (23, time(11, 30), 0),
        (24, time(9, 59, 59), 3),
        (24, time(10), 1),
    ]:
        user = scenario.user(timezone="UTC", date_of_birth=date(2000, 11, day), delivery_time=at)
        await scenario.receive(user)
        await scenario.execute(
            "UPDATE events SET priority = :priority WHERE user_id = :user_id", priority=priority, user_id=user.user_id
        )
    # In a zone of half hours: hours are those of UTC.
    await scenario.receive(
        scenario.user(timezone="Asia/Kolkata", date_of_birth=date(2000, 11, 23), delivery_time=time(17, 15))
    )
    await scenario.at("2026-11-23T10:30Z")


def _counts(**given: int) -> dict[str, int]:
    return {priority.name: given.get(priority.name, 0) for priority in Priority}


async def test_due_events_are_counted_by_hour_and_priority(api: httpx.AsyncClient, waiting: None) -> None:
    answer = await api.get("/v1/forecast")
    assert answer.status_code == 200
    assert answer.json() == {
        "since": "2026-11-23T10:30:00Z",
        "until": "2026-11-24T10:00:00Z",
        "total": 6,
        "overdue": _counts(CRITICAL=1),
        "hours": [
            {
                "hour": "2026-11-23T10:00:00Z",
                "total": 2,
                "counts": _counts(CRITICAL=1, NORMAL=1),
                "movedBySendWindow": 0,
            },
            {"hour": "2026-11-23T11:00:00Z", "total": 3, "counts": _counts(CRITICAL=3), "movedBySendWindow": 0},
            {"hour": "2026-11-24T09:00:00Z", "total": 1, "counts": _counts(LOW=1), "movedBySendWindow": 0},
        ],
    }


@pytest.mark.parametrize(
    ("parameters", "until", "total"),
    [
        ({"hours": 1}, "2026-11-23T11:00:00Z", 2),
        ({"hours": 25}, "2026-11-24T11:00:00Z", 7),
        ({"days": 2}, "2026-11-25T10:00:00Z", 7),
        ({"days": 31}, "2026-12-24T10:00:00Z", 7),
    ],
)
async def test_one_may_look_less_far_or_farther(
    api: httpx.AsyncClient, waiting: None, parameters: dict[str, int], until: str, total: int
) -> None:
    body = (await api.get("/v1/forecast", params=parameters)).json()
    assert (body["until"], body["total"]) == (until, total)


async def test_claimed_or_cancelled_event_is_not_in_the_forecast(
    api: httpx.AsyncClient, scenario: Scenario, waiting: None
) -> None:
    assert await scenario.fire() == 2
    await scenario.execute("UPDATE events SET status = 'CANCELLED' WHERE priority = 3")
    body = (await api.get("/v1/forecast")).json()
    assert (body["total"], body["overdue"]) == (4, _counts())


@pytest.mark.parametrize(
    ("parameters", "field", "rule"),
    [
        ({"hours": "0"}, "hours", "greater than or equal to 1"),
        ({"hours": "745"}, "hours", "less than or equal to 744"),
        ({"days": "32"}, "days", "less than or equal to 31"),
        ({"days": "x"}, "days", "valid integer"),
        ({"days": "1", "hours": "1"}, "days", "not both"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, parameters: dict[str, str], field: str, rule: str
) -> None:
    answer = await api.get("/v1/forecast", params=parameters)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert rule in error["detail"]


async def test_nine_o_clock_is_listed_by_zone_with_its_due_events(api: httpx.AsyncClient, scenario: Scenario) -> None:
    await scenario.at("2026-11-22T00:00Z")
    for timezone, at in [
        ("Europe/Paris", time(9)),  # 08:00Z
        ("Europe/Berlin", time(9)),
        ("Europe/Paris", time(9)),
        ("Europe/Paris", time(9, 1)),
        ("Asia/Kolkata", time(9)),  # 03:30Z on the next day
        ("Africa/Lagos", time(9)),  # 08:00Z
        ("Asia/Dubai", time(12)),  # 08:00Z, where clocks show 12:00
    ]:
        await scenario.receive(scenario.user(timezone=timezone, date_of_birth=date(2000, 11, 23), delivery_time=at))
    await scenario.receive(
        scenario.user(timezone="Asia/Calcutta", date_of_birth=date(2000, 11, 24), delivery_time=time(9))
    )
    await scenario.at("2026-11-23T08:20Z")
    assert await scenario.fire()

    body = (await api.get("/v1/forecast/passages")).json()
    assert (body["at"], body["since"], body["until"]) == ("09:00", "2026-11-23T07:20:00Z", "2026-11-24T08:20:00Z")
    instants = [each["instant"] for each in body["passages"]]
    assert instants == sorted(instants)
    assert {"2026-11-23T09:00:00Z", "2026-11-23T12:30:00Z", "2026-11-24T03:15:00Z"} <= set(instants)
    due = {each["instant"]: each for each in body["passages"] if each["total"]}
    assert due == {
        "2026-11-23T08:00:00Z": {
            "instant": "2026-11-23T08:00:00Z",
            "total": 4,
            "waiting": 4,
            "zones": [
                {"timezone": "Europe/Paris", "total": 2, "waiting": 2},
                {"timezone": "Africa/Lagos", "total": 1, "waiting": 1},
                {"timezone": "Europe/Berlin", "total": 1, "waiting": 1},
            ],
        },
        "2026-11-24T03:30:00Z": {
            "instant": "2026-11-24T03:30:00Z",
            "total": 1,
            "waiting": 1,
            "zones": [{"timezone": "Asia/Kolkata", "total": 1, "waiting": 1}],
        },
    }


async def test_what_has_ended_is_counted_and_waits_no_more_and_what_was_called_off_is_not(
    api: httpx.AsyncClient, scenario: Scenario
) -> None:
    await scenario.at("2026-11-22T00:00Z")
    for status in ("COMPLETED", "CANCELLED", "PENDING"):
        user = scenario.user(timezone="UTC", date_of_birth=date(2000, 11, 23), delivery_time=time(13))
        await scenario.receive(user)
        await scenario.execute("UPDATE events SET status = :status WHERE user_id = :id", status=status, id=user.user_id)
    await scenario.at("2026-11-23T10:00Z")
    body = (await api.get("/v1/forecast/passages", params={"at": "13:00"})).json()
    [passage] = [each for each in body["passages"] if each["total"]]
    assert (passage["instant"], passage["total"], passage["waiting"]) == ("2026-11-23T13:00:00Z", 2, 1)


@pytest.mark.parametrize("at", ["9:00", "24:00", "09:60", "09:00:00", "", "noon"])
async def test_a_time_that_no_clock_shows_is_refused(api: httpx.AsyncClient, at: str) -> None:
    answer = await api.get("/v1/forecast/passages", params={"at": at})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["at"]
