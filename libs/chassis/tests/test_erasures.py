"""Deleted users are erased from outbox and dead letters, and that is reported once."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date, time
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from uuid_utils.compat import uuid7

from chassis.core.settings import ServiceSettings
from chassis.database.database import Database, Transaction
from chassis.messaging import dead_letters, erasures
from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.messaging.dead_letters import ERASED_BODY
from chassis.messaging.erasures import Eraser
from chassis.messaging.outbox import Outbox
from chassis.service.runtime import Sweep
from contracts.messages.spec import MessageType
from contracts.messages.user import Contact, UserDeletedItem, UserItem

MARKER = "Zaphod-Marker"


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


def user_item(user_id: UUID) -> UserItem:
    return UserItem(
        item_id=uuid7(), user_id=user_id, version=1, first_name=MARKER, last_name="L", date_of_birth=date(1990, 1, 1),
        timezone="UTC", delivery_time=time(9), anniversaries=[], tags=[], contact=Contact(email="m@example.org"),
    )  # fmt: skip


@pytest.fixture
async def busy() -> AsyncIterator[set[UUID]]:
    """Users of whom the service says that something is still on its way."""
    yield set()


@pytest.fixture
def eraser(db: Database, outbox: Outbox, busy: set[UUID]) -> Eraser:
    async def erase(_: Transaction, user_ids: Sequence[UUID]) -> Collection[UUID]:
        return set(user_ids) - busy

    return Eraser(db, outbox, erase, report=MessageType.EVENT_DATA_ERASED, every_seconds=60)


async def rows(db: Database, sql: str) -> list[Any]:
    async with db.read() as connection:
        return list(await connection.execute(text(sql)))


async def execute(db: Database, sql: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(text(sql))


async def delete_user(db: Database, outbox: Outbox, user_id: UUID) -> None:
    async with db.transaction() as tx:
        await erasures.request(tx, [user_id])
        item = UserDeletedItem(item_id=uuid7(), user_id=user_id, version=2)
        await outbox.append(tx, [(MessageType.USER_DELETED, item)])


async def test_sent_items_of_a_deleted_user_are_erased_and_others_stay(
    db: Database, outbox: Outbox, eraser: Eraser
) -> None:
    deleted, other = uuid7(), uuid7()
    async with db.transaction() as tx:
        await outbox.append(tx, [(MessageType.USER_CREATED, user_item(each)) for each in (deleted, other)])
    await delete_user(db, outbox, deleted)
    await execute(db, "UPDATE outbox SET sent_at = clock_timestamp()")
    await eraser.step()
    left = await rows(db, "SELECT type, item FROM outbox ORDER BY id")
    assert [row.type for row in left] == ["UserCreated", "UserDeleted", "EventDataErased"]
    assert str(other) in left[0].item
    assert str(deleted) in left[2].item
    [erasure] = await rows(db, "SELECT * FROM erasures")
    assert erasure.erased_at >= erasure.requested_at


async def test_items_that_wait_to_be_sent_are_sent_before_their_user_counts_as_erased(
    db: Database, outbox: Outbox, eraser: Eraser
) -> None:
    user_id = uuid7()
    async with db.transaction() as tx:
        await outbox.append(tx, [(MessageType.USER_CREATED, user_item(user_id))])
    await delete_user(db, outbox, user_id)
    await eraser.step()
    assert [row.erased_at for row in await rows(db, "SELECT erased_at FROM erasures")] == [None]
    assert len(await rows(db, "SELECT 1 FROM outbox WHERE type = 'UserCreated'")) == 1
    await execute(db, "UPDATE outbox SET sent_at = clock_timestamp()")
    await eraser.step()
    assert await rows(db, "SELECT 1 FROM outbox WHERE type = 'UserCreated'") == []
    assert await rows(db, "SELECT 1 FROM erasures WHERE erased_at IS NULL") == []


async def test_an_erasure_is_reported_once_and_only_when_nothing_is_on_its_way(
    db: Database, outbox: Outbox, eraser: Eraser, busy: set[UUID]
) -> None:
    user_id = uuid7()
    busy.add(user_id)
    await delete_user(db, outbox, user_id)
    await eraser.step()
    reports = "SELECT 1 FROM outbox WHERE type = 'EventDataErased'"
    assert await rows(db, reports) == []
    busy.clear()
    await eraser.step()
    await eraser.step()
    assert len(await rows(db, reports)) == 1


async def test_dead_letters_lose_the_body_that_names_a_deleted_user_whenever_they_come(
    db: Database, outbox: Outbox, eraser: Eraser
) -> None:
    deleted, other = uuid7(), uuid7()
    keep = dead_letters.keeper(db, "bday-analytics")

    async def store(user_id: object, number: int) -> None:
        body = f'{{"data": {{"items": [{{"userId" : "{user_id}", "firstName": "{MARKER}"}}]}}}}'
        await keep([Rejection(ReceivedMessage(f"m{number}", body, {}, "handle", 1, 0.0), "poison", "no")])

    await store(deleted, 1)
    await store(other, 2)
    await store("not-an-id", 3)
    await delete_user(db, outbox, deleted)
    await eraser.step()
    await store(deleted, 4)
    await eraser.step()
    bodies = {row.message_id: row.body for row in await rows(db, "SELECT message_id, body FROM dead_letters")}
    assert bodies["m1"] == bodies["m4"] == ERASED_BODY
    assert MARKER in bodies["m2"]
    assert MARKER in bodies["m3"]


async def test_dead_letters_are_deleted_after_90_days(db: Database, url: str) -> None:
    keep = dead_letters.keeper(db, "bday-analytics")
    for name in ("old", "young"):
        await keep([Rejection(ReceivedMessage(name, MARKER, {}, "handle", 1, 0.0), "poison", "no")])
    await execute(db, "UPDATE dead_letters SET created_at = now() - interval '89.9 days'")
    await execute(db, "UPDATE dead_letters SET created_at = now() - interval '91 days' WHERE message_id = 'old'")
    await Sweep(db, ServiceSettings(database_url=SecretStr(url))).step()
    assert [row.message_id for row in await rows(db, "SELECT message_id FROM dead_letters")] == ["young"]


async def test_those_who_were_not_deleted_are_not_requested(db: Database, outbox: Outbox) -> None:
    deleted, other = uuid7(), uuid7()
    await delete_user(db, outbox, deleted)
    await delete_user(db, outbox, deleted)
    async with db.read() as connection:
        assert await erasures.requested(connection, {deleted, other}) == {deleted}
        assert await erasures.requested(connection, set()) == set()
