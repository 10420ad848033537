"""Publishes operational events, which are delivered as all other events are (docs/architecture.md#delivery).

They are rows of the transaction that they report. An operational event that cannot be delivered becomes a dead letter,
and publishes nothing itself: so one failure never makes another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from uuid_utils.compat import uuid7

from chassis.database.database import Transaction
from delivery_service.adapters import operational_events
from delivery_service.adapters.operational_events import Notification
from delivery_service.domain.endpoints import OperationalEvent


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What happened, when, and to which endpoint, if to any. ``data`` has a ``message`` for people."""

    at: datetime
    data: Mapping[str, Any]
    about: UUID | None


async def publish(tx: Transaction, type: OperationalEvent, occurrences: Sequence[Occurrence]) -> None:
    """Publish an event of this type for each occurrence, to all endpoints that subscribe but the one it is about."""
    if occurrences:
        await operational_events.publish(tx, type, [_notification(type, each) for each in occurrences])


def _notification(type: OperationalEvent, occurrence: Occurrence) -> Notification:
    body = to_json({"type": type, "timestamp": occurrence.at, "data": occurrence.data}).decode()
    return Notification(uuid7(), body, occurrence.about)
