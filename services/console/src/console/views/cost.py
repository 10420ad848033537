"""The figures of the page *Cost*: the last day's cost on AWS, beside the reference architecture's."""

import math
from collections.abc import Sequence

from console.formats import NONE, count, duration, word
from console.markup import Content
from contracts.http.analytics import CostLine, Costs

LINES = ("What", "For", "Used", "In 24 h", "A month")
CATEGORIES = ("Category", "Almanac, a month", "Reference architecture, a month")
SAVINGS = ("Saving", "Almanac, a month", "Reference architecture, a month")
_NAMES = {
    "database": "Database",
    "compute": "Compute",
    "sqs": "SQS",
    "sns": "SNS",
    "letters": "E-mail and SMS",
    "other": "Other",
}


def dollars(value: float | None) -> str:
    """``$1,234``, ``$12.30``, ``$0.0042``: as many digits as say something."""
    if value is None:
        return NONE
    if value == 0:
        return "$0"
    size = abs(value)
    if size >= 100:
        return f"${value:,.0f}"
    if size >= 1:
        return f"${value:,.2f}"
    return f"${value:.{1 - math.floor(math.log10(size))}f}"


def category(name: str) -> str:
    return _NAMES.get(name, word(name))


def line_rows(lines: Sequence[CostLine]) -> Sequence[Sequence[Content]]:
    """The dearest first."""
    return [
        [each.name, category(each.category), _used(each.quantity, each.unit), dollars(each.daily),
         dollars(each.monthly)]
        for each in sorted(lines, key=lambda line: (line.monthly or 0.0, line.amount), reverse=True)
    ]  # fmt: skip


def _used(quantity: float, unit: str) -> str:
    return f"{_quantity(quantity)} {unit}{'' if quantity == 1 or unit.endswith('s') else 's'}"


def _quantity(value: float) -> str:
    return count(value) if value >= 100 or value == round(value) else f"{value:.3g}"


def category_rows(costs: Costs) -> Sequence[Sequence[Content]]:
    """Each category, and all of them."""
    rows = [[category(each.category), dollars(each.monthly), dollars(each.source_monthly)] for each in costs.categories]
    return [*rows, ["All", dollars(costs.monthly), dollars(costs.source.monthly)]]


def saving_rows(costs: Costs) -> Sequence[Sequence[Content]]:
    return [
        [each.name, _span(each.monthly_min, each.monthly_max), _span(each.source_monthly_min, each.source_monthly_max)]
        for each in costs.savings
    ]


def _span(least: float | None, most: float | None) -> str:
    if least is None or most is None or least == most:
        return dollars(least)
    return f"{dollars(least)} to {dollars(most)}"


def observed(costs: Costs) -> str:
    """From how much the amounts are made, in a sentence."""
    return (
        f"From calls, CPU time and memory counted over {duration(costs.observed_seconds)} of the last 24 hours,"
        f" {count(costs.events)} events, at the prices in the settings."
        f"{'' if costs.projected else ' Less than an hour was observed: too little to project a day or a month.'}"
    )


def comparison(costs: Costs) -> Sequence[tuple[str, str, str]]:
    """Tiles: a name, our figure, and the reference architecture's."""
    source = costs.source
    return [
        ("In 24 hours", dollars(costs.daily), "at the rate observed"),
        ("A month", dollars(costs.monthly), f"reference {dollars(source.monthly)} for {count(source.users)} users"),
        ("An event", dollars(costs.per_event), f"reference {dollars(source.per_event)}"),
        ("The bus, an event", dollars(costs.bus_per_event), f"{_calls(costs)} calls to SQS and SNS an event"),
    ]


def _calls(costs: Costs) -> str:
    return NONE if costs.calls_per_event is None else f"{costs.calls_per_event:.2f}"
