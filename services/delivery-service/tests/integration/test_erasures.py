"""A deleted user gets nothing more, and nothing of them is kept."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from delivery_scene import Scene, due_event, receive
from uuid_utils.compat import uuid7

from chassis.messaging.domain import ReceivedItem
from chassis.messaging.erasures import Eraser
from chassis.messaging.outbox import Outbox
from contracts.messages.spec import MessageType
from contracts.messages.user import UserDeletedItem
from contracts.vocabulary import OutcomeStatus
from delivery_service.application.dead_letters import discard_one
from delivery_service.application.deliveries import retry_delivery
from delivery_service.application.erasures import Erasure, apply_deletions
from delivery_service.domain.errors import DeadLetterNotOpenError, NotRedrivableError
from delivery_service.domain.retries import RetryPolicy
from testkit import Answer, Receiver, eventually

MARKER = "Zaphod-Marker"
LATER = RetryPolicy(max_tries=3, base=3600, factor=2.0, cap=7200, retry_after_cap=900)


def of_user(user_id: UUID, **metadata: Any) -> dict[str, Any]:
    contact = {"email": f"{MARKER}@example.org", "phone": None}
    return due_event(userId=str(user_id), contact=contact, deliveryPayload={"message": f"Hey, {MARKER}"}, **metadata)


async def delete(scene: Scene, *user_ids: UUID) -> None:
    items = [UserDeletedItem(item_id=uuid7(), user_id=each, version=2) for each in user_ids]
    received = [ReceivedItem(MessageType.USER_DELETED, each, None) for each in items]
    await apply_deletions(scene.database, Outbox(), received)


async def erase(scene: Scene) -> None:
    outbox = Outbox()
    erasure = Erasure(outbox)
    eraser = Eraser(scene.database, outbox, erasure.erase, report=MessageType.DELIVERY_DATA_ERASED, every_seconds=60)
    await eraser.step()


async def marked(scene: Scene) -> set[str]:
    """The tables in which the marker is."""
    tables = await scene.rows(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    found = set()
    for table in tables:
        [row] = await scene.rows(
            f'SELECT count(*) AS rows FROM "{table.relname}" AS t WHERE CAST(t AS text) LIKE :marker',  # noqa: S608
            marker=f"%{MARKER}%",
        )
        if row.rows:
            found.add(table.relname)
    return found


async def test_waiting_deliveries_of_a_deleted_user_are_cancelled_at_once(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.always(Answer(503))
    deleted, other = uuid4(), uuid4()
    async with scene.pool(policy=LATER) as pool:
        await receive(pool, of_user(deleted), of_user(other))
        await eventually(lambda: scene.rows("SELECT 1 FROM deliveries WHERE attempts = 1 HAVING count(*) = 2"))
        await delete(scene, deleted)
        [item] = await scene.ended()
    assert (item.user_id, item.status, item.reason) == (deleted, OutcomeStatus.FAILED, "cancelled")
    assert [row.status for row in await scene.rows("SELECT status FROM deliveries WHERE status = 'PENDING'")] == [
        "PENDING"
    ]


async def test_attempt_in_progress_is_not_repeated_after_the_deletion(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    gate = asyncio.Event()
    receiver.always(Answer(503, gate=gate))
    user_id = uuid4()
    async with scene.pool() as pool:
        await receive(pool, of_user(user_id))
        await receiver.wait_for(1)
        await delete(scene, user_id)
        gate.set()
        [item] = await scene.ended()
    assert item.status is OutcomeStatus.FAILED
    assert len(receiver.requests) == 1


async def test_after_the_erasure_no_table_holds_anything_of_the_user(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.answer(Answer(200, body=f"thanks, {MARKER}".encode()))
    user_id = uuid4()
    async with scene.pool() as pool:
        await receive(pool, of_user(user_id))
        await scene.ended()
        receiver.always(Answer(400, body=f"no {MARKER} here".encode()))
        await receive(pool, of_user(user_id))
        await scene.ended(2)
    assert await marked(scene) == {"events", "attempts", "delivery_dead_letters"}
    await delete(scene, user_id)
    await erase(scene)
    assert await marked(scene) == set()
    [report] = await scene.rows("SELECT item FROM outbox WHERE type = 'DeliveryDataErased'")
    assert str(user_id) in report.item


async def test_others_keep_their_deliveries_attempts_and_dead_letters(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.always(Answer(400, body=f"no {MARKER} here".encode()))
    async with scene.pool() as pool:
        await receive(pool, of_user(uuid4()))
        await scene.ended()
    await delete(scene, uuid4())
    await erase(scene)
    assert await marked(scene) == {"events", "attempts", "delivery_dead_letters"}


async def test_a_dead_letter_of_a_deleted_user_is_discarded_and_cannot_be_sent_again(
    scene: Scene, receiver: Receiver
) -> None:
    await scene.endpoint()
    receiver.answer(Answer(400))
    user_id = uuid4()
    async with scene.pool() as pool:
        await receive(pool, of_user(user_id))
        await scene.ended()
        await delete(scene, user_id)
        # Before the erasure, too.
        [delivery] = await scene.rows("SELECT id FROM deliveries")
        with pytest.raises(NotRedrivableError, match="user was deleted"):
            await retry_delivery(scene.database, delivery.id, 86_400)
        await erase(scene)
        [letter] = await scene.rows("SELECT id, status, note, payload, detail FROM delivery_dead_letters")
        assert (letter.status, letter.note, letter.payload) == ("DISCARDED", "the user was deleted", "{}")
        with pytest.raises(DeadLetterNotOpenError):
            await discard_one(scene.database, letter.id, "again")
    assert len(receiver.requests) == 1


async def test_a_due_event_that_comes_after_the_deletion_is_neither_sent_nor_kept(
    scene: Scene, receiver: Receiver
) -> None:
    await scene.endpoint()
    deleted, other = uuid4(), uuid4()
    await delete(scene, deleted)
    await erase(scene)
    late = of_user(deleted, targetTimestampUTC=(datetime.now(UTC) - timedelta(seconds=30)).isoformat())
    async with scene.pool() as pool:
        await receive(pool, late, due_event(userId=str(other)))
        items = {item.user_id: item for item in await scene.ended(2)}
    assert (items[deleted].status, items[deleted].reason) == (OutcomeStatus.FAILED, "cancelled")
    assert items[deleted].lateness_seconds >= 30
    assert items[other].status is OutcomeStatus.SUCCEEDED
    assert len(receiver.requests) == 1
    assert await marked(scene) == set()


async def test_a_repeated_deletion_changes_nothing(scene: Scene) -> None:
    user_id = uuid4()
    item = UserDeletedItem(item_id=uuid7(), user_id=user_id, version=2)
    for _ in range(2):
        await apply_deletions(scene.database, Outbox(), [ReceivedItem(MessageType.USER_DELETED, item, None)])
        await erase(scene)
    assert len(await scene.rows("SELECT 1 FROM erasures")) == 1
    assert len(await scene.rows("SELECT 1 FROM outbox WHERE type = 'DeliveryDataErased'")) == 1
