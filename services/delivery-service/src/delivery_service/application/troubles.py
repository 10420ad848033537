"""Telling endpoints of the service's own troubles, by messages that go the way of all others (design §5).

They are rows of the transaction that met the trouble. What fails of them is a dead letter too, of which nobody is told:
so one trouble never makes another.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from uuid_utils.compat import uuid7

from chassis.database import Transaction
from delivery_service.adapters import troubles
from delivery_service.adapters.troubles import Trouble
from delivery_service.domain.endpoints import OperationalEvent


async def tell(
    tx: Transaction, type: OperationalEvent, told: Sequence[tuple[datetime, Mapping[str, Any], UUID | None]]
) -> None:
    """Of each: when it happened, what is said of it (``message`` for a person), and the endpoint that it is about."""
    if told:
        await troubles.tell(tx, type, [_trouble(type, *each) for each in told])


def _trouble(type: OperationalEvent, at: datetime, data: Mapping[str, Any], about: UUID | None) -> Trouble:
    body = to_json({"type": type, "timestamp": at, "data": data}).decode()
    return Trouble(uuid7(), body, about)
