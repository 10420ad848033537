"""How events end in PostgreSQL: finished, missed, retried, coalesced, and without what is personal in them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text

from chassis.core.zones import TZDATA_VERSION
from chassis.database.database import Transaction
from event_service.adapters.event_rows import (
    COLUMN_NAMES,
    COLUMNS,
    FORGOTTEN,
    KEYS,
    LIMIT,
    MATCH,
    OF_TAKEN,
    TAKE_KEYS,
    copied,
    key_parameters,
    to_event,
    to_row,
)
from event_service.domain.events import ENDS_FROM, Event, EventKey
from event_service.domain.record import record

_MISS_CLAIMED = text(
    "UPDATE events e SET status = 'MISSED', reason = :reason, finished_at = (SELECT almanac_now()), claim_token = NULL,"
    " claimed_until = NULL, version = e.version + 1, history = add_to_history(e.history,"
    " jsonb_build_array(jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'MISSED', 'cause', CAST(:reason AS text))))"
    f" FROM {KEYS} WHERE {MATCH} AND e.claim_token = :token AND e.published_at IS NULL RETURNING {COLUMNS}"
)
_IMPORTED = """history @> CAST('[{"cause": "imported"}]' AS jsonb)"""
# The reason of an imported event is in the words of another system; all others are ours.
_FORGET_PERSON = text(
    f"UPDATE events SET {FORGOTTEN}, reason = CASE WHEN {_IMPORTED} THEN NULL ELSE reason END"
    " WHERE user_id = ANY(CAST(:user_ids AS uuid[])) AND status NOT IN ('PENDING', 'PROCESSING')"
)
_USERS_WITH_LIVE = text(
    "SELECT DISTINCT user_id FROM events"
    " WHERE user_id = ANY(CAST(:user_ids AS uuid[])) AND status IN ('PENDING', 'PROCESSING')"
)
_COALESCE = text(
    f"UPDATE events e SET coalesced = e.coalesced + k.skipped FROM unnest(CAST(:ids AS uuid[]),"
    f" CAST(:targets AS timestamptz[]), CAST(:skipped AS integer[])) AS k (id, target, skipped) WHERE {MATCH}"
)
# As if its outcome had been due this moment, so that it is published again, whatever happens to this process. An expiry
# that has passed would end the attempt before it began: it gets as long as the first one had.
_RETRY = text(
    "UPDATE events e SET status = 'PROCESSING', attempt = e.attempt + 1, claim_token = NULL,"
    " claimed_until = clock_timestamp(), finished_at = NULL, reason = NULL, published_at = coalesce(e.published_at,"
    " e.finished_at), expires_at = greatest(coalesce(e.expires_at, e.grace_until), (SELECT almanac_now())"
    " + (coalesce(e.expires_at, e.grace_until) - e.target_timestamp_utc)), version = e.version + 1,"
    " history = add_to_history(e.history, jsonb_build_array(jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'PROCESSING', 'cause', CAST(:cause AS text))))"
    " WHERE e.id = :id AND e.target_timestamp_utc = :target AND e.status = 'FAILED'"
    f" AND NOT e.{_IMPORTED}"
)
_FINISH = text(
    TAKE_KEYS.format(which="true")
    + " UPDATE events e SET status = k.status, reason = k.reason, finished_at = k.finished_at, claim_token = NULL,"
    " claimed_until = NULL, published_at = coalesce(e.published_at, k.published_at), version = e.version + 1,"
    " history = e.history || jsonb_build_object("
    "'at', k.finished_at, 'status', k.status, 'cause', coalesce(k.reason, 'delivered'))"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:targets AS timestamptz[]), CAST(:attempts AS integer[]),"
    " CAST(:statuses AS text[]), CAST(:reasons AS text[]), CAST(:published AS timestamptz[]),"
    " CAST(:finished AS timestamptz[]))"
    " AS k (id, target, attempt, status, reason, published_at, finished_at)"
    + f"{OF_TAKEN} AND e.id = k.id AND e.target_timestamp_utc = k.target AND e.attempt = k.attempt AND ("
    + " OR ".join(
        f"k.status = '{end}' AND e.status IN ({', '.join(map(repr, sources))})" for end, sources in ENDS_FROM.items()
    )
    # MISSED ends an unconfirmed publication too, but none that is in progress or has been stamped meanwhile.
    + ") AND (k.status <> 'MISSED' OR e.status = 'PENDING'"
    + f" OR e.published_at IS NULL AND e.claimed_until < (SELECT clock_timestamp())) RETURNING {COLUMNS}"
)
_MISSED = text(
    f"SELECT {COLUMNS} FROM events e WHERE e.status = 'PENDING' AND e.priority = ANY(ARRAY[0, 1, 2, 3])"
    " AND e.target_timestamp_utc <= (SELECT almanac_now()) AND e.grace_until <= (SELECT almanac_now())"
    f" ORDER BY e.target_timestamp_utc LIMIT {LIMIT}"
)
_MISSED_UNCONFIRMED = text(
    f"SELECT {COLUMNS} FROM events e WHERE e.status = 'PROCESSING' AND e.published_at IS NULL"
    " AND e.claimed_until < (SELECT clock_timestamp()) AND e.grace_until <= (SELECT almanac_now())"
    f" ORDER BY e.target_timestamp_utc LIMIT {LIMIT}"
)


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event that another system fired, as it is kept."""

    event: Event
    status: str
    reason: str | None
    finished_at: datetime


