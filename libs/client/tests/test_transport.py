"""Requests: authorised, repeated where that is safe, errors as exceptions, lists read to their end."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from almanac_client import (
    Almanac,
    AlmanacError,
    ApiError,
    NotConfiguredError,
    NotReachableError,
    Services,
    UnexpectedAnswerError,
    transport,
)

SERVICES = Services("http://users", "http://events", "http://deliveries", "http://analytics")
ADA = {
    "id": str(UUID(int=1)),
    "version": 1,
    "externalId": "crm/42",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "dateOfBirth": "1990-12-10",
    "timezone": "Europe/London",
    "email": None,
    "phone": None,
    "tags": [],
    "deliveryTime": "09:00:00",
    "anniversaries": [],
    "createdAt": "2027-01-01T00:00:00Z",
    "updatedAt": "2027-01-01T00:00:00Z",
    "addedLater": True,
}


class Script:
    """Answers requests one after the other, and keeps them."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


Open = Callable[..., tuple[Almanac, Script]]


@pytest.fixture
async def open_almanac(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """`open_almanac(answer, …)`: a client of services that answer so."""
    monkeypatch.setattr(transport, "INITIAL_INTERVAL", 0.0)
    monkeypatch.setattr(transport, "MAXIMUM_INTERVAL", 0.0)
    opened: list[httpx.AsyncClient] = []

    def opening(*answers: httpx.Response | Exception) -> tuple[Almanac, Script]:
        script = Script(*answers)
        opened.append(httpx.AsyncClient(transport=httpx.MockTransport(script)))
        return Almanac(SERVICES, "key", http=opened[-1]), script

    yield opening
    for each in opened:
        await each.aclose()


def problem(status: int, slug: str, **more: Any) -> httpx.Response:
    return httpx.Response(status, json={"type": f"urn:almanac:problem:{slug}", "detail": "no", **more})


async def test_request_carries_the_key_and_the_answer_is_a_model(open_almanac: Open) -> None:
    almanac, script = open_almanac(httpx.Response(201, json=ADA))
    user, created = await almanac.users.put("crm/42", {"firstName": "Ada"})
    assert (user.id, user.external_id, created) == (UUID(int=1), "crm/42", True)
    [request] = script.requests
    assert (request.headers["Authorization"], request.method) == ("Bearer key", "PUT")
    assert request.url.raw_path == b"/v1/users/by-external-id/crm%2F42"


async def test_problem_becomes_an_error_with_its_faults(open_almanac: Open) -> None:
    faults = [{"field": "firstName", "detail": "Field required"}]
    almanac, _ = open_almanac(problem(422, "invalid-request", errors=faults, traceId="abc"))
    with pytest.raises(ApiError) as raised:
        await almanac.users.put("a", {})
    error = raised.value
    assert (error.status, error.slug, error.trace_id) == (422, "invalid-request", "abc")
    assert error.faults == [("firstName", "Field required")]


async def test_response_without_a_problem_is_described_by_its_status(open_almanac: Open) -> None:
    almanac, _ = open_almanac(httpx.Response(413, text="too large"))
    with pytest.raises(ApiError, match="413 unknown: too large"):
        await almanac.users.put("a", {})


async def test_unavailable_service_is_retried(open_almanac: Open) -> None:
    almanac, script = open_almanac(
        httpx.ConnectError("refused"), httpx.Response(503), problem(429, "busy"), httpx.Response(200, json=ADA)
    )
    await almanac.users.get(UUID(int=1))
    assert len(script.requests) == 4


async def test_service_that_stays_away_is_given_up_after_five_attempts(open_almanac: Open) -> None:
    almanac, script = open_almanac(*[httpx.ConnectError("refused")] * 5)
    with pytest.raises(NotReachableError, match="http://users does not answer"):
        await almanac.users.get(UUID(int=1))
    assert len(script.requests) == 5


async def test_create_is_repeated_with_the_same_idempotency_key(open_almanac: Open) -> None:
    almanac, script = open_almanac(httpx.ReadTimeout("slow"), httpx.Response(201, json=ADA))
    await almanac.users.create({"firstName": "Ada"})
    first, second = (request.headers["Idempotency-Key"] for request in script.requests)
    assert first == second


async def test_action_that_may_have_been_done_is_not_repeated(open_almanac: Open) -> None:
    almanac, script = open_almanac(httpx.ReadTimeout("slow"))
    with pytest.raises(NotReachableError, match="broke off"):
        await almanac.events.retry(UUID(int=1))
    assert len(script.requests) == 1


async def test_list_is_read_to_its_end(open_almanac: Open) -> None:
    pages = [{"items": [ADA, ADA], "nextCursor": "more"}, {"items": [ADA], "nextCursor": None}]
    almanac, script = open_almanac(*(httpx.Response(200, json=page) for page in pages))
    assert len([user async for user in almanac.users.iterate(tag="vip")]) == 3
    first, second = (dict(request.url.params) for request in script.requests)
    assert (first, second) == ({"limit": "200", "tag": "vip"}, {"limit": "200", "tag": "vip", "cursor": "more"})


async def test_import_streams_its_content_and_is_sent_once(open_almanac: Open) -> None:
    job = {
        "id": str(UUID(int=2)), "status": "completed", "rows": 2, "created": 2, "refused": 0, "errorsUrl": "/e",
        "startedAt": "2027-01-01T00:00:00Z", "updatedAt": "2027-01-01T00:00:00Z",
    }  # fmt: skip
    almanac, script = open_almanac(httpx.Response(200, json=job), problem(503, "away"))

    async def lines() -> AsyncIterator[bytes]:
        for number in range(2):
            yield json.dumps({"externalId": str(number)}).encode() + b"\n"

    done = await almanac.users.import_lines(lines(), key="one", mode="sync")
    [request] = script.requests
    assert (done.created, request.headers["Idempotency-Key"], request.url.query) == (2, "one", b"mode=sync")
    assert request.content == b'{"externalId": "0"}\n{"externalId": "1"}\n'
    with pytest.raises(ApiError):
        await almanac.users.import_lines(lines(), key="one")
    assert len(script.requests) == 2


async def test_another_key_calls_over_the_same_connections(open_almanac: Open) -> None:
    almanac, script = open_almanac(httpx.Response(200, json=ADA), httpx.Response(200, json=ADA))
    await almanac.with_key("theirs").users.get(UUID(int=1))
    await almanac.users.get(UUID(int=1))
    assert [each.headers["Authorization"] for each in script.requests] == ["Bearer theirs", "Bearer key"]


async def test_service_without_an_address_or_a_key_is_not_called(open_almanac: Open) -> None:
    almanac, script = open_almanac()
    without_key = almanac.with_key(None)
    without_address = Almanac(Services(None, None, None, None), "key")
    for client, missing in ((without_key, "key"), (without_address, "address")):
        with pytest.raises(NotConfiguredError, match=f"the {missing} of event-service is not configured"):
            await client.events.summary()
    assert script.requests == []


async def test_answer_with_other_fields_names_the_first_of_them(open_almanac: Open) -> None:
    almanac, _ = open_almanac(httpx.Response(200, json={"recipients": 1, "pending": "many", "processing": 0}))
    expected = "event-service answered /v1/events/summary with a body that is not understood, at 'pending'"
    with pytest.raises(UnexpectedAnswerError, match=expected):
        await almanac.events.summary()


async def test_sentences_of_errors_name_the_service_and_no_address() -> None:
    answers: list[tuple[httpx.Response | Exception, str]] = [
        (httpx.ConnectError("refused"), "event-service does not answer"),
        (problem(503, "away", title="Away"), "event-service answers that it is not available"),
        (problem(500, "failed", title="Failed"), "event-service answered with status 500"),
        (httpx.Response(404, json={"type": "urn:almanac:problem:gone", "title": "Gone"}), "Gone"),
    ]
    script = Script(*(answer for answer, _ in answers))
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        almanac = Almanac(SERVICES, "key", http=http, attempts=1)
        for _, sentence in answers:
            with pytest.raises(AlmanacError) as raised:
                await almanac.events.summary()
            assert (raised.value.sentence(), raised.value.service) == (sentence, "event-service")


async def test_lists_and_instants_are_sent_as_the_apis_read_them(open_almanac: Open) -> None:
    series = {"grain": "hour", "since": "2027-01-01T00:00:00Z", "until": "2027-01-02T00:00:00Z", "points": []}
    almanac, script = open_almanac(httpx.Response(200, json=series))
    await almanac.analytics.counts("hour", "completed", "failed", since=datetime(2027, 1, 1, tzinfo=UTC))
    assert script.requests[0].url.params.multi_items() == [
        ("grain", "hour"), ("outcome", "completed"), ("outcome", "failed"), ("from", "2027-01-01T00:00:00+00:00"),
    ]  # fmt: skip
