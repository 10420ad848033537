"""What opens a circuit, and what decides its probe (ADR 25)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from delivery_scene import Scene, due_event, receive
from sqlalchemy import text

from contracts.messages.user import Contact
from contracts.vocabulary import Priority
from delivery_service.adapters import circuits, claims
from delivery_service.adapters.claims import Claimed
from delivery_service.application.recording import release
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.circuits import CircuitPolicy, CircuitState, Tally, returned_probes
from delivery_service.domain.deliveries import Dispatch, Lease, Target
from testkit import Answer, Receiver, eventually

PROMPT = CircuitPolicy(open_seconds=0.05, open_cap_seconds=0.05)
OPEN = """
INSERT INTO circuits (endpoint_id, state, attempts, failures, counted_at, in_row, failing_since, trips, probe_at,
                      generation)
VALUES (:id, 'OPEN', 10, 10, clock_timestamp(), 10, clock_timestamp(), 1, clock_timestamp(), 1)
"""


class ScriptedSender:
    """A channel with scripted responses, in order, then 200."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.sent = 0

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        return self._next()

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        return self._next()

    def _next(self) -> Reply:
        self.sent += 1
        return self._replies.pop(0) if self._replies else Reply(200, None, 0.01)


def tally_of(endpoint_id: UUID, **told: Any) -> Tally:
    defaults: Mapping[str, Any] = {"attempts": 1, "failures": 1, "succeeded": False, "trailing": 1, "gone": False}
    return Tally(endpoint_id=endpoint_id, http_status=None, **{**defaults, **told})


def success_of(endpoint_id: UUID, **told: Any) -> Tally:
    return tally_of(endpoint_id, failures=0, succeeded=True, trailing=0, **told)


async def count(scene: Scene, *tallies: Tally, policy: CircuitPolicy = PROMPT) -> list[circuits.Counted]:
    async with scene.database.transaction() as tx:
        return await circuits.count(tx, tallies, policy)


async def claim(scene: Scene, limit: int = 100) -> Claimed:
    async with scene.database.transaction() as tx:
        return await claims.claim(tx, Priority.CRITICAL, limit, Lease.begin(90), claims.Capacity({}, 100))


async def add_waiting(scene: Scene, count: int = 1) -> None:
    """Deliveries that are due and not claimed."""
    async with scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, *(due_event() for _ in range(count)))


async def state(scene: Scene, endpoint_id: UUID) -> CircuitState:
    async with scene.database.read() as connection:
        return (await circuits.find(connection, endpoint_id)).state


