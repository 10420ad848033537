"""What a process uses that costs money, counted in memory until it is recorded."""

from collections.abc import Mapping
from typing import TypeAlias

from contracts.http.status import Meter

Key: TypeAlias = tuple[Meter, str, str]
"""Meter, operation, resource."""


__all__ = ["Key", "Meter", "Usage"]


class Usage:
    """What this process has counted and not yet recorded."""

    def __init__(self) -> None:
        self._amounts: dict[Key, float] = {}

    def add(self, meter: Meter, operation: str, resource: str, amount: float = 1) -> None:
        """Add to the count of one resource."""
        key = meter, operation, resource
        self._amounts[key] = self._amounts.get(key, 0) + amount

    def take(self) -> Mapping[Key, float]:
        """Return all counts and start again from zero."""
        taken, self._amounts = self._amounts, {}
        return taken

    def put_back(self, taken: Mapping[Key, float]) -> None:
        """Add what :meth:`take` returned again, because it could not be recorded."""
        for key, amount in taken.items():
            self.add(*key, amount)
