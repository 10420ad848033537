"""A streaming replica, for reads that may be a moment old: how far behind it is, and whether to use it.

Its lag is measured with one clock, ours: the primary's WAL position is noted with the time at which we asked for it,
and the replica is as old as the newest position that it has replayed. So an idle primary does not look like lag (as
``pg_last_xact_replay_timestamp()`` would make it), nor a replica that receives nothing like a current one (as a
comparison of what it received with what it replayed would).
"""

import asyncio
import time
from collections import deque

import structlog
from opentelemetry import metrics
from sqlalchemy import text

from chassis.database.engine import create_engine, is_outage

log = structlog.get_logger(__name__)
_lost = metrics.get_meter("almanac.database").create_counter(
    "almanac_replica_failures", description="Statements that a replica failed and the primary was asked instead"
)

# What was committed is flushed. Without a position (a promoted replica, or none at all) there is nothing to compare.
_WRITTEN = text("SELECT CAST(pg_current_wal_flush_lsn() - '0/0' AS bigint)")
_REPLAYED = text("SELECT CASE WHEN pg_is_in_recovery() THEN CAST(pg_last_wal_replay_lsn() - '0/0' AS bigint) END")

MEASUREMENTS = 4
"""In the time of the greatest lag that is allowed: fewer, and a healthy replica would look old between two of them."""
HISTORY = 2_400
"""Positions of the primary that we remember: ten minutes of them by default. An older replica is only "older"."""
COMMAND_SECONDS = 5.0
"""How long a statement may take on the replica before the primary is asked instead."""
WAIT_SECONDS = 1.0
"""How long a reader waits for a connection to the replica before it takes one to the primary."""


class NoReplicaError(RuntimeError):
    """What answers is no replica: it was promoted, or the address is wrong."""


class Replica:
    """Whether a replica may be read. It may not until measured for the first time.

    Args:
        pool_size: readers' connections. Two more, one of them to the primary, are for measuring: a lag that cannot be
            measured because all connections are in use would send the replica's readers to a primary that is busy.
        max_lag_seconds: the oldest state that a reader may see.
    """

    def __init__(
        self,
        url: str,
        primary_url: str,
        *,
        pool_size: int,
        pooler: bool,
        application_name: str,
        max_lag_seconds: float,
    ) -> None:
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            pooler=pooler,
            application_name=application_name,
            command_seconds=COMMAND_SECONDS,
            wait_seconds=WAIT_SECONDS,
        )
        self._probe, self._primary = (
            create_engine(each, pool_size=1, pooler=pooler, application_name=application_name)
            for each in (url, primary_url)
        )
        self._max_lag = max_lag_seconds
        self._every = max_lag_seconds / MEASUREMENTS
        self._written: deque[tuple[float, int]] = deque(maxlen=HISTORY)
        self._current_at = time.monotonic()
        self._away = True
        self._said: bool | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether what the replica shows is at most ``max_lag_seconds`` old. The first question starts measuring."""
        self.watch()
        return not self._away and time.monotonic() - self._current_at <= self._max_lag

    def watch(self) -> None:
        """Start measuring, unless it has started."""
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._measure_for_ever())

    @property
    def lag_seconds(self) -> float | None:
        """0 where the last measurement found it current, else the age of what it shows; None before any."""
        if self._watch is None:
            return None
        return time.monotonic() - self._current_at if self._away or self._written else 0.0

    def lost(self, error: Exception) -> None:
        """A statement failed on the replica. In an outage, other reads skip it until it has been measured again."""
        _lost.add(1)
        if is_outage(error):
            self._away = True
        self._say(repr(error))

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for engine in (self.engine, self._probe, self._primary):
            await engine.dispose()

    async def _measure_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._max_lag):
                    await self._measure()
                self._say("it is behind")
            except Exception as error:  # whatever the error, the replica's age is unknown
                self._away = True
                self._say(repr(error))
            await asyncio.sleep(self._every)

    async def _measure(self) -> None:
        asked = time.monotonic()
        async with self._primary.connect() as connection:
            self._written.append((asked, (await connection.execute(_WRITTEN)).scalar_one()))
        async with self._probe.connect() as connection:
            replayed: int | None = (await connection.execute(_REPLAYED)).scalar_one()
        if replayed is None:
            raise NoReplicaError("DATABASE_REPLICA_URL is not the address of a streaming replica")
        while self._written and self._written[0][1] <= replayed:
            self._current_at, _ = self._written.popleft()
        self._away = False

    def _say(self, reason: str) -> None:
        usable = self.usable
        if usable == self._said:
            return
        self._said = usable
        if usable:
            log.info("replica in use")
        else:
            log.warning("replica not in use; the primary serves its reads", reason=reason)
