"""What routes may ask for beyond what every service has. ``main`` put it into the application's state."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from event_service.adapters.partitions import Partitions
from event_service.domain.type_rules import Rulebook


async def _rules(request: Request) -> Rulebook:
    rules: Rulebook = request.app.state.rules
    return rules


async def _partitions(request: Request) -> Partitions:
    partitions: Partitions = request.app.state.partitions
    return partitions


async def _retention(request: Request) -> timedelta:
    retention: timedelta = request.app.state.retention
    return retention


CurrentRetention = Annotated[timedelta, Depends(_retention)]
"""How long a month of events is kept after its end."""
CurrentRules = Annotated[Rulebook, Depends(_rules)]
CurrentPartitions = Annotated[Partitions, Depends(_partitions)]
