"""The composition root of user-service."""

from pathlib import Path

from chassis.api import status
from chassis.service import Service
from user_service.api import anniversaries, imports, users
from user_service.domain.errors import UserServiceError
from user_service.settings import Settings

SERVICE = Service(
    name="user-service",
    settings=Settings,
    migrations=Path(__file__).parents[2] / "migrations",
    error=UserServiceError,
    routers=(users.router, anniversaries.router, imports.router, status.router),
    roles={},
)
