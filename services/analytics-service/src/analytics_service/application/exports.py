"""Facts and rollups for a warehouse."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta

from analytics_service.adapters import exports
from analytics_service.domain.exports import Dataset, check_export
from analytics_service.domain.grains import Grain
from chassis.database.clock import Clock
from chassis.database.database import Database

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Export:
    """A file and what it is called."""

    name: str
    pieces: AsyncGenerator[bytes, None]


def export(
    database: Database, clock: Clock, dataset: Dataset, grain: Grain, start: datetime | None, end: datetime | None
) -> Export:
    """What happened from ``start`` to before ``end``; by default on the day, in UTC, before the one that it is.

    Raises:
        RangeTooLongError: the range is empty, or too long for one file.
    """
    if end is None:
        end = Grain.DAY.floor(clock.now()) if start is None else start + DAY
    start = start or end - DAY
    check_export(start, end)
    span = f"{start:%Y%m%dT%H%M%SZ}-{end:%Y%m%dT%H%M%SZ}"
    of = "" if dataset is Dataset.FACTS else f"-{grain}"
    return Export(f"almanac-{dataset}{of}-{span}.parquet", exports.parquet(database, dataset, grain, start, end))
