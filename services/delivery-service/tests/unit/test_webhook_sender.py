"""What a webhook is, and what its sender makes of answers."""

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from delivery_scene import due_event
from standardwebhooks import Webhook

from contracts.vocabulary import Channel
from delivery_service.adapters.posting import HEADER_LENGTH
from delivery_service.adapters.secret_cipher import Confidential, SecretCipher
from delivery_service.adapters.signatures import generate_secret
from delivery_service.application.endpoints import SecuredEndpoint, Signing
from delivery_service.domain.attempts import Reply
from delivery_service.domain.deliveries import Dispatch, Lease, Target
from delivery_service.domain.endpoints import Endpoint, EndpointConfig
from delivery_service.domain.signing import KEY_BYTES, Secret
from testkit import Answer, Receiver

CIPHER = SecretCipher([b"k" * KEY_BYTES])
Attempt = Callable[..., Awaitable[Reply]]


async def test_the_signature_is_over_the_bytes_that_are_sent(attempt: Attempt, receiver: Receiver) -> None:
    secret = generate_secret()
    due = due_event(deliveryPayload={"message": "Grüße an Zoë 🎂"})
    receiver.answer(204)
    reply = await attempt(receiver.url, due, secrets=[Secret(secret)])
    assert reply.http_status == 204
    [request] = receiver.requests
    body = Webhook(secret).verify(request.body, dict(request.headers))
    assert body["data"]["message"] == "Grüße an Zoë 🎂"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    assert request.headers["traceparent"].startswith("00-")


async def test_the_headers_that_explain_an_answer_are_kept_and_no_others(attempt: Attempt, receiver: Receiver) -> None:
    headers = {"Content-Type": "text/plain", "Server": "s" * 1000, "Set-Cookie": "session=1", "X-Request-Id": "7"}
    receiver.answer(Answer(500, headers=headers))
    reply = await attempt(receiver.url)
    assert reply.headers is not None
    kept = {name: text for name, text in reply.headers.items() if name not in ("content-length", "date")}
    assert kept == {"content-type": "text/plain", "server": "s" * HEADER_LENGTH, "x-request-id": "7"}


@pytest.mark.parametrize("url", ["https://[::1", "", "/hooks"])
async def test_a_url_that_cannot_be_used_is_a_fault(attempt: Attempt, url: str) -> None:
    reply = await attempt(url)
    assert (reply.http_status, reply.fault) == (None, "unusable_url")


def test_what_is_confidential_is_no_part_of_what_is_shown_of_an_endpoint() -> None:
    secret = generate_secret()
    headers = {"Authorization": "Bearer of-the-receiver"}
    config = EndpointConfig("https://hooks.slack.com/services/very-secret", headers=headers)
    endpoint = Endpoint.new(uuid4(), config, (Secret(secret),), datetime.now(UTC))
    sealed = CIPHER.encrypt(endpoint.id, Confidential(endpoint.secrets, headers, config.url))
    target = Target(endpoint.id, 1, Channel.WEBHOOK, None, sealed, 5)
    dispatch = Dispatch(
        delivery_id=uuid4(),
        event_id=uuid4(),
        lease=Lease.begin(90),
        tries=0,
        due=json.dumps(due_event()),
        expires_at=datetime.now(UTC),
        traceparent=None,
        target=target,
    )
    shown = repr([endpoint, dispatch, SecuredEndpoint(endpoint, secret), Signing(secret=secret)])
    for confidential in (secret, sealed, "of-the-receiver", "very-secret", "Lovelace"):
        assert confidential not in shown
