"""Generated answers against the real sender, pool and database: `make fuzz-receivers` asks for more of them."""

import asyncio
import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from answer_grammar import FORGED, End, GeneratedAnswer, generate
from delivery_scene import Scene, due_event, receive
from scripted_receiver import Peer, scripted

from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.retries import RetryPolicy
from testkit import Receiver, eventually

ANSWERS = int(os.environ.get("FUZZED_ANSWERS", "2500"))
"""On each of the two event loops."""
SEED = os.environ.get("FUZZ_SEED", "1")
ENDPOINTS = 5
BATCH = 50
TIMEOUT_SECONDS = 10
SECRET = 'Bearer fuzz/"secret"&<of>the-receiver'
TWO_TRIES = RetryPolicy(max_tries=2, base=0.02, factor=1, cap=0.02, retry_after_cap=0.05)
# A circuit that opens would only keep the answers from coming.
NEVER = CircuitPolicy(min_attempts=10**9, timeouts_in_row=10**6, lost_seconds=1e9)
_ATTEMPTS = """
SELECT d.event_id, d.endpoint_id, d.status, d.reason, d.leases_lost, a.verdict, a.http_status, a.error, a.detail,
       a.trace_id, a.excerpt, a.headers::text AS headers
FROM deliveries d LEFT JOIN attempts a ON a.delivery_id = d.id ORDER BY d.id, a.number
"""
_LEFT = "SELECT count(*) AS deliveries FROM deliveries WHERE status = 'PENDING'"


@dataclass
class Post:
    """One POST as the receiver saw it.

    ``reused``: over a connection that had carried another before. ``answered_early``: over one to which the receiver
    had written before it read this POST. Data that arrives while a request is in flight cannot be distinguished from
    its response.
    """

    seed: str
    answer: GeneratedAnswer
    reused: bool
    answered_early: bool


@dataclass
class FuzzingReceiver:
    """Answers each POST as the grammar says for its event, endpoint and ordinal."""

    port: int = 0
    posts: dict[tuple[str, str, str], list[Post]] = field(default_factory=lambda: defaultdict(list))
    """By event, path and trace id: each try has a trace id of its own, which its immediate retry has too."""
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def __call__(self, peer: Peer) -> None:
        # Once in a while there is an answer before there is a request, or an end.
        early = peer.number % 97 == 0
        if early:
            await peer.write(FORGED)
        # Not both on one connection: an answer to a request that was never read belongs to no POST that was seen.
        if peer.number % 89 == 0 and not early:
            peer.reset()
            return
        while True:
            headers = _headers(await peer.read())
            event_id, path = headers["webhook-id"], headers[""]
            ordinal = self.seen[event_id, path]
            self.seen[event_id, path] += 1
            seed = f"{SEED}/{event_id}/{path}/{ordinal}"
            answer = generate(seed, SECRET)
            self.posts[event_id, path, headers["traceparent"].split("-")[1]].append(
                Post(seed, answer, len(peer.requests) > 1, early)
            )
            for piece in answer.pieces:
                await peer.write(piece)
                await asyncio.sleep(0)  # so that pieces can arrive apart
            if answer.end is End.FORGE:
                await asyncio.sleep(
                    0.001
                )  # a receiver's pause: the answer has mostly been read by then, and not always
                await peer.write(FORGED)
                early = True
            elif answer.end is End.HANG:
                await peer.wait_closed()
            elif answer.end is End.RESET:
                peer.reset()
            if answer.end not in (End.KEEP, End.FORGE):
                return


