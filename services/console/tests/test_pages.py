"""Pages as a user meets them, without a browser."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from fake_services import FakeServices, browser, problem
from nicegui import ui
from nicegui.testing import User
from structlog.testing import capture_logs

from console.site import OpenConsole
from testkit import eventually

EVENT = "8e1f0d2c-5b0a-8c3e-9a2b-1c2d3e4f5a6b"
USER = "0198c0de-2222-7000-8000-000000000002"
LogIn = Callable[[str], AbstractAsyncContextManager[User]]


def _event(status: str = "PENDING", **more: Any) -> dict[str, Any]:
    return {
        "id": EVENT, "eventType": "BIRTHDAY", "status": status, "priority": "CRITICAL", "userId": USER,
        "scheduleId": None, "broadcastId": None, "occurrence": "2026", "attempt": 1,
        "targetTimestampUTC": "2026-11-23T14:00:00Z", "targetTimestampLocal": "2026-11-23T09:00:00-05:00",
        "targetTimezone": "America/New_York", "graceUntil": "2026-11-26T14:00:00Z", "publishedAt": None,
        "finishedAt": None, "expiresAt": "2026-11-26T14:00:00Z", "rescheduled": False, "reason": None,
        "payload": {"message": "Hey, <Ada> it's your birthday"},
        "history": [{"at": "2026-05-01T00:00:00Z", "status": "PENDING", "cause": "scheduled"}], **more,
    }  # fmt: skip


def _user(id: str) -> dict[str, Any]:
    return {
        "id": id, "version": 1, "firstName": "Ada", "lastName": "Lovelace", "dateOfBirth": "1990-12-10",
        "timezone": "Europe/London", "email": "ada@example.com", "phone": None, "tags": [], "deliveryTime": "09:00:00",
        "anniversaries": [], "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    }  # fmt: skip


@pytest.fixture
def one_event(services: FakeServices) -> FakeServices:
    services.answers("GET", f"event-service/v1/events/{EVENT}", _event())
    services.answers("GET", f"analytics-service/v1/events/{EVENT}/timeline", {"eventId": EVENT, "spans": []})
    return services


async def test_pages_say_which_service_does_not_answer_and_show_the_rest(
    services: FakeServices, logged_in: LogIn
) -> None:
    services.answers(
        "GET", "event-service/v1/forecast",
        {"since": "2026-11-23T08:20:00Z", "until": "2026-11-30T08:00:00Z", "total": 7, "overdue": {}, "hours": []},
    )  # fmt: skip
    async with logged_in("reader") as user:
        await user.open("/")
        await user.should_see("event-service does not answer", retries=30)
        await user.open("/ahead")
        await user.should_see("events are due", retries=30)


async def test_what_all_tabs_show_is_asked_for_once_with_the_consoles_own_key(
    services: FakeServices, logged_in: LogIn, console: OpenConsole
) -> None:
    services.answers("GET", "event-service/v1/forecast", problem(503, "Away", "not now"))
    async with logged_in("reader") as one, logged_in("writer") as other:
        await one.open("/ahead")
        await other.open("/ahead")
        await eventually(lambda: console.live.week.reading.error)
        assert services.keys_of("GET", "event-service/v1/forecast") == ["feeds"]


async def test_a_search_asks_event_service_with_the_users_own_key(services: FakeServices, logged_in: LogIn) -> None:
    def found(request: httpx.Request) -> httpx.Response:
        assert dict(request.url.params) == {"status": "FAILED", "userId": USER, "limit": "50"}
        return httpx.Response(200, json={"items": [_event("FAILED")], "nextCursor": "more"})

    services.answers("GET", "event-service/v1/events", found)
    services.answers("GET", "user-service/v1/users", {"items": [_user(USER)], "nextCursor": None})
    async with logged_in("reader") as user:
        await user.open("/events?user=ada@example.com&status=FAILED")
        await user.should_see(f"/events/{EVENT}")
        await user.should_see("cursor=more")
    assert services.keys_of("GET", "event-service/v1/events") == ["reader"]


async def test_an_event_is_found_by_the_id_that_receivers_know(one_event: FakeServices, logged_in: LogIn) -> None:
    async with logged_in("reader") as user:
        await user.open(f"/events?event=%20{EVENT}")
        await user.should_see("Hey, &lt;Ada&gt;", retries=20)
        await user.open("/events?event=ada")
        await user.should_see("No event has such an id.")


async def test_users_who_share_an_address_are_all_named(services: FakeServices, logged_in: LogIn) -> None:
    services.answers("GET", "event-service/v1/events", {"items": [_event()], "nextCursor": None})
    services.answers("GET", "user-service/v1/users", {"items": [_user(USER), _user(EVENT)], "nextCursor": None})
    async with logged_in("reader") as user:
        await user.open("/events?user=ada@example.com")
        await user.should_see("2 users have this address.")
        await user.should_see(f"/events?user={EVENT}")
        await user.should_see(f"/events/{EVENT}")


async def test_unknown_user_has_no_events(services: FakeServices, logged_in: LogIn) -> None:
    services.answers("GET", "user-service/v1/users", {"items": [], "nextCursor": None})
    async with logged_in("reader") as user:
        await user.open("/events?user=nobody@example.com")
        await user.should_see("No event is like that.")


async def test_a_refused_search_says_which_field_and_why(services: FakeServices, logged_in: LogIn) -> None:
    refusal = problem(422, "Request not valid", "userId: Input should be a valid UUID", userId="should be a UUID")
    services.answers("GET", "event-service/v1/events", lambda _: refusal)
    async with logged_in("reader") as user:
        await user.open("/events?user=ada")
        await user.should_see("userId: Input should be a valid UUID")
        await user.should_see("Try again")


async def test_who_may_only_look_is_offered_no_action(one_event: FakeServices, logged_in: LogIn) -> None:
    async with logged_in("reader") as user:
        await user.open(f"/events/{EVENT}")
        await user.should_see("Hey, &lt;Ada&gt;")
        await user.should_see("may only look")
        await user.should_not_see(kind=ui.button)


async def test_an_event_is_cancelled_after_a_confirmation_with_the_key_of_who_did_it(
    one_event: FakeServices, logged_in: LogIn
) -> None:
    def cancel(_: httpx.Request) -> httpx.Response:
        one_event.answers("GET", f"event-service/v1/events/{EVENT}", _event("CANCELLED"))
        return httpx.Response(200, json=_event("CANCELLED"))

    address = f"event-service/v1/events/{EVENT}/cancel"
    one_event.answers("POST", address, cancel)
    with capture_logs() as logs:
        async with logged_in("writer") as user:
            await user.open(f"/events/{EVENT}")
            await user.should_see("Reschedule")
            user.find("Cancel event").click()
            await user.should_see("Cancel this event?")
            with user.scope(kind=ui.dialog):
                user.find(kind=ui.button, content="Cancel event").click()
            await user.should_see("The event is cancelled.", retries=20)
            await user.should_not_see("Reschedule")
    assert one_event.keys_of("POST", address) == ["writer"]
    told = [entry for entry in logs if entry["event"] == "console action"]
    assert [(entry["action"], entry["target"], entry["by"]) for entry in told] == [("cancel event", EVENT, "writer")]


async def test_declined_confirmation_changes_nothing(one_event: FakeServices, logged_in: LogIn) -> None:
    async with logged_in("writer") as user:
        await user.open(f"/events/{EVENT}")
        user.find("Cancel event").click()
        await user.should_see("Cancel this event?")
        with user.scope(kind=ui.dialog):
            user.find(kind=ui.button, content="Cancel").click()
        await user.should_not_see("Cancel this event?", retries=20)
    assert [request.method for request in one_event.asked if request.url.path.endswith("/cancel")] == []


async def test_a_conflict_is_shown_as_the_service_says_it_and_the_event_as_it_is_now(
    one_event: FakeServices, logged_in: LogIn
) -> None:
    def retry(_: httpx.Request) -> httpx.Response:
        one_event.answers("GET", f"event-service/v1/events/{EVENT}", _event("COMPLETED"))
        return problem(409, "Event not failed", "the event is COMPLETED: only one that is FAILED can be retried")

    one_event.answers("GET", f"event-service/v1/events/{EVENT}", _event("FAILED"))
    one_event.answers("POST", f"event-service/v1/events/{EVENT}/retry", retry)
    async with logged_in("admin") as user:
        await user.open(f"/events/{EVENT}")
        user.find("Retry").click()
        await user.should_see("Retry this event?")
        with user.scope(kind=ui.dialog):
            user.find(kind=ui.button, content="Retry").click()
        await user.should_see("only one that is FAILED can be retried", retries=20)
        await user.should_see("Completed")


async def test_an_event_is_rescheduled_to_a_local_time_in_its_own_zone(
    one_event: FakeServices, logged_in: LogIn
) -> None:
    bodies: list[bytes] = []

    def reschedule(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200, json=_event(rescheduled=True))

    one_event.answers("POST", f"event-service/v1/events/{EVENT}/reschedule", reschedule)
    async with logged_in("writer") as user:
        await user.open(f"/events/{EVENT}")
        user.find("Reschedule").click()
        await user.should_see("Give it another time?")
        user.find(ui.input).clear().type("2026-11-23T10:30")
        with user.scope(kind=ui.dialog):
            user.find(kind=ui.button, content="Reschedule").click()
        await eventually(lambda: bodies)
    assert bodies == [b'{"at":"2026-11-23T10:30","timezone":"America/New_York"}']


async def test_empty_answer_keeps_the_dialog_open_with_an_error(one_event: FakeServices, logged_in: LogIn) -> None:
    async with logged_in("writer") as user:
        await user.open(f"/events/{EVENT}")
        user.find("Reschedule").click()
        await user.should_see("Give it another time?")
        user.find(ui.input).clear()
        with user.scope(kind=ui.dialog):
            user.find(kind=ui.button, content="Reschedule").click()
        await user.should_see("This is needed.")
        await user.should_see("Give it another time?")
    assert one_event.keys_of("POST", f"event-service/v1/events/{EVENT}/reschedule") == []


async def test_after_a_logout_elsewhere_an_open_tab_cannot_act(
    one_event: FakeServices, logged_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with logged_in("writer") as user:
        await user.open(f"/events/{EVENT}")
        user.find("Cancel event").click()
        await user.should_see("Cancel this event?")
        await user.http_client.post("/logout")
        led_to: list[str] = []
        monkeypatch.setattr(user.navigate, "to", led_to.append)
        with user.scope(kind=ui.dialog):
            user.find(kind=ui.button, content="Cancel event").click()
        await eventually(lambda: led_to)
        assert led_to == ["/login"]
    assert one_event.keys_of("POST", f"event-service/v1/events/{EVENT}/cancel") == []


async def test_unknown_event_shows_an_error(logged_in: LogIn) -> None:
    async with logged_in("reader") as user:
        await user.open("/events/not-an-id")
        await user.should_see("There is no such event.")


async def test_an_address_without_a_page_leads_back(console: OpenConsole) -> None:
    async with browser(console) as http:
        await http.post("/login", data={"key": "reader"})
        lost = await http.get("/nowhere")
        assert (lost.status_code, "There is no such page" in lost.text) == (404, True)
        assert (await http.get("/_nicegui/nowhere", headers={"accept": "*/*"})).text == "no such page"


async def test_failing_page_shows_an_error_and_logs_its_reason(
    console: OpenConsole, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr("console.pages.ahead.capacity", fail)
    async with browser(console) as http:
        await http.post("/login", data={"key": "reader"})
        answer = await http.get("/ahead")
    assert answer.status_code == 500
    assert "The reason is in its log" in answer.text
    assert "a fault of ours" not in answer.text
    assert "a fault of ours" in caplog.text