async def test_three_timeouts_in_a_row_open_a_circuit(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    timeout = tally_of(endpoint_id, timeouts=1, all_timeouts=True)
    for _ in range(2):
        [counted] = await count(scene, timeout)
        assert counted.state is CircuitState.CLOSED
    [counted] = await count(scene, timeout)
    assert (counted.state, counted.opened) == (CircuitState.OPEN, True)


async def test_an_answer_ends_a_row_of_timeouts(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    timeout = tally_of(endpoint_id, timeouts=1, all_timeouts=True)
    for each in (timeout, timeout, tally_of(endpoint_id, failures=0), timeout, timeout, success_of(endpoint_id)):
        await count(scene, each)
    await count(scene, timeout, timeout)
    assert await state(scene, endpoint_id) is CircuitState.CLOSED


async def test_failures_in_a_row_that_take_long_open_a_circuit(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    slow_failure = tally_of(endpoint_id, lost_seconds=25, all_failures=True)
    await count(scene, slow_failure)
    await count(scene, slow_failure)
    assert await state(scene, endpoint_id) is CircuitState.CLOSED
    await count(scene, slow_failure)
    assert await state(scene, endpoint_id) is CircuitState.OPEN


async def test_a_success_ends_a_row_of_slow_failures(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    slow_failure = tally_of(endpoint_id, lost_seconds=25, all_failures=True)
    for each in (slow_failure, slow_failure, success_of(endpoint_id), slow_failure, slow_failure):
        await count(scene, each)
    assert await state(scene, endpoint_id) is CircuitState.CLOSED


async def test_hanging_endpoint_gets_no_requests_after_three_timeouts(scene: Scene, receiver: Receiver) -> None:
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    endpoint_id, _ = await scene.endpoint(timeout_seconds=1)
    async with scene.pool() as pool:
        await receive(pool, *(due_event() for _ in range(3)))
        await eventually(lambda: scene.rows("SELECT 1 FROM circuits WHERE state <> 'CLOSED'"))
        gate.set()
    [circuit] = await scene.rows("SELECT trips FROM circuits WHERE endpoint_id = :id", id=endpoint_id)
    assert circuit.trips == 1


@pytest.mark.parametrize("succeeded", [True, False])
async def test_attempts_begun_before_a_circuit_opened_do_not_decide_its_probe(scene: Scene, succeeded: bool) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene)
    [probe] = (await claim(scene)).dispatches
    assert (probe.probe_of, probe.generation) == (endpoint_id, 1)
    straggler = success_of(endpoint_id) if succeeded else tally_of(endpoint_id)
    for generation in (0, 1):
        [counted] = await count(scene, replace(straggler, generation=generation))
        assert (counted.counts, counted.state) == (False, CircuitState.HALF_OPEN)
    [counted] = await count(scene, success_of(endpoint_id, generation=1, probe=probe.delivery_id))
    assert (counted.counts, counted.state) == (True, CircuitState.CLOSED)


async def test_attempts_begun_before_a_circuit_opened_do_not_open_it_again(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene)
    [probe] = (await claim(scene)).dispatches
    await count(scene, success_of(endpoint_id, generation=1, probe=probe.delivery_id))
    stragglers = tally_of(endpoint_id, attempts=50, failures=50, timeouts=50, all_timeouts=True)
    [counted] = await count(scene, stragglers)
    assert (counted.counts, counted.in_row, counted.state) == (False, 0, CircuitState.CLOSED)
    # Those of the present generation do.
    [counted] = await count(scene, replace(stragglers, generation=2))
    assert (counted.counts, counted.state) == (True, CircuitState.OPEN)


async def test_results_of_an_earlier_version_of_an_endpoint_do_not_count(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    [ignored] = await count(scene, tally_of(endpoint_id, attempts=50, failures=50, version=7, gone=True))
    assert (ignored.counts, ignored.current, ignored.state) == (False, False, CircuitState.CLOSED)
    assert await scene.rows("SELECT 1 FROM circuits") == []


async def test_a_probe_of_an_earlier_version_is_returned(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene)
    [probe] = (await claim(scene)).dispatches
    told = tally_of(endpoint_id, generation=1, probe=probe.delivery_id, version=7)
    [counted] = await count(scene, told)
    assert counted.state is CircuitState.OPEN
    assert await scene.rows("SELECT 1 FROM circuits WHERE probe_at <= clock_timestamp() AND trips = 1 AND in_row = 10")


async def test_a_probe_that_ends_as_no_contact_lets_the_next_one_out_at_once(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene, 2)
    async with scene.pool(sender=ScriptedSender(Reply(None, Fault.NO_CONTACT, 0.0))):
        items = await scene.ended(2)
    assert sorted(item.reason or "" for item in items) == ["", "no_contact"]
    assert await state(scene, endpoint_id) is CircuitState.CLOSED


async def test_a_probe_that_has_expired_lets_the_next_one_out_at_once(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene, 2)
    await scene.rows(
        "UPDATE deliveries SET expires_at = clock_timestamp() - interval '1 second'"
        " WHERE id = (SELECT id FROM deliveries ORDER BY due_at LIMIT 1)"
    )
    async with scene.pool():
        items = await scene.ended(2)
    assert sorted(item.reason or "" for item in items) == ["", "expired"]
    assert await state(scene, endpoint_id) is CircuitState.CLOSED


async def test_a_probe_that_a_stopping_worker_releases_can_be_made_by_another(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene)
    claimed = (await claim(scene)).dispatches
    assert (await claim(scene)).dispatches == []
    await release(scene.database, claimed, returned_probes(claimed), PROMPT)
    [again] = (await claim(scene)).dispatches
    assert (again.delivery_id, again.probe_of) == (claimed[0].delivery_id, endpoint_id)


async def test_a_circuit_is_half_open_only_where_a_delivery_was_claimed_to_probe_it(scene: Scene) -> None:
    for _ in range(5):
        endpoint_id, _ = await scene.endpoint()
        await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene)
    probes = (await claim(scene, limit=2)).dispatches
    assert len(probes) == 2
    half_open = await scene.rows("SELECT endpoint_id FROM circuits WHERE state = 'HALF_OPEN'")
    assert {row.endpoint_id for row in half_open} == {each.probe_of for each in probes}


async def test_held_delivery_does_not_become_a_probe(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(OPEN, id=endpoint_id)
    await add_waiting(scene)
    async with scene.database.transaction() as tx:
        await tx.execute(text("SELECT FROM deliveries FOR UPDATE"))
        assert (await claim(scene)).dispatches == []
    assert await state(scene, endpoint_id) is CircuitState.OPEN
