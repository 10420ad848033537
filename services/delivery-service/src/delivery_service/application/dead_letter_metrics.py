"""Open dead letters, as a gauge of the one process that counts them."""

from collections.abc import Iterable, Mapping

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from chassis.database.database import Database
from chassis.database.leases import Lease
from delivery_service.adapters import stats

EVERY_SECONDS = 15.0


class OpenDeadLetters:
    """A step of a loop. Processes without the lease export nothing, so that sums do not count a dead letter twice."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lease = Lease(database, "dead-letters-figures", seconds=3 * EVERY_SECONDS)
        self._open: Mapping[str, int] | None = None
        metrics.get_meter("almanac.delivery").create_observable_gauge(
            "almanac_dead_letters_open",
            [self.observe],
            description="Dead letters neither redriven nor discarded, by reason; reason is empty where there is none",
        )

    async def step(self) -> float:
        if not await self._lease.held():
            self._open = None
            return EVERY_SECONDS
        self._open = (await stats.count_dead_letters(self._database)).open
        return EVERY_SECONDS

    def observe(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        if self._open is not None:
            # With none open, 0 is exported: a series that ends leaves an alert in doubt.
            for reason, count in (self._open or {"": 0}).items():
                yield Observation(count, {"reason": reason})