def _headers(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    named = (line.partition(": ") for line in lines[1:])
    return {"": lines[0].split(" ")[1]} | {name.lower(): value for name, _, value in named}


@pytest.mark.timeout(7_200)
async def test_no_generated_answer_loses_repeats_or_forges_a_delivery_or_disturbs_a_healthy_endpoint(
    scene: Scene, receiver: Receiver
) -> None:
    fuzzing = FuzzingReceiver()
    healthy, _ = await scene.endpoint()
    sent: list[str] = []
    async with scripted(fuzzing) as hostile:
        paths: dict[UUID, str] = {}
        for number in range(ENDPOINTS):
            endpoint_id, _ = await scene.endpoint(
                url=f"{hostile.url}{number}", headers={"Authorization": SECRET}, timeout_seconds=TIMEOUT_SECONDS
            )
            paths[endpoint_id] = f"/{number}"
        async with scene.pool(slots=60, policy=TWO_TRIES, circuits=NEVER) as pool:
            while sum(fuzzing.seen.values()) < ANSWERS:
                dues = [due_event(uuid5(NAMESPACE_URL, f"{SEED}/{len(sent) + each}")) for each in range(BATCH)]
                sent += [due["eventId"] for due in dues]
                await receive(pool, *dues)
                await _until_few_are_left(scene, 2 * BATCH)
            await _until_few_are_left(scene, 0)
    attempts = await scene.rows(_ATTEMPTS)
    _check_deliveries(attempts, len(sent) * (ENDPOINTS + 1))
    _check_healthy([each for each in attempts if each.endpoint_id == healthy], sent, receiver)
    by_try: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for each in attempts:
        if each.endpoint_id != healthy:
            by_try[str(each.event_id), paths[each.endpoint_id], each.trace_id].append(each)
    _check_posts(by_try, fuzzing)
    _check_statuses(by_try, fuzzing)


async def _until_few_are_left(scene: Scene, count: int) -> None:
    async def few() -> bool:
        [left] = await scene.rows(_LEFT)
        return bool(left.deliveries <= count)

    await eventually(few, timeout=300, interval=0.05)


def _check_deliveries(attempts: Sequence[Any], deliveries: int) -> None:
    assert len({(each.event_id, each.endpoint_id) for each in attempts}) == deliveries
    assert {each.status for each in attempts} <= {"SUCCEEDED", "FAILED"}
    assert not [each for each in attempts if each.verdict is None], "a delivery ended without an attempt"
    assert not [each for each in attempts if each.leases_lost], "a lease ended without an attempt"
    assert not [each for each in attempts if each.error == "internal_error"]
    for each in attempts:
        for kept in (each.excerpt or "", each.headers or "", each.detail or ""):
            assert not any(secret in kept for secret in (SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1]))


def _check_healthy(attempts: Sequence[Any], sent: Sequence[str], receiver: Receiver) -> None:
    posts = Counter(request.headers["webhook-id"] for request in receiver.requests)
    # The attempts tell a timeout of a starved process, which is recorded, from a repetition that is not.
    differing = {id for id in posts.keys() | set(sent) if posts[id] != 1}
    assert not differing, [
        (posts[str(each.event_id)], each.event_id, each.status, each.verdict, each.http_status, each.error, each.detail)
        for each in attempts
        if str(each.event_id) in differing
    ]
    assert Counter(str(each.event_id) for each in attempts) == Counter(sent)
    assert {(each.status, each.http_status) for each in attempts} == {("SUCCEEDED", 200)}


def _check_posts(by_try: dict[tuple[str, str, str], list[Any]], fuzzing: FuzzingReceiver) -> None:
    for key, posts in fuzzing.posts.items():
        made = by_try.get(key, [])
        # More than one only where a kept connection ended without a byte: that is no attempt.
        extra = sum(post.reused and post.answer.silent for post in posts)
        assert len(made) <= len(posts) <= len(made) + extra, [post.seed for post in posts]
    for key, made in by_try.items():
        posts = fuzzing.posts.get(key, [])
        for attempt in made:
            assert posts or attempt.verdict != "succeeded", "a success that the receiver has not seen"
            forged = attempt.http_status == 298 or "forged" in (attempt.excerpt or "")
            assert not forged or any(post.answered_early for post in posts), "an answer to another request"


def _check_statuses(by_try: dict[tuple[str, str, str], list[Any]], fuzzing: FuzzingReceiver) -> None:
    checked = 0
    for key, posts in fuzzing.posts.items():
        last, made = posts[-1], by_try[key]
        slow = made[0].error in ("timeout", "connect_timeout")
        if last.answer.status is not None and not slow and not any(post.answered_early for post in posts):
            assert made[0].http_status == last.answer.status, (last.seed, made[0].error, made[0].detail)
            checked += 1
    assert checked > len(fuzzing.posts) / 2
