"""The timeline of one event: everything that happened to it, across services."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One fact about the event, as reported by ``source`` (a service)."""

    at: datetime
    kind: str
    source: str
    trace_id: str | None
    item_id: UUID
    data: Mapping[str, Any]
