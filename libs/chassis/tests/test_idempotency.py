"""One Idempotency-Key, one resource."""

import asyncio
from uuid import UUID, uuid4

import pytest

from chassis.core.errors import IdempotencyKeyReusedError
from chassis.database.database import Database
from chassis.database.idempotency import IdempotencyKey, claim

KEY = IdempotencyKey.of("client", "key-1", "POST /v1/things", b'{"name": "a"}')


async def _claim(db: Database, key: IdempotencyKey | None, resource_id: UUID) -> UUID:
    async with db.transaction() as tx:
        return await claim(tx, key, resource_id)


async def test_repeated_request_returns_what_the_first_created(db: Database) -> None:
    first, second = uuid4(), uuid4()
    assert await _claim(db, KEY, first) == first
    assert await _claim(db, KEY, second) == first


async def test_without_a_key_every_request_creates(db: Database) -> None:
    one = uuid4()
    assert await _claim(db, None, one) == one


@pytest.mark.parametrize(
    "other",
    [
        IdempotencyKey.of("client", "key-1", "POST /v1/things", b'{"name": "b"}'),
        IdempotencyKey.of("client", "key-1", "POST /v1/others", b'{"name": "a"}'),
    ],
)
async def test_a_key_that_came_with_another_request_is_refused(db: Database, other: IdempotencyKey) -> None:
    await _claim(db, KEY, uuid4())
    with pytest.raises(IdempotencyKeyReusedError):
        await _claim(db, other, uuid4())


async def test_clients_do_not_share_keys(db: Database) -> None:
    mine, theirs = uuid4(), uuid4()
    assert await _claim(db, KEY, mine) == mine
    assert await _claim(db, IdempotencyKey("another", KEY.key, KEY.fingerprint), theirs) == theirs


async def test_concurrent_requests_with_one_key_agree_on_one_resource(db: Database) -> None:
    claimed = await asyncio.gather(*(_claim(db, KEY, uuid4()) for _ in range(8)))
    assert len(set(claimed)) == 1


async def test_a_request_that_failed_leaves_its_key_free(db: Database) -> None:
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await claim(tx, KEY, uuid4())
            raise KeyError
    again = uuid4()
    assert await _claim(db, KEY, again) == again
