"""Takes an import's lines to their end, in chunks of one transaction each.

What a chunk stores, its refused lines and how far the body was read are committed together. So after any interruption,
the same request continues after the last chunk, and no line is applied twice.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from chassis.core.errors import IdempotencyKeyReusedError, ProblemError
from chassis.core.lifecycle import Stopping
from chassis.database.database import Database, Transaction
from chassis.imports import jobs
from chassis.imports.errors import ImportBodyChangedError, ImportNotFoundError, ImportStoppedError, ImportTakenOverError
from chassis.imports.jobs import MAX_KEPT_ERRORS, Counts, Fault, Job, JobStatus, Mark, RefusedLine
from chassis.messaging.outbox import Outbox

log = structlog.get_logger(__name__)
T = TypeVar("T")

CHUNK_ROWS = 2_000
"""Enough to make a commit cheap, few enough for memory and for what is read again after a crash."""
CHUNK_SECONDS = 5.0
"""A slow body is committed this often, so that its progress can be seen."""
ROOM_SECONDS = 0.5
"""Pause between two looks at an outbox that is full."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A line as it was read: what it asks for, or the faults."""

    line: int
    content: T | tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Some consecutive lines without the blank ones, and how far the body was read with them."""

    entries: Sequence[Entry[T]]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing some lines came to."""

    counts: Counts
    refused: Sequence[RefusedLine] = ()


Store = Callable[[Transaction, Job, Sequence[tuple[int, T]]], Awaitable[Stored]]
"""Stores lines, given with their numbers, as a part of the chunk's transaction."""


@dataclass(slots=True)
class _Chunk(Generic[T]):
    mark: Mark
    lines: list[tuple[int, T]] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    began: float = field(default_factory=monotonic)

    @property
    def full(self) -> bool:
        return len(self.lines) + len(self.refused) >= CHUNK_ROWS or monotonic() - self.began > CHUNK_SECONDS


async def begin_import(database: Database, client: str, key: str, kind: str) -> Job:
    """A new import, or the client's one under this key, to go on from its mark. Earlier requests for it end.

    Raises:
        IdempotencyKeyReusedError: that one is of another kind.
    """
    async with database.transaction() as tx:
        job = await jobs.begin(tx, uuid7(), client, key, kind)
        if job.kind != kind:
            raise IdempotencyKeyReusedError
        return job


async def run_import(
    database: Database,
    outbox: Outbox,
    job: Job,
    batches: AsyncIterator[Batch[T]],
    store: Store[T],
    stopping: Stopping | None = None,
) -> Job:
    """Take ``batches``, which begin behind the import's mark, to their end.

    While PostgreSQL works on one chunk, the next one is read. Between chunks the import waits until the outbox has
    room. Whatever ends it early marks it as interrupted.

    Raises:
        ImportTakenOverError
        ImportBodyChangedError: the import was completed without these lines.
        ImportStoppedError: the process stops.
    """
    work = _Run(database, outbox, job, store, stopping or Stopping())
    try:
        return await work.through(batches)
    except (ProblemError, asyncio.CancelledError):
        async with database.transaction() as tx:
            await jobs.interrupt(tx, job)
        raise


class _Run(Generic[T]):
    """One request's work on an import."""

    def __init__(self, database: Database, outbox: Outbox, job: Job, store: Store[T], stopping: Stopping) -> None:
        self._stopping = stopping
        self._database = database
        self._outbox = outbox
        self._job = job
        self._store = store
        self._kept = min(job.refused, MAX_KEPT_ERRORS)
        self._committing: asyncio.Task[Job] | None = None

    async def through(self, batches: AsyncIterator[Batch[T]]) -> Job:
        chunk = _Chunk[T](self._job.mark)
        try:
            async for batch in batches:
                self._take(chunk, batch)
                if chunk.full:
                    await self._commit(chunk, JobStatus.RUNNING)
                    chunk = _Chunk(chunk.mark)
        except BaseException as error:
            if self._committing is not None:
                [outcome] = await asyncio.gather(self._committing, return_exceptions=True)
                if isinstance(outcome, BaseException) and outcome is not error:
                    log.warning("chunk before not stored either", import_id=str(self._job.id), error=repr(outcome))
            raise
        if self._job.status is JobStatus.COMPLETED:
            return self._job
        return await (await self._commit(chunk, JobStatus.COMPLETED))

    def _take(self, chunk: _Chunk[T], batch: Batch[T]) -> None:
        if self._job.status is JobStatus.COMPLETED:
            raise ImportBodyChangedError("the import is completed, and its body ended before this one does")
        for entry in batch.entries:
            if isinstance(entry.content, tuple):
                chunk.refused.append(RefusedLine(entry.line, entry.content))
            else:
                chunk.lines.append((entry.line, entry.content))
        chunk.mark = batch.mark

    async def _commit(self, chunk: _Chunk[T], status: JobStatus) -> "asyncio.Task[Job]":
        if self._committing is not None:
            await self._committing
        await self._wait_for_room()
        self._committing = asyncio.create_task(self._write(chunk, status))
        return self._committing

    async def _wait_for_room(self) -> None:
        while not await self._outbox.has_room(self._database):
            # The relay stops too: there will be no room.
            if self._stopping.begun:
                raise ImportStoppedError("this process stops: send the same request again")
            async with self._database.transaction() as tx:
                if not await jobs.touch(tx, self._job):
                    raise _taken_over()
            await asyncio.sleep(ROOM_SECONDS)

    async def _write(self, chunk: _Chunk[T], status: JobStatus) -> Job:
        async with self._database.transaction() as tx:
            # First, for its lock: a request that takes over waits for this chunk, and then sees it.
            if not await jobs.touch(tx, self._job):
                raise _taken_over()
            stored = await self._store(tx, self._job, chunk.lines) if chunk.lines else Stored(Counts())
            refused = sorted((*chunk.refused, *stored.refused), key=lambda each: each.line)
            kept = refused[: MAX_KEPT_ERRORS - self._kept]
            await jobs.refuse(tx, self._job.id, kept)
            job = await jobs.advance(tx, self._job, status, chunk.mark, stored.counts, len(refused))
            if job is None:
                raise _taken_over()
        self._kept += len(kept)
        return job


def _taken_over() -> ImportTakenOverError:
    return ImportTakenOverError("a later request with this key continues the import")


async def find_import(database: Database, import_id: UUID) -> Job:
    """Raises ImportNotFoundError."""
    async with database.read() as connection:
        job = await jobs.find(connection, import_id)
    if job is None:
        raise ImportNotFoundError(f"there is no import {import_id}")
    return job


async def list_imports(database: Database, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Job]:
    """Newest first, behind the (started_at, id) at which the page before ended."""
    async with database.read() as connection:
        return await jobs.newest(connection, before, limit)


async def list_errors(database: Database, import_id: UUID, after: int, limit: int) -> Sequence[RefusedLine]:
    """The refused lines that are kept, behind line ``after``. Raises ImportNotFoundError."""
    async with database.read() as connection:
        if await jobs.find(connection, import_id) is None:
            raise ImportNotFoundError(f"there is no import {import_id}")
        return await jobs.errors(connection, import_id, after, limit)
