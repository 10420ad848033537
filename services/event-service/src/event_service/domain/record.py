"""Records: immutable dataclasses, created by the hundred thousand.

To the type checker they are frozen, at run time they are not: the constructor of a frozen dataclass would set each
field by a call, and so take ten times as long for an event with its two dozen, most of what a claim cost this process.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A class decorator like ``dataclass(frozen=True, slots=True)``."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
