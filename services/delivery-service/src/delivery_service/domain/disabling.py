"""When an endpoint that only fails is disabled, and when its owner is warned of that.

The rule follows Svix, which disables an endpoint after 5 days without a success, and only where failures are at least
12 hours apart: https://docs.svix.com/retries.
"""

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What follows from an endpoint's failures."""

    NONE = "none"
    WARN = "warn"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True)
class DisablePolicy:
    """An endpoint is disabled once all of these hold; times are seconds of real time since its first failure in a row.

    - At least ``min_failures`` attempts failed in a row: a few refusals are no proof, however far apart they are.
    - They spread over at least ``min_seconds``: a burst is no proof, however large it is.
    - They are at least ``failures``, or spread over at least ``seconds``.
    - Its owner was warned at least ``warning_seconds`` ago. The warning goes out as soon as the first three would hold
      by the time that it has passed.

    An answer 410 disables at once: the receiver itself asks for that.
    """

    failures: int = 1_000
    seconds: float = 5 * 86_400.0
    min_failures: int = 10
    min_seconds: float = 12 * 3_600.0
    warning_seconds: float = 6 * 3_600.0

    def step(self, failures: int, failing_seconds: float, warned_seconds: float | None) -> Step:
        """Decide after a failure; ``warned_seconds`` is how long ago a warning went out, None where none did."""
        if warned_seconds is None:
            return Step.WARN if self._holds(failures, failing_seconds + self.warning_seconds) else Step.NONE
        if warned_seconds >= self.warning_seconds and self._holds(failures, failing_seconds):
            return Step.DISABLE
        return Step.NONE

    def _holds(self, failures: int, seconds: float) -> bool:
        enough = failures >= self.min_failures and seconds >= self.min_seconds
        return enough and (failures >= self.failures or seconds >= self.seconds)
