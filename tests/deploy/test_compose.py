"""docker-compose.yml, as far as it can be tried without a Docker engine: its schema, its files, its roles."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

import console.settings
from chassis.core.settings import ServiceSettings
from chassis.service.service import Service

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).parent / "schemas" / "compose-spec.json"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    declared: dict[str, dict[str, Any]] = compose["services"]
    return declared


def _image(component: dict[str, Any]) -> str:
    """The image of a component, as the chart names it too."""
    service: str = component["service"]
    return service if service == "console" else f"{service}-service"


def _settings(services: dict[str, dict[str, Any]], name: str, chosen: dict[str, str]) -> dict[str, str]:
    """A service's environment as compose fills it in: ``${NAME:-default}`` and ``${NAME:+instead}``."""

    def fill(match: re.Match[str]) -> str:
        variable, operator, text = match.groups()
        value = chosen.get(variable, "")
        return (text if value else "") if operator == ":+" else value or text

    environment = services[name]["environment"]
    return {key: re.sub(r"\$\{(\w+)(:[-+])([^}]*)\}", fill, str(value)) for key, value in environment.items()}


def test_it_is_what_the_compose_specification_allows(compose: dict[str, Any]) -> None:
    validator = Draft7Validator(json.loads(SCHEMA.read_text()))
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)] == []
    spoiled = {**compose, "services": {"postgres": {"image": "postgres", "prots": ["1:1"]}}}
    assert not validator.is_valid(spoiled)


def test_every_component_of_the_chart_runs_here_too(
    services: dict[str, dict[str, Any]], components: dict[str, dict[str, Any]]
) -> None:
    for name, component in components.items():
        image = _image(component)
        command = ["python", "-m", image.replace("-", "_"), "run", *component["roles"]]
        assert services[name]["command"] == command
        assert services[name]["read_only"] is True
        assert services[name]["build"]["args"] == {"SERVICE": image}
        if "database" not in component["egress"]:
            assert "depends_on" not in services[name]
            continue
        waits = services[name]["depends_on"]
        assert waits[f"{component['service']}-migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("stack", ["light", "full"])
def test_environment_of_a_service_has_only_accepted_settings(
    stack: str,
    services: dict[str, dict[str, Any]],
    components: dict[str, dict[str, Any]],
    declared: dict[str, Service[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = (ROOT / "deploy" / "compose" / "full.env").read_text().splitlines()
    full = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name, component in components.items():
        of_service = component["service"] in declared
        with monkeypatch.context() as patch:
            for key, value in _settings(services, name, full if stack == "full" else {}).items():
                patch.setenv(key, value)
            read = declared[component["service"]].settings() if of_service else console.settings.Settings()
        assert bool(read.otel_exporter_otlp_endpoint) is (stack == "full")
        if not isinstance(read, ServiceSettings):
            continue
        assert read.database_pooler is (stack == "full")
        assert ("pgbouncer" in read.database_url.get_secret_value()) is (stack == "full")
        assert (read.database_replica_url is not None) is (stack == "full")
        assert (read.cache_url is not None) is (stack == "full")


def test_what_is_mounted_is_there_and_every_image_has_a_version(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), (name, source)
        assert re.search(r":(v?\d[\w.-]*|local)$", service["image"]), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), (name, port)


def test_the_light_stack_waits_for_nothing_of_the_full_one(services: dict[str, dict[str, Any]]) -> None:
    light = {name for name, service in services.items() if "profiles" not in service}
    for name in light:
        assert set(services[name].get("depends_on", ())) <= light, name
    assert set(services) - light == {
        "postgres-replica",
        "pgbouncer",
        "valkey",
        "collector",
        "jaeger",
        "prometheus",
        "alertmanager",
        "grafana",
        "postgres-exporter",
        "cli",
    }


def test_prometheus_reads_every_role(components: dict[str, dict[str, Any]]) -> None:
    scrape = yaml.safe_load((ROOT / "deploy/observability/prometheus/prometheus.yaml").read_text())["scrape_configs"]
    read = {
        static["labels"]["component"]: (job["job_name"], *static["targets"])
        for job in scrape
        for static in job["static_configs"]
        if "labels" in static
    }
    assert read == {name: (_image(each), f"{name}:8000") for name, each in components.items()}


def test_pgbouncer_pools_as_the_chart_does() -> None:
    settings = (ROOT / "deploy" / "compose" / "pgbouncer" / "pgbouncer.ini").read_text()
    values = yaml.safe_load((ROOT / "deploy" / "k8s" / "almanac" / "values.yaml").read_text())["pgbouncer"]
    assert "pool_mode = transaction" in settings
    for name, key in (
        ("default_pool_size", "poolSize"),
        ("max_client_conn", "maxClients"),
        ("server_lifetime", "serverLifetimeSeconds"),
        ("server_idle_timeout", "serverIdleSeconds"),
        ("query_wait_timeout", "queryWaitSeconds"),
    ):
        assert f"{name} = {values[key]}\n" in settings
