"""Use cases of imports: a body of any size becomes users in chunks, one transaction each (ADR 35).

A chunk's users, their announcements, its refused lines and how far the body was read are committed together. So
after any interruption, the same request continues after the last chunk, and no line is applied twice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from time import monotonic
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from chassis.core.errors import IdempotencyKeyReusedError, ProblemError
from chassis.core.lifecycle import Stopping
from chassis.database.clock import Clock
from chassis.database.database import Database, Transaction
from chassis.imports.errors import ImportStoppedError
from chassis.messaging.outbox import Encoded, Outbox, encode
from chassis.telemetry.tracing import current_traceparent, linked_traceparent
from contracts.identity import derive_id
from user_service.adapters import imports, users
from user_service.application import domain_events
from user_service.application.users import brought_to, delete, first_version, today
from user_service.domain.errors import (
    ExternalIdTakenError,
    ImportBodyChangedError,
    ImportNotFoundError,
    ImportNotSyncError,
    ImportTakenOverError,
    MissingUsersChangedError,
    UserServiceError,
)
from user_service.domain.imports import (
    MAX_KEPT_ERRORS,
    Batch,
    Counts,
    Fault,
    Import,
    ImportFormat,
    ImportMode,
    ImportStatus,
    Mark,
    MissingUser,
    RefusedLine,
)
from user_service.domain.user import NewUser, User, changes

log = structlog.get_logger(__name__)

CHUNK_ROWS = 3_000
"""Enough to make a commit cheap, few enough for memory and for what is read again after a crash."""
CHUNK_SECONDS = 5.0
"""A slow body is committed this often, so that its progress can be seen."""
UPSERT_TURN = 25
"""Users that are compared with what is stored before others get their turn on the event loop."""
UPSERT_ATTEMPTS = 5
"""Of a chunk, where other requests keep creating users with the same external ids."""
DELETE_ROWS = 1_000
"""Users who are deleted in one transaction."""
ROOM_SECONDS = 0.5
"""Pause between two looks at an outbox that is full."""


@dataclass(slots=True)
class _Chunk:
    mark: Mark
    users: list[User] = field(default_factory=list)
    """Who has no external id: no such user can exist yet."""
    known: list[tuple[int, NewUser]] = field(default_factory=list)
    """Lines of those who have one."""
    items: list[Encoded] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    began: float = field(default_factory=monotonic)

    @property
    def full(self) -> bool:
        rows = len(self.users) + len(self.known) + len(self.refused)
        return rows >= CHUNK_ROWS or monotonic() - self.began > CHUNK_SECONDS


async def begin_import(
    database: Database, client: str, key: str, format: ImportFormat, mode: ImportMode = ImportMode.UPSERT
) -> Import:
    """A new import, or the client's one under this key, to go on from its mark. Earlier requests for it end.

    Raises:
        IdempotencyKeyReusedError: that one has another format or mode.
    """
    async with database.transaction() as tx:
        job = await imports.begin(tx, uuid7(), client, key, format, mode)
        if (job.format, job.mode) != (format, mode):
            raise IdempotencyKeyReusedError
        return job


async def run_import(
    database: Database,
    outbox: Outbox,
    clock: Clock,
    job: Import,
    batches: AsyncIterator[Batch],
    stopping: Stopping | None = None,
) -> Import:
    """Take ``batches``, which begin behind the import's mark, to their end.

    While PostgreSQL works on one chunk, the next one is read. Between chunks the import waits until the outbox has
    room.

    Raises:
        ImportTakenOverError
        ImportBodyChangedError: the import was completed without these lines.
        ImportStoppedError: the process stops.
    """
    work = _Run(database, outbox, clock, job, stopping or Stopping())
    try:
        return await work.through(batches)
    except (UserServiceError, ProblemError):
        async with database.transaction() as tx:
            await imports.interrupt(tx, job)
        raise


class _Run:
    """One request's work on an import."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, job: Import, stopping: Stopping) -> None:
        self._stopping = stopping
        self._trace = current_traceparent()
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._job = job
        self._kept = min(job.refused, MAX_KEPT_ERRORS)
        self._committing: asyncio.Task[Import] | None = None

    async def through(self, batches: AsyncIterator[Batch]) -> Import:
        chunk = _Chunk(self._job.mark)
        try:
            async for batch in batches:
                self._take(chunk, batch)
                if chunk.full:
                    await self._commit(chunk, ImportStatus.RUNNING)
                    chunk = _Chunk(chunk.mark)
        except BaseException as error:
            if self._committing is not None:
                [outcome] = await asyncio.gather(self._committing, return_exceptions=True)
                if isinstance(outcome, BaseException) and outcome is not error:
                    log.warning("chunk before not stored either", import_id=str(self._job.id), error=repr(outcome))
            raise
        if self._job.status is ImportStatus.COMPLETED:
            return self._job
        return await (await self._commit(chunk, ImportStatus.COMPLETED))

    def _take(self, chunk: _Chunk, batch: Batch) -> None:
        if self._job.status is ImportStatus.COMPLETED:
            raise ImportBodyChangedError("the import is completed, and its body ended before this one does")
        now = self._clock.now()
        dates: dict[str, date] = {}
        fresh: list[User] = []
        for entry in batch.entries:
            content = entry.content
            if isinstance(content, NewUser):
                try:
                    content.possible_on(_today(dates, now, content.profile.timezone))
                except UserServiceError as error:
                    content = (Fault(error.field or "line", str(error)),)
            if not isinstance(content, NewUser):
                chunk.refused.append(RefusedLine(entry.line, content))
            elif content.profile.external_id is not None:
                chunk.known.append((entry.line, content))
            elif self._job.mode is ImportMode.SYNC:
                chunk.refused.append(RefusedLine(entry.line, (Fault("externalId", "is required with mode=sync"),)))
            else:
                fresh.append(first_version(self._user_id(entry.line), content, now))
        chunk.items.extend(
            encode(
                [
                    item
                    for user in fresh
                    for item in domain_events.created(user, linked_traceparent("import user", self._trace))
                ]
            )
        )
        chunk.users.extend(fresh)
        chunk.mark = batch.mark

    def _user_id(self, line: int) -> UUID:
        return derive_id(self._job.id, str(line))

    async def _commit(self, chunk: _Chunk, status: ImportStatus) -> "asyncio.Task[Import]":
        if self._committing is not None:
            await self._committing
        await self._room()
        self._committing = asyncio.create_task(self._store(chunk, status))
        return self._committing

    async def _room(self) -> None:
        while not await self._outbox.has_room(self._database):
            # The relay stops too: there will be no room.
            if self._stopping.begun:
                raise ImportStoppedError("this process stops: send the same request again")
            async with self._database.transaction() as tx:
                if not await imports.touch(tx, self._job):
                    raise _taken_over()
            await asyncio.sleep(ROOM_SECONDS)

    async def _store(self, chunk: _Chunk, status: ImportStatus) -> Import:
        for attempt in range(1, UPSERT_ATTEMPTS + 1):
            try:
                return await self._store_once(chunk, status)
            except ExternalIdTakenError:
                # A concurrent request created one of them and has committed: now the user is found.
                if attempt == UPSERT_ATTEMPTS:
                    raise
        raise AssertionError

    async def _store_once(self, chunk: _Chunk, status: ImportStatus) -> Import:
        async with self._database.transaction() as tx:
            # First, for its lock: a request that takes over waits for this chunk, and then sees it.
            if not await imports.touch(tx, self._job):
                raise _taken_over()
            upserts = await self._upsert(tx, chunk)
            refused = sorted((*chunk.refused, *upserts.refused), key=lambda each: each.line)
            created = (*chunk.users, *upserts.created.values())
            counts = Counts(len(created), len(upserts.updated), upserts.unchanged, len(refused))
            await users.copy(tx, created)
            await users.update_all(tx, list(upserts.updated.values()))
            await self._outbox.append_encoded(tx, [*chunk.items, *upserts.items])
            kept = refused[: MAX_KEPT_ERRORS - self._kept]
            await imports.refuse(tx, self._job.id, kept)
            if self._job.mode is ImportMode.SYNC:
                await imports.remember(tx, self._job.id, upserts.known)
            job = await imports.advance(tx, self._job, status, chunk.mark, counts)
            if job is None:
                raise _taken_over()
            if self._job.mode is ImportMode.SYNC and status is ImportStatus.COMPLETED:
                job = await imports.record_missing(tx, job, await imports.count_missing(tx, job))
        self._kept += len(kept)
        return job

    async def _upsert(self, tx: Transaction, chunk: _Chunk) -> "_Upserts":
        """Compare lines that have an external id with who is stored. One that comes twice counts by each line."""
        now = self._clock.now()
        names = {new.profile.external_id or "" for _, new in chunk.known}
        known = await users.lock_external(tx, names) if names else {}
        before = dict(known)
        upserts = _Upserts(known)
        for number, (line, new) in enumerate(chunk.known, 1):
            name = new.profile.external_id or ""
            user = known.get(name)
            if user is None:
                known[name] = upserts.created[name] = first_version(self._user_id(line), new, now)
                continue
            try:
                after, _ = brought_to(user, new, now)
            except UserServiceError as error:
                upserts.refused.append(RefusedLine(line, (Fault(error.field or "line", str(error)),)))
                continue
            if after is user:
                upserts.unchanged += 1
            elif name in before:
                # One version for all that the chunk changes of a user, whatever the number of its lines.
                after = replace(after, version=before[name].version + 1)
                upserts.unchanged += name in upserts.updated
                known[name] = upserts.updated[name] = after
            else:
                upserts.unchanged += 1
                known[name] = upserts.created[name] = replace(after, version=1)
            if number % UPSERT_TURN == 0:
                await asyncio.sleep(0)
        await upserts.encode(before, self._trace)
        return upserts


