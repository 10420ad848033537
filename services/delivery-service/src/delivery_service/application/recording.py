"""Results out: attempts, states and outcomes of a whole batch in one transaction (docs/architecture.md#delivery)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from chassis.database.database import Database, Transaction
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import FailureReason
from delivery_service.adapters import claims
from delivery_service.adapters.circuits import Counted, count
from delivery_service.adapters.results import Recorded, record_results
from delivery_service.application.dead_letters import insert_for_deliveries
from delivery_service.application.health import watch
from delivery_service.application.outcomes import Announced, announce
from delivery_service.domain.circuits import CircuitPolicy, Tally
from delivery_service.domain.deliveries import Dispatch, Result

DEFAULT_CIRCUITS = CircuitPolicy()


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """What counted, and the outcomes of the events that it finished. The other results had lost their lease.

    ``degraded`` are the endpoints that fail, or have failed until now.
    """

    recorded: list[Recorded]
    outcomes: list[Announced]
    degraded: list[Counted] = field(default_factory=list)


async def record(
    database: Database,
    outbox: Outbox,
    results: Sequence[Result],
    tallies: Sequence[Tally] = (),
    circuits: CircuitPolicy = DEFAULT_CIRCUITS,
) -> RecordedBatch:
    """Record ``results``; the outcome of an event leaves with its last one.

    ``tallies`` say what they mean for endpoints. An endpoint that is gone, or has failed for too long, is switched off.
    """
    async with database.transaction() as tx:
        batch = await record_within(tx, outbox, results)
        if not tallies:
            return batch
        return replace(batch, degraded=await watch(tx, outbox, tallies, circuits))


async def record_within(tx: Transaction, outbox: Outbox, results: Sequence[Result]) -> RecordedBatch:
    """The same in a transaction of the caller's."""
    recorded = await record_results(tx, results)
    dead = [each.delivery_id for each in recorded if each.reason not in (None, FailureReason.CANCELLED)]
    await insert_for_deliveries(tx, outbox, dead)
    finished = {each.event_id for each in recorded if each.finished}
    return RecordedBatch(recorded, await announce(tx, outbox, list(finished)))


async def release(
    database: Database, dispatches: Sequence[Dispatch], probes: Sequence[Tally], circuits: CircuitPolicy
) -> None:
    """Give back what could not be begun or finished: any worker may take it at once, and make another probe."""
    async with database.transaction() as tx:
        await claims.release(tx, dispatches)
        if probes:
            await count(tx, probes, circuits)
