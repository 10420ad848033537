"""What a while would have cost on AWS."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac_client import Almanac
from analytics_service.adapters import rollups, usage
from analytics_service.application.fan_out import ask
from analytics_service.domain.costs import Costs, costs_of, observed_hours
from analytics_service.domain.errors import RangeTooLongError
from analytics_service.domain.facts import Kind
from analytics_service.domain.grains import Grain, cover
from analytics_service.domain.prices import Prices
from analytics_service.domain.records import Missing
from chassis.database.read_routing import Reads

DEFAULT_RANGE = timedelta(days=1)
MAX_RANGE = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class CostReport:
    """The costs of whole hours of real time. What services that are ``missing`` used is not in them."""

    since: datetime
    until: datetime
    costs: Costs
    missing: Sequence[Missing]


async def cost_report(
    reads: Reads, almanac: Almanac, prices: Prices, start: datetime | None, end: datetime | None
) -> CostReport:
    """From the hour that holds ``start`` to the end of the hour that holds ``end``; by default the last 24 hours.

    Usage is stored by the hour: part of an hour would be divided by all that was used in it.

    Raises:
        RangeTooLongError: it is empty, or longer than ``MAX_RANGE``.
    """
    async with reads.open() as reader:
        end = end or await usage.now(reader)
        since, until = Grain.HOUR.floor(start or end - DEFAULT_RANGE), Grain.HOUR.ceil(end)
        if since >= until or (start is not None and start >= end):
            raise RangeTooLongError("from must be earlier than to")
        if until - since > MAX_RANGE:
            raise RangeTooLongError(f"at most {MAX_RANGE.days} days")
        used = list(await usage.ours(reader, since, until))
        counts = await rollups.counts(reader, cover(since, until))
    missing: list[Missing] = []

    others = (almanac.users, almanac.events, almanac.deliveries)
    for told in await asyncio.gather(*(ask(each.service, usage.of(each, since, until), missing) for each in others)):
        used.extend(told or ())
    events = sum(each.count for each in counts if each.kind is Kind.PUBLISHED)
    costs = costs_of(used, observed_hours(used, since, until), events, prices)
    return CostReport(since, until, costs, sorted(missing, key=lambda each: each.service))
