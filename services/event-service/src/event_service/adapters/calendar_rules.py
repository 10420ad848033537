"""What each release of the holidays package says of each calendar in use, and whose events follow a calendar."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import text

from chassis.database.database import Database, Reader, Transaction
from event_service.adapters.event_rows import COLUMNS, to_event
from event_service.adapters.recomputes import Records
from event_service.domain import calendars
from event_service.domain.calendars import Calendar, Days
from event_service.domain.events import Event

log = structlog.get_logger(__name__)

_IN_USE = text(
    "SELECT DISTINCT s.business_days ->> 'country' AS country, s.business_days ->> 'subdivision' AS subdivision"
    " FROM schedules s WHERE s.business_days IS NOT NULL"
)
_UNKNOWN = text(
    "SELECT c.calendar FROM unnest(CAST(:calendars AS text[])) AS c (calendar) WHERE NOT EXISTS"
    " (SELECT FROM calendar_rules r JOIN calendar_days d USING (fingerprint)"
    "  WHERE r.release = :release AND r.calendar = c.calendar)"
)
_REMEMBER = text(
    "INSERT INTO calendar_rules (release, calendar, fingerprint)"
    " SELECT :release, r.* FROM unnest(CAST(:calendars AS text[]), CAST(:fingerprints AS text[])) AS r"
    " ON CONFLICT DO NOTHING"
)
_KEEP = text(
    "INSERT INTO calendar_days (fingerprint, closed)"
    " SELECT * FROM unnest(CAST(:fingerprints AS text[]), CAST(:closed AS bytea[])) ON CONFLICT DO NOTHING"
)
_PARTS = "string_to_array(%s, '.')::integer[]"
_LAST_KNOWN = text(
    "SELECT DISTINCT ON (r.calendar) r.calendar, d.closed"
    " FROM calendar_rules r JOIN calendar_days d USING (fingerprint)"
    f" WHERE r.calendar = ANY(CAST(:calendars AS text[])) ORDER BY r.calendar, {_PARTS % 'r.release'} DESC"
)
# Each calendar is compared with its state in the latest earlier release: one that came into use since is as it was.
# Once for a new release, and hourly for its first day: until the last process of the one before has gone, events may
# still be made by that.
_STATE = text(
    f"SELECT (SELECT release FROM calendar_rules ORDER BY {_PARTS % 'release'} DESC LIMIT 1) AS newest,"
    " ARRAY(SELECT n.calendar FROM calendar_rules n CROSS JOIN LATERAL (SELECT fingerprint FROM calendar_rules o"
    f"  WHERE o.calendar = n.calendar AND {_PARTS % 'o.release'} < {_PARTS % 'n.release'}"
    f"  ORDER BY {_PARTS % 'o.release'} DESC LIMIT 1) o"
    "  WHERE n.release = :release AND n.fingerprint <> o.fingerprint ORDER BY n.calendar) AS changed,"
    " (SELECT max(finished_at) IS NULL OR max(finished_at) < clock_timestamp() - interval '1 hour'"
    "   AND min(r.remembered_at) > clock_timestamp() - interval '1 day'"
    "  FROM calendar_recomputes c,"
    "   (SELECT min(remembered_at) AS remembered_at FROM calendar_rules WHERE release = :release) AS r"
    "  WHERE c.release = :release AND c.finished_at IS NOT NULL) AS wanted"
)
_FOLLOWING = text(
    f"SELECT {COLUMNS} FROM schedules s JOIN events e"
    " ON e.id = s.live_event_id AND e.target_timestamp_utc = s.next_at"
    " WHERE s.business_days ->> 'country' = :country"
    " AND s.business_days ->> 'subdivision' IS NOT DISTINCT FROM CAST(:subdivision AS text)"
    " AND s.business_days IS NOT NULL AND s.status = 'ACTIVE' AND s.id > :after AND e.status = 'PENDING'"
    " AND e.target_timestamp_utc > (SELECT almanac_now()) AND NOT e.rescheduled ORDER BY s.id LIMIT :limit"
)
RECORDS = Records("calendar_recomputes", release="release", shifts="calendars")


@dataclass(frozen=True, slots=True)
class State:
    """``newest`` is the latest release that any process has had; ``changed`` are the calendars that the release asked
    about has otherwise than the one before. ``wanted``: events may be outdated."""

    newest: str
    changed: Sequence[str]
    wanted: bool


async def in_use(reader: Reader) -> list[Calendar]:
    """The calendars that schedules keep to."""
    rows = await reader.execute(_IN_USE)
    return sorted((Calendar(row.country, row.subdivision) for row in rows), key=lambda each: each.name)


async def unknown(reader: Reader, release: str, named: Collection[Calendar]) -> list[Calendar]:
    """Those of which it is not remembered what a release says."""
    values = {"release": release, "calendars": [each.name for each in named]}
    names = set((await reader.execute(_UNKNOWN, values)).scalars())
    return [each for each in named if each.name in names]


async def remember(tx: Transaction, release: str, days: Mapping[Calendar, Days]) -> None:
    """Keep what a release says of calendars: to be compared with later ones, and used where a later one drops it."""
    # In one order, so that two that remember the same do not wait for each other.
    found = sorted((each.fingerprint(), calendar.name, each.closed) for calendar, each in days.items())
    fingerprints = [fingerprint for fingerprint, _, _ in found]
    names = [name for _, name, _ in found]
    await tx.execute(_REMEMBER, {"release": release, "calendars": names, "fingerprints": fingerprints})
    await tx.execute(_KEEP, {"fingerprints": fingerprints, "closed": [closed for _, _, closed in found]})


_without_days: set[Calendar] = set()


async def load_last_known(reader: Reader, dropped: Collection[Calendar]) -> None:
    """Let this process go on with calendars that its release does not have, by their last known days.

    Where nothing is remembered of one, Saturdays and Sundays are closed. Either is logged once.
    """
    by_name = {each.name: each for each in dropped}
    for row in await reader.execute(_LAST_KNOWN, {"calendars": list(by_name)}):
        calendar = by_name.pop(row.calendar)
        calendars.keep(calendar, row.closed)
        log.error(
            "calendar dropped by holidays, its last known days are used",
            calendar=calendar.name,
            release=calendars.RELEASE,
        )
    for calendar in by_name.values():
        if calendar not in _without_days:
            _without_days.add(calendar)
            log.error(
                "calendar unknown to holidays and never remembered, Saturdays and Sundays are closed",
                calendar=calendar.name,
                release=calendars.RELEASE,
            )


async def state(database: Database, release: str) -> State:
    """As of a release that is remembered, of which at least one calendar is."""
    async with database.read() as connection:
        row = (await connection.execute(_STATE, {"release": release})).one()
    return State(row.newest, row.changed, bool(row.changed) and row.wanted)


async def following(database: Database, calendar: Calendar, *, after: UUID, limit: int) -> list[Event]:
    """Waiting events to come whose schedules keep to a calendar, in the order of the schedules' ids."""
    values = {
        "country": calendar.country,
        "subdivision": calendar.subdivision,
        "after": after,
        "limit": limit,
    }
    async with database.read() as connection:
        return [to_event(row) for row in await connection.execute(_FOLLOWING, values)]