@dataclass(slots=True)
class _Upserts:
    """The changes for a chunk's lines with external ids; ``known`` are their users as they will be."""

    known: dict[str, User]
    created: dict[str, User] = field(default_factory=dict)
    updated: dict[str, User] = field(default_factory=dict)
    unchanged: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    items: list[Encoded] = field(default_factory=list)

    async def encode(self, before: Mapping[str, User], traceparent: str | None) -> None:
        for number, (name, user) in enumerate((*self.created.items(), *self.updated.items()), 1):
            own = linked_traceparent("import user", traceparent)
            if (was := before.get(name)) is None:
                said = domain_events.created(user, own)
            else:
                said = domain_events.updated(was, user, changes(was.profile, user.profile), own)
            self.items.extend(encode(said))
            if number % UPSERT_TURN == 0:
                await asyncio.sleep(0)


def _today(dates: dict[str, date], now: datetime, timezone: str) -> date:
    # Many users share few zones.
    if timezone not in dates:
        dates[timezone] = today(now, timezone)
    return dates[timezone]


def _taken_over() -> ImportTakenOverError:
    return ImportTakenOverError("a later request with this key continues the import")


async def find_import(database: Database, import_id: UUID) -> Import:
    """Raises ImportNotFoundError."""
    async with database.read() as connection:
        job = await imports.find(connection, import_id)
    if job is None:
        raise ImportNotFoundError(f"there is no import {import_id}")
    return job


