"""Use cases of users. Each change leaves its items in the outbox, in the transaction that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from datetime import timezone as dt_timezone
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.core.zones import is_zone, zone
from chassis.database import idempotency
from chassis.database.clock import Clock
from chassis.database.database import Database, Transaction
from chassis.database.idempotency import IdempotencyKey
from chassis.database.read_routing import Reads
from chassis.messaging import erasures
from chassis.messaging.outbox import Outbox
from user_service.adapters import users
from user_service.application import domain_events
from user_service.domain.anniversaries import Anniversary
from user_service.domain.anniversaries import brought_to as brought
from user_service.domain.errors import StaleVersionError, UserNotFoundError
from user_service.domain.user import Change, NewUser, Search, User, changes


async def create_user(
    database: Database, outbox: Outbox, clock: Clock, new: NewUser, key: IdempotencyKey | None
) -> User:
    """Store a new user. Under a key that has created one before, that one is returned as it is now.

    Raises:
        BirthInFutureError, AnniversaryInFutureError
        IdempotencyKeyReusedError: the key came with another user.
        UserNotFoundError: the user that the key created is deleted.
        ExternalIdTakenError
    """
    now = clock.now()
    new.possible_on(today(now, new.profile.timezone))
    user = first_version(uuid7(), new, now)
    async with database.transaction() as tx:
        user_id = await idempotency.claim(tx, key, user.id)
        if user_id != user.id:
            existing = await users.find(tx.connection, user_id)
            if existing is None:
                raise UserNotFoundError(f"user {user_id}, created with this Idempotency-Key, has been deleted")
            return existing
        if not await users.insert(tx, user):
            raise users.taken(user)
        await outbox.append(tx, domain_events.created(user))
    return user


async def find_user(reads: Reads, user_id: UUID) -> User:
    """Raises UserNotFoundError."""
    return _found(await reads.find(lambda reader: users.find(reader, user_id)), user_id)


async def search_users(reads: Reads, wanted: Search, limit: int) -> Sequence[User]:
    """Newest first, at most ``limit``."""
    async with reads.open() as reader:
        return await users.search(reader, wanted, limit)


async def update_user(
    database: Database, outbox: Outbox, clock: Clock, user_id: UUID, patch: Mapping[str, Any], expected: int | None
) -> User:
    """Apply a partial update (:meth:`Profile.merged`). What changes nothing announces nothing and keeps the version.

    Raises:
        UserNotFoundError, BirthInFutureError, ExternalIdTakenError
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        user = await lock(tx, user_id, expected)
        profile = user.profile.merged(patch)
        kinds = changes(user.profile, profile)
        if not kinds:
            return user
        # Only a new date is judged: who moves west on the day of birth may do so.
        if Change.BIRTHDAY in kinds:
            profile.born_by(today(clock.now(), profile.timezone))
        user = replace(user, version=user.version + 1, profile=profile, updated_at=clock.now())
        await users.update(tx, user)
        await outbox.append(tx, domain_events.changed(user, kinds))
    return user


async def put_user(
    database: Database, outbox: Outbox, clock: Clock, new: NewUser, expected: int | None
) -> tuple[User, bool]:
    """Create the user with the external id of ``new``, or bring the one who has it to what ``new`` says.

    Returns the user, and whether it is new. What changes nothing announces nothing and keeps the version.

    Raises:
        BirthInFutureError, AnniversaryInFutureError, TooManyAnniversariesError
        StaleVersionError: the version is not ``expected`` (None: any will do), or there is no such user yet.
    """
    external_id = new.profile.external_id or ""
    now = clock.now()
    async with database.transaction() as tx:
        user = (await users.lock_external(tx, [external_id])).get(external_id)
        if user is None:
            if expected is not None:
                raise StaleVersionError(f'there is no user with externalId {external_id!r}, so none at "{expected}"')
            new.possible_on(today(now, new.profile.timezone))
            user = first_version(uuid7(), new, now)
            if await users.insert(tx, user):
                await outbox.append(tx, domain_events.created(user))
                return user, True
            # A concurrent request was faster and has committed: the insert waited for that.
            user = _named(await users.lock_external(tx, [external_id]), external_id)
        if expected is not None and user.version != expected:
            raise stale(user, expected)
        after, kinds = brought_to(user, new, now)
        if after is not user:
            await users.update(tx, after)
            await outbox.append(tx, domain_events.updated(user, after, kinds))
    return after, False


