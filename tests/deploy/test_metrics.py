"""Rules and dashboards ask for what there is: the running services are scraped, and every query held to that."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from metrics_table import DIAGNOSTIC, ROWS
from prometheus_client.parser import text_string_to_metric_families
from queries import OBSERVABILITY, Selector, cloudwatch_names, expressions, rules, selectors
from sqlalchemy import text

from chassis.database.database import Database
from local_stack.emulator import Emulator
from local_stack.postgres import PostgresServer
from local_stack.standby import StandbyServer
from testkit import AwsAccount, Receiver, eventually
from testkit.full_stack import KEY, People, RunningStack, due_in
from testkit.plugin import DatabaseFactory
from testkit.services import SERVICES, running_services

Series = Mapping[str, list[Mapping[str, str]]]
"""The labels of all series, by the metric's name."""
OURS = ("almanac_", "http_server_")
"""How the metrics begin that our processes export."""
ADDED = ("job", "component", "namespace", "release")
"""Labels that come with the scrape, from Prometheus' configuration or from a ServiceMonitor."""
RARE = {
    "almanac_alert_notifications_total",
    "almanac_cache_reads_total",
    "almanac_erasure_duration_seconds_bucket",
    "almanac_events_held_back_total",
    "almanac_events_moved_by_holidays_total",
    "almanac_events_rezoned_total",
    "almanac_messages_not_published_total",
    "almanac_replica_failures_total",
}
"""Metrics without a series until something happens that a walk through the services does not cause."""
OF_THE_SCRAPE = Path(__file__).parent / "exporters.yaml"

# Enough past events that their indexes are large enough to be measured.
PAST = text("""
INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, status, priority, timezone, tzdata,
                    grace_until, payload, tags, contact, history)
SELECT gen_random_uuid(), at, gen_random_uuid(), 'NOTIFICATION', 'past', 'COMPLETED', 3, 'UTC', '2025b', at, '{}', '{}',
       '{}', '[]'
FROM generate_series(1, 20000) AS n, LATERAL (SELECT almanac_now() - n * interval '1 second' AS at) AS past
""")


async def _with_a_past(url: str) -> None:
    database = Database(url)
    try:
        async with database.transaction() as tx:
            await tx.execute(text("SELECT cover_events(almanac_now() - interval '31 days', almanac_now())"))
            await tx.execute(PAST)
        async with database.transaction() as tx:
            await tx.execute(text("ANALYZE"))
    finally:
        await database.close()


@pytest.fixture
async def running(
    postgres: PostgresServer,
    shared_standby: StandbyServer,
    emulator: Emulator,
    aws: AwsAccount,
    database: DatabaseFactory,
    tmp_path: Path,
) -> AsyncIterator[RunningStack]:
    """All roles of all services, each with a replica to read."""
    urls = {service: await database(service) for service in SERVICES}
    await _with_a_past(urls["event-service"])
    own = {
        service: {"DATABASE_URL": url, "DATABASE_REPLICA_URL": shared_standby.url(url.rsplit("/", 1)[1])}
        for service, url in urls.items()
    }
    environment = {**aws.environment(), "CACHE_URL": "mem://"}
    async with running_services(tmp_path, postgres, emulator, environment, own) as stack:
        yield stack


async def _walk(stack: RunningStack, http: httpx.AsyncClient, receiver: Receiver) -> None:
    """An event of every type and priority, from a user to a webhook, and one whose webhook is refused."""
    answer = await http.post(f"{stack.delivery}/v1/endpoints", json={"url": receiver.url})
    assert answer.status_code == 201, answer.text
    people = People(stack, http, receiver)
    at = datetime.now(UTC) + timedelta(seconds=6)
    wedding = {"label": "Wedding", "date": f"{at.year - 5}-{at:%m-%d}"}
    user = await people.create(**due_in(6), anniversaries=[{**wedding, "important": False}])
    rule = {"kind": "ONCE", "startLocal": f"{at:%Y-%m-%dT%H:%M:%S}"}
    await people.remind(user, label="Flowers", rule=rule)
    notification = {"userId": user["id"], "at": rule["startLocal"], "message": "News"}
    answer = await http.post(f"{stack.event}/v1/events", json=notification)
    assert answer.status_code == 201, answer.text
    await eventually(lambda: len(people.greetings(user)) == 4)
    receiver.always(400)
    unlucky = await people.create(**due_in(2))
    await people.has_event(unlucky, "FAILED")


