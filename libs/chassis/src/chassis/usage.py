"""What a service uses that costs money: counted by each process, kept by hour for the whole fleet in its database.

A process adds what it has used once a minute, and once more when it ends. Real time, also where the stack simulates.
What was counted while the database was away is added later; a kill loses a minute, and a commit without an answer may
count one twice: this is for estimating what a day costs, not for invoices.
"""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import structlog
from sqlalchemy import text

from chassis.core.lifecycle import pause
from chassis.database.database import Database, Reader

log = structlog.get_logger(__name__)

RECORD_SECONDS = 60.0
CLOSE_SECONDS = 5.0
"""How long a process that ends waits for its last numbers to be taken."""
_GIB = 1024**3
_STATM = Path("/proc/self/statm")


class Meter(StrEnum):
    """What is counted. Calls to AWS by operation and resource, a queue or a topic; the rest by the process's roles."""

    AWS_CALLS = "aws_calls"
    AWS_UNITS = "aws_units"
    """What AWS bills: a call counts once for every 64 KiB of its payload that it begins."""
    AWS_MESSAGES = "aws_messages"
    """Messages published or received, whatever number a call has."""
    CPU_SECONDS = "cpu_seconds"
    PROCESS_SECONDS = "process_seconds"
    MEMORY_GIB_SECONDS = "memory_gib_seconds"


Key: TypeAlias = tuple[Meter, str, str]
"""Meter, operation, resource."""


class Usage:
    """What this process has counted and not yet recorded."""

    def __init__(self) -> None:
        self._amounts: dict[Key, float] = {}

    def add(self, meter: Meter, operation: str, resource: str, amount: float = 1) -> None:
        key = meter, operation, resource
        self._amounts[key] = self._amounts.get(key, 0) + amount

    def take(self) -> Mapping[Key, float]:
        """Everything, which is then counted from nothing."""
        taken, self._amounts = self._amounts, {}
        return taken

    def put_back(self, taken: Mapping[Key, float]) -> None:
        for key, amount in taken.items():
            self.add(*key, amount)


@dataclass(frozen=True, slots=True)
class Used:
    """What was used of one thing, in a range of hours, and when it was begun and last added to."""

    meter: Meter
    operation: str
    resource: str
    amount: float
    first_at: datetime
    last_at: datetime


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


async def now(reader: Reader) -> datetime:
    """Real time, by the database's clock."""
    at: datetime = (await reader.execute(_NOW)).scalar_one()
    return at


async def read(reader: Reader, start: datetime, end: datetime) -> Sequence[Used]:
    """What the whole fleet used, from the hour that holds ``start`` to the last that begins before ``end``."""
    rows = await reader.execute(_READ, {"start": start, "end": end})
    return [Used(Meter(meter), *rest) for meter, *rest in rows]


class UsageRecorder:
    """A role that adds this process's usage to the database's, with its time, memory and CPU under ``process``."""

    name = "usage"

    def __init__(
        self, database: Database, usage: Usage, *, process: str, every_seconds: float = RECORD_SECONDS
    ) -> None:
        self._database = database
        self._usage = usage
        self._process = process
        self._every = every_seconds
        self._recorded_at = time.monotonic()
        self._cpu = 0.0
        self._began = False

    async def run(self, stopping: asyncio.Event) -> None:
        self._began = True
        while not await pause(stopping, self._every):
            await self.record()

    async def close(self) -> None:
        """What was used since the last minute, once all other roles have ended."""
        if self._began:
            await self.record()

    async def record(self) -> None:
        """Add what has been used since the last time. What cannot be added now is kept for the next."""
        at, cpu = time.monotonic(), time.process_time()
        seconds = at - self._recorded_at
        self._usage.add(Meter.CPU_SECONDS, "", self._process, cpu - self._cpu)
        self._usage.add(Meter.PROCESS_SECONDS, "", self._process, seconds)
        self._usage.add(Meter.MEMORY_GIB_SECONDS, "", self._process, resident_bytes() / _GIB * seconds)
        self._recorded_at, self._cpu = at, cpu
        taken = self._usage.take()
        meters, operations, resources = zip(*taken, strict=True)
        values = {
            "seconds": seconds,
            "meters": meters,
            "operations": operations,
            "resources": resources,
            "amounts": list(taken.values()),
        }
        try:
            async with asyncio.timeout(CLOSE_SECONDS), self._database.transaction() as tx:
                await tx.execute(_ADD, values)
        except Exception as error:  # whatever keeps the database from taking it, it is taken with the next
            self._usage.put_back(taken)
            log.warning("usage not recorded", error=repr(error))


def resident_bytes() -> int:
    """Memory that this process holds now; 0 where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
