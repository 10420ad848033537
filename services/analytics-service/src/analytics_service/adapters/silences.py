"""Table ``silences``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text
from uuid_utils.compat import uuid7

from analytics_service.domain.silences import Silence
from chassis.database.database import Reader, Transaction

_COLUMNS = "id, rule, labels, until, reason, created_by, created_at, ended_at, ended_by"
_ACTIVE = "ended_at IS NULL AND until > (SELECT clock_timestamp())"
_ADD = text(
    "INSERT INTO silences (id, rule, labels, until, reason, created_by, created_at) VALUES (:id, :rule,"
    " CAST(CAST(:labels AS text) AS jsonb), :until, :reason, :by, clock_timestamp())"
    f" RETURNING {_COLUMNS}"
)
_FIND_ACTIVE = text(f"SELECT {_COLUMNS} FROM silences WHERE {_ACTIVE}")
_FIND = text(f"SELECT {_COLUMNS} FROM silences WHERE id = :id")
_END = text(f"UPDATE silences SET ended_at = clock_timestamp(), ended_by = :by WHERE id = :id AND {_ACTIVE}")
_LIST = text(
    f"SELECT {_COLUMNS} FROM silences WHERE (NOT CAST(:active AS boolean) OR {_ACTIVE})"
    " AND (CAST(:before_at AS timestamptz) IS NULL OR (created_at, id) < (:before_at, CAST(:before_id AS uuid)))"
    " ORDER BY created_at DESC, id DESC LIMIT :limit"
)


async def add(
    tx: Transaction, rule: str | None, labels: Mapping[str, str], until: datetime, reason: str, by: str
) -> Silence:
    values = {"id": uuid7(), "rule": rule, "labels": to_json(dict(labels)).decode(), "until": until}
    return Silence(*(await tx.execute(_ADD, {**values, "reason": reason, "by": by})).one())


async def active(reader: Reader) -> list[Silence]:
    """Those that were not ended and have not expired."""
    return [Silence(*row) for row in await reader.execute(_FIND_ACTIVE)]


async def find(reader: Reader, silence_id: UUID) -> Silence | None:
    row = (await reader.execute(_FIND, {"id": silence_id})).one_or_none()
    return Silence(*row) if row else None


async def end(tx: Transaction, silence_id: UUID, by: str) -> bool:
    """False where it had ended, or never was."""
    return (await tx.execute(_END, {"id": silence_id, "by": by})).rowcount == 1


async def search(
    reader: Reader, *, active: bool, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Silence]:
    """Newest first."""
    position = {"before_at": before and before[0], "before_id": before and before[1]}
    return [Silence(*row) for row in await reader.execute(_LIST, {"active": active, **position, "limit": limit})]
