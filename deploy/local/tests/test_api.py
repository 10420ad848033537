"""The stack's client of the APIs: refusals are reported, unavailable services are retried."""

import json
from uuid import UUID, uuid4

import pytest

from almanac_client import ApiError, Services
from local_stack.api import open_almanac, refusal
from testkit import Answer, Receiver

USER = {"firstName": "Ada"}
ID = uuid4()


def _problem(status: int, **members: object) -> Answer:
    body = {"type": "urn:almanac:problem:test", **members}
    return Answer(status=status, headers={"Content-Type": "application/problem+json"}, body=json.dumps(body).encode())


def _answer(**members: object) -> Answer:
    return Answer(status=201, headers={"Content-Type": "application/json"}, body=json.dumps(members).encode())


def _created(id: UUID) -> Answer:
    return _answer(
        id=str(id), version=1, firstName="Ada", lastName="L", dateOfBirth="1990-12-10", timezone="UTC", email=None,
        phone=None, tags=[], deliveryTime="09:00:00", anniversaries=[], createdAt="2027-01-01T00:00:00Z",
        updatedAt="2027-01-01T00:00:00Z",
    )  # fmt: skip


def _services(receiver: Receiver) -> Services:
    base = f"http://127.0.0.1:{receiver.port}"
    return Services(base, base, base, base)


async def _create(receiver: Receiver) -> str:
    async with open_almanac("key", _services(receiver)) as almanac:
        return await almanac.create_user(USER, "line-2")


async def test_a_user_is_posted_with_the_key_and_an_idempotency_key(receiver: Receiver) -> None:
    receiver.answer(_created(ID))
    assert await _create(receiver) == str(ID)
    [request] = receiver.requests
    assert (request.method, request.path, json.loads(request.body)) == ("POST", "/v1/users", USER)
    assert request.headers["authorization"] == "Bearer key"
    assert request.headers["idempotency-key"] == "line-2"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            _problem(
                422,
                title="Invalid",
                errors=[{"field": "timezone", "detail": "unknown"}, {"field": "lastName", "detail": "empty"}],
            ),
            "timezone: unknown; lastName: empty",
        ),
        (_problem(409, title="Conflict", detail="there already"), "there already"),
        (400, "Bad Request"),
        (_problem(401, title="Unauthorized"), None),
    ],
)
async def test_refusal_names_the_fields_or_the_detail_and_is_not_retried(
    receiver: Receiver, answer: Answer | int, expected: str | None
) -> None:
    receiver.answer(answer)
    with pytest.raises(ApiError) as raised:
        await _create(receiver)
    assert refusal(raised.value) == expected
    assert len(receiver.requests) == 1


async def test_unavailable_service_is_retried_with_the_same_key(receiver: Receiver) -> None:
    receiver.answer(503, Answer(abort=True), _created(ID))
    assert await _create(receiver) == str(ID)
    assert {request.headers["idempotency-key"] for request in receiver.requests} == {"line-2"}


async def test_a_user_is_scheduled_when_known_and_with_an_event(receiver: Receiver) -> None:
    receiver.answer(_answer(recipients=5, pending=3, processing=1), _answer(recipients=2, pending=3, processing=0))
    async with open_almanac("key", _services(receiver)) as almanac:
        assert [await almanac.users_scheduled() for _ in range(2)] == [4, 2]
