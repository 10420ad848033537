"""Looking at everything that alerts are judged by, at one moment."""

import asyncio
from typing import TypeVar

import structlog

from analytics_service.adapters import dead_letter_alerts
from analytics_service.adapters.service_clients import ServiceClient, ServiceClients
from analytics_service.adapters.statuses import ReportedDeliveryStatus, ReportedEventStatus, ReportedStatus, own_reading
from analytics_service.application.overview import overview
from analytics_service.domain.alert_rules import WINDOW_MINUTES
from analytics_service.domain.errors import ServiceClientError, ServiceUnreadyError
from analytics_service.domain.observations import Absence, Observations, ServiceReading
from chassis.database.clock import Clock
from chassis.database.database import Database
from chassis.database.read_routing import Reads
from chassis.messaging.status import StatusReader

T = TypeVar("T", bound=ReportedStatus)
log = structlog.get_logger(__name__)

OWN_NAME = "analytics-service"


class Collector:
    """Asks the services whose addresses are known, and this one's own database and queues."""

    def __init__(self, database: Database, clock: Clock, board: StatusReader, peers: ServiceClients) -> None:
        self._database = database
        self._clock = clock
        self._board = board
        self._peers = peers

    async def observe(self) -> Observations:
        """Raises the database's error if our own database is unreachable; another's absence is an observation."""
        users, events, deliveries, own, recent, announced = await asyncio.gather(
            _ask(self._peers.users, ReportedStatus),
            _ask(self._peers.events, ReportedEventStatus),
            _ask(self._peers.deliveries, ReportedDeliveryStatus),
            self._board.read(),
            overview(Reads(self._database, fresh=True), self._clock, WINDOW_MINUTES),
            self._announced(),
        )
        services: dict[str, ServiceReading | Absence] = {OWN_NAME: own_reading(own)}
        peers = (self._peers.users, self._peers.events, self._peers.deliveries)
        for peer, told in zip(peers, (users, events, deliveries), strict=True):
            if told is not None:
                services[peer.name] = told if isinstance(told, Absence) else told.reading()
        return Observations(
            services=services,
            events=events.events_reading() if isinstance(events, ReportedEventStatus) else None,
            delivery=deliveries.delivery_reading() if isinstance(deliveries, ReportedDeliveryStatus) else None,
            recent=recent,
            announced=announced,
        )

    async def _announced(self) -> dict[str, int]:
        async with self._database.read() as connection:
            return await dead_letter_alerts.announced(connection, WINDOW_MINUTES * 60.0)


async def _ask(peer: ServiceClient, shape: type[T]) -> T | Absence | None:
    """None for a service whose address is not known: it is not observed here."""
    if not peer.configured:
        return None
    try:
        return await peer.get("/v1/status", shape)
    except ServiceUnreadyError:
        return Absence.UNAVAILABLE
    except ServiceClientError as error:
        log.warning("service status not available", service=peer.name, error=str(error))
        return Absence.SILENT
