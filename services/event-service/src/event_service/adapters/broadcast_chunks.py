"""A broadcast's events, thousands at a time: created, published and cancelled by statements that send no row to
Python."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text

from chassis.core.zones import TZDATA_VERSION
from chassis.database.database import Reader, Transaction
from contracts.messages.registry import find_spec
from contracts.messages.spec import MessageType
from contracts.send_window import SendWindow
from contracts.vocabulary import EventType, Priority
from event_service.adapters.event_rows import FORGOTTEN, OF_TAKEN
from event_service.adapters.send_windows import read_window
from event_service.domain import templates
from event_service.domain.broadcasts import Broadcast, Counted
from event_service.domain.send_times import Slot
from event_service.domain.spread import SHARE_BITS, SHARE_SQL

# A name has no control characters, so what stands for one in the message cannot be met in the other.
_FIRST_NAME, _LAST_NAME = "\x01", "\x02"
_MARKS = templates.person(_FIRST_NAME, _LAST_NAME)

# Nothing in it needs to be escaped: ids, times, names of zones and the like. `traced` is the member for a traceparent.
_ITEM = (
    '\'{{"itemId":"\', gen_random_uuid(), \'",\', CAST(:traced AS text), \'"eventId":"\', t.id,'
    ' \'","userId":"\', t.user_id, \'","eventType":"\', t.event_type,'
    ' \'","priority":"\', (CAST(:priorities AS text[]))[t.priority + 1], \'","occurrence":"\', t.occurrence,'
    ' \'","attempt":\', t.attempt, \',"targetTimestampUTC":"\', {target}, \'","targetTimezone":"\', t.timezone,'
    ' \'","occurredAt":"\', {now}, \'",{rest}}}\''
)
_UTC = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


def _told(rest: str) -> str:
    """Inserts one outbox row per row of the query named `changed` into the outbox."""
    item = _ITEM.format(
        target=_UTC.format("t.target_timestamp_utc"), now=_UTC.format("CAST(:now AS timestamptz)"), rest=rest
    )
    return (
        "told AS (INSERT INTO outbox (item_id, type, dataversion, item, traceparent)"
        " SELECT CAST(substring(s.item FROM 12 FOR 36) AS uuid), CAST(:type AS text), CAST(:dataversion AS text),"
        " s.item, CAST(:traceparent AS text)"
        f" FROM (SELECT concat({item}) AS item FROM changed t OFFSET 0) AS s)"
    )


_RETURNED = "id, user_id, event_type, priority, occurrence, attempt, target_timestamp_utc, timezone"
# The chunk is cut from all users, not from those who match, so that a rare tag makes no chunk long. FOR SHARE: a change
# of a user waits for the chunk, and then finds the event; one that came before is seen.
_SCHEDULE = text(
    "WITH slots AS (SELECT * FROM unnest(CAST(:zones AS text[]), CAST(:windows AS text[]),"
    " CAST(:instants AS timestamptz[]), CAST(:openings AS timestamptz[]), CAST(:rooms AS bigint[]))"
    " AS z (zone, send_window, instant, opening, room)),"
    " texts AS (SELECT * FROM unnest(CAST(:locales AS text[]), CAST(:templates AS text[]), CAST(:marks AS text[]))"
    " AS t (locale, template, marked)),"
    " looked_at AS MATERIALIZED ("
    " SELECT user_id FROM recipients WHERE user_id > :after ORDER BY user_id LIMIT :limit),"
    " matched AS MATERIALIZED (SELECT r.user_id, r.first_name, r.last_name, r.timezone, r.tags, r.contact,"
    " r.external_id, r.send_window, coalesce(CAST(r.send_window AS text), '') AS own_window,"
    " coalesce(r.locale, '') AS locale"
    " FROM recipients r WHERE r.user_id > :after"
    " AND r.user_id <= (SELECT user_id FROM looked_at ORDER BY user_id DESC LIMIT 1) AND NOT r.deleted"
    " AND (cardinality(CAST(:timezones AS text[])) = 0 OR r.timezone = ANY(CAST(:timezones AS text[])))"
    " AND (cardinality(CAST(:tags AS text[])) = 0 OR r.tags && CAST(:tags AS text[]))"
    " ORDER BY r.user_id FOR SHARE),"
    # Who has a window of their own that was not looked up, having just appeared, is held back when it fires.
    " placed AS (SELECT m.*, d.id, coalesce(w.instant, z.instant) + s.later AS planned,"
    " coalesce(w.opening, z.opening) + s.later AS target,"
    " coalesce(w.opening > w.instant, z.opening > z.instant) AS waits,"
    " coalesce(t.template, CAST(:template AS text)) AS template, coalesce(t.marked, CAST(:marked AS text)) AS marked"
    " FROM matched m JOIN slots z ON z.zone = m.timezone AND z.send_window = ''"
    " LEFT JOIN slots w ON w.zone = m.timezone AND w.send_window = m.own_window AND m.own_window <> ''"
    " LEFT JOIN texts t ON t.locale = m.locale"
    " CROSS JOIN LATERAL (SELECT derive_id(CAST(:broadcast_id AS text), CAST(m.user_id AS text)) AS id) AS d"
    " CROSS JOIN LATERAL (SELECT CASE WHEN :spread = 0 THEN interval '0' ELSE make_interval(secs =>"
    f" ({SHARE_SQL.format('d.id')} * coalesce(w.room, z.room)) >> {SHARE_BITS}) END AS later) AS s),"
    " changed AS (INSERT INTO events (id, target_timestamp_utc, broadcast_id, user_id, event_type, occurrence,"
    " priority, wall, timezone, follows_user, gap, overlap, tzdata, grace_until, expires_at, template, payload, tags,"
    " contact, external_id, traceparent, planned_at, send_window, user_window, ignores_window, spread_seconds,"
    " history)"
    " SELECT m.id, m.target, CAST(:broadcast_id AS uuid),"
    " m.user_id, CAST(:event_type AS text), CAST(:occurrence AS text), CAST(:priority AS smallint),"
    " CAST(:wall AS timestamp), m.timezone, CAST(:follows_user AS boolean), CAST(:gap AS text), CAST(:overlap AS text),"
    " CAST(:tzdata AS text), m.planned + make_interval(secs => :grace), m.planned + make_interval(secs => :expiry),"
    " m.template, CAST(CAST(:payload AS text) AS jsonb) || jsonb_build_object('message',"
    " replace(replace(m.marked, CAST(:first_name AS text), m.first_name), CAST(:last_name AS text),"
    " m.last_name)), m.tags, m.contact, m.external_id, CAST(:traceparent AS text),"
    " CASE WHEN m.waits THEN m.planned END, CAST(CAST(:window AS text) AS jsonb), m.send_window,"
    " CAST(:ignores_window AS boolean), CAST(:spread AS integer), jsonb_build_array(jsonb_build_object("
    "'at', CAST(:now AS timestamptz), 'status', 'PENDING', 'cause', 'scheduled'))"
    " FROM placed m"
    " WHERE m.planned + make_interval(secs => :grace) > CAST(:now AS timestamptz)"
    f" ON CONFLICT DO NOTHING RETURNING {_RETURNED}),"
    + _told('"scheduleId"\\:null,"broadcastId":"\', CAST(:broadcast_id AS text), \'"')
    + " SELECT (SELECT count(*) FROM looked_at) AS looked_at,"
    " (SELECT user_id FROM looked_at ORDER BY user_id DESC LIMIT 1) AS last,"
    " (SELECT count(*) FROM matched) AS matched, (SELECT count(*) FROM changed) AS made"
)
_AUDIENCE = text(
    "SELECT r.timezone, CAST(r.send_window AS text) AS send_window, count(*) AS recipients FROM recipients r"
    " WHERE NOT r.deleted"
    " AND (cardinality(CAST(:timezones AS text[])) = 0 OR r.timezone = ANY(CAST(:timezones AS text[])))"
    " AND (cardinality(CAST(:tags AS text[])) = 0 OR r.tags && CAST(:tags AS text[]))"
    " GROUP BY r.timezone, r.send_window ORDER BY r.timezone"
)
# The same users, locked as there: what is read of them is what the statement above finds.
_DIFFERENCES = text(
    "WITH looked_at AS MATERIALIZED ("
    " SELECT user_id FROM recipients WHERE user_id > :after ORDER BY user_id LIMIT :limit),"
    " held AS MATERIALIZED (SELECT r.timezone, CAST(r.send_window AS text) AS send_window, r.locale FROM recipients r"
    " WHERE r.user_id > :after AND r.user_id <= (SELECT user_id FROM looked_at ORDER BY user_id DESC LIMIT 1)"
    " AND NOT r.deleted AND (r.send_window IS NOT NULL OR r.locale IS NOT NULL) ORDER BY r.user_id FOR SHARE)"
    " SELECT DISTINCT timezone, send_window, locale FROM held"
)
# It waits for no lock: what is being claimed fires.
_CANCEL = text(
    "WITH taken AS (SELECT id, target_timestamp_utc FROM events WHERE broadcast_id = CAST(:broadcast_id AS uuid)"
    " AND status = 'PENDING' ORDER BY target_timestamp_utc, id LIMIT :limit FOR UPDATE SKIP LOCKED),"
    " changed AS (UPDATE events e SET status = 'CANCELLED', reason = :reason, finished_at = CAST(:now AS timestamptz),"
    f" {FORGOTTEN}, version = e.version + 1, history = e.history || jsonb_build_object("
    "'at', CAST(:now AS timestamptz), 'status', 'CANCELLED', 'cause', CAST(:reason AS text))"
    f"{OF_TAKEN} RETURNING {', '.join(f'e.{name.strip()}' for name in _RETURNED.split(','))}),"
    + _told("\"reason\":', to_json(CAST(:reason AS text)), '")
    + " SELECT count(*) FROM changed"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """``looked_at`` users, the last of whom is ``last`` (None: there was none), ``matched`` and got an event."""

    looked_at: int
    last: UUID | None
    matched: int
    made: int


@dataclass(frozen=True, slots=True)
class Differences:
    """What sets users of a chunk apart: zones with the windows of their own users, and languages."""

    windows: Mapping[tuple[str, str], SendWindow]
    """By the zone and the stored text."""
    locales: Set[str]


async def differences(tx: Transaction, broadcast: Broadcast, *, limit: int) -> Differences:
    """Return those of the next ``limit`` users, who are kept as they are until the transaction ends."""
    rows = (await tx.execute(_DIFFERENCES, {"after": broadcast.after_user_id, "limit": limit})).all()
    return Differences(
        {(row.timezone, row.send_window): read_window(row.send_window) for row in rows if row.send_window is not None},
        {row.locale for row in rows if row.locale is not None},
    )


async def count_audience(reader: Reader, zones: Sequence[str], tags: Sequence[str]) -> list[Counted]:
    """Count the users in one of ``zones`` (any, if empty) with one of ``tags`` (the same)."""
    rows = await reader.execute(_AUDIENCE, {"timezones": list(zones), "tags": list(tags)})
    return [
        Counted(
            row.timezone, row.recipients, row.send_window, read_window(row.send_window) if row.send_window else None
        )
        for row in rows
    ]


async def schedule(
    tx: Transaction,
    broadcast: Broadcast,
    zones: Sequence[str],
    slots: Mapping[tuple[str, str], Slot],
    texts: Mapping[str, str],
    now: datetime,
    *,
    limit: int,
) -> Chunk:
    """Make the events of the next ``limit`` users, of those who match and whose zone has a time that is not too late.

    Args:
        zones: the names of zones whose users match; any zone if empty.
        slots: when it is sent, by zone and by the stored text of a user's own window ('' for users without).
        texts: its translations, by locale.
    """
    row = (
        await tx.execute(
            _SCHEDULE,
            {
                "zones": [zone for zone, _ in slots],
                "windows": [window for _, window in slots],
                "instants": [slot.instant for slot in slots.values()],
                "openings": [slot.opening for slot in slots.values()],
                "rooms": [int(slot.room.total_seconds()) for slot in slots.values()],
                "locales": list(texts),
                "templates": list(texts.values()),
                "marks": [templates.render(template, _MARKS) for template in texts.values()],
                "window": None if broadcast.window is None else to_json(broadcast.window.dump()).decode(),
                "ignores_window": broadcast.ignores_window,
                "spread": broadcast.spread,
                "after": broadcast.after_user_id,
                "limit": limit,
                "timezones": list(zones),
                "tags": list(broadcast.audience.tags),
                "broadcast_id": str(broadcast.id),
                "event_type": EventType.NOTIFICATION,
                "occurrence": broadcast.occurrence,
                "priority": broadcast.priority,
                "wall": broadcast.wall,
                "follows_user": broadcast.wall is not None,
                "gap": broadcast.gap,
                "overlap": broadcast.overlap,
                "tzdata": TZDATA_VERSION,
                "grace": broadcast.grace.total_seconds(),
                "expiry": broadcast.expiry.total_seconds(),
                "template": broadcast.message,
                "payload": to_json(broadcast.payload).decode(),
                "marked": templates.render(broadcast.message, _MARKS),
                "first_name": _FIRST_NAME,
                "last_name": _LAST_NAME,
                "now": now,
                **_message(MessageType.EVENT_SCHEDULED, broadcast),
            },
        )
    ).one()
    return Chunk(row.looked_at, row.last, row.matched, row.made)


async def cancel(tx: Transaction, broadcast: Broadcast, now: datetime, reason: str, *, limit: int) -> int:
    """Cancel up to ``limit`` of its events that wait. Returns how many."""
    values = {"broadcast_id": str(broadcast.id), "now": now, "reason": reason, "limit": limit}
    cancelled: int = (
        await tx.execute(_CANCEL, {**values, **_message(MessageType.EVENT_CANCELLED, broadcast)})
    ).scalar_one()
    return cancelled


def _message(type: MessageType, broadcast: Broadcast) -> dict[str, object]:
    traceparent = broadcast.traceparent
    return {
        "type": type.value,
        "dataversion": find_spec(type).dataversion,
        "traceparent": traceparent,
        "traced": f'"traceparent":"{traceparent}",' if traceparent else "",
        "priorities": [priority.name for priority in Priority],
    }
