"""What a process uses that costs money, counted in memory until it is recorded."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias


class Meter(StrEnum):
    """What is counted. Calls to AWS by operation and resource, a queue or a topic; the rest by the process's roles."""

    AWS_CALLS = "aws_calls"
    AWS_UNITS = "aws_units"
    """What AWS bills: a call counts once for every 64 KiB of its payload that it begins."""
    AWS_MESSAGES = "aws_messages"
    """Messages published or received, whatever number a call has."""
    CPU_SECONDS = "cpu_seconds"
    PROCESS_SECONDS = "process_seconds"
    MEMORY_GIB_SECONDS = "memory_gib_seconds"


Key: TypeAlias = tuple[Meter, str, str]
"""Meter, operation, resource."""


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
