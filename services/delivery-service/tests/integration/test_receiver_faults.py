"""Receivers that fail in every way they can, over real sockets: the result of one attempt."""

import asyncio
import gzip
import socket
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from delivery_scene import CIPHER, LOOPBACK, leads_to
from faulty_receivers import CHUNK, Authority, Gibibyte, answering, at, dripping, resetting, served
from standardwebhooks import Webhook, WebhookVerificationError

from delivery_service.adapters.posting import EXCERPT_BYTES, MAX_RESPONSE_BYTES, Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.signatures import generate_secret
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.signing import KEY_BYTES, Secret
from local_stack import ports
from testkit import Answer, Receiver

Attempt = Callable[..., Awaitable[Reply]]
NAME = "hooks.example.org"


# -- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retry_after", ["120", "Mon, 23 Nov 2026 14:00:00 GMT"])
async def test_how_long_to_wait_is_kept_as_it_came(receiver: Receiver, attempt: Attempt, retry_after: str) -> None:
    receiver.answer(Answer(429, headers={"Retry-After": retry_after}))
    reply = await attempt(receiver.url)
    assert (reply.http_status, reply.retry_after) == (429, retry_after)
    assert reply.headers is not None
    assert reply.headers["retry-after"] == retry_after


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data/", "/elsewhere"])
async def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver, attempt: Attempt, location: str) -> None:
    receiver.answer(Answer(302, headers={"Location": location}))
    reply = await attempt(receiver.url)
    assert (reply.http_status, reply.headers and reply.headers["location"]) == (302, location)
    assert len(receiver.requests) == 1


async def test_an_answer_that_is_not_http_is_a_protocol_fault(attempt: Attempt) -> None:
    async with served(answering(b"220 mail.example.org ESMTP\r\n\r\n")) as port:
        assert (await attempt(at(port))).fault is Fault.PROTOCOL


async def test_headers_without_end_are_a_protocol_fault(attempt: Attempt) -> None:
    async with served(answering(b"HTTP/1.1 200 OK\r\nX-Long: " + 4 * CHUNK)) as port:
        assert (await attempt(at(port))).fault is Fault.PROTOCOL


# -- bodies -----------------------------------------------------------------------------------------------------------


async def test_a_body_of_a_gibibyte_is_hardly_read(attempt: Attempt) -> None:
    body = Gibibyte()
    async with served(body) as port:
        reply = await attempt(at(port))
    assert (reply.http_status, reply.excerpt) == (200, "x" * EXCERPT_BYTES)
    # What is on its way in the buffers of both sides goes with it.
    assert body.sent < 2**26


async def test_a_gzip_bomb_stays_packed(attempt: Attempt) -> None:
    packed = gzip.compress(bytes(2**20), compresslevel=9) * 1024
    assert len(packed) > MAX_RESPONSE_BYTES
    head = b"HTTP/1.1 500 Oh\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with served(answering(head + packed)) as port:
        reply = await attempt(at(port))
    assert (reply.http_status, reply.excerpt) == (500, None)
    assert reply.headers is not None
    assert reply.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("status", [200, 500])
async def test_a_body_that_breaks_off_does_not_change_what_the_status_said(attempt: Attempt, status: int) -> None:
    head = f"HTTP/1.1 {status} Status\r\nContent-Length: 1000\r\nRetry-After: 7\r\n\r\n".encode()
    async with served(answering(head + b"half", hold=False)) as port:
        reply = await attempt(at(port))
    assert (reply.http_status, reply.fault, reply.excerpt, reply.retry_after) == (status, None, "half", "7")


# -- time -------------------------------------------------------------------------------------------------------------


async def test_a_receiver_that_does_not_answer_meets_the_deadline(attempt: Attempt) -> None:
    async with served(answering(b"")) as port:
        reply = await attempt(at(port), timeout_seconds=1)
    assert (reply.http_status, reply.fault) == (None, Fault.TIMEOUT)
    assert 0.9 < reply.duration_seconds < 3


