"""Records what this process has used: once a minute, and once more when it ends.

Counts from an outage of the database are added later; a kill loses a minute, and a commit without an answer may
count one twice: this is for estimating what a day costs, not for invoices.
"""

import asyncio
import os
import time
from pathlib import Path

import structlog

from chassis.core.lifecycle import pause
from chassis.core.usage import Meter, Usage
from chassis.database import usage as hourly_usage
from chassis.database.database import Database

log = structlog.get_logger(__name__)

RECORD_SECONDS = 60.0
CLOSE_SECONDS = 5.0
"""How long a process that ends waits for its last numbers to be taken."""
_GIB = 1024**3
_STATM = Path("/proc/self/statm")


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
        """Record what was used since the last minute, once all other roles have ended."""
        if self._began:
            await self.record()

    async def record(self) -> None:
        """Add the usage since the last time. Usage that cannot be added now is kept for the next time."""
        at, cpu = time.monotonic(), time.process_time()
        seconds = at - self._recorded_at
        self._usage.add(Meter.CPU_SECONDS, "", self._process, cpu - self._cpu)
        self._usage.add(Meter.PROCESS_SECONDS, "", self._process, seconds)
        self._usage.add(Meter.MEMORY_GIB_SECONDS, "", self._process, resident_bytes() / _GIB * seconds)
        self._recorded_at, self._cpu = at, cpu
        taken = self._usage.take()
        try:
            async with asyncio.timeout(CLOSE_SECONDS), self._database.transaction() as tx:
                await hourly_usage.add(tx, taken, seconds=seconds)
        except Exception as error:  # whatever keeps the database from taking it, it is taken with the next
            self._usage.put_back(taken)
            log.warning("usage not recorded", error=repr(error))


def resident_bytes() -> int:
    """Return the memory that this process holds now; 0 where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
