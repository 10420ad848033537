"""An exception of our own, wherever it is raised, is a recorded attempt of one delivery and of no other."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from delivery_scene import Scene, due_event, receive

from chassis.database.database import Transaction
from chassis.messaging.outbox import Outbox
from contracts.messages.user import Contact
from contracts.vocabulary import Priority
from delivery_service.adapters import claims
from delivery_service.application.outcomes import announce
from delivery_service.application.recording import record
from delivery_service.domain.attempts import Attempt, Reply, Verdict
from delivery_service.domain.deliveries import DeliveryStatus, Dispatch, Lease, Result, Target
from delivery_service.domain.retries import RetryPolicy
from testkit import Answer, Receiver, eventually

ANYTHING = claims.Capacity({}, 100)
EXPIRE = "UPDATE deliveries SET due_at = clock_timestamp() - interval '1 second' WHERE status = 'PENDING'"
ATTEMPTS = (
    "SELECT a.number, a.verdict, a.http_status, a.error, a.detail, a.excerpt FROM attempts a"
    " JOIN deliveries d ON d.id = a.delivery_id WHERE d.event_id = :event_id ORDER BY a.number"
)


class Faulty:
    """A channel that replies 200, but raises or replies something else for one event."""

    def __init__(self, event_id: str, what: Exception | Reply) -> None:
        self._event_id = event_id
        self._what = what
        self.sent: Counter[str] = Counter()

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        self.sent[str(dispatch.event_id)] += 1
        if str(dispatch.event_id) != self._event_id:
            return Reply(200, None, 0.01)
        if isinstance(self._what, Exception):
            raise self._what
        return self._what

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        raise AssertionError("no test events here")


async def test_an_exception_in_a_channel_is_an_attempt_of_its_own_delivery_alone(scene: Scene) -> None:
    await scene.endpoint()
    faulty, *healthy = (due_event() for _ in range(20))
    sender = Faulty(faulty["eventId"], UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"))
    async with scene.pool(sender=sender) as pool:
        await receive(pool, *healthy, faulty)
        outcomes = {str(each.event_id): each for each in await scene.ended(20)}
    assert outcomes[faulty["eventId"]].reason == "exhausted"
    assert all(outcomes[each["eventId"]].status == "SUCCEEDED" for each in healthy)
    made = await scene.rows(ATTEMPTS, event_id=faulty["eventId"])
    assert made == [(n, "retry", None, "internal_error", "UnicodeEncodeError", None) for n in (1, 2, 3)]
    assert sender.sent == Counter({each["eventId"]: 1 for each in healthy} | {faulty["eventId"]: 3})
    [letter] = await scene.rows("SELECT reason, detail, attempts FROM delivery_dead_letters")
    assert letter == ("exhausted", "internal_error", 3)


async def test_an_internal_error_counts_in_the_circuit_of_its_endpoint(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    due = due_event()
    async with scene.pool(sender=Faulty(due["eventId"], ValueError("a secret"))) as pool:
        await receive(pool, due)
        await scene.ended()
    [circuit] = await scene.rows("SELECT failures, in_row FROM circuits WHERE endpoint_id = :id", id=endpoint_id)
    assert circuit.failures == pytest.approx(3, abs=0.1)
    assert circuit.in_row == 0


@pytest.mark.parametrize(("http_status", "status", "posts"), [(200, "SUCCEEDED", 1), (503, "FAILED", 3)])
async def test_an_answer_that_cannot_be_recorded_counts_by_its_status(
    scene: Scene, http_status: int, status: str, posts: int
) -> None:
    await scene.endpoint()
    unrecordable, *healthy = (due_event() for _ in range(20))
    # PostgreSQL's text has no NUL: the whole batch is refused.
    sender = Faulty(unrecordable["eventId"], Reply(http_status, None, 0.01, excerpt="\0"))
    async with scene.pool(sender=sender) as pool:
        await receive(pool, *healthy, unrecordable)
        outcomes = {str(each.event_id): each.status for each in await scene.ended(20)}
    assert outcomes == {each["eventId"]: "SUCCEEDED" for each in healthy} | {unrecordable["eventId"]: status}
    made = await scene.rows(ATTEMPTS, event_id=unrecordable["eventId"])
    verdict = "succeeded" if http_status == 200 else "retry"
    error = "internal_error"
    assert [each[:4] for each in made] == [(n, verdict, http_status, error) for n in range(1, posts + 1)]
    assert all(each.detail and each.excerpt is None for each in made)
    assert sender.sent[unrecordable["eventId"]] == posts


async def test_an_end_that_cannot_be_recorded_postpones_its_delivery_with_a_recorded_attempt(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.endpoint()
    stuck, healthy = due_event(), due_event()

    async def failing(tx: Transaction, outbox: Outbox, event_ids: Sequence[Any]) -> Any:
        if stuck["eventId"] in map(str, event_ids):
            raise RuntimeError("no outcome of this event can be written")
        return await announce(tx, outbox, event_ids)

    monkeypatch.setattr("delivery_service.application.recording.announce", failing)
    patient = RetryPolicy(max_tries=3, base=600, factor=1, cap=600, retry_after_cap=600)
    sender = Faulty("", ValueError())
    async with scene.pool(sender=sender, policy=patient) as pool:
        await receive(pool, stuck, healthy)
        await scene.ended(1)
        await eventually(lambda: scene.rows(ATTEMPTS, event_id=stuck["eventId"]))
    [made] = await scene.rows(ATTEMPTS, event_id=stuck["eventId"])
    assert made == (1, "retry", 200, "internal_error", "RuntimeError", None)
    [delivery] = await scene.rows("SELECT status, lease, tries FROM deliveries WHERE status = 'PENDING'")
    assert delivery == ("PENDING", None, 1)


@pytest.mark.parametrize(
    "retry_after",
    ["1 Jan 99999999999 0:0:0 GMT", "1 Jan 0:0:0 " + 5_000 * "9"],
    ids=["huge year", "year of 5,000 digits"],
)
async def test_a_429_with_an_invalid_retry_after_affects_its_own_delivery_alone(
    scene: Scene, receiver: Receiver, retry_after: str
) -> None:
    await scene.endpoint()
    async with Receiver() as throttled:
        throttled.always(Answer(429, headers={"Retry-After": retry_after}))
        await scene.endpoint(url=throttled.url, tags=("throttled",))
        dues = [due_event(tags=["throttled"] if number == 100 else []) for number in range(200)]
        async with scene.pool(slots=50) as pool:
            await receive(pool, *dues)
            outcomes = {str(each.event_id): each.status for each in await scene.ended(200)}
        assert Counter(outcomes.values()) == {"SUCCEEDED": 199, "FAILED": 1}
        assert outcomes[dues[100]["eventId"]] == "FAILED"
        assert len(throttled.requests) == 3
    posts = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert posts == {due["eventId"]: 1 for due in dues}


async def test_a_success_with_an_invalid_retry_after_is_recorded_as_a_success(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.always(Answer(200, headers={"Retry-After": "1 Jan 99999999999 0:0:0 GMT"}))
    async with scene.pool() as pool:
        await receive(pool, due_event())
        [item] = await scene.ended()
    assert (item.status, item.endpoints[0].attempts, len(receiver.requests)) == ("SUCCEEDED", 1, 1)


async def test_an_internal_error_is_shown_by_the_api_with_its_class(api_scene: Scene, api: httpx.AsyncClient) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    due = due_event()
    async with api_scene.pool(sender=Faulty(due["eventId"], OverflowError("secret"))) as pool:
        await receive(pool, due)
        await api_scene.ended()
    [listed] = (await api.get("/v1/deliveries", params={"eventId": due["eventId"]})).json()["items"]
    shown = (await api.get(f"/v1/deliveries/{listed['id']}")).json()
    assert [(each["error"], each["detail"]) for each in shown["history"]] == 3 * [("internal_error", "OverflowError")]
    stats = (await api.get(f"/v1/endpoints/{endpoint_id}/stats")).json()
    assert (stats["lastError"]["error"], stats["lastError"]["detail"]) == ("internal_error", "OverflowError")


async def test_two_leases_that_end_without_an_attempt_are_counted_until_one_is_recorded(scene: Scene) -> None:
    await scene.endpoint()
    async with scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, due_event())

    async def claim() -> claims.Claimed:
        await scene.rows(EXPIRE)
        async with scene.database.transaction() as tx:
            return await claims.claim(tx, Priority.CRITICAL, 10, Lease.begin(90), ANYTHING)

    claimed = [await claim() for _ in range(3)]
    [dispatch] = claimed[-1].dispatches
    assert [each.abandoned for each in claimed] == [0, 1, 1]
    assert [each.abandoned_again for each in claimed] == [[], [], [dispatch.delivery_id]]
    made = Attempt(Verdict.RETRY, 503, None, None, None, datetime.now(UTC), 0.1, None)
    await record(scene.database, Outbox(), [Result(dispatch, DeliveryStatus.PENDING, retry_in=0, attempt=made)])
    later = [await claim() for _ in range(2)]
    assert [each.abandoned for each in later] == [0, 1]
    assert [each.abandoned_again for each in later] == [[], []]
