"""What each release of the holidays package says of each calendar in use, and whose events follow a calendar."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Database
from event_service.adapters.events import COLUMNS, to_event
from event_service.adapters.recomputes import Records
from event_service.domain.business_days import name_of
from event_service.domain.events import Event

_IN_USE = text(
    "SELECT DISTINCT s.business_days ->> 'country' AS country, s.business_days ->> 'subdivision' AS subdivision"
    " FROM schedules s WHERE s.business_days IS NOT NULL"
)
_REMEMBER = text(
    "INSERT INTO calendar_rules (release, calendar, fingerprint)"
    " SELECT :release, r.* FROM unnest(CAST(:calendars AS text[]), CAST(:fingerprints AS text[])) AS r"
    " ON CONFLICT DO NOTHING"
)
_PARTS = "string_to_array(%s, '.')::integer[]"
# Each calendar is compared with what the latest earlier release said of it: one that came into use since is as it was.
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

Calendar = tuple[str, str | None]
"""A country and a part of it, or None."""


@dataclass(frozen=True, slots=True)
class State:
    """``newest`` is the latest release that any process has had; ``changed`` are the calendars that the release asked
    about has otherwise than the one before. ``wanted``: events may be outdated."""

    newest: str
    changed: Sequence[str]
    wanted: bool


async def in_use(database: Database) -> Mapping[str, Calendar]:
    """The calendars that schedules keep to, by their names."""
    async with database.read() as connection:
        rows: Collection[Any] = (await connection.execute(_IN_USE)).all()
    return {name_of(row.country, row.subdivision): (row.country, row.subdivision) for row in rows}


async def remember(database: Database, release: str, fingerprints: Mapping[str, str]) -> None:
    """Keep what a release says of calendars, to be compared with later ones."""
    values = {
        "release": release,
        "calendars": list(fingerprints),
        "fingerprints": list(fingerprints.values()),
    }
    async with database.transaction() as tx:
        await tx.execute(_REMEMBER, values)


async def state(database: Database, release: str) -> State:
    """As of a release that is remembered, of which at least one calendar is."""
    async with database.read() as connection:
        row = (await connection.execute(_STATE, {"release": release})).one()
    return State(row.newest, row.changed, bool(row.changed) and row.wanted)


async def following(database: Database, calendar: Calendar, *, after: UUID, limit: int) -> list[Event]:
    """Waiting events to come whose schedules keep to a calendar, in the order of the schedules' ids."""
    country, subdivision = calendar
    values = {"country": country, "subdivision": subdivision, "after": after, "limit": limit}
    async with database.read() as connection:
        return [to_event(row) for row in await connection.execute(_FOLLOWING, values)]
