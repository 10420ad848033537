"""What a while would have cost on AWS: counted calls and measured CPU times a table of prices.

All amounts are US dollars. A line has three: for the time that was observed, and at that rate for a day and a month.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics_service.domain.prices import (
    HOURS_A_MONTH,
    SOURCE_SAVINGS,
    Category,
    Prices,
    SourceSaving,
    share,
    source_monthly,
)

LEAST_HOURS = 0.95
"""What must have been observed to project a day and a month: an hour, less the minutes at its ends which processes
record a little later."""
_THOUSAND = 1_000
_MILLION = 1_000_000
_HOUR_SECONDS = 3600
_DLQ = "-dlq"
_EMAILS = "SendEmail", "e-mail"
_TEXTS = "Publish", "sms"


@dataclass(frozen=True, slots=True)
class Used:
    """What a service's processes used of one thing, and when that began and was last added to."""

    service: str
    meter: str
    operation: str
    resource: str
    amount: float
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line. ``quantity`` of ``unit`` was used in the observed time, which may be too short for a projection."""

    category: Category
    name: str
    quantity: float
    unit: str
    amount: float
    monthly: float | None

    @property
    def daily(self) -> float | None:
        return _daily(self.monthly)


@dataclass(frozen=True, slots=True)
class Saving:
    """A saving of the reference architecture, applied to our costs; None where usage does not show it."""

    source: SourceSaving
    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of ``hours``, and how many events were fired in them."""

    hours: float
    events: int
    calls: int
    lines: Sequence[CostLine]

    def amount(self, *categories: Category) -> float:
        """For the time that was observed: of some categories, or of all where none is named."""
        return sum(line.amount for line in self.lines if not categories or line.category in categories)

    def monthly(self, *categories: Category) -> float | None:
        """At the observed rate: of some categories, or of all where none is named. None where too little is known."""
        if not self.projected:
            return None
        return sum(line.monthly or 0.0 for line in self.lines if not categories or line.category in categories)

    @property
    def daily(self) -> float | None:
        return _daily(self.monthly())

    @property
    def projected(self) -> bool:
        """Whether enough was observed to say what a day and a month cost."""
        return self.hours >= LEAST_HOURS

    @property
    def per_event(self) -> float | None:
        """Everything, by event; None where none was fired, or nothing has been counted yet."""
        return self.amount() / self.events if self._known else None

    @property
    def bus_per_event(self) -> float | None:
        """SQS and SNS alone."""
        return self.amount(Category.SQS, Category.SNS) / self.events if self._known else None

    @property
    def calls_per_event(self) -> float | None:
        return self.calls / self.events if self._known else None

    @property
    def _known(self) -> bool:
        return self.events > 0 and self.hours > 0

    @property
    def savings(self) -> list[Saving]:
        """The savings of the reference architecture, each as the same share of our costs."""
        bases: Mapping[str, float | None] = {
            "database": self.monthly(Category.DATABASE),
            "compute": self.monthly(Category.COMPUTE),
            # Idle capacity is a choice of the cluster and is not part of the measured usage.
            "kept warm": None,
            "backups": self._named("backups"),
            "logs": self._named("logs"),
        }
        savings = []
        for saving in SOURCE_SAVINGS:
            basis, (least, most) = bases[saving.of], share(saving)
            savings.append(Saving(saving, None, None) if basis is None else Saving(saving, least * basis, most * basis))
        return savings

    def _named(self, name: str) -> float:
        return sum(line.monthly or 0.0 for line in self.lines if line.name == name)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A category's monthly cost (None: unknown), and that of the reference architecture at its volume."""

    category: Category
    monthly: float | None
    source: float


def compare(costs: Costs) -> list[Comparison]:
    return [Comparison(each, costs.monthly(each), source_monthly(each)) for each in Category]


def observed_hours(used: Sequence[Used], start: datetime, end: datetime) -> float:
    """For how long something was counted between ``start`` and ``end``."""
    if not used:
        return 0.0
    first, last = min(each.first_at for each in used), max(each.last_at for each in used)
    return max(0.0, (min(last, end) - max(first, start)).total_seconds() / _HOUR_SECONDS)


