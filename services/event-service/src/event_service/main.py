"""The composition root of event-service."""

from pathlib import Path

from chassis.api.imports import progress_router
from chassis.service.service import Service
from event_service.api import broadcasts, calendar_feeds, events, forecast, imports, schedules, status
from event_service.api.problems import PROBLEMS
from event_service.roles import consumer, maintenance, prepare, replay, scheduler, state
from event_service.settings import Settings

SERVICE = Service(
    name="event-service",
    settings=Settings,
    migrations=Path(__file__).parents[2] / "migrations",
    problems=PROBLEMS,
    routers=(
        broadcasts.router,
        calendar_feeds.router,
        events.router,
        forecast.router,
        imports.router,
        progress_router,
        schedules.router,
        status.router,
    ),
    roles={"scheduler": scheduler, "consumer": consumer, "maintenance": maintenance},
    state=state,
    replay=replay,
    prepare=prepare,
)
