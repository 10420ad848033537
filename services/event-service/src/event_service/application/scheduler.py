"""When to fire: a tickless loop per priority (docs/architecture.md#the-claim)."""

import asyncio
import time
from contextlib import suppress
from datetime import datetime

from chassis.database.database import Database
from chassis.messaging.outbox import Outbox
from event_service.adapters import claims
from event_service.adapters.claims import Next
from event_service.application.firing import FiringRules, fire_due
from event_service.application.ports import DueEventBus

FULL_QUEUE_SECONDS = 0.1
"""Pause while a priority's queue is full: workers empty hundreds of messages in that time."""

TIMER_SECONDS = 0.001
"""The event loop's timers are that coarse: a loop that woke before it had anything to do would only ask again."""

CONTENDED_SECONDS = 0.05
"""Pause where all that is due is being claimed by another scheduler."""


PATIENCE_SECONDS = 5.0
"""The longest that a priority waits for more urgent ones before each of its batches: it must get on too."""


class Precedence:
    """Lets the more urgent priorities of a process go first while they have something due and room for it.

    Without it they share the process, and the bus behind it, with whatever else is due at the same instant.
    """

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = patience_seconds
        self._busy: set[int] = set()
        self._freed = asyncio.Event()

    async def turn(self, priority: int) -> None:
        """Register, and return once no more urgent priority is registered, or after the timeout."""
        self._busy.add(priority)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while min(self._busy) < priority:
                    self._freed.clear()
                    await self._freed.wait()

    def leave(self, priority: int) -> None:
        """Nothing is due, or nothing can be done about it now."""
        self._busy.discard(priority)
        self._freed.set()


LOOK_BACK_SHARE = 0.05
"""The maximum share of a busy scheduler's time for rereading events past their grace."""


class Passed:
    """The instant before which nothing can be claimed: pending events there are past their grace and not yet MISSED.

    After an outage of days that may be hundreds of thousands of events, and every claim would have to read past them. A
    late one may still turn up among them (a claim returns, a user moves), so all are read again, but not each time.
    """

    def __init__(self) -> None:
        self._until = claims.BEGINNING
        self._whole_again_at = 0.0

    def since(self) -> datetime:
        """From which target on to look for what is late."""
        return self._until if time.monotonic() < self._whole_again_at else claims.BEGINNING

    def looked(self, since: datetime, first: datetime | None, seconds: float) -> None:
        """A look from ``since`` on took so long, and this was the first that could be claimed."""
        if since == claims.BEGINNING:
            self._until = since
            self._whole_again_at = time.monotonic() + seconds / LOOK_BACK_SHARE
        if first is not None:
            self._until = first


class Scheduler:
    """A step of a loop for one priority. N of them, here and in other pods, run side by side without a leader."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        bus: DueEventBus,
        rules: FiringRules,
        *,
        priority: int,
        poll_seconds: float,
        precedence: Precedence | None = None,
    ) -> None:
        """``poll_seconds``: the longest sleep. What is inserted nearer than that wakes the loop (migration 0001)."""
        self._database = database
        self._outbox = outbox
        self._bus = bus
        self._rules = rules
        self._priority = priority
        self._poll = poll_seconds
        self._precedence = precedence or Precedence()
        self._passed = Passed()

    async def step(self) -> float:
        """Fire one batch. Returns how long to sleep: not at all while there is more, else until just before the next.

        The bus is asked for room, which costs a call to AWS, only when something is due.
        """
        coming = await self._next()
        ahead = self._rules.ahead_seconds
        if coming is None or coming.delay > ahead:
            self._precedence.leave(self._priority)
            return self._poll if coming is None else min(coming.delay - ahead + TIMER_SECONDS, self._poll)
        await self._precedence.turn(self._priority)
        claimed: int | None = None
        try:
            claimed = await fire_due(
                self._database, self._outbox, self._bus, self._rules, self._priority, since=coming.target
            )
        finally:
            if not claimed:
                self._precedence.leave(self._priority)
        if claimed is None:
            return FULL_QUEUE_SECONDS
        return 0.0 if claimed else CONTENDED_SECONDS

    async def _next(self) -> Next | None:
        since, began = self._passed.since(), time.monotonic()
        coming = await claims.find_next(self._database, self._priority, since=since)
        self._passed.looked(since, None if coming is None else coming.target, time.monotonic() - began)
        return coming
