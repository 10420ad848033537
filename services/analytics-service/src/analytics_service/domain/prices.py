"""Prices on AWS, and the estimate of the reference architecture (docs/scaling.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType

HOURS_A_MONTH = 730.0
"""As AWS' calculator has it."""


class Category(StrEnum):
    """What a line of costs is for."""

    DATABASE = "database"
    COMPUTE = "compute"
    SQS = "sqs"
    SNS = "sns"
    LETTERS = "letters"
    """What people get by e-mail and SMS."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars. Monthly items are priced as in the reference architecture, the rest at AWS' list prices.

    Fargate (Linux on x86), SQS standard queues, SNS standard topics and SES in us-east-1. What SNS puts into SQS is
    free.
    """

    database_primary_month: float = 700.0
    """r6g.xlarge Multi-AZ, 500 GB gp3."""
    database_replica_month: float = 200.0
    """r6g.large, 500 GB gp3: each."""
    database_replicas: float = 2.0
    database_proxy_month: float = 45.0
    """RDS Proxy, 4 vCPUs."""
    database_backups_month: float = 50.0
    """500 GB, seven days."""
    logs_month: float = 25.0
    """CloudWatch, 50 GB."""
    alarms_month: float = 10.0
    nat_gateway_month: float = 32.0
    vpc_endpoints_month: float = 14.0
    vcpu_hour: float = 0.04048
    gib_hour: float = 0.004445
    sqs_million: float = 0.40
    """Requests, by units of 64 KiB."""
    sns_million: float = 0.50
    """Publishes, by units of 64 KiB."""
    sns_delivery_million: float = 0.0
    """Deliveries to queues."""
    email_thousand: float = 0.10
    """E-mails, one for each receiver."""
    sms_part: float = 0.00645
    """A text message of up to 160 plain characters, to the United States, without carriers' fees."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if not 0 <= getattr(self, each.name) < float("inf"):
                raise ValueError(f"{each.name} must not be negative")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of the reference architecture's monthly estimate for a million users."""

    category: Category
    name: str
    monthly: float


@dataclass(frozen=True, slots=True)
class SourceSaving:
    """A saving that the reference architecture names, with its least and most US dollars a month."""

    name: str
    least: float
    most: float
    of: str
    """What it is a share of."""


SOURCE_LINES: Sequence[SourceLine] = (
    SourceLine(Category.DATABASE, "primary", 700.0),
    SourceLine(Category.DATABASE, "replica 1", 200.0),
    SourceLine(Category.DATABASE, "replica 2", 200.0),
    SourceLine(Category.DATABASE, "proxy", 45.0),
    SourceLine(Category.DATABASE, "backups", 50.0),
    SourceLine(Category.COMPUTE, "scheduler", 3.0),
    SourceLine(Category.COMPUTE, "scheduler, kept warm", 15.0),
    SourceLine(Category.COMPUTE, "worker", 40.0),
    SourceLine(Category.COMPUTE, "worker, kept warm", 75.0),
    SourceLine(Category.SQS, "requests", 4.0),
    SourceLine(Category.OTHER, "timer", 1.0),
    SourceLine(Category.OTHER, "logs", 25.0),
    SourceLine(Category.OTHER, "alarms", 10.0),
    SourceLine(Category.OTHER, "NAT gateway", 32.0),
    SourceLine(Category.OTHER, "VPC endpoints", 14.0),
)
SOURCE_EVENTS_A_MONTH = 4_500_000
SOURCE_USERS = 1_000_000
SOURCE_SAVINGS: Sequence[SourceSaving] = (
    SourceSaving("database instances reserved for one year or three", 360.0, 600.0, "database"),
    SourceSaving("savings plan for compute", 20.0, 20.0, "compute"),
    SourceSaving("less kept warm off peak", 40.0, 60.0, "kept warm"),
    SourceSaving("backups in cheaper storage", 10.0, 15.0, "backups"),
    SourceSaving("logs kept for three days", 10.0, 15.0, "logs"),
)
_BASES: Mapping[str, float] = MappingProxyType(
    {
        "database": sum(line.monthly for line in SOURCE_LINES if line.category is Category.DATABASE),
        "compute": sum(line.monthly for line in SOURCE_LINES if line.category is Category.COMPUTE),
        "kept warm": sum(line.monthly for line in SOURCE_LINES if "kept warm" in line.name),
        "backups": 50.0,
        "logs": 25.0,
    }
)


def source_monthly(category: Category | None = None) -> float:
    """The monthly estimate of the reference architecture: of a category, or of all."""
    return sum(line.monthly for line in SOURCE_LINES if category in (None, line.category))


def share(saving: SourceSaving) -> tuple[float, float]:
    """What part of its basis a saving is, from and to: 0.3 of the database for one year's reservation."""
    basis = _BASES[saving.of]
    return saving.least / basis, saving.most / basis
