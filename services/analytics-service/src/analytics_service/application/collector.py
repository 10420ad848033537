"""Looking at everything that alerts are judged by, at one moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from almanac_client import Almanac, AlmanacError, UnavailableError
from almanac_client.reports import Reports
from analytics_service.adapters import dead_letter_alerts
from analytics_service.adapters.statuses import delivery_reading, events_reading, service_reading
from analytics_service.application.fan_out import reason
from analytics_service.application.overview import overview
from analytics_service.domain.alert_rules import WINDOW_MINUTES
from analytics_service.domain.observations import Absence, Observations, ServiceReading
from chassis.database.clock import Clock
from chassis.database.database import Database
from chassis.database.read_routing import Reads
from chassis.messaging.status import StatusReader
from contracts.http.status import DeliveryServiceStatus, EventServiceStatus, ServiceStatus

T = TypeVar("T", bound=ServiceStatus)
log = structlog.get_logger(__name__)

OWN_NAME = "analytics-service"


class Collector:
    """Asks the services whose addresses are known, and this one's own database and queues."""

    def __init__(self, database: Database, clock: Clock, board: StatusReader, almanac: Almanac) -> None:
        self._database = database
        self._clock = clock
        self._board = board
        self._almanac = almanac

    async def observe(self) -> Observations:
        """Raises the database's error if our own database is unreachable; another's absence is an observation."""
        users, events, deliveries, own, recent, announced = await asyncio.gather(
            _ask(self._almanac.users, self._almanac.users.status),
            _ask(self._almanac.events, self._almanac.events.status),
            _ask(self._almanac.deliveries, self._almanac.deliveries.status),
            self._board.read(),
            overview(Reads(self._database, fresh=True), self._clock, WINDOW_MINUTES),
            self._announced(),
        )
        services: dict[str, ServiceReading | Absence] = {OWN_NAME: service_reading(own)}
        clients = (self._almanac.users, self._almanac.events, self._almanac.deliveries)
        for client, told in zip(clients, (users, events, deliveries), strict=True):
            if told is not None:
                services[client.service] = told if isinstance(told, Absence) else service_reading(told)
        return Observations(
            services=services,
            events=events_reading(events) if isinstance(events, EventServiceStatus) else None,
            delivery=delivery_reading(deliveries) if isinstance(deliveries, DeliveryServiceStatus) else None,
            recent=recent,
            announced=announced,
        )

    async def _announced(self) -> dict[str, int]:
        async with self._database.read() as connection:
            return await dead_letter_alerts.announced(connection, WINDOW_MINUTES * 60.0)


async def _ask(client: Reports, status: Callable[[], Awaitable[T]]) -> T | Absence | None:
    """None for a service whose address is not known: it is not observed here."""
    if not client.api.configured:
        return None
    try:
        return await status()
    except UnavailableError:
        return Absence.UNAVAILABLE
    except AlmanacError as error:
        log.warning("service status not available", service=client.service, error=reason(error))
        return Absence.SILENT