async def _scrape(stack: RunningStack, http: httpx.AsyncClient) -> Series:
    found: dict[str, list[Mapping[str, str]]] = {}
    urls = dict(zip(SERVICES, (stack.user, stack.event, stack.delivery, stack.analytics), strict=True))
    for job, url in urls.items():
        for family in text_string_to_metric_families((await http.get(f"{url}/metrics")).text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append({**sample.labels, "job": job})
    return found


def _asked() -> dict[Selector, list[str]]:
    """Every selector, with the queries that have it."""
    asked: dict[Selector, list[str]] = {}
    for place, expression in expressions():
        for selector in selectors(expression):
            asked.setdefault(selector, []).append(place)
    return asked


def _unanswered(series: Series) -> dict[Selector, list[str]]:
    return {
        selector: places
        for selector, places in _asked().items()
        if selector.metric.startswith(OURS)
        and selector.metric not in RARE
        # No request fails in a walk.
        and not any(map(selector.without(*ADDED, "http_response_status_code").selects, series.get(selector.metric, ())))
    }


@pytest.mark.thorough
async def test_every_metric_of_ours_that_is_asked_for_is_exported_with_the_labels_that_are_asked_for(
    running: RunningStack, receiver: Receiver
) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
        await _walk(running, http, receiver)

        async def answered() -> bool:
            await http.get(f"{running.event}/v1/events")  # reads of the replica are what its lag is measured for
            return not _unanswered(await _scrape(running, http))

        with suppress(AssertionError):
            await eventually(answered, interval=0.5)
        series = await _scrape(running, http)
    assert _unanswered(series) == {}
    assert len([name for name in series if name.startswith("almanac_")]) > 45
    requests = series["http_server_request_duration_seconds_count"]
    assert all("http_response_status_code" in labels for labels in requests)
    # Nothing is summed that two processes say of the same thing.
    assert len(series["almanac_events_due"]) == 4
    assert len(series["almanac_dead_letters_open"]) == 1


def test_all_other_metrics_that_are_asked_for_are_those_of_a_named_exporter() -> None:
    kept = yaml.safe_load(OF_THE_SCRAPE.read_text())
    known = {name for exporter in kept.values() for name in exporter["metrics"]} | cloudwatch_names()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {selector.metric: places for selector, places in _asked().items()}
    foreign = {metric for metric in asked if not metric.startswith(OURS)}
    assert {metric: asked[metric] for metric in foreign - known - recorded} == {}
    assert len(foreign & recorded) > 10
    # What is listed is used, and what is recorded is asked for: neither list grows stale.
    assert known - {"ALERTS"} <= foreign
    assert recorded <= foreign


def test_rare_metrics_are_asked_for_by_labels_that_they_are_documented_to_have() -> None:
    documented = {row.name: row.labels for row in ROWS}
    asked = [selector for selector in _asked() if selector.metric in RARE]
    assert {selector.metric for selector in asked} == RARE
    for selector in asked:
        labels = documented[selector.metric.removesuffix("_bucket")]
        assert {label for label, _, _ in selector.matchers} <= {*labels, *ADDED}, selector


def test_every_metric_that_is_exported_has_a_reader_or_is_listed_as_diagnostic() -> None:
    asked = {selector.metric for selector in _asked()}
    exported = [*(row.name for row in ROWS), "http_server_request_duration_seconds", "http_server_active_requests"]
    unread = [name for name in exported if not asked & {name, *(f"{name}_{each}" for each in ("bucket", "count"))}]
    assert sorted(DIAGNOSTIC) == sorted(unread)


def test_exporters_run_in_the_versions_that_the_kept_list_was_read_from() -> None:
    kept = yaml.safe_load(OF_THE_SCRAPE.read_text())
    services = yaml.safe_load((OBSERVABILITY.parents[1] / "docker-compose.yml").read_text())["services"]
    for exporter in ("prometheus", "postgres-exporter"):
        assert services[exporter]["image"].rpartition(":")[2] == kept[exporter]["version"]


def _relabelled(job: dict[str, Any]) -> dict[str, str]:
    return {each["target_label"]: each["replacement"] for each in job["relabel_configs"]}


def test_labels_that_come_with_the_scrape_are_given_by_it() -> None:
    scraped = yaml.safe_load((OBSERVABILITY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    given: list[dict[str, str]] = [
        {"job": job["job_name"], **_relabelled(job), **static.get("labels", {})}
        for job in scraped
        for static in job["static_configs"]
    ]
    assert all({"namespace", "release"} <= labels.keys() for labels in given)
    for selector, places in _asked().items():
        if not any(label == "release" for label, _, _ in selector.matchers):
            continue  # of an exporter for the whole cluster, or recorded
        of_the_scrape = tuple(each for each in selector.matchers if each[0] in ADDED)
        assert any(map(Selector("", of_the_scrape).selects, given)), (selector, places)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum by (queue) (rate(a_total[5m])) / ignoring (le) b_count", {Selector("a_total"), Selector("b_count")}),
        ('a{x="1", y!~"b}.*"} > 1e-6 or vector(0)', {Selector("a", (("x", "=", "1"), ("y", "!~", "b}.*")))}),
        ("a:b:ratio_rate5m > 14.4 * 0.05 and on (c) d", {Selector("a:b:ratio_rate5m"), Selector("d")}),
        ('label_replace(a, "queue", "$1", "name", "(.*)") unless b offset 5m', {Selector("a"), Selector("b")}),
        ("histogram_quantile(0.95, sum by (le) (rate(a_bucket[5m]))) + $usd", {Selector("a_bucket")}),
    ],
)
def test_a_querys_metrics_are_found(expression: str, found: set[Selector]) -> None:
    assert selectors(expression) == found


@pytest.mark.parametrize(
    ("labels", "selected"), [({"x": "1"}, True), ({"x": "1", "y": "bad"}, False), ({"x": "2"}, False), ({}, False)]
)
def test_matchers_select_as_prometheus_does(labels: Any, selected: bool) -> None:
    assert Selector("a", (("x", "=", "1"), ("y", "!~", "b.*"))).selects(labels) is selected


def test_a_cloudwatch_metric_is_called_as_its_exporter_calls_it() -> None:
    assert {
        "aws_rds_cpuutilization_average",
        "aws_sqs_approximate_number_of_messages_visible_maximum",
    } <= cloudwatch_names()
