"""The reaper: it takes over claims whose lease has ended and publications without an outcome, and ends what is late."""

import structlog

from chassis.database.database import Database
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import Priority
from event_service.application.firing import FiringRules, publish_again, return_unconfirmed
from event_service.application.outcomes import sweep_missed
from event_service.application.ports import DueEventBus
from event_service.domain.type_rules import Rulebook

log = structlog.get_logger(__name__)


class Reaper:
    """A step of a loop. Safe in many processes: each row is taken by one."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        bus: DueEventBus,
        firing: FiringRules,
        rules: Rulebook,
        *,
        every_seconds: float,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._bus = bus
        self._firing = firing
        self._rules = rules
        self._every = every_seconds

    async def step(self) -> float:
        returned = await return_unconfirmed(self._database, self._outbox, self._firing)
        missed = await sweep_missed(self._database, self._outbox, self._rules, limit=self._firing.batch)
        if missed:
            log.warning("events missed, their grace had ended", events=missed)
        # Last: it raises while the bus is unreachable, and the others need no bus.
        repeated = [
            await publish_again(self._database, self._outbox, self._bus, self._firing, priority)
            for priority in Priority
        ]
        # Each event that is given up may leave another that is past its grace, of the same schedule.
        return 0.0 if missed or self._firing.batch in (returned, *repeated) else self._every
