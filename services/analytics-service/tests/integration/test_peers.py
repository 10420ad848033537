"""Requests to another service, and the handling of its failures."""

import json
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import BaseModel

from analytics_service.adapters.service_clients import ServiceClient
from analytics_service.api.problems import PROBLEMS
from analytics_service.domain.errors import (
    RequestRefusedError,
    ServiceClientError,
    ServiceNotConfiguredError,
    ServiceUnreachableError,
)
from chassis.api.problems import ProblemType
from local_stack import ports
from testkit import Answer, Receiver

JSON = {"Content-Type": "application/json"}
Open = Callable[..., ServiceClient]


class _Thing(BaseModel):
    id: UUID


@pytest.fixture
async def open_peer(receiver: Receiver) -> AsyncIterator[Open]:
    """`open_peer()` asks the receiver, as event-service."""
    opened: list[ServiceClient] = []

    def make(url: str | None = f"http://127.0.0.1:{receiver.port}", key: str | None = "ours") -> ServiceClient:
        opened.append(ServiceClient("event-service", url, key=key))
        return opened[-1]

    yield make
    for each in opened:
        await each.aclose()


def _problem(status: int, **members: object) -> Answer:
    return Answer(
        status=status, headers={"Content-Type": "application/problem+json"}, body=json.dumps(members).encode()
    )


async def test_request_carries_the_key_and_returns_its_model(receiver: Receiver, open_peer: Open) -> None:
    id = uuid4()
    receiver.answer(Answer(status=200, headers=JSON, body=json.dumps({"id": str(id)}).encode()))
    thing = await open_peer().get("/v1/things", _Thing, {"eventId": id, "cursor": None})
    assert thing == _Thing(id=id)
    (request,) = receiver.requests
    assert (request.method, request.path) == ("GET", "/v1/things")
    assert request.headers["authorization"] == "Bearer ours"


async def test_a_person_acts_with_the_key_that_came_from_them(receiver: Receiver, open_peer: Open) -> None:
    receiver.answer(Answer(status=204))
    assert await open_peer().request("POST", "/v1/things/1/cancel", body={"why": "not"}, key="theirs") is None
    (request,) = receiver.requests
    assert (request.headers["authorization"], json.loads(request.body)) == ("Bearer theirs", {"why": "not"})


async def test_a_refusal_is_passed_on_with_its_fields(receiver: Receiver, open_peer: Open) -> None:
    faults = [{"field": "to", "detail": "must be later"}]
    receiver.answer(_problem(422, type="urn:almanac:problem:too-early", title="Too early", detail="no", errors=faults))
    with pytest.raises(RequestRefusedError) as refused:
        await open_peer().request("POST", "/v1/things")
    error = refused.value
    assert (error.status, error.slug, error.title, str(error)) == (422, "too-early", "Too early", "no")
    assert error.faults == (("to", "must be later"),)


async def test_a_refused_key_is_our_fault_where_it_is_ours_and_theirs_where_it_is_theirs(
    receiver: Receiver, open_peer: Open
) -> None:
    receiver.answer(_problem(403, title="Scope missing"), _problem(403, title="Scope missing"))
    with pytest.raises(ServiceClientError, match="refused the key of this service") as ours:
        await open_peer().request("GET", "/v1/things")
    assert PROBLEMS[type(ours.value)] == ProblemType(502, "service-failed", "Another service failed")
    with pytest.raises(RequestRefusedError, match="Scope missing") as theirs:
        await open_peer().request("GET", "/v1/things", key="theirs")
    assert theirs.value.status == 403


async def test_unreachable_service_is_distinguished_from_a_failing_one(receiver: Receiver, open_peer: Open) -> None:
    receiver.answer(Answer(abort=True), 503, 500, Answer(status=200, headers=JSON, body=b'{"id": "x"}'))
    with pytest.raises(ServiceUnreachableError, match="event-service does not answer"):
        await open_peer().request("POST", "/v1/things")
    with pytest.raises(ServiceUnreachableError, match="not available"):
        await open_peer().request("GET", "/v1/things")
    with pytest.raises(ServiceClientError, match="status 500"):
        await open_peer().request("GET", "/v1/things")
    with pytest.raises(ServiceClientError, match="not understood, at 'id'"):
        await open_peer().get("/v1/things", _Thing)
    with pytest.raises(ServiceUnreachableError, match="does not answer"):
        await open_peer(f"http://127.0.0.1:{ports.free_port()}").request("GET", "/v1/things")


async def test_parameters_that_are_none_are_not_sent() -> None:
    def found(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://elsewhere/v1/things?limit=5"
        return httpx.Response(200, json=[])

    peer = ServiceClient("event-service", "http://elsewhere", key="ours", transport=httpx.MockTransport(found))
    assert await peer.get("/v1/things", list[str], {"limit": 5, "cursor": None}) == []
    await peer.aclose()


async def test_response_timeout_is_reported() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    peer = ServiceClient("event-service", "http://elsewhere", key="ours", transport=httpx.MockTransport(never))
    with pytest.raises(ServiceUnreachableError, match="does not answer"):
        await peer.request("GET", "/v1/things")
    await peer.aclose()


async def test_what_may_take_long_is_waited_for_longer() -> None:
    waits: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        waits.append(request.extensions["timeout"]["read"])
        return httpx.Response(204)

    peer = ServiceClient("event-service", "http://elsewhere", key="ours", transport=httpx.MockTransport(answer))
    await peer.request("POST", "/v1/things")
    await peer.request("POST", "/v1/things", timeout_seconds=35)
    assert waits == [5.0, 35]
    await peer.aclose()


@pytest.mark.parametrize(("url", "key", "missing"), [(None, "ours", "address"), ("http://elsewhere", None, "key")])
async def test_without_an_address_or_a_key_nothing_is_asked(
    open_peer: Open, url: str | None, key: str | None, missing: str
) -> None:
    with pytest.raises(ServiceNotConfiguredError, match=f"the {missing} of event-service"):
        await open_peer(url, key).request("GET", "/v1/things")
