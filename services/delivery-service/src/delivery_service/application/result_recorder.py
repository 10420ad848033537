"""Records the results of a pool's attempts in batches, and releases deliveries that were not attempted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from chassis.core.batching import Batcher
from chassis.database.database import Database, is_outage
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import Priority
from delivery_service.adapters.circuits import Counted
from delivery_service.application import delivery_metrics, sending
from delivery_service.application.recording import record, release
from delivery_service.domain.circuits import CircuitPolicy, UnreportedSuccesses, returned_probes, tally
from delivery_service.domain.deliveries import Dispatch, Result, postponed, without_evidence
from delivery_service.domain.retries import RetryPolicy

log = structlog.get_logger(__name__)

BATCH = 200
"""Results recorded in one transaction at most."""


class ResultRecorder:
    """Batches the writes of a pool. While the database is unreachable, results wait for it.

    Args:
        connections: how many transactions the pool may have at a time.
        then: called once results are committed, with the endpoints whose state changed or that fail.
    """

    def __init__(
        self,
        priority: Priority,
        database: Database,
        outbox: Outbox,
        connections: asyncio.Semaphore,
        *,
        policy: RetryPolicy,
        circuits: CircuitPolicy,
        then: Callable[[Sequence[Result], Sequence[Counted]], Awaitable[None]],
    ) -> None:
        self._priority = priority
        self._database = database
        self._outbox = outbox
        self._connections = connections
        self._policy = policy
        self._circuits = circuits
        self._then = then
        self._results: Batcher[Result, None] = Batcher(self._record, max_size=BATCH)
        self._releases: Batcher[Dispatch, None] = Batcher(self.release_all, max_size=BATCH)
        self._unreported = UnreportedSuccesses(circuits.half_life_seconds)

    async def record(self, result: Result) -> None:
        """Record a result. It returns once the result is committed, or cannot be recorded at all."""
        await self._results.submit(result)

    async def release(self, dispatch: Dispatch) -> None:
        """Release a delivery."""
        await self._releases.submit(dispatch)

    async def release_all(self, dispatches: Sequence[Dispatch]) -> Sequence[None]:
        """Release deliveries at once. While the database is unreachable they wait for the end of their leases."""
        try:
            async with self._connections:
                await release(self._database, dispatches, returned_probes(dispatches), self._circuits)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("not released; their leases will end", deliveries=len(dispatches), error=repr(error))
        return [None] * len(dispatches)

    async def _record(self, results: Sequence[Result]) -> Sequence[None]:
        try:
            await self._commit(results)
        except Exception as error:
            # One of them may be the only one at fault: alone, it cannot hold up the others.
            log.warning("batch of results failed; one by one", results=len(results), error=type(error).__name__)
            for result in results:
                await self._record_alone(result)
        return [None] * len(results)

    async def _commit(self, results: Sequence[Result]) -> None:
        tallies = tally(results, self._unreported.counts(), pause_cap=self._policy.retry_after_cap)
        while True:
            try:
                async with self._connections:
                    batch = await record(self._database, self._outbox, results, tallies, self._circuits)
                break
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("results wait for the database", results=len(results), error=repr(error))
                await self._database.wait_available()
        delivery_metrics.recorded(self._priority, results, batch)
        self._unreported.update(tallies, {each.endpoint_id for each in batch.degraded})
        await self._then(results, batch.degraded)

    async def _record_alone(self, result: Result) -> None:
        """Record a result whatever is wrong with it: first completely, then without the receiver's data, finally only
        the fact of an attempt."""
        wanted = result
        for fallback in (without_evidence, partial(postponed, policy=self._policy), None):
            try:
                await self._commit([wanted])
            except Exception as error:
                sending.report(error, delivery_id=str(result.dispatch.delivery_id))
                if fallback is None:
                    # Its lease ends; two in a row that do are an alert.
                    return
                wanted = fallback(result, type(error).__name__)
            else:
                return
