"""An import: many users out of one body, in chunks that are each committed as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from user_service.domain.user import NewUser

MAX_KEPT_ERRORS = 10_000
"""Refused lines of one import that are kept with their faults; all are counted."""

SEEN_DAYS = 7
"""After a sync, for how long it is known who was in its body."""

SILENT_SECONDS = 150.0
"""An import of which nothing was heard for so long is interrupted: its process died before it could report it."""


class ImportFormat(StrEnum):
    """What a body is made of: one user a line."""

    CSV = "csv"
    NDJSON = "ndjson"


class ImportMode(StrEnum):
    """What an import is for. Both know users by their external ids, and bring those who are there to what a line says.

    After one that is ``sync`` it is known as well who is not in the body.
    """

    UPSERT = "upsert"
    SYNC = "sync"


class ImportStatus(StrEnum):
    """Where an import stands. The same request again takes one that was interrupted to its end."""

    RUNNING = "running"
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a body was read: whole lines, their bytes, and the SHA-256 of those, by which the body is known again."""

    line: int = 0
    position: int = 0
    digest: bytes = sha256().digest()


@dataclass(frozen=True, slots=True)
class Fault:
    """The errors of a line: the field, as the client spells it (`line` for all of it), and the broken rule."""

    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line as it was read: a user, or the faults."""

    line: int
    content: NewUser | tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive lines without the blank ones, and how far the body was read with them."""

    entries: Sequence[Entry]
    mark: Mark


@dataclass(frozen=True, slots=True)
class RefusedLine:
    line: int
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Import:
    """An import as it is stored; ``run`` counts the requests for it.

    ``rows`` is the sum of ``created``, ``updated``, ``unchanged`` and ``refused``. ``missing`` is how many users with
    an external id were not in the body, once one that is ``sync`` is completed.
    """

    id: UUID
    format: ImportFormat
    mode: ImportMode
    status: ImportStatus
    run: int
    mark: Mark
    rows: int
    created: int
    updated: int
    unchanged: int
    refused: int
    missing: int | None
    began_at: datetime
    """By the clock of users; ``started_at`` and ``updated_at`` are real time."""
    started_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """The results of the lines of a chunk."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class MissingUser:
    """A user with an external id who is not in the body of an import."""

    id: UUID
    external_id: str
    created_at: datetime
