"""The arithmetic of costs, against the estimate of the reference architecture."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from analytics_service.domain.costs import Used, compare, costs_of, observed_hours
from analytics_service.domain.prices import (
    HOURS_A_MONTH,
    SOURCE_EVENTS_A_MONTH,
    SOURCE_SAVINGS,
    SOURCE_USERS,
    Category,
    Prices,
    source_monthly,
)
from analytics_service.settings import Settings
from chassis.messaging.message_costs import EMAIL, SMS

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


def _used(meter: str, amount: float, operation: str = "", resource: str = "api", **more: Any) -> Used:
    values = {"service": "event-service", "first_at": NOW - timedelta(hours=1), "last_at": NOW, **more}
    return Used(meter=meter, amount=amount, operation=operation, resource=resource, **values)


def test_reference_architecture_adds_up_to_its_total() -> None:
    assert {category: source_monthly(category) for category in Category} == {
        Category.DATABASE: 1195, Category.COMPUTE: 133, Category.SQS: 4, Category.SNS: 0, Category.LETTERS: 0,
        Category.OTHER: 82,
    }  # fmt: skip
    assert source_monthly() == 1414
    assert round(source_monthly() / SOURCE_EVENTS_A_MONTH, 5) == 0.00031
    assert round(source_monthly() / SOURCE_USERS, 4) == 0.0014
    least, most = (sum(getattr(each, bound) for each in SOURCE_SAVINGS) for bound in ("least", "most"))
    assert (least, most) == (440, 710)
    assert round(source_monthly() - least, -3) == 1000


def test_reference_traffic_costs_its_estimate() -> None:
    used = [
        _used("aws_units", SOURCE_EVENTS_A_MONTH, "SendMessage", "bday-events-queue"),
        _used("aws_units", SOURCE_EVENTS_A_MONTH, "ReceiveMessage", "bday-events-queue"),
    ]
    costs = costs_of(used, HOURS_A_MONTH, SOURCE_EVENTS_A_MONTH, Prices())
    assert costs.amount(Category.SQS) == pytest.approx(3.60)
    assert costs.monthly(Category.DATABASE) == source_monthly(Category.DATABASE)
    # No timer runs here, which is the one dollar.
    assert costs.monthly(Category.OTHER) == source_monthly(Category.OTHER) - 1
    assert costs.bus_per_event == pytest.approx(8e-7)


def test_what_is_metered_is_paid_by_quantity_and_projected_at_its_rate() -> None:
    used = [
        _used("cpu_seconds", 1800, resource="scheduler"),
        _used("cpu_seconds", 1800, resource="scheduler"),
        _used("memory_gib_seconds", 900, resource="scheduler"),
        _used("process_seconds", 3600, resource="scheduler"),
        _used("aws_calls", 3_000, "PublishBatch", "bday-domain-events"),
        _used("aws_units", 4_000, "PublishBatch", "bday-domain-events"),
        _used("aws_messages", 30_000, "PublishBatch", "bday-domain-events"),
        _used("aws_units", 1_000, "GetQueueUrl", "bday-analytics", service="analytics-service"),
        _used("aws_units", 2_000, "ReceiveMessage", "bday-analytics", service="analytics-service"),
        _used("aws_messages", 20_000, "ReceiveMessage", "bday-analytics", service="analytics-service"),
        _used("aws_messages", 7, "ReceiveMessage", "bday-analytics-dlq", service="analytics-service"),
    ]
    prices = Prices(vcpu_hour=0.04, gib_hour=0.004, sqs_million=0.4, sns_million=0.5, sns_delivery_million=1.0)
    costs = costs_of(used, 2.0, 1_000, prices)
    lines = {(line.category, line.name, line.unit): line for line in costs.lines}
    cpu = lines[Category.COMPUTE, "event-service (scheduler)", "vCPU-hours"]
    assert (cpu.quantity, cpu.amount) == pytest.approx((1.0, 0.04))
    assert cpu.monthly == pytest.approx(0.04 / 2 * 730)
    assert cpu.daily == pytest.approx(0.04 / 2 * 24)
    memory = lines[Category.COMPUTE, "event-service (scheduler)", "GiB-hours"]
    assert (memory.quantity, memory.amount) == pytest.approx((0.25, 0.001))
    assert lines[Category.SNS, "bday-domain-events", "publishes"].amount == pytest.approx(0.002)
    assert lines[Category.SNS, "deliveries to queues", "messages"].amount == pytest.approx(0.02)
    assert lines[Category.SQS, "bday-analytics", "requests"].quantity == 3_000
    assert (costs.calls, costs.calls_per_event) == (3_000, 3.0)
    assert costs.amount() == pytest.approx(sum(line.amount for line in costs.lines))
    assert costs.per_event == pytest.approx(costs.amount() / 1_000)
    assert [line.category for line in costs.lines] == sorted(
        (line.category for line in costs.lines), key=list(Category).index
    )


def test_what_people_are_sent_is_paid_by_the_receiver_and_by_the_part() -> None:
    used = [
        _used("aws_messages", 2_000, *EMAIL, service="delivery-service"),
        _used("aws_messages", 500, *EMAIL, service="analytics-service"),
        _used("aws_messages", 30, *SMS, service="delivery-service"),
        _used("aws_calls", 9, "PublishBatch", "bday-domain-events"),
    ]
    costs = costs_of(used, 1.0, 3, Prices(email_thousand=0.2, sms_part=0.01))
    emails, texts = (line for line in costs.lines if line.category is Category.LETTERS)
    assert (emails.name, emails.quantity, emails.unit) == ("e-mail (SES)", 2_500, "e-mails")
    assert (emails.amount, texts.amount) == pytest.approx((0.5, 0.3))
    assert (texts.name, texts.quantity, texts.unit) == ("SMS (SNS)", 30, "parts")
    # They are no part of the bus.
    assert (costs.calls_per_event, costs.bus_per_event) == (3.0, 0)
    assert not [line for line in costs_of([], 1.0, 3, Prices()).lines if line.category is Category.LETTERS]


def test_what_stands_costs_by_the_time_and_a_day_is_a_share_of_a_month() -> None:
    costs = costs_of([], 24.0, 0, Prices(database_replicas=0))
    primary = next(line for line in costs.lines if line.name == "primary")
    assert primary.amount == pytest.approx(primary.daily) == pytest.approx(700 * 24 / 730)
    assert costs.monthly(Category.DATABASE) == 700 + 45 + 50
    assert (costs.per_event, costs.bus_per_event, costs.calls_per_event) == (None, None, None)


@pytest.mark.parametrize(("hours", "projected"), [(0.0, False), (0.5, False), (0.98, True), (1.0, True)])
def test_less_than_an_hour_is_not_projected(hours: float, projected: bool) -> None:
    costs = costs_of([_used("aws_units", 5e6, "ReceiveMessage", "q")], hours, 10, Prices())
    [requests] = [line for line in costs.lines if line.category is Category.SQS]
    assert requests.amount == pytest.approx(2.0)
    assert costs.projected is projected
    for figure in (requests.monthly, requests.daily, costs.monthly(), costs.daily, costs.monthly(Category.SQS)):
        assert (figure is not None) is projected
    assert {saving.least is None for saving in costs.savings} >= {not projected}


def test_savings_are_the_same_share_of_ours_that_they_are_of_theirs() -> None:
    used = [_used("cpu_seconds", 3600 * 730)]
    costs = costs_of(used, HOURS_A_MONTH, 0, Prices(database_primary_month=1_400, vcpu_hour=0.1))
    savings: dict[str, Any] = {saving.source.of: (saving.least, saving.most) for saving in costs.savings}
    assert savings["database"] == pytest.approx((1_895 * 360 / 1_195, 1_895 * 600 / 1_195))
    assert savings["compute"] == pytest.approx((73 * 20 / 133, 73 * 20 / 133))
    assert (savings["backups"], savings["logs"]) == ((10, 15), (10, 15))
    assert savings["kept warm"] == (None, None)
    assert [(each.category, each.source) for each in compare(costs)] == [
        (category, source_monthly(category)) for category in Category
    ]


def test_what_was_observed_is_from_the_first_to_the_last_of_all_that_was_counted() -> None:
    hour = timedelta(hours=1)
    used = [_used("cpu_seconds", 1), _used("cpu_seconds", 1, first_at=NOW - 3 * hour, last_at=NOW - 2 * hour)]
    assert observed_hours(used, NOW - 24 * hour, NOW + hour) == 3
    assert observed_hours(used, NOW - 2 * hour, NOW - hour) == 1
    assert observed_hours(used, NOW + hour, NOW + 2 * hour) == 0
    assert observed_hours([], NOW, NOW + hour) == 0


@pytest.mark.parametrize("prices", ['{"vcpu": 1}', '{"vcpu_hour": -1}', '{"vcpu_hour": "cheap"}', "[1]"])
def test_a_price_that_is_none_is_refused(prices: str) -> None:
    with pytest.raises(ValidationError, match="prices"):
        Settings.model_validate({"database_url": "postgresql://nobody@nowhere/none", "prices": prices})


def test_a_price_is_changed_by_its_name() -> None:
    settings = Settings.model_validate(
        {"database_url": "postgresql://nobody@nowhere/none", "prices": '{"database_replicas": 0}'}
    )
    assert (settings.prices.database_replicas, settings.prices.vcpu_hour) == (0, Prices().vcpu_hour)


def test_events_before_anything_was_counted_do_not_look_free_of_charge() -> None:
    costs = costs_of([], 0.0, 49, Prices())
    assert (costs.per_event, costs.bus_per_event, costs.calls_per_event) == (None, None, None)
