"""Use cases of anniversaries. They are part of their user: each change is a change of the user, with a new version."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import idempotency
from chassis.database.clock import Clock
from chassis.database.database import Database, Transaction
from chassis.database.idempotency import IdempotencyKey
from chassis.messaging.outbox import Outbox
from contracts.messages.spec import Item, MessageType
from user_service.adapters import users
from user_service.application import domain_events
from user_service.application.users import lock, today
from user_service.domain import anniversaries
from user_service.domain.anniversaries import Anniversaries, Anniversary, Occasion
from user_service.domain.user import User

Announce = Callable[[User], list[tuple[MessageType, Item]]]


async def add_anniversary(
    database: Database,
    outbox: Outbox,
    clock: Clock,
    user_id: UUID,
    occasion: Occasion,
    expected: int | None,
    key: IdempotencyKey | None,
) -> tuple[User, Anniversary]:
    """Give the user one more. Under a key that has added one before, that one is returned as it is now.

    Raises:
        UserNotFoundError, AnniversaryInFutureError, TooManyAnniversariesError
        StaleVersionError: the user's version is not ``expected`` (None: any will do).
        IdempotencyKeyReusedError: the key came with another request.
        AnniversaryNotFoundError: the anniversary that the key added is gone.
    """
    new = Anniversary(uuid7(), occasion)
    async with database.transaction() as tx:
        anniversary_id = await idempotency.claim(tx, key, new.id)
        if anniversary_id != new.id:
            user = await lock(tx, user_id, None)
            return user, anniversaries.find(user.anniversaries, anniversary_id)
        user = await lock(tx, user_id, expected)
        occasion.begun_by(today(clock.now(), user.profile.timezone))
        all_of_them = anniversaries.added(user.anniversaries, new)
        return await _store(tx, outbox, clock, user, all_of_them, domain_events.anniversary_added), new


async def update_anniversary(
    database: Database,
    outbox: Outbox,
    clock: Clock,
    user_id: UUID,
    anniversary_id: UUID,
    patch: Mapping[str, Any],
    expected: int | None,
) -> tuple[User, Anniversary]:
    """Apply a partial update. What changes nothing announces nothing and keeps the version.

    Raises:
        UserNotFoundError, AnniversaryNotFoundError, AnniversaryInFutureError
        StaleVersionError: the user's version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        user = await lock(tx, user_id, expected)
        old = anniversaries.find(user.anniversaries, anniversary_id)
        new = Anniversary(old.id, old.occasion.merged(patch))
        if new == old:
            return user, old
        # Only a new date is judged, as with a date of birth.
        if new.occasion.date != old.occasion.date:
            new.occasion.begun_by(today(clock.now(), user.profile.timezone))
        all_of_them = anniversaries.replaced(user.anniversaries, new)
        return await _store(tx, outbox, clock, user, all_of_them, domain_events.anniversary_changed), new


async def remove_anniversary(
    database: Database, outbox: Outbox, clock: Clock, user_id: UUID, anniversary_id: UUID, expected: int | None
) -> None:
    """Take one from the user.

    Raises:
        UserNotFoundError, AnniversaryNotFoundError
        StaleVersionError: the user's version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        user = await lock(tx, user_id, expected)
        anniversaries.find(user.anniversaries, anniversary_id)
        rest = anniversaries.without(user.anniversaries, anniversary_id)
        await _store(tx, outbox, clock, user, rest, domain_events.anniversary_removed)


async def _store(
    tx: Transaction, outbox: Outbox, clock: Clock, user: User, all_of_them: Anniversaries, announce: Announce
) -> User:
    user = replace(user, version=user.version + 1, anniversaries=all_of_them, updated_at=clock.now())
    await users.update(tx, user)
    await outbox.append(tx, announce(user))
    return user
