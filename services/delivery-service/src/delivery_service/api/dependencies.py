"""What routes may ask for beyond what every service has. ``main`` put it into the application's state."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from delivery_service.application.endpoints import Security
from delivery_service.application.sending import Channels


async def _security(request: Request) -> Security:
    security: Security = request.app.state.security
    return security


async def _channels(request: Request) -> Callable[[], Channels]:
    channels: Callable[[], Channels] = request.app.state.channels
    return channels


CurrentSecurity = Annotated[Security, Depends(_security)]
CurrentChannels = Annotated[Callable[[], Channels], Depends(_channels)]
"""Opens channels with connections of their own; the process that opened them closes them."""
