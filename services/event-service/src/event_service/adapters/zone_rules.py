"""What each release of the IANA database says of each zone, and which events were worked out by an older one."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Database, Transaction
from event_service.adapters.event_rows import COLUMNS, KEYS, MATCH, key_parameters, to_event
from event_service.adapters.months import Month
from event_service.adapters.recomputes import Records
from event_service.domain.events import Event, EventKey

_REMEMBER = text(
    "INSERT INTO zone_rules (tzdata, zone, fingerprint)"
    " SELECT :tzdata, r.* FROM unnest(CAST(:zones AS text[]), CAST(:fingerprints AS text[])) AS r"
    " ON CONFLICT DO NOTHING"
)
_UNKNOWN = text(
    "SELECT DISTINCT r.zone FROM unnest(CAST(:zones AS text[]), CAST(:fingerprints AS text[])) AS r (zone, fingerprint)"
    " WHERE NOT EXISTS (SELECT FROM zone_files f WHERE f.fingerprint = r.fingerprint)"
)
_KEEP = text(
    "INSERT INTO zone_files (fingerprint, rules)"
    " SELECT * FROM unnest(CAST(:fingerprints AS text[]), CAST(:rules AS bytea[])) ON CONFLICT DO NOTHING"
)
_DROPPED = text(
    "SELECT DISTINCT ON (r.zone) r.zone, f.rules FROM zone_rules r JOIN zone_files f USING (fingerprint)"
    " WHERE r.zone <> ALL(CAST(:zones AS text[])) ORDER BY r.zone, r.tzdata DESC"
)
# Once for a new release, and hourly for its first day: until the last process of the one before has gone, events may
# still be made by that.
_STATE = text(
    "SELECT max(tzdata) AS newest, bool_or(tzdata <> :tzdata) AS others, (SELECT max(finished_at) IS NULL"
    "  OR max(finished_at) < clock_timestamp() - interval '1 hour'"
    "   AND min(r.remembered_at) > clock_timestamp() - interval '1 day'"
    "  FROM zone_recomputes c, (SELECT min(remembered_at) AS remembered_at FROM zone_rules WHERE tzdata = :tzdata) AS r"
    "  WHERE c.tzdata = :tzdata AND c.finished_at IS NOT NULL) AS wanted FROM zone_rules"
)
# A zone that both releases know by the same rules needs no look. A change in a release that is no longer stored does.
_OUTDATED = text(
    f"SELECT {COLUMNS} FROM events e WHERE e.status = 'PENDING' AND e.priority = :priority"
    " AND e.target_timestamp_utc >= :first AND e.target_timestamp_utc < :end"
    " AND (e.target_timestamp_utc, e.id) > (:after_at, :after_id)"
    " AND e.tzdata <> :tzdata AND (e.schedule_id IS NOT NULL OR e.wall IS NOT NULL)"
    " AND NOT EXISTS (SELECT FROM zone_rules o JOIN zone_rules n USING (zone, fingerprint)"
    "  WHERE n.tzdata = :tzdata AND o.tzdata = e.tzdata AND o.zone = e.timezone)"
    " ORDER BY e.target_timestamp_utc, e.id LIMIT :limit"
)
_STAMP = text(
    f"UPDATE events e SET tzdata = :tzdata FROM {KEYS} WHERE {MATCH} AND e.status = 'PENDING' AND e.tzdata <> :tzdata"
)
RECORDS = Records("zone_recomputes", release="tzdata", shifts="zones")


@dataclass(frozen=True, slots=True)
class State:
    """``newest`` is the latest release that any process has had. ``wanted``: events may be outdated."""

    newest: str
    wanted: bool


async def remember(
    database: Database, tzdata: str, fingerprints: Mapping[str, str], rules: Callable[[str], bytes]
) -> None:
    """Keep what a release says of each zone: to be compared with later ones, and used where a later one drops it."""
    values = {"zones": list(fingerprints), "fingerprints": list(fingerprints.values())}
    async with database.transaction() as tx:
        await tx.execute(_REMEMBER, {**values, "tzdata": tzdata})
        unknown = {fingerprints[name]: rules(name) for name in (await tx.execute(_UNKNOWN, values)).scalars()}
        if unknown:
            await tx.execute(_KEEP, {"fingerprints": list(unknown), "rules": list(unknown.values())})


async def dropped(database: Database, zones: Collection[str]) -> dict[str, bytes]:
    """The last known rules of the zones that were remembered and are not among ``zones``."""
    async with database.read() as connection:
        return {row.zone: row.rules for row in await connection.execute(_DROPPED, {"zones": list(zones)})}


async def state(database: Database, tzdata: str) -> State:
    """As of a release that is remembered."""
    async with database.read() as connection:
        row = (await connection.execute(_STATE, {"tzdata": tzdata})).one()
    return State(row.newest, row.others and row.wanted)


async def outdated(
    database: Database, tzdata: str, month: Month, priority: int, *, after: EventKey, limit: int
) -> list[Event]:
    """Waiting events later than ``after`` whose zone has other rules in ``tzdata`` than they were worked out by."""
    values = {
        "tzdata": tzdata,
        "priority": priority,
        "first": month.first,
        "end": month.end,
        "after_at": after.target,
        "after_id": after.id,
        "limit": limit,
    }
    async with database.read() as connection:
        return [to_event(row) for row in await connection.execute(_OUTDATED, values)]


async def stamp(tx: Transaction, keys: Collection[EventKey], tzdata: str) -> None:
    """These are as ``tzdata`` has them."""
    if keys:
        await tx.execute(_STAMP, {**key_parameters(keys), "tzdata": tzdata})


NOWHERE = UUID(int=0)


def beginning(month: Month) -> EventKey:
    """Before every event of the month."""
    return EventKey(NOWHERE, month.first)
