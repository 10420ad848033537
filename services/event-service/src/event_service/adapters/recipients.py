"""The projection of users."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text

from chassis.database.database import Database, Reader, Transaction
from event_service.adapters.send_windows import read_window
from event_service.domain.recipients import Recipient

# Sorted, so that two consumers with the same users wait for each other in one order and cannot deadlock.
_UPSERT = text(
    "INSERT INTO recipients AS r (user_id, version, deleted, first_name, last_name, date_of_birth, timezone,"
    " delivery_time, anniversaries, tags, contact, external_id, send_window, locale)"
    " SELECT i.user_id, i.version, i.deleted, i.first_name, i.last_name, i.date_of_birth, i.timezone,"
    " i.delivery_time, i.anniversaries, CASE WHEN i.tags IS NOT NULL"
    " THEN ARRAY(SELECT jsonb_array_elements_text(i.tags)) END, i.contact, i.external_id, i.send_window, i.locale"
    " FROM jsonb_to_recordset(CAST(CAST(:recipients AS text) AS jsonb)) AS i (user_id uuid, version bigint,"
    " deleted boolean, first_name text, last_name text, date_of_birth date, timezone text, delivery_time time,"
    " anniversaries jsonb, tags jsonb, contact jsonb, external_id text, send_window jsonb, locale text)"
    " ORDER BY i.user_id"
    " ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted,"
    " first_name = excluded.first_name, last_name = excluded.last_name, date_of_birth = excluded.date_of_birth,"
    " timezone = excluded.timezone, delivery_time = excluded.delivery_time, anniversaries = excluded.anniversaries,"
    " tags = excluded.tags, contact = excluded.contact, external_id = excluded.external_id,"
    " send_window = excluded.send_window, locale = excluded.locale, updated_at = clock_timestamp()"
    " WHERE r.version < excluded.version AND NOT r.deleted"
    " RETURNING user_id, xmax = 0 AS new"  # xmax shows that this statement locked an existing row
)
_FIND = text(
    "SELECT user_id, version, deleted, first_name, last_name, date_of_birth, timezone, delivery_time, anniversaries,"
    " tags, contact, external_id, CAST(send_window AS text) AS send_window, locale"
    " FROM recipients WHERE user_id = ANY(CAST(:user_ids AS uuid[])) AND NOT deleted"
)
# A user's change, which updates the row, waits for this and comes after; others who lock so do not.
_LOCK = text(f"{_FIND.text} ORDER BY user_id FOR SHARE")
# One that moved from a user to another may for a moment be with both: the later change comes last and counts.
_FIND_EXTERNAL = text(
    "SELECT external_id, user_id FROM recipients WHERE external_id = ANY(CAST(:external_ids AS text[]))"
    " AND NOT deleted ORDER BY updated_at"
)
_SWEEP_TOMBSTONES = text("DELETE FROM recipients WHERE deleted AND updated_at < clock_timestamp() - interval '30 days'")


async def upsert_newer(tx: Transaction, recipients: Sequence[Recipient]) -> dict[UUID, bool]:
    """Store those that are newer than the stored ones; the others change nothing.

    Returns the user ids of those stored, and whether nothing was known of that user before.

    A deletion is a user's last version: after it nothing is newer.
    """
    if not recipients:
        return {}
    rows = await tx.execute(_UPSERT, {"recipients": to_json([_to_row(each) for each in recipients]).decode()})
    return {row.user_id: row.new for row in rows}


async def find(tx: Reader, user_ids: Collection[UUID]) -> dict[UUID, Recipient]:
    """Those of the users that exist and are not deleted."""
    if not user_ids:
        return {}
    return _by_id(await tx.execute(_FIND, {"user_ids": list(user_ids)}))


async def find_external(tx: Transaction, external_ids: Collection[str]) -> dict[str, UUID]:
    """The ids of the users who have one of the external ids."""
    if not external_ids:
        return {}
    rows = await tx.execute(_FIND_EXTERNAL, {"external_ids": list(external_ids)})
    return {row.external_id: row.user_id for row in rows}


async def lock(tx: Transaction, user_ids: Collection[UUID]) -> dict[UUID, Recipient]:
    """The same, kept as they are until the transaction ends: for transactions that add or change their rows.

    It comes before the locks of schedules and events.
    """
    return _by_id(await tx.execute(_LOCK, {"user_ids": list(user_ids)}))


def _by_id(rows: Iterable[Row[Any]]) -> dict[UUID, Recipient]:
    return {
        row.user_id: Recipient(
            user_id=row.user_id,
            version=row.version,
            first_name=row.first_name,
            last_name=row.last_name,
            date_of_birth=row.date_of_birth,
            timezone=row.timezone,
            delivery_time=row.delivery_time,
            anniversaries=tuple(row.anniversaries),
            tags=tuple(row.tags),
            email=row.contact.get("email"),
            phone=row.contact.get("phone"),
            external_id=row.external_id,
            send_window=read_window(row.send_window) if row.send_window else None,
            locale=row.locale,
        )
        for row in rows
    }


async def sweep_tombstones(database: Database) -> None:
    """Delete the tombstones of users deleted 30 days ago: nothing of them can still be on its way."""
    async with database.transaction() as tx:
        await tx.execute(_SWEEP_TOMBSTONES)


def _to_row(recipient: Recipient) -> dict[str, object]:
    if recipient.deleted:
        return {"user_id": recipient.user_id, "version": recipient.version, "deleted": True}
    return {
        "user_id": recipient.user_id,
        "version": recipient.version,
        "deleted": False,
        "first_name": recipient.first_name,
        "last_name": recipient.last_name,
        "date_of_birth": recipient.date_of_birth,
        "timezone": recipient.timezone,
        "delivery_time": recipient.delivery_time,
        "anniversaries": recipient.anniversaries,
        "tags": recipient.tags,
        "contact": {"email": recipient.email, "phone": recipient.phone},
        "external_id": recipient.external_id,
        "send_window": recipient.send_window.dump() if recipient.send_window else None,
        "locale": recipient.locale,
    }
