"""The composition root of user-service."""

from collections.abc import Sequence
from pathlib import Path

from chassis.api import status
from chassis.core.lifecycle import Loop, Role
from chassis.messaging.erasures import Eraser
from chassis.service.runtime import Runtime
from chassis.service.service import Service
from user_service.api import anniversaries, erasures, imports, users
from user_service.api.problems import PROBLEMS
from user_service.application.erasures import erase, report_own
from user_service.settings import Settings
from user_service.subscribers.erasures import erasure_handler


def consumer(runtime: Runtime[Settings]) -> Sequence[Role]:
    """Erases deleted users, and records since when the other services have."""
    queue = runtime.topology.queue("erasure-reports")
    eraser = Eraser(
        runtime.database,
        runtime.outbox,
        erase,
        report=None,
        every_seconds=runtime.settings.erasure_seconds,
        finished=report_own,
    )
    return [*runtime.consume(queue, erasure_handler(queue, runtime.database)), Loop("eraser", eraser.step)]


SERVICE = Service(
    name="user-service",
    settings=Settings,
    migrations=Path(__file__).parents[2] / "migrations",
    problems=PROBLEMS,
    routers=(users.router, anniversaries.router, imports.router, erasures.router, status.router),
    roles={"consumer": consumer},
)
