"""The erasure of a deleted user, service by service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Report:
    """A service has erased a user at an instant of real time. ``service`` is its name."""

    user_id: UUID
    service: str
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """``services`` holds every service that keeps personal data, with None while it still does."""

    user_id: UUID
    requested_at: datetime
    services: Mapping[str, datetime | None]

    @property
    def completed_at(self) -> datetime | None:
        """When the last service was done, or None while one is not."""
        instants = [each for each in self.services.values() if each is not None]
        return max(instants) if len(instants) == len(self.services) else None