def costs_of(used: Sequence[Used], hours: float, events: int, prices: Prices) -> Costs:
    """The costs of ``hours`` with this usage and this number of fired events."""
    lines = [
        *_standing(hours, prices),
        *_compute(used, hours, prices),
        *_bus(used, hours, prices),
        *_letters(used, hours, prices),
    ]
    order = {category: number for number, category in enumerate(Category)}
    calls = sum(each.amount for each in used if each.meter == "aws_calls")
    return Costs(hours, events, round(calls), sorted(lines, key=lambda line: order[line.category]))


def _standing(hours: float, prices: Prices) -> Iterator[CostLine]:
    """What is paid by the month, whatever happens."""
    for category, name, quantity, unit, month in (
        (Category.DATABASE, "primary", 1.0, "instance", prices.database_primary_month),
        (Category.DATABASE, "replicas", prices.database_replicas, "instance", prices.database_replica_month),
        (Category.DATABASE, "proxy", 1.0, "proxy", prices.database_proxy_month),
        (Category.DATABASE, "backups", 1.0, "volume", prices.database_backups_month),
        (Category.OTHER, "logs", 1.0, "account", prices.logs_month),
        (Category.OTHER, "alarms", 1.0, "account", prices.alarms_month),
        (Category.OTHER, "NAT gateway", 1.0, "gateway", prices.nat_gateway_month),
        (Category.OTHER, "VPC endpoints", 1.0, "account", prices.vpc_endpoints_month),
    ):
        monthly = quantity * month
        yield CostLine(category, name, quantity, unit, monthly * hours / HOURS_A_MONTH, monthly)


def _compute(used: Iterable[Used], hours: float, prices: Prices) -> Iterator[CostLine]:
    """By service and the roles of its processes: what they used, which is the least that can be paid for them."""
    for meter, unit, price in (
        ("cpu_seconds", "vCPU-hours", prices.vcpu_hour),
        ("memory_gib_seconds", "GiB-hours", prices.gib_hour),
    ):
        by_process: dict[str, float] = {}
        for each in used:
            if each.meter == meter:
                name = f"{each.service} ({each.resource})"
                by_process[name] = by_process.get(name, 0.0) + each.amount / _HOUR_SECONDS
        for name, quantity in sorted(by_process.items()):
            yield _metered(Category.COMPUTE, name, quantity, unit, price, hours)


def _bus(used: Iterable[Used], hours: float, prices: Prices) -> Iterator[CostLine]:
    requests: Counter[tuple[Category, str]] = Counter()
    deliveries = 0.0
    for each in used:
        category = Category.SNS if each.operation.startswith("Publish") else Category.SQS
        if each.meter == "aws_units":
            requests[category, each.resource] += round(each.amount)
        elif each.meter == "aws_messages" and each.operation == "ReceiveMessage" and not each.resource.endswith(_DLQ):
            # Each was put there by SNS.
            deliveries += each.amount
    for (category, name), quantity in sorted(requests.items()):
        price = prices.sns_million if category is Category.SNS else prices.sqs_million
        unit = "publishes" if category is Category.SNS else "requests"
        yield _metered(category, name or "no queue", quantity, unit, price / _MILLION, hours)
    if deliveries:
        price = prices.sns_delivery_million / _MILLION
        yield _metered(Category.SNS, "deliveries to queues", deliveries, "messages", price, hours)


def _letters(used: Iterable[Used], hours: float, prices: Prices) -> Iterator[CostLine]:
    """Messages to people; nothing where nothing did."""
    sent: Counter[tuple[str, str]] = Counter()
    for each in used:
        if each.meter == "aws_messages":
            sent[each.operation, each.resource] += round(each.amount)
    for called, name, unit, price in (
        (_EMAILS, "e-mail (SES)", "e-mails", prices.email_thousand / _THOUSAND),
        (_TEXTS, "SMS (SNS)", "parts", prices.sms_part),
    ):
        if sent[called]:
            yield _metered(Category.LETTERS, name, sent[called], unit, price, hours)


def _metered(category: Category, name: str, quantity: float, unit: str, price: float, hours: float) -> CostLine:
    amount = quantity * price
    monthly = amount / hours * HOURS_A_MONTH if hours >= LEAST_HOURS else None
    return CostLine(category, name, quantity, unit, amount, monthly)


def _daily(monthly: float | None) -> float | None:
    return None if monthly is None else monthly * 24 / HOURS_A_MONTH