def brought_to(user: User, new: NewUser, now: datetime) -> tuple[User, list[Change]]:
    """The user as ``new`` says it is now, and the kinds of change of its profile; the same object where none is.

    Raises:
        BirthInFutureError, AnniversaryInFutureError: of a date that is another than before.
        TooManyAnniversariesError
    """
    profile = user.profile.merged({name: value for name, value in new.profile.values().items() if name in new.given})
    anniversaries = user.anniversaries
    if "anniversaries" in new.given:
        anniversaries = brought(anniversaries, new.occasions, uuid7, labels=new.labels)
    kinds = changes(user.profile, profile)
    if not kinds and anniversaries == user.anniversaries:
        return user, []
    if Change.BIRTHDAY in kinds:
        profile.born_by(today(now, profile.timezone))
    known = {each.occasion.date for each in user.anniversaries}
    for place, each in enumerate(anniversaries):
        if each.occasion.date not in known:
            each.occasion.begun_by(today(now, profile.timezone), f"anniversaries.{place}.date")
    changed = replace(user, version=user.version + 1, profile=profile, anniversaries=anniversaries, updated_at=now)
    return changed, kinds


async def find_external(reads: Reads, external_id: str) -> User:
    """Raises UserNotFoundError."""
    user = await reads.find(lambda reader: users.find_external(reader, external_id))
    return _named({external_id: user} if user else {}, external_id)


def _named(found: Mapping[str, User], external_id: str) -> User:
    if external_id not in found:
        raise UserNotFoundError(f"there is no user with externalId {external_id!r}", "externalId")
    return found[external_id]


async def delete_user(database: Database, outbox: Outbox, user_id: UUID, expected: int | None) -> None:
    """Delete a user for good; the announcement names nothing but the id and a last version.

    Raises:
        UserNotFoundError
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    async with database.transaction() as tx:
        await delete(tx, outbox, user_id, expected)


async def delete(tx: Transaction, outbox: Outbox, user_id: UUID, expected: int | None) -> None:
    """:func:`delete_user` as a part of a transaction."""
    user = await lock(tx, user_id, expected)
    await users.delete(tx, user_id)
    await erasures.request(tx, [user_id])
    await outbox.append(tx, domain_events.deleted(user_id, user.version + 1))


def first_version(user_id: UUID, new: NewUser, now: datetime) -> User:
    anniversaries = tuple(Anniversary(uuid7(), occasion) for occasion in new.occasions)
    return User(user_id, 1, new.profile, now, now, anniversaries)


async def lock(tx: Transaction, user_id: UUID, expected: int | None) -> User:
    """The user, kept from other writers until the transaction ends.

    Raises:
        UserNotFoundError
        StaleVersionError: the version is not ``expected`` (None: any will do).
    """
    user = _found(await users.lock(tx, user_id), user_id)
    if expected is not None and user.version != expected:
        raise stale(user, expected)
    return user


def stale(user: User, expected: int) -> StaleVersionError:
    return StaleVersionError(f'the user is at version "{user.version}", not "{expected}": read it again')


def _found(user: User | None, user_id: UUID) -> User:
    if user is None:
        raise UserNotFoundError(f"there is no user {user_id}")
    return user


_EASTERNMOST = dt_timezone(timedelta(hours=14))


def today(now: datetime, timezone: str) -> date:
    """The date that it is in a zone; the latest anywhere, where that is one that tzdata has dropped."""
    return now.astimezone(zone(timezone) if is_zone(timezone) else _EASTERNMOST).date()
