"""A range of time, as routes take it."""

from typing import Annotated

from fastapi import Depends, Query

from analytics_service.domain.grains import Grain
from analytics_service.domain.series import Range
from chassis.api.dependencies import CurrentClock
from chassis.api.wire import Instant

DEFAULT_SPANS = 60


async def _range(
    clock: CurrentClock,
    grain: Annotated[Grain, Query(description="How long one span is.")] = Grain.HOUR,
    start: Annotated[
        Instant | None, Query(alias="from", description="In the first span. By default 60 spans before `to`.")
    ] = None,
    end: Annotated[
        Instant | None, Query(alias="to", description="Behind the last span's beginning. By default now.")
    ] = None,
) -> Range:
    end = end or clock.now()
    return Range.of(grain, start or end - grain.length * DEFAULT_SPANS, end)


CurrentRange = Annotated[Range, Depends(_range)]
