"""Each component's command and environment, as rendered, start that role: through the service's own command line."""

from typing import Any

import pytest
import uvloop
from pydantic import TypeAdapter
from typer.testing import CliRunner

import analytics_service.main
import chassis.__main__
import chassis.service.process
import chassis.service.service
import console.main
import delivery_service.main
import event_service.main
import user_service.main
from chassis.core.settings import ProcessSettings, ServiceSettings
from chassis.service.service import Service, command_line

MODULES: dict[str, Service[Any]] = {
    "user_service": user_service.main.SERVICE,
    "event_service": event_service.main.SERVICE,
    "delivery_service": delivery_service.main.SERVICE,
    "analytics_service": analytics_service.main.SERVICE,
}
# What a store would hold under the keys that ExternalSecrets name.
STORE = {
    "DATABASE_URL": "postgresql://almanac:secret@postgres:5432/almanac",
    "API_KEYS": "[]",
    "SERVICES_API_KEY": "a-key-of-all-services",
    "SECRET_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


class Started:
    """What the command line would have run."""

    settings: ProcessSettings
    roles: list[str]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The processes' global parts stay out of the test's own process: logs, spans, metrics, the event loop."""
    seen = Started()

    def run(self: Service[Any], settings: ServiceSettings, names: list[str]) -> int:
        seen.settings, seen.roles = settings, names
        return 0

    class Nothing:
        def shutdown(self) -> None:
            pass

    monkeypatch.setattr(Service, "run", run)
    monkeypatch.setattr(uvloop, "run", lambda status: status)

    def serve(settings: ProcessSettings) -> int:
        seen.settings, seen.roles = settings, [console.main.ROLE]
        return 0

    monkeypatch.setattr(console.main, "serve", serve)
    for module in (chassis.service.process, chassis.service.service):
        monkeypatch.setattr(module, "start_logging", lambda *_, **__: None)
    monkeypatch.setattr(chassis.service.process, "start_tracing", lambda *_, **__: Nothing())
    monkeypatch.setattr(chassis.service.process, "start_metrics", lambda *_: None)
    return seen


def _container(manifest: dict[str, Any]) -> dict[str, Any]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    parsed: dict[str, Any] = container
    return parsed


def _environment(golden: list[dict[str, Any]], container: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The container's plain environment, and that of its Secret."""
    secret: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        (found,) = (
            each
            for each in golden
            if each["kind"] in ("Secret", "ExternalSecret") and each["metadata"]["name"] == source["secretRef"]["name"]
        )
        if found["kind"] == "Secret":
            secret |= found["stringData"]
        else:
            secret |= {each["secretKey"]: STORE[each["secretKey"]] for each in found["spec"]["data"]}
    for each in container["env"]:
        if reference := each.get("valueFrom", {}).get("secretKeyRef"):
            assert reference["optional"], "what is not there has a default"
            (found,) = (
                each for each in golden if each["metadata"]["name"] == reference["name"] and "Secret" in each["kind"]
            )
            entries = found.get("stringData") or {entry["secretKey"]: "" for entry in found["spec"]["data"]}
            if (key := reference["key"]) in entries:
                secret[key] = entries[key] or STORE[key]
    given = [each for each in container["env"] if "secretKeyRef" not in each.get("valueFrom", {})]
    return {each["name"]: each.get("value", "pod") for each in given}, secret


def _ours(golden: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    of_kind = [each for each in golden if each["kind"] == kind]
    return [each for each in of_kind if "python" in _container(each).get("command", ())]


def test_every_deployment_starts_the_role_that_it_is_named_after(
    golden: list[dict[str, Any]], started: Started, monkeypatch: pytest.MonkeyPatch, components: dict[str, Any]
) -> None:
    for name in (*STORE, "AWS_ENDPOINT_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    deployments = _ours(golden, "Deployment")
    assert len(deployments) == len(components)
    for manifest in deployments:
        container = _container(manifest)
        python, dash_m, module = container["command"]
        assert (python, dash_m) == ("python", "-m")
        environment, secret = _environment(golden, container)
        commands = console.main.commands if module == "console" else command_line(MODULES[module])
        result = CliRunner().invoke(commands, container["args"], env={**secret, **environment})
        assert result.exit_code == 0, (manifest["metadata"]["name"], result.output)
        component = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
        assert started.roles == components[component]["roles"]
        owner = components[component].get("shares", components[component]["service"])
        assert component == f"{owner}-{started.roles[0]}"
        # A container's environment reaches its process: each is a setting, and it was read.
        for setting, value in environment.items():
            if setting not in ("POD_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
                read = getattr(started.settings, setting.lower())
                assert TypeAdapter(type(read)).validate_python(value) == read, setting
        assert (
            started.settings.shutdown_grace_seconds
            < manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        )


def test_a_job_is_a_command_of_its_module(golden: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = _ours(golden, "Job")
    assert len(jobs) >= len(MODULES)
    for manifest in jobs:
        container = _container(manifest)
        module = container["command"][2]
        app = chassis.__main__.app if module == "chassis" else command_line(MODULES[module])
        result = CliRunner().invoke(app, [*container["args"], "--help"])
        if module in MODULES:  # it reads all of the service's settings, so its Secret must have what they need
            environment, secret = _environment(golden, container)
            for name in STORE:
                monkeypatch.delenv(name, raising=False)
            for name, value in {**environment, **secret}.items():
                monkeypatch.setenv(name, value)
            assert MODULES[module].settings().database_url.get_secret_value() == secret["DATABASE_URL"]
        assert result.exit_code == 0, (manifest["metadata"]["name"], result.output)


def test_a_role_that_is_not_there_would_not_pass(started: Started) -> None:
    result = CliRunner().invoke(command_line(MODULES["user_service"]), ["run", "scheduler"], env=STORE)
    assert result.exit_code == 2
    assert not hasattr(started, "roles")
