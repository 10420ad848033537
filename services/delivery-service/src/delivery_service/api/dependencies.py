"""What routes may ask for beyond what every service has. ``main`` put it into the application's state."""

from typing import Annotated

from fastapi import Depends, Request

from delivery_service.application.endpoints import Security


async def _security(request: Request) -> Security:
    security: Security = request.app.state.security
    return security


CurrentSecurity = Annotated[Security, Depends(_security)]
