"""Every alert fires on what it is for, and not on what is well: `promtool test rules`, all in one run."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from almanac_aws.deployment import Deployment
from almanac_aws.sizes import MEMORY_GIB
from promtool import PROMTOOL, check, firing, needs_promtool, own
from queries import RULES, selectors

import contracts.alerts
from analytics_service.domain import alert_notifications
from analytics_service.domain.alert_rules import MEASURES
from analytics_service.domain.alert_rules import RULES as EVALUATED
from contracts.alerts import ALERTS, Release, rule_files, with_table

ROOT = Path(__file__).parents[2]
MINUTES = 25
LASTING = {"IndexBloatHigh": 65}
"""Alerts that come later than after those minutes."""


def _gauge(series: str, firing: float, quiet: float, minutes: int = MINUTES) -> tuple[dict[str, str], dict[str, str]]:
    return {series: f"{firing}x{minutes}"}, {series: f"{quiet}x{minutes}"}


def _late(histogram: str, le: str, labels: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """A histogram of which nothing, or all, is within ``le``; 60 a minute."""

    def series(within: int) -> dict[str, str]:
        inner = f"{labels}, " if labels else ""
        return {
            f'{histogram}_bucket{{{inner}le="{le}"}}': f"0+{within}x{MINUTES}",
            f'{histogram}_bucket{{{inner}le="86400.0"}}': f"0+60x{MINUTES}",
            f'{histogram}_bucket{{{inner}le="+Inf"}}': f"0+60x{MINUTES}",
            f"{histogram}_count{{{labels}}}": f"0+60x{MINUTES}",
        }

    return series(0), series(60)


def _attempts(bad: str, share: int) -> tuple[dict[str, str], dict[str, str]]:
    name = "almanac_delivery_attempts_total"

    def series(share: int) -> dict[str, str]:
        return {
            f'{name}{{class="2xx"}}': f"0+{100 - share}x{MINUTES}",
            f'{name}{{class="{bad}"}}': f"0+{share}x{MINUTES}",
        }

    return series(share), series(1)


def _outcomes(share: int) -> tuple[dict[str, str], dict[str, str]]:
    name = "almanac_delivery_outcomes_total"

    def series(share: int) -> dict[str, str]:
        return {
            f'{name}{{outcome="succeeded"}}': f"0+{1000 - share}x{MINUTES}",
            f'{name}{{outcome="exhausted"}}': f"0+{share}x{MINUTES}",
        }

    return series(share), series(2)


def _depth(queue: str, firing: float, quiet: float) -> tuple[dict[str, str], dict[str, str]]:
    return _gauge(f'almanac_queue_depth{{queue="bday-events-{queue}"}}', firing, quiet)


def _free_memory(of: str, firing: float, quiet: float) -> tuple[dict[str, str], dict[str, str]]:
    series = f'aws_rds_freeable_memory_average{{dimension_DBInstanceIdentifier="almanac-1m", tag_memory_gib="{of}"}}'
    return _gauge(series, firing * GIB, quiet * GIB)


def _pods(
    firing: int, quiet: int, most: tuple[int, int] = (10, 10), least: int = 2
) -> tuple[dict[str, str], dict[str, str]]:
    scaler = '{namespace="$namespace", horizontalpodautoscaler="keda-hpa-$release-delivery-worker-critical"}'

    def series(wanted: int, most: int) -> dict[str, str]:
        values = {"spec_min": least, "spec_max": most, "status_desired": wanted}
        return {
            f"kube_horizontalpodautoscaler_{name}_replicas{scaler}": f"{value}x{MINUTES}"
            for name, value in values.items()
        }

    return series(firing, most[0]), series(quiet, most[1])


def _requests(share: int, quiet: int = 0) -> tuple[dict[str, str], dict[str, str]]:
    """100 requests a minute to a route, of which ``share`` are answered with 500."""

    def series(share: int) -> dict[str, str]:
        route = 'job="user-service", component="user-api", http_request_method="GET", http_route="/v1/users"'
        name = "http_server_request_duration_seconds_count"
        return {
            f'{name}{{{route}, http_response_status_code="200"}}': f"0+{100 - share}x{MINUTES}",
            f'{name}{{{route}, http_response_status_code="500"}}': f"0+{share}x{MINUTES}",
        }

    return series(share), series(quiet)


def _answers(le: str) -> tuple[dict[str, str], dict[str, str]]:
    """A route of which no answer, or every one, comes within ``le``."""
    labels = 'job="user-service", component="user-api", http_request_method="GET", http_route="/v1/users"'
    return _late("http_server_request_duration_seconds", le, labels)


GIB = 1024**3
RUNBOOKS = str(yaml.safe_load((ROOT / "deploy/k8s/almanac/values.yaml").read_text())["monitoring"]["runbookUrl"])
STRANGERS = {
    'up{namespace="production", job="billing-service"}': f"0x{MINUTES}",
    'up{namespace="production", job="user-service", component="user-api"}': f"0x{MINUTES}",
    "pg_up": f"0x{MINUTES}",
    'pg_up{namespace="production"}': f"0x{MINUTES}",
    'kube_deployment_status_replicas{namespace="production", deployment="billing-user-api"}': f"0x{MINUTES}",
    'kube_deployment_status_replicas{namespace="production", deployment="almanac-user-portal"}': f"0x{MINUTES}",
    'kube_deployment_status_replicas{namespace="shop", deployment="almanac-user-api"}': f"0x{MINUTES}",
    'kube_pod_container_status_restarts_total{namespace="production", pod="billing-user-api-1"}': f"0+1x{MINUTES}",
    'kube_pod_container_status_restarts_total{namespace="shop", pod="almanac-user-api-1"}': f"0+1x{MINUTES}",
    **{
        f'kube_horizontalpodautoscaler_{name}{{namespace="production", horizontalpodautoscaler="billing-user-api"}}': (
            f"{value}x{MINUTES}"
        )
        for name, value in (("status_desired_replicas", 9), ("spec_max_replicas", 9), ("spec_min_replicas", 1))
    },
    'http_server_request_duration_seconds_count{job="user-service", component="user-api",'
    ' http_response_status_code="500"}': f"0+60x{MINUTES}",
}
"""What others run in the same cluster, all of it broken, some of it with names like ours."""
WITHOUT_PODS = _gauge(
    'kube_deployment_status_replicas{namespace="$namespace", deployment="$release-event-scheduler"}', 0, 1
)
RESTARTS = 'kube_pod_container_status_restarts_total{namespace="$namespace", pod="$release-user-api-6d5f"}'
NO_ENDPOINT = {'almanac_dead_letters_open{reason="no_endpoint"}': f"41x{MINUTES}"}
CONNECTIONS = {"pg_settings_max_connections": f"1000x{MINUTES}"}
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "DatabaseDown": _gauge("pg_up", 0, 1),
    "DatabaseUnreachable": _gauge('almanac_database_available{job="user-service"}', 0, 1),
    "DatabaseConnectionErrors": (
        {"almanac_database_connection_errors_total": f"0+51x{MINUTES}"},
        {"almanac_database_connection_errors_total": f"0+50x{MINUTES}"},
    ),
    "DatabaseCpuHigh": _gauge("aws_rds_cpuutilization_average", 81, 79),
    "DatabaseConnectionsHigh": (
        {"pg_stat_activity_count": f"801x{MINUTES}", **CONNECTIONS},
        {"pg_stat_activity_count": f"799x{MINUTES}", **CONNECTIONS},
    ),
    "DatabaseMemoryLow": _free_memory("32", 6, 7),
    "DatabaseLatencyHigh": _gauge("aws_rds_write_latency_average", 0.03, 0.01),
    "ReplicationLagHigh": _gauge('almanac_replication_lag_seconds{job="user-service"}', 1.5, 0.5),
    "ZoneDropped": _gauge("almanac_zones_dropped", 1, 0),
    "CalendarDropped": _gauge("almanac_calendars_dropped", 1, 0),
    "IndexBloatHigh": _gauge("almanac_index_bloat", 0.6, 0.4, LASTING["IndexBloatHigh"]),
    "CriticalQueueDepthCritical": _depth("critical", 1001, 1000),
    "QueueDepthCritical": _depth("low", 10_001, 10_000),
    "CriticalQueueBacklog": _depth("critical", 501, 500),
    "CriticalQueueNotEmpty": _depth("critical", 11, 10),
    "QueueBacklog": _depth("normal", 5_001, 5_000),
    "QueueMessagesOld": _gauge('almanac_queue_age_seconds{queue="bday-analytics"}', 301, 300),
    "CriticalEventsOverdue": _gauge('almanac_events_overdue{priority="CRITICAL"}', 1, 0),
    "EventsOverdue": _gauge('almanac_events_overdue{priority="HIGH"}', 1, 0),
    "WorkerStalled": _late("almanac_event_loop_lag_seconds", "1.0", 'component="delivery-worker-critical"'),
    "SchedulerStalled": _late("almanac_event_loop_lag_seconds", "1.0", 'component="event-scheduler"'),
    "RoleDown": (
        {'up{job="event-service", component="event-relay"}': f"0x{MINUTES}"},
        {'up{job="event-service", component="event-relay"}': f"1x{MINUTES}"},
    ),
    "ExporterDown": (
        {'up{job="postgres-exporter"}': f"0x{MINUTES}"},
        {'up{job="postgres-exporter"}': f"1x{MINUTES}"},
    ),
    "PodsRestart": (
        {RESTARTS: f"0+1x{MINUTES}"},
        {RESTARTS: f"7x{MINUTES}"},
    ),
    "ScaledToCeiling": _pods(10, 9),
    "ErrorRateHigh": (
        {
            'almanac_consumer_errors_total{job="event-service", queue="bday-user-events"}': f"0+11x{MINUTES}",
            'almanac_consumer_batch_duration_seconds_count{job="event-service", queue="bday-user-events"}': (
                f"0+100x{MINUTES}"
            ),
        },
        {
            'almanac_consumer_errors_total{job="event-service", queue="bday-user-events"}': f"0+9x{MINUTES}",
            'almanac_consumer_batch_duration_seconds_count{job="event-service", queue="bday-user-events"}': (
                f"0+100x{MINUTES}"
            ),
        },
    ),
    "ClaimSlow": _late("almanac_claim_duration_seconds", "5.0"),
    "OutboxSlow": _late("almanac_outbox_lag_seconds", "30.0", 'job="user-service"'),
    "OutboxItemsAside": _gauge('almanac_outbox_aside{job="user-service", reason="unknown_type"}', 1, 0),
    "WebhookSuccessLow": _attempts("5xx", 6),
    "WebhookTimeoutsHigh": _attempts("timeout", 6),
    "WebhookSlow": _late("almanac_webhook_duration_seconds", "10.0"),
    "CircuitBreakerTripped": (
        {"almanac_circuit_trips_total": f"0x{MINUTES - 5} 1x5"},
        {"almanac_circuit_trips_total": f"3x{MINUTES}"},
    ),
    "EndpointSoonDisabled": (
        {"almanac_endpoint_disable_warnings_total": f"0x{MINUTES - 5} 1x5"},
        {
            "almanac_endpoint_disable_warnings_total": f"3x{MINUTES}",
            # A circuit that opens is no warning yet.
            "almanac_circuit_trips_total": f"0+1x{MINUTES}",
        },
    ),
    "LeasesExpireAgain": (
        {'almanac_delivery_leases_expired_again_total{priority="CRITICAL"}': f"0x{MINUTES - 5} 1x5"},
        {
            'almanac_delivery_leases_expired_again_total{priority="CRITICAL"}': f"3x{MINUTES}",
            # One lease that ends is a worker that was killed.
            'almanac_delivery_leases_expired_total{priority="CRITICAL"}': f"0+1x{MINUTES}",
        },
    ),
    "AttemptsFailInternally": (
        {'almanac_delivery_attempts_total{class="internal_error", priority="LOW"}': f"0x{MINUTES - 5} 1x5"},
        {
            'almanac_delivery_attempts_total{class="internal_error", priority="LOW"}': f"3x{MINUTES}",
            'almanac_delivery_attempts_total{class="2xx", priority="LOW"}': f"0+9x{MINUTES}",
        },
    ),
    "QueueProcessingSlow": _late("almanac_queue_latency_seconds", "5.0", 'priority="NORMAL"'),
    "DeadLettersMany": (
        {'almanac_dead_letters_open{reason="exhausted"}': f"60x{MINUTES}", **NO_ENDPOINT},
        {'almanac_dead_letters_open{reason="exhausted"}': f"59x{MINUTES}", **NO_ENDPOINT},
    ),
    "MessagesNotApplied": (
        {'almanac_dead_letters_total{job="event-service", queue="bday-user-events"}': f"0x{MINUTES - 5} 1x5"},
        {'almanac_dead_letters_total{job="event-service", queue="bday-user-events"}': f"3x{MINUTES}"},
    ),
    "FailureBudgetBurnsFast": _outcomes(150),
    "FailureBudgetBurnsSlowly": _outcomes(70),
    "LatenessBudgetBurnsFast": _late("almanac_delivery_lateness_seconds", "10.0", 'priority="HIGH"'),
    "LatenessBudgetBurnsSlowly": _late("almanac_delivery_lateness_seconds", "300.0", 'priority="LOW"'),
    "QueueBudgetBurnsFast": _late("almanac_queue_latency_seconds", "5.0", 'priority="CRITICAL"'),
    "QueueBudgetBurnsSlowly": _late("almanac_queue_latency_seconds", "5.0", 'priority="LOW"'),
    "WebhookTimeBudgetBurnsFast": _late("almanac_webhook_duration_seconds", "10.0"),
    "WebhookTimeBudgetBurnsSlowly": _late("almanac_webhook_duration_seconds", "10.0"),
    "WebhookBudgetBurnsFast": _attempts("5xx", 73),
    "WebhookBudgetBurnsSlowly": _attempts("5xx", 31),
    "FailureRateHigh": _outcomes(101),
    "FailureRateElevated": _outcomes(31),
    "DeadLetterQueueFull": _depth("low-dlq", 101, 100),
    "ApiErrorRateHigh": _requests(11, 9),
    "ApiErrorRateElevated": _requests(3, 1),
    "ApiSlow": _answers("1.0"),
    "AvailabilityBudgetBurnsFast": _requests(2),
    "AvailabilityBudgetBurnsSlowly": _requests(2),
    "ApiLatencyBudgetBurnsFast": _answers("0.5"),
    "ApiLatencyBudgetBurnsSlowly": _answers("0.5"),
}


MEMORY = [*((str(of), of) for of in sorted(set(MEMORY_GIB.values()))), ("", 2)]
"""Instances of every size, as their tag says it, and one that has none: taken for the smallest."""


# What the reference architecture (docs/scaling.md) asks for: alert → severity, threshold, and how long it lasts.
ASKED = {
    "DatabaseDown": ("critical", "== 0", "1m"),
    "DatabaseUnreachable": ("critical", "== 0", "1m"),
    "DatabaseConnectionErrors": ("critical", "> 50", "0m"),
    "WorkerStalled": ("critical", "> 10", "1m"),
    "SchedulerStalled": ("critical", "> 0", "1m"),
    "CriticalQueueDepthCritical": ("critical", "> 1000", "1m"),
    "QueueDepthCritical": ("critical", "> 10000", "1m"),
    "ErrorRateHigh": ("critical", "> 0.1", "5m"),
    "DatabaseCpuHigh": ("warning", "> 80", "15m"),
    "DatabaseConnectionsHigh": ("warning", "> 0.8", "5m"),
    "DatabaseMemoryLow": ("warning", "< 0.2 *", "15m"),
    "DatabaseLatencyHigh": ("warning", "> 0.02", "15m"),
    "ReplicationLagHigh": ("warning", "> 1", "5m"),
    "CriticalQueueBacklog": ("warning", "> 500", "1m"),
    "QueueBacklog": ("warning", "> 5000", "1m"),
    "CriticalQueueNotEmpty": ("warning", "> 10", "5m"),
    "QueueMessagesOld": ("warning", "> 300", "1m"),
    "WebhookSuccessLow": ("warning", "< 0.95", "10m"),
    "WebhookTimeoutsHigh": ("warning", "> 0.05", "5m"),
    "ClaimSlow": ("warning", "> 5", "5m"),
    "WebhookSlow": ("warning", "> 10", "5m"),
    "CircuitBreakerTripped": ("warning", "> 0", "0m"),
    "DeadLettersMany": ("warning", "> 100", "1m"),
}


def _alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_rules_and_table_are_what_the_catalogue_gives() -> None:
    written = {file.name: file.read_text() for file in RULES.iterdir()}
    assert written == rule_files(Release()), "run `make rules`"
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert with_table(guide) == guide, "run `make rules`"


def test_each_alert_has_a_case_a_severity_and_a_page_in_the_runbook() -> None:
    alerts = _alerts()
    assert alerts.keys() == CASES.keys()
    headings = {
        line.strip("# \n").lower()
        for line in (ROOT / "docs" / "operations.md").read_text().splitlines()
        if line[:1] == "#"
    }
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in ("critical", "warning")
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (page, anchor) == (RUNBOOKS, name.lower())
    assert {alert.anchor for alert in ALERTS.values()} <= headings


def test_evaluator_and_prometheus_judge_an_alert_by_one_threshold_and_duration() -> None:
    judged, rules = {rule.name: rule for rule in EVALUATED}, _alerts()
    assert judged.keys() == MEASURES.keys()
    both = judged.keys() & rules.keys()
    assert len(both) > 15
    for name in both:
        minutes = int(rules[name]["for"].removesuffix("m"))
        assert judged[name].for_seconds == 60 * minutes, name
        assert judged[name].severity == rules[name]["labels"]["severity"], name
        if ALERTS[name].threshold is not None:
            asked = re.search(r" [<>] ([\d.]+)$", rules[name]["expr"].strip().splitlines()[0])
            assert asked, name
            assert float(asked[1]) == judged[name].threshold, name


def test_every_alert_has_an_evaluator_and_compares_with_its_threshold() -> None:
    for alert in ALERTS.values():
        assert alert.promql or alert.evaluated or alert.cloudwatch, alert.name
        if alert.promql:
            comparison = f" {'<' if alert.below else '>'} $threshold"
            assert (comparison in alert.promql) is (alert.threshold is not None), alert.name


def test_all_notifications_link_to_the_same_page_by_default() -> None:
    assert {RUNBOOKS, Deployment("1m").runbook_url, contracts.alerts.RUNBOOK} == {alert_notifications.RUNBOOKS}


def test_alerts_of_the_reference_architecture_are_prometheus_rules() -> None:
    alerts = _alerts()
    for name, (severity, threshold, lasting) in ASKED.items():
        rule = alerts[name]
        assert (rule["labels"]["severity"], rule["for"]) == (severity, lasting), name
        assert threshold in rule["expr"], name


def test_the_operations_guide_says_which_alerts_want_an_exporter_of_others() -> None:
    wanted: dict[str, list[str]] = {"pg": [], "kube": [], "aws": []}
    for name, rule in _alerts().items():
        for prefix, alerts in wanted.items():
            if any(selector.metric.startswith(f"{prefix}_") for selector in selectors(rule["expr"])):
                alerts.append(name)
    guide = (ROOT / "docs" / "operations.md").read_text()
    for exporter, prefix in (("postgres", "pg"), ("kube-state", "kube"), ("yet-another-cloudwatch", "aws")):
        (row,) = re.findall(rf"^\| {exporter}-.* \| (.+) \|$", guide, re.M)
        assert row.partition(";")[0].split(", ") == wanted[prefix]


@needs_promtool
def test_prometheus_can_read_all_rules() -> None:
    ran = subprocess.run(
        [str(PROMTOOL), "check", "rules", *map(str, sorted(RULES.glob("*.yaml")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    checked = subprocess.run(
        [str(PROMTOOL), "check", "config", "--syntax-only", str(RULES.parent / "prometheus.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


PRODUCTION = Release("almanac", "production")
STAGING = Release("almanac", "staging")
SECOND = Release("almanac-two", "production")


@needs_promtool
@pytest.mark.thorough
def test_every_alert_fires_for_the_release_that_it_is_about_and_for_no_other(tmp_path: Path) -> None:
    """Two releases and other applications in one Prometheus; in the second release all is just well."""
    low_memory = [("DatabaseMemoryLow", _free_memory(size, 0.19 * of, 0.21 * of)) for size, of in MEMORY]
    cases = [*CASES.items(), ("RoleDown", WITHOUT_PODS), *low_memory]
    tests = [
        firing(
            name,
            {**STRANGERS, **own(broken, PRODUCTION), **own(quiet, STAGING)},
            name,
            f"{LASTING.get(name, MINUTES) - 1}m",
            [PRODUCTION],
        )
        for name, (broken, quiet) in cases
    ]
    check(tmp_path, [PRODUCTION, STAGING], tests)


@needs_promtool
def test_releases_do_not_hide_each_other_and_other_applications_fire_nothing(tmp_path: Path) -> None:
    available = 'almanac_database_available{job="user-service"}'
    dead, alive = {available: f"0x{MINUTES}"}, {available: f"1x{MINUTES}"}
    # A name that another's begins with, in one namespace; the same name in two namespaces.
    all_three = {**own(dead, PRODUCTION), **own(alive, STAGING), **own(alive, SECOND)}
    without, with_pods = WITHOUT_PODS
    failing, well = _requests(100)
    tests = [
        firing("a service without database", all_three, "DatabaseUnreachable", "20m", [PRODUCTION]),
        firing(
            "a role without pods",
            {**STRANGERS, **own(without, SECOND), **own(with_pods, PRODUCTION), **own(with_pods, STAGING)},
            "RoleDown",
            "20m",
            [SECOND],
        ),
        firing(
            "an API beside a busy one that is well",
            {**own(failing, STAGING), **{name: "0+9900x25" for name in own(well, PRODUCTION) if '"200"' in name}},
            "ApiErrorRateHigh",
            "20m",
            [STAGING],
        ),
        firing("strangers alone", STRANGERS, ".+", "24m", []),
    ]
    check(tmp_path, [PRODUCTION, STAGING, SECOND], tests)


@needs_promtool
def test_a_component_that_cannot_scale_is_at_no_ceiling(tmp_path: Path) -> None:
    fixed, scaled_down = _pods(3, 3, most=(3, 10), least=3)
    at_most, _ = _pods(10, 9)
    tests = [
        firing("minimum is maximum", own(fixed, PRODUCTION), "ScaledToCeiling", "24m", []),
        firing("at its minimum", own(scaled_down, PRODUCTION), "ScaledToCeiling", "24m", []),
        firing("at its maximum", own(at_most, PRODUCTION), "ScaledToCeiling", "24m", [PRODUCTION]),
    ]
    check(tmp_path, [PRODUCTION], tests)


@needs_promtool
def test_one_failed_request_of_a_quiet_hour_does_not_page(tmp_path: Path) -> None:
    name = "http_server_request_duration_seconds_count"
    labels = 'job="user-service", component="user-api", http_route="/v1/users"'
    quiet = {
        f'{name}{{{labels}, http_response_status_code="200"}}': f"0x{MINUTES - 5} 5x5",
        f'{name}{{{labels}, http_response_status_code="500"}}': f"0x{MINUTES - 5} 1x5",
    }
    alerts = ("ApiErrorRateHigh", "ApiErrorRateElevated", "AvailabilityBudgetBurnsFast")
    check(tmp_path, [PRODUCTION], [firing(each, own(quiet, PRODUCTION), each, "24m", []) for each in alerts])


@needs_promtool
def test_an_api_that_answers_everything_with_500_is_not_available(tmp_path: Path) -> None:
    """However well its processes answer the scrape."""
    failing, _ = _requests(100)
    up = {'up{job="user-service", component="user-api"}': f"1x{MINUTES}"}
    series = own({**failing, **up}, PRODUCTION)
    alerts = ("ApiErrorRateHigh", "ApiErrorRateElevated", "AvailabilityBudgetBurnsFast")
    check(tmp_path, [PRODUCTION], [firing(each, series, each, "24m", [PRODUCTION]) for each in alerts])


def test_the_collector_keeps_by_attributes_that_spans_have() -> None:
    configuration = yaml.safe_load((ROOT / "deploy" / "observability" / "collector" / "config.yaml").read_text())
    policies = {each["name"]: each for each in configuration["processors"]["tail_sampling"]["policies"]}
    assert policies["errors"]["status_code"] == {"status_codes": ["ERROR"]}
    attribute = policies["late-events"]["boolean_attribute"]["key"]
    firing = (ROOT / "services/event-service/src/event_service/adapters/due_events.py").read_text()
    assert f'"{attribute}": event.is_late(now)' in firing
    used = {name for pipeline in configuration["service"]["pipelines"].values() for name in pipeline["processors"]}
    assert used == set(configuration["processors"])
