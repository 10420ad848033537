"""Every alert fires on what it is for, and not on what is well: `promtool test rules`, all in one run."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "observability" / "prometheus" / "rules"
PROMTOOL = shutil.which("promtool")
MINUTES = 70

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="`make system-packages` installs promtool")


def _gauge(series: str, firing: float, quiet: float) -> tuple[dict[str, str], dict[str, str]]:
    return {series: f"{firing}x{MINUTES}"}, {series: f"{quiet}x{MINUTES}"}


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


GIB = 1024**3
CONNECTIONS = {"pg_settings_max_connections": f"1000x{MINUTES}"}
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "DatabaseDown": _gauge("pg_up", 0, 1),
    "DatabaseCpuHigh": _gauge("aws_rds_cpuutilization_average", 81, 79),
    "DatabaseConnectionsHigh": (
        {"pg_stat_activity_count": f"801x{MINUTES}", **CONNECTIONS},
        {"pg_stat_activity_count": f"799x{MINUTES}", **CONNECTIONS},
    ),
    "DatabaseMemoryLow": _gauge("aws_rds_freeable_memory_average", 6 * GIB, 7 * GIB),
    "DatabaseLatencyHigh": _gauge("aws_rds_write_latency_average", 0.03, 0.01),
    "ReplicationLagHigh": _gauge('almanac_replication_lag_seconds{job="user-service"}', 1.5, 0.5),
    "IndexBloatHigh": _gauge("almanac_index_bloat", 0.6, 0.4),
    "CriticalQueueDepthCritical": _depth("critical", 1001, 1000),
    "QueueDepthCritical": _depth("low", 10_001, 10_000),
    "CriticalQueueBacklog": _depth("critical", 501, 500),
    "CriticalQueueNotEmpty": _depth("critical", 11, 10),
    "QueueBacklog": _depth("normal", 5_001, 5_000),
    "QueueMessagesOld": _gauge(
        'aws_sqs_approximate_age_of_oldest_message_maximum{queue_name="bday-analytics"}', 301, 300
    ),
    "EventsOverdue": _gauge('almanac_events_overdue{priority="HIGH"}', 1, 0),
    "WorkerStalled": _late("almanac_event_loop_lag_seconds", "1.0", 'component="delivery-worker-critical"'),
    "SchedulerStalled": _late("almanac_event_loop_lag_seconds", "1.0", 'component="event-scheduler"'),
    "RoleDown": _gauge('up{job="event-service", component="event-relay"}', 0, 1),
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
    "WebhookSuccessLow": _attempts("5xx", 6),
    "WebhookTimeoutsHigh": _attempts("timeout", 6),
    "WebhookSlow": _late("almanac_webhook_duration_seconds", "10.0"),
    "CircuitBreakerTripped": (
        {"almanac_circuit_trips_total": f"0x{MINUTES - 5} 1x5"},
        {"almanac_circuit_trips_total": f"3x{MINUTES}"},
    ),
    "QueueProcessingSlow": _late("almanac_queue_latency_seconds", "5.0", 'priority="NORMAL"'),
    "DeadLettersMany": (
        {"almanac_dead_letters_total": f"0+2x{MINUTES}"},
        {"almanac_dead_letters_total": f"0+1x{MINUTES}"},
    ),
    "FailureBudgetBurnsFast": _outcomes(150),
    "FailureBudgetBurnsSlowly": _outcomes(70),
    "LatenessBudgetBurnsFast": _late("almanac_delivery_lateness_seconds", "10.0", 'priority="HIGH"'),
    "LatenessBudgetBurnsSlowly": _late("almanac_delivery_lateness_seconds", "300.0", 'priority="LOW"'),
    "AvailabilityBudgetBurnsFast": _gauge('up{job="user-service", component="user-api"}', 0, 1),
    "AvailabilityBudgetBurnsSlowly": _gauge('up{job="delivery-service", component="delivery-api"}', 0, 1),
}


def _alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


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
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (path, anchor) == ("docs/operations.md", name.lower())
        assert name.lower() in headings


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


@needs_promtool
@pytest.mark.thorough
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    def case(name: str, series: dict[str, str], count: int) -> dict[str, Any]:
        samples = [{"labels": "{}", "value": 1}] if count else []
        expression = f'count(max by (alertname) (ALERTS{{alertname="{name}", alertstate="firing"}}))'
        return {
            "name": f"{name} {'fires' if count else 'does not fire'}",
            "interval": "1m",
            "input_series": [{"series": key, "values": values} for key, values in series.items()],
            "promql_expr_test": [{"expr": expression, "eval_time": f"{MINUTES - 1}m", "exp_samples": samples}],
        }

    tests = [
        case(name, series, count) for name, pair in CASES.items() for series, count in zip(pair, (1, 0), strict=True)
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(each) for each in RULES.glob("*.yaml")], "tests": tests}))
    ran = subprocess.run([str(PROMTOOL), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _exported() -> set[str]:
    """The names under which Prometheus reads what the services measure, from where the instruments are made."""
    suffix = {"counter": ("_total",), "gauge": ("",), "up_down_counter": ("",)}
    names = set()
    pattern = re.compile(r'create_(\w+)\(\s*(?:name=)?"(almanac_\w+)"(?:,[^()]*?unit="(\w+)")?', re.S)
    for file in (*(ROOT / "libs").glob("*/src/**/*.py"), *(ROOT / "services").glob("*/src/**/*.py")):
        for kind, name, unit in pattern.findall(file.read_text()):
            base = f"{name}_seconds" if unit == "s" else name
            ends = suffix.get(kind.removeprefix("observable_"), ("_bucket", "_count", "_sum"))
            names |= {base + end for end in ends}
    return names


def _queried() -> dict[str, set[str]]:
    """File → the metrics of ours that its queries name."""
    found: dict[str, set[str]] = {}
    folder = ROOT / "deploy" / "observability"
    for file in (*folder.rglob("*.yaml"), *folder.rglob("*.json")):
        found[file.name] = set(re.findall(r"\balmanac_[a-z_]+", file.read_text()))
    return found


def test_rules_and_dashboards_name_only_what_the_services_export() -> None:
    exported = _exported()
    assert len(exported) > 30
    queried = _queried()
    assert queried["alerts.yaml"]
    for file, names in queried.items():
        assert names <= exported, (file, names - exported)


def test_recorded_series_that_are_asked_for_are_recorded() -> None:
    groups = yaml.safe_load((RULES / "recording.yaml").read_text())["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    folder = ROOT / "deploy" / "observability"
    for file in (*folder.rglob("*.yaml"), *folder.rglob("*.json")):
        assert set(re.findall(r"\balmanac:[a-z_]+:\w+", file.read_text())) <= recorded, file.name


def test_the_collector_keeps_by_attributes_that_spans_have() -> None:
    configuration = yaml.safe_load((ROOT / "deploy" / "observability" / "collector" / "config.yaml").read_text())
    policies = {each["name"]: each for each in configuration["processors"]["tail_sampling"]["policies"]}
    assert policies["errors"]["status_code"] == {"status_codes": ["ERROR"]}
    attribute = policies["late-events"]["boolean_attribute"]["key"]
    firing = (ROOT / "services/event-service/src/event_service/adapters/due_events.py").read_text()
    assert f'"{attribute}": event.is_late(now)' in firing
    used = {name for pipeline in configuration["service"]["pipelines"].values() for name in pipeline["processors"]}
    assert used == set(configuration["processors"])
