"""An item is applied once, however often and wherever it arrives."""

import asyncio
import random
from uuid import uuid4

import pytest
from sqlalchemy import text

from chassis.database import inbox
from chassis.database.database import Database
from testkit.polling import DEADLINE_SECONDS


async def test_an_item_is_unseen_once(db: Database) -> None:
    items = [uuid4() for _ in range(5)]
    async with db.transaction() as tx:
        assert await inbox.unseen(tx, [*items, items[0]]) == set(items)
        assert await inbox.unseen(tx, items) == set()
    new = uuid4()
    async with db.transaction() as tx:
        assert await inbox.unseen(tx, [*items, new]) == {new}
        assert await inbox.unseen(tx, []) == set()


async def test_what_was_rolled_back_is_unseen_again(db: Database) -> None:
    item = uuid4()
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await inbox.unseen(tx, [item])
            raise KeyError
    async with db.transaction() as tx:
        assert await inbox.unseen(tx, [item]) == {item}


async def test_concurrent_duplicates_are_applied_once(db: Database) -> None:
    items = [uuid4() for _ in range(200)]
    applied: list[object] = []

    async def consume(seed: int) -> None:
        shuffled = random.Random(seed).sample(items, k=len(items))
        for start in range(0, len(shuffled), 25):
            async with db.transaction() as tx:
                fresh = await inbox.unseen(tx, shuffled[start : start + 25])
                await tx.execute(text("SELECT 1"))
            applied.extend(fresh)

    await asyncio.gather(*(consume(seed) for seed in range(6)))
    assert sorted(map(str, applied)) == sorted(map(str, items))


async def test_a_duplicate_waits_for_the_transaction_that_was_first(db: Database) -> None:
    item = uuid4()
    second: asyncio.Task[set[object]]

    async def duplicate() -> set[object]:
        async with db.transaction() as tx:
            return set(await inbox.unseen(tx, [item]))

    async with db.transaction() as tx:
        await inbox.unseen(tx, [item])
        second = asyncio.create_task(duplicate())
        done, _ = await asyncio.wait([second], timeout=0.1)
        assert not done
    assert await asyncio.wait_for(second, DEADLINE_SECONDS) == set()


async def test_old_ids_are_deleted(db: Database) -> None:
    old, young = uuid4(), uuid4()
    async with db.transaction() as tx:
        await inbox.unseen(tx, [old, young])
        await tx.execute(
            text("UPDATE inbox SET received_at = now() - interval '2 days' WHERE item_id = :id"), {"id": old}
        )
        await tx.execute(inbox.SWEEP, {"seconds": 86_400.0})
        assert await inbox.unseen(tx, [old, young]) == {old}