async def list_imports(database: Database, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Import]:
    """Newest first, behind the (started_at, id) at which the page before ended."""
    async with database.read() as connection:
        return await imports.newest(connection, before, limit)


async def list_errors(database: Database, import_id: UUID, after: int, limit: int) -> Sequence[RefusedLine]:
    """The refused lines that are kept, behind line ``after``. Raises ImportNotFoundError."""
    async with database.read() as connection:
        if await imports.find(connection, import_id) is None:
            raise ImportNotFoundError(f"there is no import {import_id}")
        return await imports.errors(connection, import_id, after, limit)


async def list_missing(
    database: Database, import_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[MissingUser]:
    """Users with an external id who were there when the import began and are not in its body, newest first.

    Raises ImportNotFoundError, ImportNotSyncError.
    """
    job = _synced(await find_import(database, import_id))
    async with database.read() as connection:
        return await imports.missing_users(connection, job, before, limit)


async def delete_missing(database: Database, outbox: Outbox, import_id: UUID, expected: int) -> int:
    """Delete the users whom :func:`list_missing` lists, 1,000 in one transaction. Returns how many there were.

    Raises:
        ImportNotFoundError
        ImportNotSyncError: also where lines were refused, since who is in those is not known.
        MissingUsersChangedError: they are not as many as ``expected``.
    """
    job = _synced(await find_import(database, import_id))
    if job.refused:
        raise ImportNotSyncError(
            f"{job.refused} lines of the import were refused, so who they are is not known: correct them, import the"
            " file again, and delete those whom that import misses"
        )
    async with database.transaction() as tx:
        missing = await imports.count_missing(tx, job)
    if missing != expected:
        raise MissingUsersChangedError(f"{missing} users are missing, not {expected}: look at the list again")
    deleted = 0
    while True:
        async with database.transaction() as tx:
            gone = [each.id for each in await imports.missing_users(tx, job, None, DELETE_ROWS)]
            for user_id in sorted(gone):
                await delete(tx, outbox, user_id, None)
        deleted += len(gone)
        if len(gone) < DELETE_ROWS:
            return deleted


def _synced(job: Import) -> Import:
    if job.mode is not ImportMode.SYNC or job.status is not ImportStatus.COMPLETED:
        raise ImportNotSyncError(
            f"import {job.id} has mode {job.mode} and is {job.status}:"
            " who is missing is known of a sync that is completed"
        )
    return job
