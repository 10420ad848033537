"""The attempt at a claimed delivery: at its endpoint as it is now, inside its lease and its send window."""

import time
from contextlib import suppress
from dataclasses import replace

from chassis.database.clock import Clock
from chassis.database.database import Database, is_outage
from contracts.vocabulary import FailureReason
from delivery_service.application import sending
from delivery_service.application.endpoint_watch import EndpointWatch
from delivery_service.application.ports import Sender
from delivery_service.application.send_windows import held_back
from delivery_service.domain.deliveries import ConfigurationExpiredError, Dispatch, Lease, Result, Target, not_sent
from delivery_service.domain.retries import RetryPolicy

RECORD_SECONDS = 10.0
"""The part of a lease after the longest attempt, to record its result."""


class Attempter:
    """Makes attempts; ``watch`` knows what endpoints are now."""

    def __init__(
        self, sender: Sender, database: Database, watch: EndpointWatch, *, policy: RetryPolicy, clock: Clock
    ) -> None:
        self._sender = sender
        self._database = database
        self._watch = watch
        self._policy = policy
        self._clock = clock

    async def attempt(self, dispatch: Dispatch) -> Result | None:
        """Make the attempt, or end the delivery where nothing is sent to its endpoint any more.

        Returns None where the delivery waited too long: it is to be released.
        """
        while True:
            if isinstance(dispatch.target, Target):
                dispatch = replace(dispatch, target=await self._current(dispatch.target, dispatch.lease))
            if isinstance(dispatch.target, FailureReason):
                return not_sent(dispatch, dispatch.target)
            if time.monotonic() + dispatch.target.timeout_seconds + RECORD_SECONDS > dispatch.lease.until:
                # It waited too long for a slot: begun now, it could outlive its lease and be sent twice.
                return None
            if (waits := held_back(dispatch, dispatch.target, self._clock)) is not None:
                return waits
            # While it connected, its endpoint may have been disabled, or moved: then it starts again.
            with suppress(ConfigurationExpiredError):
                return await sending.attempt(self._sender, dispatch, dispatch.target, self._policy, self._clock)

    async def _current(self, target: Target, lease: Lease) -> Target | FailureReason:
        """The endpoint as it is now, or why nothing is sent there any more. While the database is unreachable, it
        waits."""
        while True:
            try:
                return await self._watch.current(target, lease.begun_at)
            except Exception as error:
                if not is_outage(error):
                    raise
                await self._database.wait_available()
