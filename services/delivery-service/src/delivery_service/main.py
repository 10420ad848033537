"""The composition root of delivery-service."""

from pathlib import Path

from chassis.service.service import Service
from contracts.vocabulary import Priority
from delivery_service.api import dead_letters, deliveries, endpoints, status
from delivery_service.api.problems import PROBLEMS
from delivery_service.roles import consumer, state, workers
from delivery_service.settings import Settings

# A bus that lost its queues needs nothing here beyond the outbox: received messages are in the database and continue
# from there, and event-service publishes the others again, because their outcome is missing.
SERVICE = Service(
    name="delivery-service",
    settings=Settings,
    migrations=Path(__file__).parents[2] / "migrations",
    problems=PROBLEMS,
    routers=(endpoints.router, deliveries.router, dead_letters.router, status.router),
    roles={"worker": workers(*Priority), "consumer": consumer},
    state=state,
    parts={f"worker-{priority.name.lower()}": workers(priority) for priority in Priority},
)
