"""Table ``notifications``: messages to channels, until they are sent."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import text

from analytics_service.domain.alert_notifications import GIVE_UP_SECONDS, AlertNotification, retry_delay
from chassis.database.database import Database, Transaction

_CONTENT = TypeAdapter(AlertNotification)
_ADD = text(
    "INSERT INTO notifications (id, channel, dedup_key, action, content, created_at, due_at) VALUES (:id, :channel,"
    " :dedup_key, :action, CAST(CAST(:content AS text) AS jsonb), clock_timestamp(), clock_timestamp())"
)
# Earlier messages of an alert come first: a page that ended must not be opened by what was late.
_CLAIM = text(
    "UPDATE notifications SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => :lease)"
    " WHERE id IN (SELECT id FROM notifications n WHERE sent_at IS NULL AND abandoned_at IS NULL"
    "  AND channel = ANY(CAST(:channels AS text[])) AND due_at <= clock_timestamp()"
    "  AND NOT EXISTS (SELECT FROM notifications b WHERE b.sent_at IS NULL AND b.abandoned_at IS NULL"
    "   AND b.channel = n.channel AND b.dedup_key = n.dedup_key AND b.id < n.id)"
    "  ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)"
    " RETURNING id, CAST(content AS text) AS content, attempts"
)
_SENT = text("UPDATE notifications SET sent_at = clock_timestamp(), error = NULL WHERE id = :id")
_FAILED = text(
    "UPDATE notifications SET error = :error, due_at = clock_timestamp() + make_interval(secs => :delay),"
    " abandoned_at = CASE WHEN CAST(:hopeless AS boolean)"
    "  OR created_at < clock_timestamp() - make_interval(secs => :give_up) THEN clock_timestamp() END"
    " WHERE id = :id AND sent_at IS NULL RETURNING abandoned_at IS NOT NULL AS abandoned"
)
_NEXT = text(
    "SELECT CAST(extract(epoch FROM min(due_at) - clock_timestamp()) AS float8) FROM notifications"
    " WHERE sent_at IS NULL AND abandoned_at IS NULL AND channel = ANY(CAST(:channels AS text[]))"
)


async def add(tx: Transaction, notices: Sequence[AlertNotification]) -> None:
    if notices:
        await tx.execute(
            _ADD,
            [
                {
                    "id": notice.id,
                    "channel": notice.channel,
                    "dedup_key": notice.dedup_key,
                    "action": notice.action,
                    "content": _CONTENT.dump_json(notice).decode(),
                }
                for notice in notices
            ],
        )


async def claim(
    database: Database, channels: Sequence[str], *, limit: int, lease_seconds: float
) -> list[tuple[AlertNotification, int]]:
    """Take what is due, each with the number of the attempt that is to be made.

    No other process claims the same before the lease expires.
    """
    async with database.transaction() as tx:
        rows = await tx.execute(_CLAIM, {"channels": list(channels), "limit": limit, "lease": lease_seconds})
        return [(_CONTENT.validate_json(row.content), row.attempts) for row in rows]


async def sent(database: Database, notice_id: UUID) -> None:
    async with database.transaction() as tx:
        await tx.execute(_SENT, {"id": notice_id})


async def failed(database: Database, notice_id: UUID, *, attempts: int, error: str, hopeless: bool) -> bool:
    """Try it again later. True where that is given up: it is ``hopeless``, or too old."""
    values = {"id": notice_id, "error": error[:500], "delay": retry_delay(attempts), "hopeless": hopeless}
    async with database.transaction() as tx:
        row = (await tx.execute(_FAILED, {**values, "give_up": GIVE_UP_SECONDS})).one_or_none()
    return row is not None and row.abandoned


async def next_due(database: Database, channels: Sequence[str]) -> float | None:
    """Seconds until something is due (negative: it is), None where nothing waits."""
    async with database.read() as connection:
        delay: float | None = (await connection.execute(_NEXT, {"channels": list(channels)})).scalar_one()
    return delay
