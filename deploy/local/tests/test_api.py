"""The stack's client of the APIs: refusals are reported, unavailable services are retried."""

import json

import pytest

from local_stack.api import ApiError, RefusedError, open_almanac
from testkit import Answer, Receiver

USER = {"firstName": "Ada"}


def _problem(status: int, **members: object) -> Answer:
    return Answer(
        status=status, headers={"Content-Type": "application/problem+json"}, body=json.dumps(members).encode()
    )


def _created(**members: object) -> Answer:
    return Answer(status=201, headers={"Content-Type": "application/json"}, body=json.dumps(members).encode())


async def _create(receiver: Receiver) -> str:
    base = f"http://127.0.0.1:{receiver.port}"
    async with open_almanac("key", user_url=base, event_url=base, delivery_url=base) as almanac:
        return await almanac.create_user(USER, "line-2")


async def test_a_user_is_posted_with_the_key_and_an_idempotency_key(receiver: Receiver) -> None:
    receiver.answer(_created(id="u1"))
    assert await _create(receiver) == "u1"
    [request] = receiver.requests
    assert (request.method, request.path, json.loads(request.body)) == ("POST", "/v1/users", USER)
    assert request.headers["authorization"] == "Bearer key"
    assert request.headers["idempotency-key"] == "line-2"


async def test_a_refusal_names_the_fields(receiver: Receiver) -> None:
    faults = [{"field": "timezone", "detail": "unknown"}, {"field": "lastName", "detail": "empty"}]
    receiver.answer(_problem(422, title="Invalid", errors=faults))
    with pytest.raises(RefusedError, match="timezone: unknown; lastName: empty"):
        await _create(receiver)


async def test_a_refusal_without_fields_says_its_detail_or_its_status(receiver: Receiver) -> None:
    receiver.answer(_problem(409, title="Conflict", detail="there already"), 400)
    with pytest.raises(RefusedError, match="there already"):
        await _create(receiver)
    with pytest.raises(RefusedError, match="status 400"):
        await _create(receiver)


async def test_unavailable_service_is_retried_with_the_same_key(receiver: Receiver) -> None:
    receiver.answer(503, Answer(abort=True), _created(id="u1"))
    assert await _create(receiver) == "u1"
    assert {request.headers["idempotency-key"] for request in receiver.requests} == {"line-2"}


async def test_a_wrong_key_ends_it_at_once(receiver: Receiver) -> None:
    receiver.answer(_problem(401, title="Unauthorized"))
    with pytest.raises(ApiError, match="Unauthorized"):
        await _create(receiver)
    assert len(receiver.requests) == 1


async def test_a_user_is_scheduled_when_known_and_with_an_event(receiver: Receiver) -> None:
    receiver.answer(_created(recipients=5, pending=3, processing=1), _created(recipients=2, pending=3, processing=0))
    base = f"http://127.0.0.1:{receiver.port}"
    async with open_almanac("key", user_url=base, event_url=base, delivery_url=base) as almanac:
        assert [await almanac.users_scheduled() for _ in range(2)] == [4, 2]
