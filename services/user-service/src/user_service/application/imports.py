"""Use cases of imports: a body of any size becomes users in chunks, one transaction each (design §8).

A chunk's users, their announcements, its refused lines and how far the body was read are committed together. So
whatever ends an import, the same request again goes on behind the last chunk, and no line is taken twice.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from time import monotonic
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import IdempotencyKeyReusedError
from chassis.outbox import Encoded, Outbox, encode
from chassis.telemetry.tracing import current_traceparent
from contracts.identity import derive_id
from user_service.adapters import imports, users
from user_service.application import announcements
from user_service.application.users import first_version, today
from user_service.domain.errors import (
    ImportBodyChangedError,
    ImportNotFoundError,
    ImportTakenOverError,
    UserServiceError,
)
from user_service.domain.imports import (
    MAX_KEPT_ERRORS,
    Batch,
    Fault,
    Import,
    ImportFormat,
    ImportStatus,
    Mark,
    RefusedLine,
)
from user_service.domain.user import NewUser, User

log = structlog.get_logger(__name__)

CHUNK_ROWS = 3_000
"""Enough to make a commit cheap, few enough for memory and for what is read again after a crash."""
CHUNK_SECONDS = 5.0
"""A slow body is committed this often, so that its progress can be seen."""
ROOM_SECONDS = 0.5
"""Pause between two looks at an outbox that is full."""


@dataclass(slots=True)
class _Chunk:
    mark: Mark
    users: list[User] = field(default_factory=list)
    items: list[Encoded] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    began: float = field(default_factory=monotonic)

    @property
    def full(self) -> bool:
        return len(self.users) + len(self.refused) >= CHUNK_ROWS or monotonic() - self.began > CHUNK_SECONDS


async def begin_import(database: Database, client: str, key: str, format: ImportFormat) -> Import:
    """A new import, or the client's one under this key, to go on from its mark. Earlier requests for it end.

    Raises:
        IdempotencyKeyReusedError: that one has another format.
    """
    async with database.transaction() as tx:
        job = await imports.begin(tx, uuid7(), client, key, format)
        if job.format != format:
            raise IdempotencyKeyReusedError
        return job


async def run_import(
    database: Database, outbox: Outbox, clock: Clock, job: Import, batches: AsyncIterator[Batch]
) -> Import:
    """Take ``batches``, which begin behind the import's mark, to their end.

    While PostgreSQL works on one chunk, the next one is read. Between chunks the import waits until the outbox has
    room.

    Raises:
        ImportTakenOverError
        ImportBodyChangedError: the import was completed without these lines.
    """
    work = _Run(database, outbox, clock, job)
    try:
        return await work.through(batches)
    except UserServiceError:
        async with database.transaction() as tx:
            await imports.interrupt(tx, job)
        raise


class _Run:
    """One request's work on an import."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, job: Import) -> None:
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
        now, traceparent = self._clock.now(), current_traceparent()
        dates: dict[str, date] = {}
        fresh: list[User] = []
        for entry in batch.entries:
            content = entry.content
            if isinstance(content, NewUser):
                try:
                    content.possible_on(_today(dates, now, content.profile.timezone))
                except UserServiceError as error:
                    content = (Fault(error.field or "line", str(error)),)
            if isinstance(content, NewUser):
                fresh.append(first_version(derive_id(self._job.id, str(entry.line)), content, now))
            else:
                chunk.refused.append(RefusedLine(entry.line, content))
        chunk.items.extend(encode([item for user in fresh for item in announcements.created(user, traceparent)]))
        chunk.users.extend(fresh)
        chunk.mark = batch.mark

    async def _commit(self, chunk: _Chunk, status: ImportStatus) -> "asyncio.Task[Import]":
        if self._committing is not None:
            await self._committing
        await self._room()
        self._committing = asyncio.create_task(self._store(chunk, status))
        return self._committing

    async def _room(self) -> None:
        while not await self._outbox.has_room(self._database):
            async with self._database.transaction() as tx:
                if not await imports.touch(tx, self._job):
                    raise _taken_over()
            await asyncio.sleep(ROOM_SECONDS)

    async def _store(self, chunk: _Chunk, status: ImportStatus) -> Import:
        kept = chunk.refused[: MAX_KEPT_ERRORS - self._kept]
        self._kept += len(kept)
        async with self._database.transaction() as tx:
            # First, for its lock: a request that takes over waits for this chunk, and then sees it.
            job = await imports.advance(
                tx, self._job, status, chunk.mark, created=len(chunk.users), refused=len(chunk.refused)
            )
            if job is None:
                raise _taken_over()
            await users.copy(tx, chunk.users)
            await self._outbox.append_encoded(tx, chunk.items)
            await imports.refuse(tx, job.id, kept)
        return job


def _today(dates: dict[str, date], now: datetime, timezone: str) -> date:
    # Many users share few zones.
    if timezone not in dates:
        dates[timezone] = today(now, timezone)
    return dates[timezone]


def _taken_over() -> ImportTakenOverError:
    return ImportTakenOverError("a later request with this key goes on with the import")


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
