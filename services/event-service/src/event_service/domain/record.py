"""Records: dataclasses that nobody changes, made by the hundred thousand.

To the type checker they are frozen. At run time they are not: the constructor of a frozen dataclass sets each field by
a call, which for an event with its two dozen takes over ten times as long: that was most of what a claim cost us.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A class decorator like ``dataclass(frozen=True, slots=True)``."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
