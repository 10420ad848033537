"""The how manieth time it is."""

from event_service.domain.patterns import YearlyPattern
from event_service.domain.schedules import Schedule


def number_of(schedule: Schedule, occurrence: str) -> int:
    """Years since the date itself. Raises TypeError for a schedule that is not yearly."""
    if not isinstance(schedule.pattern, YearlyPattern):
        raise TypeError(f"schedule {schedule.id} is not yearly: its occurrences are not counted")
    return int(occurrence) - schedule.pattern.since