async def test_headers_that_drip_meet_the_deadline_of_the_whole_attempt(attempt: Attempt) -> None:
    async with served(dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ")) as port:
        reply = await attempt(at(port), timeout_seconds=1)
    assert (reply.http_status, reply.fault) == (None, Fault.TIMEOUT)
    assert reply.duration_seconds < 3


async def test_a_body_that_drips_ends_with_the_deadline_and_its_status_counts(attempt: Attempt) -> None:
    async with served(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")) as port:
        reply = await attempt(at(port), timeout_seconds=1)
    assert (reply.http_status, reply.fault) == (200, None)
    assert reply.excerpt is not None
    assert set(reply.excerpt) == {"x"}
    assert reply.duration_seconds < 3


# -- connections ------------------------------------------------------------------------------------------------------


async def test_a_closed_port_is_a_connection_fault(attempt: Attempt) -> None:
    assert (await attempt(at(ports.free_port()))).fault is Fault.CONNECTION


@pytest.mark.parametrize("content", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_a_connection_reset_before_the_end_of_the_head_is_a_connection_fault(
    attempt: Attempt, content: bytes
) -> None:
    async with served(resetting(content)) as port:
        assert (await attempt(at(port))).fault is Fault.CONNECTION


async def test_a_connection_reset_in_the_body_does_not_change_what_the_status_said(attempt: Attempt) -> None:
    async with served(resetting(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\nhalf")) as port:
        reply = await attempt(at(port))
    assert (reply.http_status, reply.fault) == (201, None)


async def test_connections_are_used_again(attempt: Attempt) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await reader.readuntil(b"HTTP/1.1\r\n")

    poster = Poster(connections=2, connect_seconds=1, guard=SsrfGuard(LOOPBACK))
    sender = WebhookSender(poster, CIPHER)
    async with served(serve) as port:
        for _ in range(3):
            assert (await attempt(at(port), sender=sender)).excerpt == "ok"
        await poster.aclose()
    assert connections == 1


async def test_a_proxy_of_the_environment_is_not_used(
    attempt: Attempt, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{ports.LOOPBACK}:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert (await attempt(receiver.url)).http_status == 200
        assert proxy.requests == []


# -- where nothing may be sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0.0.0.0"],  # noqa: S104
)
async def test_an_address_that_is_not_public_is_not_connected_to(
    attempt: Attempt, receiver: Receiver, host: str
) -> None:
    reply = await attempt(f"http://{host}:{receiver.port}/", guard=SsrfGuard(AllowList()))
    assert (reply.http_status, reply.fault) == (None, Fault.FORBIDDEN_ADDRESS)
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "017700000001", "127.0.0.1."])
async def test_another_spelling_of_an_address_leads_nowhere(attempt: Attempt, receiver: Receiver, host: str) -> None:
    reply = await attempt(f"http://{host}:{receiver.port}/", guard=SsrfGuard(AllowList()))
    assert reply.http_status is None
    assert reply.fault in (Fault.FORBIDDEN_ADDRESS, Fault.UNUSABLE_URL, Fault.DNS)
    assert receiver.requests == []


async def test_a_port_that_is_not_open_is_not_connected_to(attempt: Attempt, receiver: Receiver) -> None:
    guard = SsrfGuard(AllowList(LOOPBACK.networks, {443}))
    assert (await attempt(receiver.url, guard=guard)).fault is Fault.FORBIDDEN_ADDRESS
    assert receiver.requests == []


async def test_one_address_that_is_not_public_shuts_out_a_name(attempt: Attempt, receiver: Receiver) -> None:
    guard = SsrfGuard(LOOPBACK, lookup=leads_to(ports.LOOPBACK, "10.0.0.1"))
    assert (await attempt(f"http://{NAME}:{receiver.port}/", guard=guard)).fault is Fault.FORBIDDEN_ADDRESS
    assert receiver.requests == []


async def test_a_name_that_leads_to_a_private_address_the_second_time_is_not_followed_there(attempt: Attempt) -> None:
    served_at: list[str] = []
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served_at.append(writer.get_extra_info("sockname")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    async def look_up(_: str) -> list[str]:
        return next(answers)

    allow_list = AllowList((ip_network("127.0.0.1/32"),))
    guard = SsrfGuard(allow_list, lookup=look_up, cache_seconds=0)
    poster = Poster(connections=2, connect_seconds=1, guard=guard)
    sender = WebhookSender(poster, CIPHER)
    async with served(serve) as port:
        first, second = [await attempt(f"http://{NAME}:{port}/", sender=sender) for _ in range(2)]
    await poster.aclose()
    assert (first.http_status, second.fault) == (200, Fault.FORBIDDEN_ADDRESS)
    assert served_at == ["127.0.0.1"]


async def test_a_name_without_an_address_is_a_dns_fault(attempt: Attempt) -> None:
    async def nowhere(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert (await attempt(f"http://{NAME}/", guard=SsrfGuard(LOOPBACK, lookup=nowhere))).fault is Fault.DNS


async def test_a_name_server_that_does_not_answer_meets_the_deadline(attempt: Attempt) -> None:
    async def silent(name: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    reply = await attempt(f"http://{NAME}/", timeout_seconds=1, guard=SsrfGuard(LOOPBACK, lookup=silent))
    assert reply.fault in (Fault.TIMEOUT, Fault.CONNECT_TIMEOUT)


# -- TLS --------------------------------------------------------------------------------------------------------------


async def test_a_checked_name_is_spoken_to_as_itself(attempt: Attempt, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    names: list[str | None] = []
    heads: list[bytes] = []
    context = authority.server(NAME)
    context.sni_callback = lambda _, name, __: names.append(name)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(connected, ports.LOOPBACK, 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        guard = SsrfGuard(LOOPBACK, lookup=leads_to(ports.LOOPBACK))
        reply = await attempt(f"https://{NAME}:{port}/hooks", guard=guard, tls=authority.trusted())
    assert reply.http_status == 200
    assert names == [NAME]
    assert f"\r\nhost: {NAME}:{port}\r\n".encode() in heads[0].lower()


@pytest.mark.parametrize(
    ("name", "days", "trusted"), [(NAME, 1, False), ("other.example.org", 1, True), (NAME, -1, True)]
)
async def test_a_certificate_that_does_not_hold_is_a_tls_fault(
    attempt: Attempt, tmp_path: Path, name: str, days: int, trusted: bool
) -> None:
    authority = Authority(tmp_path)
    guard = SsrfGuard(LOOPBACK, lookup=leads_to(ports.LOOPBACK))
    async with served(answering(b"HTTP/1.1 200 OK\r\n\r\n"), authority.server(name, days=days)) as port:
        reply = await attempt(f"https://{NAME}:{port}/", guard=guard, tls=authority.trusted() if trusted else None)
    assert (reply.http_status, reply.fault) == (None, Fault.TLS)


async def test_a_server_without_tls_is_a_tls_fault(receiver: Receiver, attempt: Attempt) -> None:
    assert (await attempt(receiver.url.replace("http://", "https://"))).fault is Fault.TLS


# -- what receivers say -----------------------------------------------------------------------------------------------


async def test_what_a_receiver_repeats_of_secrets_is_not_kept(receiver: Receiver, attempt: Attempt) -> None:
    secret, token = generate_secret(), "Bearer of-the-receiver"
    receiver.answer(
        Answer(401, headers={"WWW-Authenticate": token}, body=f"{token} and {secret}?".encode()),
        Answer(403, body=b'{"token": "of-the-receiver"}'),
    )
    reply = await attempt(receiver.url, secrets=[Secret(secret)], headers={"Authorization": token})
    assert receiver.requests[0].headers["authorization"] == token
    assert reply.excerpt == "[redacted] and [redacted]?"
    assert reply.headers is not None
    assert reply.headers["www-authenticate"] == "[redacted]"
    again = await attempt(receiver.url, headers={"Authorization": token})
    assert again.excerpt == '{"token": "[redacted]"}'


async def test_during_an_overlap_the_old_secret_signs_too(receiver: Receiver, attempt: Attempt) -> None:
    current, before, past = (generate_secret() for _ in range(3))
    now = time.time()
    await attempt(receiver.url, secrets=[Secret(current), Secret(before, now + 60), Secret(past, now - 1)])
    [request] = receiver.requests
    for secret in (current, before):
        Webhook(secret).verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(past).verify(request.body, dict(request.headers))


async def test_secrets_that_cannot_be_opened_are_a_fault_and_nothing_is_sent(
    receiver: Receiver, attempt: Attempt
) -> None:
    other = WebhookSender(
        Poster(connections=1, connect_seconds=1, guard=SsrfGuard(LOOPBACK)), SecretCipher([b"o" * KEY_BYTES])
    )
    assert (await attempt(receiver.url, sender=other)).fault is Fault.SEALED
    assert receiver.requests == []
