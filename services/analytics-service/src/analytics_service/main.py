"""The composition root of analytics-service."""

from pathlib import Path

from analytics_service.api import alerts, costs, endpoints, engagement, exports, metrics, silences, timelines
from analytics_service.api.problems import PROBLEMS
from analytics_service.roles import alerter, consumer, state
from analytics_service.settings import Settings
from chassis.api import status
from chassis.service.service import Service

SERVICE = Service(
    name="analytics-service",
    settings=Settings,
    migrations=Path(__file__).parents[2] / "migrations",
    problems=PROBLEMS,
    routers=(
        metrics.router,
        endpoints.router,
        engagement.router,
        timelines.router,
        costs.router,
        exports.router,
        alerts.router,
        silences.router,
        status.router,
    ),
    roles={"consumer": consumer, "alerter": alerter},
    state=state,
)