@record
class Finish:
    """How an event ends. ``attempt`` must be the event's own, or nothing happens.

    ``published_at``: by when it had been published, for an event whose own stamp comes later or was lost.
    """

    key: EventKey
    attempt: int
    status: str
    reason: str | None
    published_at: datetime | None
    finished_at: datetime


def missed_at(event: Event, now: datetime) -> Finish:
    """The end of an event whose grace has ended."""
    return Finish(event.key, event.attempt, "MISSED", "grace ended", None, now)


async def copy_past(tx: Transaction, past: Sequence[PastEvent]) -> None:
    """Insert thousands that have ended."""
    if past:
        columns = [COLUMN_NAMES.get(name, name) for name in to_row(past[0].event)]
        records = ((*copied(to_row(each.event)), TZDATA_VERSION, *_ended(each)) for each in past)
        ended = ("status", "reason", "published_at", "finished_at", "history")
        await tx.copy("events", [*columns, "tzdata", *ended], records)


def _ended(past: PastEvent) -> tuple[object, ...]:
    step = {"at": past.finished_at, "status": past.status, "cause": "imported"}
    published = past.event.target if past.status in ("COMPLETED", "FAILED") else None
    return past.status, past.reason, published, past.finished_at, to_json([step]).decode()


async def miss_claimed(tx: Transaction, token: UUID, keys: Collection[EventKey], reason: str) -> dict[UUID, Event]:
    """Let claimed events end as MISSED, and return those that the claim still held."""
    if not keys:
        return {}
    rows = await tx.execute(_MISS_CLAIMED, {**key_parameters(keys), "token": token, "reason": reason})
    return {row.id: to_event(row) for row in rows}


async def forget_person(tx: Transaction, user_ids: Collection[UUID]) -> None:
    """Remove what is personal from the users' past events."""
    if user_ids:
        await tx.execute(_FORGET_PERSON, {"user_ids": list(user_ids)})


async def users_with_live(tx: Transaction, user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the users who have an event that waits or is on its way."""
    return set((await tx.execute(_USERS_WITH_LIVE, {"user_ids": list(user_ids)})).scalars())


async def coalesce(tx: Transaction, skipped: Mapping[EventKey, int]) -> None:
    """Count occurrences that get no event of their own in the events that stand for them."""
    if skipped:
        await tx.execute(_COALESCE, {**key_parameters(skipped), "skipped": list(skipped.values())})


async def retry(tx: Transaction, key: EventKey, cause: str) -> bool:
    """Let a failed event be published again, as its next attempt. False where it has not failed."""
    return (await tx.execute(_RETRY, {"id": key.id, "target": key.target, "cause": cause})).rowcount == 1


async def finish(tx: Transaction, finishes: Sequence[Finish]) -> dict[UUID, Event]:
    """Bring events to their end where their state allows it, and return those that it did."""
    if not finishes:
        return {}
    rows = await tx.execute(
        _FINISH,
        {
            **key_parameters([each.key for each in finishes]),
            "attempts": [each.attempt for each in finishes],
            "statuses": [each.status for each in finishes],
            "reasons": [each.reason for each in finishes],
            "published": [each.published_at for each in finishes],
            "finished": [each.finished_at for each in finishes],
        },
    )
    return {row.id: to_event(row) for row in rows}


async def find_missed(tx: Transaction, limit: int) -> list[Event]:
    """Events whose grace has ended: pending ones, and those with an unconfirmed publication that no process is
    repeating."""
    return [
        to_event(row)
        for statement in (_MISSED, _MISSED_UNCONFIRMED)
        for row in await tx.execute(statement, {"limit": limit})
    ]
