"""The table of usage by hour, to which all processes of a service add.

Hours are of real time, also where the stack simulates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from chassis.core.usage import Key, Meter
from chassis.database.database import Reader, Transaction

# Sorted: two processes that add to the same rows lock them in one order and cannot deadlock.
_ADD = text(
    "INSERT INTO usage AS u (hour, meter, operation, resource, amount, first_at, last_at)"
    " SELECT date_trunc('hour', now() - make_interval(secs => CAST(:seconds AS float8) / 2), 'UTC'), t.*,"
    " now() - make_interval(secs => :seconds), now()"
    " FROM unnest(CAST(:meters AS text[]), CAST(:operations AS text[]), CAST(:resources AS text[]),"
    " CAST(:amounts AS float8[])) AS t (meter, operation, resource, amount) ORDER BY meter, operation, resource"
    " ON CONFLICT (hour, meter, operation, resource) DO UPDATE SET amount = u.amount + excluded.amount,"
    " first_at = least(u.first_at, excluded.first_at), last_at = greatest(u.last_at, excluded.last_at)"
)
_READ = text(
    "SELECT meter, operation, resource, sum(amount), min(first_at), max(last_at) FROM usage"
    " WHERE hour >= date_trunc('hour', CAST(:start AS timestamptz), 'UTC') AND hour < :end"
    " GROUP BY meter, operation, resource ORDER BY meter, operation, resource"
)
_NOW = text("SELECT clock_timestamp()")
SWEEP = text("DELETE FROM usage WHERE hour < clock_timestamp() - make_interval(days => CAST(:days AS integer))")


@dataclass(frozen=True, slots=True)
class Used:
    """What was used of one thing, in a range of hours, and when it was begun and last added to."""

    meter: Meter
    operation: str
    resource: str
    amount: float
    first_at: datetime
    last_at: datetime


async def now(reader: Reader) -> datetime:
    """Return real time, by the database's clock."""
    at: datetime = (await reader.execute(_NOW)).scalar_one()
    return at


async def read(reader: Reader, start: datetime, end: datetime) -> Sequence[Used]:
    """Return what the whole fleet used, from the hour that holds ``start`` to the last that begins before ``end``."""
    rows = await reader.execute(_READ, {"start": start, "end": end})
    return [Used(Meter(meter), *rest) for meter, *rest in rows]


async def add(tx: Transaction, amounts: Mapping[Key, float], *, seconds: float) -> None:
    """Add what one process used in the last ``seconds`` to the hour in which most of them lie."""
    meters, operations, resources = zip(*amounts, strict=True)
    await tx.execute(
        _ADD,
        {
            "seconds": seconds,
            "meters": meters,
            "operations": operations,
            "resources": resources,
            "amounts": list(amounts.values()),
        },
    )
