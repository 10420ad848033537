"""What counts of a receiver's answer, byte for byte."""

import asyncio
import html
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote_plus, urlencode

import pytest
from delivery_scene import CIPHER, LOOPBACK, leads_to
from faulty_receivers import Authority
from scripted_receiver import Peer, Script, answering_always, scripted

from delivery_service.adapters.exchanges import MAX_HEAD_BYTES, MAX_INTERIM
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.redactions import Redactions
from local_stack import ports
from testkit import Answer, Receiver, eventually

Attempt = Callable[..., Awaitable[Reply]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NAME = "hooks.example.org"


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    """A sender that keeps its connections from one attempt to the next."""
    poster = Poster(connections=10, connect_seconds=5, guard=SsrfGuard(LOOPBACK))
    yield WebhookSender(poster, CIPHER)
    await poster.aclose()


# -- the status line decides ------------------------------------------------------------------------------------------

HEADERS = b"".join(b"X-%d: x\r\n" % number for number in range(500))
SUCCESSES = {
    "reason in Latin-1": b"HTTP/1.1 200 \xc9xito\r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "204 with a body": b"HTTP/1.1 204 No Content\r\n\r\nsurprise",
    "204 with a length and a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\nsurprise",
    "body longer than its length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + "Éxito".encode(),
    "header of 60 KiB": b"HTTP/1.1 200 OK\r\nX-Long: " + 60 * 1024 * b"x" + b"\r\nContent-Length: 0\r\n\r\n",
    "500 headers": b"HTTP/1.1 200 OK\r\n" + HEADERS + b"Content-Length: 0\r\n\r\n",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "line that is no header": b"HTTP/1.1 200 OK\r\nthis is no header\r\n\r\n",
    "header with NUL": b"HTTP/1.1 200 OK\r\nServer: a\0b\r\nContent-Length: 0\r\n\r\n",
    "body with NUL": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\0",
    "upgrade on offer": b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
    "after 100 and 103": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
    "two answers at once": OK + b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("content", SUCCESSES.values(), ids=SUCCESSES.keys())
async def test_a_2xx_is_a_success_however_the_rest_of_the_answer_looks(attempt: Attempt, content: bytes) -> None:
    async with scripted(answering_always(content)) as receiver:
        reply = await attempt(receiver.url)
    assert reply.http_status is not None
    assert (reply.http_status // 100, reply.fault) == (2, None)
    assert reply.duration_seconds < 4


@pytest.mark.parametrize(
    "chunks",
    [b"2\r\nok\r\nZZ\r\n", b"2\r\nokay\r\n", b"-1\r\n", b"FFFFFFFFFFFFFFFFF\r\n"],
    ids=["size that is no number", "chunk longer than its size", "negative size", "size that no integer holds"],
)
@pytest.mark.parametrize("status", [200, 503])
async def test_a_chunked_body_that_turns_invalid_ends_the_exchange_at_once(
    attempt: Attempt, status: int, chunks: bytes
) -> None:
    head = b"HTTP/1.1 %d Status\r\nTransfer-Encoding: chunked\r\n\r\n" % status

    async def script(peer: Peer) -> None:
        await peer.read()
        await peer.write(head + chunks)
        await peer.wait_closed()

    async with scripted(script) as receiver:
        reply = await attempt(receiver.url, timeout_seconds=20)
    assert (reply.http_status, reply.fault) == (status, None)
    assert reply.duration_seconds < 10


FAULTS = {
    "no HTTP": b"220 mail.example.org ESMTP\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "protocol switched": b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "too many interim responses": (MAX_INTERIM + 1) * b"HTTP/1.1 102 Processing\r\n\r\n" + OK,
    "headers beyond the bound": b"HTTP/1.1 200 OK\r\nX-Long: " + 2 * MAX_HEAD_BYTES * b"x",
    "interim responses beyond the bound": b"HTTP/1.1 103 Hints\r\nLink: " + 2 * MAX_HEAD_BYTES * b"x",
}


@pytest.mark.parametrize("content", FAULTS.values(), ids=FAULTS.keys())
async def test_what_is_no_answer_within_bounds_is_a_protocol_fault_that_says_why(
    attempt: Attempt, content: bytes
) -> None:
    async with scripted(answering_always(content)) as receiver:
        reply = await attempt(receiver.url, timeout_seconds=20)
    assert (reply.http_status, reply.fault) == (None, Fault.PROTOCOL)
    assert reply.detail
    assert reply.duration_seconds < 10


async def test_interim_responses_without_end_are_a_protocol_fault_after_a_few(
    attempt: Attempt, sender: WebhookSender
) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.read()
        flood = 1_000 * b"HTTP/1.1 102 Processing\r\n\r\n"
        while True:
            await peer.write(flood)
            sent += len(flood)

    async with scripted(script) as receiver, scripted(answering_always(OK)) as healthy:
        reply, *beside = await asyncio.gather(
            attempt(receiver.url, sender=sender, timeout_seconds=20),
            *(attempt(healthy.url, sender=sender, timeout_seconds=20) for _ in range(5)),
        )
    assert (reply.http_status, reply.fault) == (None, Fault.PROTOCOL)
    assert reply.duration_seconds < 10
    assert [(each.http_status, each.duration_seconds < 10) for each in beside] == [(200, True)] * 5
    # The buffers of both sides are lost with it.
    assert sent < 2**25


# -- connections that are kept ----------------------------------------------------------------------------------------

UNSOLICITED = {
    "second response": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
    "late 408": b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "a byte": b"H",
    "end": b"",
}


@pytest.mark.parametrize("unsolicited", UNSOLICITED.values(), ids=UNSOLICITED.keys())
@pytest.mark.parametrize("turns", [0, 3], ids=["read by nobody yet", "read by the loop"])
async def test_a_connection_with_unsolicited_data_or_its_end_is_not_used_again(
    attempt: Attempt, sender: WebhookSender, unsolicited: bytes, turns: int
) -> None:
    written = asyncio.Event()

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await peer.read()
            await peer.write(OK)
            # Not before the first answer has been taken.
            await answered.wait()
            if unsolicited:
                await peer.write(unsolicited)
            else:
                peer.close()
            written.set()
            await peer.wait_closed()
        else:
            await answering_always(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue")(peer)

    answered = asyncio.Event()
    async with scripted(script) as receiver:
        assert (await attempt(receiver.url, sender=sender)).excerpt == "ok"
        answered.set()
        await written.wait()
        # The sender's loop has had this number of turns to notice: each count is a case of its own.
        for _ in range(turns):
            await asyncio.sleep(0)
        reply = await attempt(f"{receiver.url}another/endpoint", sender=sender)
        assert (reply.http_status, reply.excerpt) == (200, "true")
        assert [len(peer.requests) for peer in receiver.peers] == [1, 1]


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", b"x"], ids=["answer", "byte"])
async def test_a_connection_is_not_used_again_after_more_than_one_answer(
    attempt: Attempt, sender: WebhookSender, more: bytes
) -> None:
    async with scripted(answering_always(OK + more)) as receiver:
        for _ in range(2):
            assert (await attempt(receiver.url, sender=sender)).excerpt == "ok"
        assert [len(peer.requests) for peer in receiver.peers] == [1, 1]


async def test_an_answer_that_comes_before_the_request_is_no_success(attempt: Attempt) -> None:
    async def script(peer: Peer) -> None:
        await peer.write(OK)
        await peer.wait_closed()

    async with scripted(script) as receiver:
        # The receiver is faster than we are, or slower; in no case did it answer what it had not seen.
        for _ in range(20):
            reply = await attempt(receiver.url)
            assert reply.fault is Fault.PROTOCOL or reply.http_status == 200
            early = reply.fault is Fault.PROTOCOL
            if early:
                break
    assert early
    assert reply.detail == "the receiver sent something before the request"


def closing_on_the_second_request(reset: bool, *, first: bytes = b"", then: bytes = OK) -> Script:
    """The first connection ends as its second request comes, after `first`; later ones answer `then`."""

    async def script(peer: Peer) -> None:
        if peer.number > 1:
            await answering_always(then)(peer)
        await peer.read()
        await peer.write(OK)
        await peer.read()
        await peer.write(first)
        if reset:
            peer.reset()

    return script


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
async def test_closed_kept_alive_connection_costs_one_immediate_retry_and_no_attempt(
    attempt: Attempt, sender: WebhookSender, reset: bool
) -> None:
    async with scripted(closing_on_the_second_request(reset)) as receiver:
        replies = [await attempt(receiver.url, sender=sender) for _ in range(2)]
        assert [reply.excerpt for reply in replies] == ["ok", "ok"]
        assert [len(peer.requests) for peer in receiver.peers] == [2, 1]
        # The same request: the receiver can tell.
        assert receiver.peers[0].requests[1] == receiver.peers[1].requests[0]


async def test_a_new_connection_that_ends_too_is_a_fault_after_one_immediate_retry(
    attempt: Attempt, sender: WebhookSender
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        if peer.number == 1:
            await peer.write(OK)
            await peer.read()

    async with scripted(script) as receiver:
        replies = [await attempt(receiver.url, sender=sender) for _ in range(2)]
        assert [reply.fault for reply in replies] == [None, Fault.CONNECTION]
        assert [len(peer.requests) for peer in receiver.peers] == [2, 1]


async def test_a_request_that_a_kept_connection_swallowed_is_an_attempt_although_the_retry_comes_too_late() -> None:
    poster = Poster(connections=1, connect_seconds=5, guard=SsrfGuard(LOOPBACK))
    async with scripted(closing_on_the_second_request(reset=False)) as receiver:
        replies = [
            await poster.post(receiver.url, {}, b"{}", timeout_seconds=30, redactions=Redactions(), send_by=send_by)
            for send_by in (None, time.monotonic() - 1)
        ]
        # The receiver has seen it, so it must be found among the attempts; another one would have another trace.
        assert [reply.fault for reply in replies] == [None, Fault.CONNECTION]
        assert len(receiver.requests) == 2
    await poster.aclose()


async def test_a_kept_connection_that_ends_within_an_answer_is_a_fault_without_a_retry(
    attempt: Attempt, sender: WebhookSender
) -> None:
    async with scripted(closing_on_the_second_request(reset=False, first=b"HTTP/1.1 2")) as receiver:
        replies = [await attempt(receiver.url, sender=sender) for _ in range(2)]
        assert [reply.fault for reply in replies] == [None, Fault.CONNECTION]
        assert len(receiver.requests) == 2


async def test_a_connection_is_not_used_again_after_it_was_asked_to_close(
    attempt: Attempt, sender: WebhookSender
) -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with scripted(answering_always(closing)) as receiver:
        for _ in range(2):
            assert (await attempt(receiver.url, sender=sender)).http_status == 200
        assert [len(peer.requests) for peer in receiver.peers] == [1, 1]


async def test_no_more_connections_are_kept_than_attempts_may_be_made_at_once(attempt: Attempt) -> None:
    poster = Poster(connections=2, connect_seconds=5, guard=SsrfGuard(LOOPBACK))
    closed = 0

    async def script(peer: Peer) -> None:
        nonlocal closed
        await peer.read()
        await peer.write(OK)
        await peer.wait_closed()
        closed += 1

    sender = WebhookSender(poster, CIPHER)
    async with scripted(script) as receiver:
        await asyncio.gather(*(attempt(receiver.url, sender=sender) for _ in range(5)))
        await eventually(lambda: closed >= 3)
        await poster.aclose()
        await eventually(lambda: closed == 5)


# -- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("/hooks?sig=a%2Fb%2C", "/hooks?sig=a%2Fb%2C"),
        ("/%41?a=%41", "/%41?a=%41"),
        ("/caf%e4/%E4", "/caf%e4/%E4"),
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("/?a=b+c&d=|^`{}[]'\"<>", "/?a=b+c&d=|^`{}[]'\"<>"),
        ("?a=1", "/?a=1"),
        ("", "/"),
        ("/Grüße?名=é", "/Gr%C3%BC%C3%9Fe?%E5%90%8D=%C3%A9"),
        ("/%", "/%"),
    ],
)
async def test_a_url_is_sent_byte_for_byte_as_it_was_configured(attempt: Attempt, given: str, target: str) -> None:
    async with scripted(answering_always(OK)) as receiver:
        reply = await attempt(f"http://{ports.LOOPBACK}:{receiver.port}{given}")
        [request] = receiver.requests
    assert reply.http_status == 200
    lines = request.decode().split("\r\n")
    assert lines[0] == f"POST {target} HTTP/1.1"
    assert lines[1] == f"Host: {ports.LOOPBACK}:{receiver.port}"


async def test_a_large_body_to_a_receiver_that_answers_before_it_has_read_it_is_answered(
    attempt: Attempt, sender: WebhookSender
) -> None:
    async def script(peer: Peer) -> None:
        await peer.write(OK if peer.number > 1 else b"")
        await peer.read()
        await peer.write(OK)

    async with scripted(script) as receiver:
        assert (await attempt(receiver.url, sender=sender)).http_status == 200


@pytest.mark.parametrize("name", ["X-Injected", "webhook-id"])
async def test_a_header_with_a_line_break_is_refused_rather_than_sent(name: str) -> None:
    poster = Poster(connections=1, connect_seconds=1, guard=SsrfGuard(LOOPBACK))
    async with scripted(answering_always(OK)) as receiver:
        with pytest.raises(ValueError, match="line break"):
            await poster.post(receiver.url, {name: "a\r\nX-Forged: b"}, b"", timeout_seconds=5, redactions=Redactions())
        assert receiver.peers == []


# -- what receivers repeat --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "echo",
    [
        lambda headers: json.dumps(headers).replace("/", "\\/"),
        lambda headers: json.dumps(headers).replace("&", "\\u0026"),
        lambda headers: html.escape(str(headers)),
        lambda headers: urlencode(headers),
        lambda headers: headers["cookie"].partition("=")[2],
    ],
    ids=["JSON of PHP", "JSON of Go", "HTML", "form", "cookie"],
)
async def test_secrets_that_a_receiver_echoes_are_redacted(
    attempt: Attempt, receiver: Receiver, echo: Callable[[dict[str, str]], str]
) -> None:
    secrets = {"authorization": 'Bearer a/b"c&d<e>f', "cookie": "session=a/very&long<value"}
    body = echo(secrets)
    receiver.answer(Answer(500, headers={"X-Request-Id": quote(secrets["authorization"])}, body=body.encode()))
    reply = await attempt(receiver.url, headers=secrets)
    assert reply.headers is not None
    assert reply.headers["x-request-id"] == "[redacted]"
    assert "[redacted]" in (reply.excerpt or "")
    for decode in (str, html.unescape, unquote_plus):
        kept = decode(reply.excerpt or "").replace("\\", "")
        assert not any(word in kept for word in ('a/b"c', "c&d", "very&long", "very"))


# -- TLS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_required_client_certificate_is_a_tls_error_with_that_detail(
    attempt: Attempt, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    authority = Authority(tmp_path)
    context = authority.server(NAME)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    guard = SsrfGuard(LOOPBACK, lookup=leads_to(ports.LOOPBACK))
    with socket.create_server((ports.LOOPBACK, 0)) as listener:
        # Not with asyncio: its servers drop the alert, which a receiver sends.
        demanding = asyncio.create_task(asyncio.to_thread(_demand_certificate, listener, context))
        url = f"https://{NAME}:{listener.getsockname()[1]}/"
        reply = await attempt(url, guard=guard, tls=authority.trusted())
        await demanding
    assert (reply.http_status, reply.fault) == (None, Fault.TLS), reply.detail
    if version is ssl.TLSVersion.TLSv1_3:
        # Before 1.3 there was no alert for it, only that the handshake failed.
        assert reply.detail == "the receiver demands a client certificate, and Almanac presents none"
    else:
        assert reply.detail == "sslv3 alert handshake failure"


def _demand_certificate(listener: socket.socket, context: ssl.SSLContext) -> None:
    connected, _ = listener.accept()
    with context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False) as secured:
        secured.settimeout(10)
        with suppress(ssl.SSLError):
            secured.do_handshake()
        # Until the other side has read the alert.
        with suppress(OSError):
            secured.unwrap()


async def test_tls_connections_are_kept_and_those_with_unsolicited_data_are_not(
    attempt: Attempt, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    guard = SsrfGuard(LOOPBACK, lookup=leads_to(ports.LOOPBACK))
    poster = Poster(connections=2, connect_seconds=5, guard=guard, tls=authority.trusted())
    sender = WebhookSender(poster, CIPHER)
    written = asyncio.Event()

    async def script(peer: Peer) -> None:
        for _ in range(3):
            await peer.read()
            await peer.write(OK)
        await answered.wait()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        written.set()
        await peer.wait_closed()

    answered = asyncio.Event()
    async with scripted(script, tls=authority.server(NAME)) as receiver:
        url = f"https://{NAME}:{receiver.port}/"
        for _ in range(3):
            assert (await attempt(url, sender=sender)).excerpt == "ok"
        assert [len(peer.requests) for peer in receiver.peers] == [3]
        answered.set()
        await written.wait()
        assert (await attempt(url, sender=sender)).excerpt == "ok"
        assert [len(peer.requests) for peer in receiver.peers] == [3, 1]
        await poster.aclose()


async def test_a_certificate_that_does_not_hold_is_explained(attempt: Attempt, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    guard = SsrfGuard(LOOPBACK, lookup=leads_to(ports.LOOPBACK))
    async with scripted(answering_always(OK), tls=authority.server("other.example.org")) as receiver:
        reply = await attempt(f"https://{NAME}:{receiver.port}/", guard=guard, tls=authority.trusted())
    assert (reply.fault, reply.http_status) == (Fault.TLS, None)
    assert "Hostname mismatch" in (reply.detail or "")
